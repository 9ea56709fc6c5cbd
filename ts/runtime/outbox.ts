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
  /** Where the record that was begun lies, in words, and its payload if that is memory of its
   * own. */
  #at = 0
  #outside: Uint8Array | undefined

  constructor(state: Uint32Array) {
    this.#state = state
  }

  attach(hot: ReturnType<NativeEngine['hot']>): void {
    this.#hot = hot
  }

  /**
   * Begins a record with this payload: of a message, or of an order about items. Its fields are 0
   * until they are set; then {@link Outbox.append} ends it. Nothing else may be called in between.
   */
  begin(kind: number, payload: Uint8Array, trace: Uint8Array | undefined): void {
    const { length } = payload
    const outside = length >= LARGE
    let bytes = RECORD_BYTES
    if (!outside) bytes += length
    if (trace !== undefined) bytes += TRACE_BYTES
    bytes = (bytes + 7) & ~7
    let used = this.#state[STATE_USED]
    if (used + bytes > OUTBOX_BYTES) {
      this.submit()
      used = 0
    }
    let flags = 0
    let start = used + RECORD_BYTES
    if (trace !== undefined) {
      flags |= FLAG_TRACED
      this.#bytes.set(trace, start)
      start += TRACE_BYTES
    }
    if (outside) {
      flags |= FLAG_OUTSIDE
      this.#outside = payload
    } else {
      this.#bytes.set(payload, start)
    }
    const at = used >>> 2
    const words = this.#words
    words[at + OUT_LEN] = bytes
    words[at + OUT_HEAD] = kind | (flags << 24)
    words[at + OUT_CODE] = 0
    words[at + OUT_ID] = 0
    words[at + OUT_ID + 1] = 0
    words[at + OUT_PAYLOAD_LEN] = length
    words[at + OUT_WINDOW] = 0
    this.#floats[(at + OUT_TIMEOUT) >>> 1] = 0
    this.#at = at
  }

  set link(link: number) {
    this.#words[this.#at + OUT_LINK] = link
  }

  set lane(lane: number) {
    this.#bytes[((this.#at + OUT_HEAD) << 2) + 1] = lane
  }

  /** The codec's number, and what asks for compression. */
  set format(format: number) {
    this.#bytes[((this.#at + OUT_HEAD) << 2) + 2] = format
  }

  set code(code: number) {
    this.#words[this.#at + OUT_CODE] = code
  }

  /** Of an order: the kind of the items. */
  set item(kind: number) {
    this.#words[this.#at + OUT_ITEM] = kind
  }

  set slot(slot: number) {
    this.#words[this.#at + OUT_ID] = slot
  }

  set generation(generation: number) {
    this.#words[this.#at + OUT_ID + 1] = generation
  }

  /** Makes a request a stream. */
  set window(bytes: number) {
    this.#words[this.#at + OUT_WINDOW] = bytes
  }

  /** Of a request: milliseconds, 0 for no end. */
  set timeoutMs(ms: number) {
    this.#floats[(this.#at + OUT_TIMEOUT) >>> 1] = ms
  }

  /** Of an order: bytes of credit. */
  set count(bytes: number) {
    this.#floats[(this.#at + OUT_COUNT) >>> 1] = bytes
  }

  /** Ends the record that was begun. It is sent at the end of this turn at the latest. */
  append(): void {
    this.#state[STATE_USED] += this.#words[this.#at + OUT_LEN]
    const outside = this.#outside
    if (outside === undefined) return this.#schedule()
    this.#outside = undefined
    this.#hot.submitOutside(unshared(outside))
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
