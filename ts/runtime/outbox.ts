// The messages to send: records appended to memory that the binding reads. One native call sends
// them all; none is needed while the binding has entered JavaScript, because it reads the outbox
// afterwards.

import type { NativeEngine } from '../../native/binding.js'
import { isSharedArrayBuffer } from '../values/kinds.js'
import { native } from '../native.js'

const {
  FLAG_OUTSIDE,
  FLAG_TRACED,
  LARGE,
  OUT_CODE,
  OUT_COUNT,
  OUT_HEAD,
  OUT_ID,
  OUT_ITEM,
  OUT_LEN,
  OUT_LINK,
  OUT_PAYLOAD_LEN,
  OUT_TIMEOUT,
  OUT_WINDOW,
  OUT_WORDS,
  STATE_DROPPED,
  STATE_INSIDE,
  STATE_REFUSED,
  STATE_USED,
  TRACE_BYTES,
} = native

const SETTLED = Promise.resolve()
const OUTBOX_BYTES = 256 << 10
const RECORD_BYTES = OUT_WORDS * 4

/**
 * A record is written by setting its fields, which are plain properties because each setter would
 * be a call, and then appending it. Nothing else may be called in between. Fields that are not set
 * are 0.
 */
export class Outbox {
  readonly memory = new ArrayBuffer(OUTBOX_BYTES)
  readonly #words = new Uint32Array(this.memory)
  readonly #floats = new Float64Array(this.memory)
  readonly #bytes = new Uint8Array(this.memory)
  readonly #state: Uint32Array
  /** The process is exiting, and no further turn will end. */
  isLast = false
  #hot!: ReturnType<NativeEngine['hot']>
  #scheduled = false

  /** Of a message, or of an order about items. */
  kind = 0
  link = 0
  lane = 0
  /** The codec's number, and what asks for compression. */
  format = 0
  code = 0
  slot = 0
  generation = 0
  /** Makes a request a stream: its window in bytes. */
  window = 0
  /** Of a request: milliseconds, 0 for no end. */
  timeoutMs = 0
  /** Of an order: the kind of the items. */
  item = 0
  /** Of an order: bytes of credit. */
  count = 0

  constructor(state: Uint32Array) {
    this.#state = state
  }

  attach(hot: ReturnType<NativeEngine['hot']>): void {
    this.#hot = hot
  }

  /** Appends a message. It is sent at the end of this turn at the latest. */
  append(payload: Uint8Array, trace: Uint8Array | undefined): void {
    const { length } = payload
    const outside = length >= LARGE
    let bytes = RECORD_BYTES
    if (!outside) bytes += length
    if (trace !== undefined) bytes += TRACE_BYTES
    bytes = (bytes + 7) & ~7
    const used = this.#reserve(bytes)
    let flags = 0
    let start = used + RECORD_BYTES
    if (trace !== undefined) {
      flags |= FLAG_TRACED
      this.#bytes.set(trace, start)
      start += TRACE_BYTES
    }
    if (outside) flags |= FLAG_OUTSIDE
    else this.#bytes.set(payload, start)
    const words = this.#words
    const at = used >>> 2
    words[at + OUT_LEN] = bytes
    words[at + OUT_LINK] = this.link
    words[at + OUT_HEAD] = this.kind | (this.lane << 8) | (this.format << 16) | (flags << 24)
    words[at + OUT_CODE] = this.code
    words[at + OUT_ID] = this.slot
    words[at + OUT_ID + 1] = this.generation
    words[at + OUT_PAYLOAD_LEN] = length
    words[at + OUT_WINDOW] = this.window
    this.#floats[(at + OUT_TIMEOUT) >>> 1] = this.timeoutMs
    this.code = this.slot = this.generation = this.window = this.timeoutMs = 0
    this.#state[STATE_USED] = used + bytes
    if (outside) this.#hot.submitOutside(unshared(payload))
    else this.#schedule()
  }

  /** Appends an order, which goes the same way. */
  appendOrder(): void {
    const used = this.#reserve(RECORD_BYTES)
    const words = this.#words
    const at = used >>> 2
    words[at + OUT_LEN] = RECORD_BYTES
    words[at + OUT_LINK] = this.link
    words[at + OUT_HEAD] = this.kind | (this.lane << 8)
    words[at + OUT_ITEM] = this.item
    words[at + OUT_ID] = this.slot
    words[at + OUT_ID + 1] = this.generation
    words[at + OUT_PAYLOAD_LEN] = 0
    words[at + OUT_WINDOW] = 0
    this.#floats[(at + OUT_COUNT) >>> 1] = this.count
    this.slot = this.generation = this.item = this.count = 0
    this.#state[STATE_USED] = used + RECORD_BYTES
    this.#schedule()
  }

  /** Where a record of so many bytes begins. */
  #reserve(bytes: number): number {
    const used = this.#state[STATE_USED]
    if (used + bytes <= OUTBOX_BYTES) return used
    this.submit()
    return 0
  }

  /** Bytes in use. */
  get used(): number {
    return this.#state[STATE_USED]
  }

  /** How many messages were ever refused because their lane was full. */
  get refused(): number {
    return this.#state[STATE_REFUSED]
  }

  /** How many were ever dropped as they were sent, because their lane was full. */
  get dropped(): number {
    return this.#state[STATE_DROPPED]
  }

  /** Sends everything now. */
  submit(): void {
    if (this.#state[STATE_USED] > 0) this.#hot.submit()
  }

  #schedule(): void {
    if (this.isLast) return this.#hot.flushAtExit()
    if (this.#scheduled || this.#state[STATE_INSIDE] === 1) return
    this.#scheduled = true
    // Not by queueMicrotask(), which takes longer, and which test frameworks replace.
    void SETTLED.then(this.#flush)
  }

  readonly #flush = (): void => {
    this.#scheduled = false
    this.submit()
  }
}

/** Memory that another thread may write to is copied before anything is computed from it. */
function unshared(payload: Uint8Array): Uint8Array {
  return isSharedArrayBuffer(payload.buffer) ? new Uint8Array(payload) : payload
}
