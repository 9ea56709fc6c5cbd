// The messages to send: records appended to memory that the binding reads. One native call sends
// them all; none is needed while the binding has entered JavaScript, because it reads the outbox
// afterwards.

import type { NativeEngine } from '../../native/binding.js'
import { isSharedArrayBuffer } from '../values/kinds.js'
import { native } from '../native.js'

const {
  FLAG_OUTSIDE,
  FLAG_REPLAYED,
  FLAG_STREAM,
  FLAG_TIMED,
  FLAG_TRACED,
  LARGE,
  OUT_CODE,
  OUT_HEAD,
  OUT_ID,
  OUT_LINK,
  OUT_PAYLOAD_LEN,
  OUT_WORDS,
  REPLAYED_BYTES,
  STATE_DROPPED,
  STATE_INSIDE,
  STATE_REFUSED,
  STATE_USED,
  TIME_BYTES,
  TRACE_BYTES,
  WINDOW_BYTES,
} = native

const SETTLED = Promise.resolve()
const OUTBOX_BYTES = 256 << 10
const RECORD_BYTES = OUT_WORDS * 4
/** Of an order. */
const COUNT_BYTES = 8
/** Looked up once: where it lies, the compiler does not look through to it, and each time would
 * take a call. */
const { set } = Uint8Array.prototype

/**
 * A record is written by setting its fields, which are plain properties because each setter would
 * be a call, and then appending it. Nothing else may be called in between. Fields that are not set
 * are 0, or -1 where that is none.
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
  /** Of a request that is sent again: how many items it has got; -1 of any other message. */
  replayed = -1
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

  /**
   * Appends a message. It is sent at the end of this turn at the latest. The payload's length is
   * passed on, because to ask for it costs as much as to look up any property.
   */
  append(payload: Uint8Array, length: number, trace: Uint8Array | undefined): void {
    if (length >= LARGE || trace !== undefined || this.window !== 0 || this.replayed !== -1) {
      return this.#appendAny(payload, length, trace)
    }
    const { timeoutMs } = this
    const timed = timeoutMs === 0 ? 0 : TIME_BYTES
    const bytes = (RECORD_BYTES + timed + length + 7) & ~7
    const used = this.#reserve(bytes)
    if (timed > 0) this.#floats[(used + RECORD_BYTES) >>> 3] = timeoutMs
    set.call(this.#bytes, payload, used + RECORD_BYTES + timed)
    this.#write(used, timed > 0 ? FLAG_TIMED : 0, length)
    this.code = this.slot = this.generation = this.timeoutMs = 0
    this.#state[STATE_USED] = used + bytes
    this.#schedule()
  }

  /** The same with any options, and payloads of any length. */
  #appendAny(payload: Uint8Array, length: number, trace: Uint8Array | undefined): void {
    const { replayed, timeoutMs, window } = this
    const outside = length >= LARGE
    const timed = timeoutMs === 0 ? 0 : TIME_BYTES
    const streamed = window === 0 ? 0 : WINDOW_BYTES
    const again = replayed === -1 ? 0 : REPLAYED_BYTES
    const traced = trace === undefined ? 0 : TRACE_BYTES
    const options = timed + streamed + again + traced
    const bytes = (RECORD_BYTES + options + (outside ? 0 : length) + 7) & ~7
    const used = this.#reserve(bytes)
    let start = used + RECORD_BYTES
    if (timed > 0) this.#floats[start >>> 3] = timeoutMs
    start += timed
    if (streamed > 0) this.#words[start >>> 2] = window
    start += streamed
    if (again > 0) this.#floats[start >>> 3] = replayed
    start += again
    if (trace !== undefined) set.call(this.#bytes, trace, start)
    if (!outside) set.call(this.#bytes, payload, start + traced)
    const flags =
      (timed > 0 ? FLAG_TIMED : 0) |
      (streamed > 0 ? FLAG_STREAM : 0) |
      (again > 0 ? FLAG_REPLAYED : 0) |
      (traced > 0 ? FLAG_TRACED : 0) |
      (outside ? FLAG_OUTSIDE : 0)
    this.#write(used, flags, length)
    this.code = this.slot = this.generation = this.window = this.timeoutMs = 0
    this.replayed = -1
    this.#state[STATE_USED] = used + bytes
    if (outside) this.#hot.submitOutside(unshared(payload))
    else this.#schedule()
  }

  /** Appends an order, which goes the same way. */
  appendOrder(): void {
    const used = this.#reserve(RECORD_BYTES + COUNT_BYTES)
    // In the place of a code.
    this.code = this.item
    this.#write(used, 0, COUNT_BYTES)
    this.#floats[(used + RECORD_BYTES) >>> 3] = this.count
    this.code = this.slot = this.generation = this.item = this.count = 0
    this.#state[STATE_USED] = used + RECORD_BYTES + COUNT_BYTES
    this.#schedule()
  }

  /** Writes what all records have. */
  #write(used: number, flags: number, length: number): void {
    const words = this.#words
    const at = used >>> 2
    words[at + OUT_LINK] = this.link
    words[at + OUT_HEAD] = this.kind | (this.lane << 8) | (this.format << 16) | (flags << 24)
    words[at + OUT_CODE] = this.code
    words[at + OUT_PAYLOAD_LEN] = length
    words[at + OUT_ID] = this.slot
    words[at + OUT_ID + 1] = this.generation
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
