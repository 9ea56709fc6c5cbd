// What is to be sent: records appended to memory the binding reads. One native call sends them all,
// and none is needed where the binding has entered JavaScript and will look by itself.

import type { NativeEngine } from '../../native/binding.js'
import { isSharedArrayBuffer } from '../values/kinds.js'
import { native } from '../native.js'

const {
  FLAG_OUTSIDE,
  FLAG_TRACED,
  LARGE,
  OUT_CODE,
  OUT_HEAD,
  OUT_ID,
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

/** Kinds of messages, as in a header. */
export const REQUEST = 1
export const REPLY = 2
export const ERROR = 3
export const ONE_WAY = 4
export const REQUEST_ITEM = 6
export const REPLY_ITEM = 7

export class Outbox {
  readonly memory = new ArrayBuffer(OUTBOX_BYTES)
  readonly #words = new Uint32Array(this.memory)
  readonly #floats = new Float64Array(this.memory)
  readonly #bytes = new Uint8Array(this.memory)
  readonly #state: Uint32Array
  /** The process ends, and no turn will come to its end any more. */
  isLast = false
  #hot!: ReturnType<NativeEngine['hot']>
  #scheduled = false

  constructor(state: Uint32Array) {
    this.#state = state
  }

  attach(hot: ReturnType<NativeEngine['hot']>): void {
    this.#hot = hot
  }

  /** Appends a message. It is sent at the end of this turn at the latest. */
  append(
    link: number,
    kind: number,
    lane: number,
    codec: number,
    code: number,
    slot: number,
    generation: number,
    timeoutMs: number,
    payload: Uint8Array,
    trace: Uint8Array | undefined,
    window = 0,
  ): void {
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
    const words = this.#words
    const at = used >>> 2
    let flags = 0
    let start = used + RECORD_BYTES
    if (trace !== undefined) {
      flags |= FLAG_TRACED
      this.#bytes.set(trace, start)
      start += TRACE_BYTES
    }
    if (outside) flags |= FLAG_OUTSIDE
    else this.#bytes.set(payload, start)
    words[at + OUT_LEN] = bytes
    words[at + OUT_LINK] = link
    words[at + OUT_HEAD] = kind | (lane << 8) | (codec << 16) | (flags << 24)
    words[at + OUT_CODE] = code
    words[at + OUT_ID] = slot
    words[at + OUT_ID + 1] = generation
    words[at + OUT_PAYLOAD_LEN] = length
    words[at + OUT_WINDOW] = window
    this.#floats[(at + OUT_TIMEOUT) >>> 1] = timeoutMs
    this.#state[STATE_USED] = used + bytes
    if (outside) this.#hot.submitOutside(unshared(payload))
    else this.#schedule()
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

/** What another thread may write to is copied before anything is computed of it. */
function unshared(payload: Uint8Array): Uint8Array {
  return isSharedArrayBuffer(payload.buffer) ? new Uint8Array(payload) : payload
}
