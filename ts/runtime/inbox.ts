// What has arrived on one link: records in an arena that the binding fills.

import { IpcError } from '../values/errors.js'
import { native, type Extras } from '../native.js'
import { PayloadPool } from './pool.js'
import { untransferable } from './thread.js'

const {
  FLAG_OUTSIDE,
  FLAG_REPLAYED,
  FLAG_STREAM,
  FLAG_TIMED,
  FLAG_TRACED,
  IN_ABOUT,
  IN_CODE,
  IN_HEAD,
  IN_ID,
  IN_LEN,
  IN_PAYLOAD_LEN,
  IN_WORDS,
  REPLAYED_BYTES,
  RUN_EXPOSED,
  RUN_KEPT,
  TIME_BYTES,
  TRACE_BYTES,
  WINDOW_BYTES,
} = native

/** No two records with a payload begin in the same so many words. */
const PLACE_SHIFT = 3

/** Places are counted in words from the arena's start. */
export class Inbox {
  readonly link: number
  /** What the binding has to know about the run that was read. */
  flags = 0
  readonly #memory: ArrayBuffer
  readonly #words: Uint32Array
  readonly #floats: Float64Array
  /** Views that were lent, by place. */
  readonly #views: (Uint8Array | undefined)[]
  /** Where they begin: to ask a view costs as much as to make one. */
  readonly #starts: Uint32Array
  readonly #pool: PayloadPool

  /** `earlier` is another arena that was read before, maybe of the same link. */
  constructor(link: number, memory: ArrayBuffer, earlier?: Inbox) {
    this.link = link
    this.#memory = memory
    this.#words = new Uint32Array(memory)
    this.#floats = new Float64Array(memory)
    this.#views = new Array(this.#words.length >>> PLACE_SHIFT)
    this.#starts = new Uint32Array(this.#views.length)
    this.#pool = earlier?.link === link ? earlier.#pool : new PayloadPool()
  }

  /** A run is about to be read. */
  begin(): void {
    this.flags &= RUN_EXPOSED
  }

  /** Whether a handler that had borrowed from the arena has transferred it. */
  get isGone(): boolean {
    return this.#words.length === 0
  }

  /** The place of the record behind this one; not behind it, if there is none. */
  next(at: number): number {
    return at + (this.#words[at + IN_LEN] >>> 2)
  }

  kind(at: number): number {
    return this.#words[at + IN_HEAD] & 0xff
  }

  lane(at: number): number {
    return (this.#words[at + IN_HEAD] >>> 8) & 0xff
  }

  codec(at: number): number {
    return (this.#words[at + IN_HEAD] >>> 16) & 0xff
  }

  code(at: number): number {
    return this.#words[at + IN_CODE]
  }

  slot(at: number): number {
    return this.#words[at + IN_ID]
  }

  generation(at: number): number {
    return this.#words[at + IN_ID + 1]
  }

  /** The deadline of a request, in milliseconds of the monotonic clock; 0 for never. */
  deadline(at: number): number {
    return this.#floats[(at + IN_WORDS) >>> 1]
  }

  /** The window of a request that is a stream; 0 of any other. */
  window(at: number): number {
    return (this.#flags(at) & FLAG_STREAM) === 0 ? 0 : this.#words[this.#windowStart(at) >>> 2]
  }

  /** How many items a request that is sent again has got before; -1 of one that is not. */
  replayed(at: number): number {
    if ((this.#flags(at) & FLAG_REPLAYED) === 0) return -1
    return this.#floats[this.#replayedStart(at) >>> 3]
  }

  /** What an event is about: see the event. */
  about(at: number): number {
    return this.#words[at + IN_ABOUT]
  }

  /** What an event counts: see the event. */
  count(at: number): number {
    return this.#floats[(at + IN_WORDS) >>> 1]
  }

  /** The payload for a caller that keeps it. */
  kept(at: number, extras: Extras): Uint8Array {
    if ((this.#flags(at) & FLAG_OUTSIDE) === 0) return this.#pool.copy(this.borrowed(at, extras))
    this.flags |= RUN_KEPT
    return this.#outside(at, extras)
  }

  /** The payload for user code, which uses it only until the next message is read. */
  exposed(at: number, extras: Extras): Uint8Array {
    if ((this.flags & RUN_EXPOSED) === 0) {
      this.flags |= RUN_EXPOSED
      untransferable(this.#memory)
    }
    return this.borrowed(at, extras)
  }

  /** The same for our own code. Making a view costs as much as everything else, so the one of an
   * earlier message in the same place is reused. */
  borrowed(at: number, extras: Extras): Uint8Array {
    const flags = this.#flags(at)
    if ((flags & ~FLAG_TIMED) !== 0) return this.#special(at, extras)
    const length = this.#words[at + IN_PAYLOAD_LEN]
    const start = ((at + IN_WORDS) << 2) + (flags === 0 ? 0 : TIME_BYTES)
    const place = at >>> PLACE_SHIFT
    const last = this.#views[place]
    // Payloads of another round may begin elsewhere in the same place.
    if (last !== undefined && last.length === length && this.#starts[place] === start) return last
    const view = new Uint8Array(this.#memory, start, length)
    this.#views[place] = view
    this.#starts[place] = start
    return view
  }

  /** Bytes of a record, and of its payload where that is elsewhere. */
  size(at: number): number {
    const size = this.#words[at + IN_LEN]
    if ((this.#flags(at) & FLAG_OUTSIDE) === 0) return size
    return size + this.#words[(this.#start(at) >>> 2) + 1]
  }

  /** A record of its own, to be looked at later: its place in that is 0, and its extras are
   * these. */
  copy(at: number, extras: Extras): { inbox: Inbox; extras: Extras } {
    const outside = (this.#flags(at) & FLAG_OUTSIDE) !== 0
    const inbox = new Inbox(this.link, this.#memory.slice(at << 2, this.next(at) << 2), this)
    if (!outside) return { inbox, extras: null }
    this.flags |= RUN_KEPT
    const place = inbox.#start(0) >>> 2
    const extra = extras![inbox.#words[place]]
    inbox.#words[place] = 0
    return { inbox, extras: [extra] }
  }

  #flags(at: number): number {
    return this.#words[at + IN_HEAD] >>> 24
  }

  #special(at: number, extras: Extras): Uint8Array {
    if ((this.#flags(at) & FLAG_OUTSIDE) !== 0) return this.#outside(at, extras)
    return new Uint8Array(this.#memory, this.#start(at), this.#words[at + IN_PAYLOAD_LEN])
  }

  #outside(at: number, extras: Extras): Uint8Array {
    const [number, length] = this.#words.subarray(this.#start(at) >>> 2)
    const extra = extras![number] as Uint8Array | null
    if (extra !== null) return new Uint8Array(extra.buffer, extra.byteOffset, length)
    const message = 'borrowed memory was transferred while a payload was being written to it'
    throw new IpcError('ERR_INVALID_PAYLOAD', message)
  }

  /** Where the payload begins, in bytes. */
  #start(at: number): number {
    const start = this.#traceStart(at)
    return (this.#flags(at) & FLAG_TRACED) === 0 ? start : start + TRACE_BYTES
  }

  /** Where the trace context begins, if there is one. */
  #traceStart(at: number): number {
    const start = this.#replayedStart(at)
    return (this.#flags(at) & FLAG_REPLAYED) === 0 ? start : start + REPLAYED_BYTES
  }

  /** Where the number of items begins, if there is one. */
  #replayedStart(at: number): number {
    const start = this.#windowStart(at)
    return (this.#flags(at) & FLAG_STREAM) === 0 ? start : start + WINDOW_BYTES
  }

  /** Where the window begins, if there is one. */
  #windowStart(at: number): number {
    const start = (at + IN_WORDS) << 2
    return (this.#flags(at) & FLAG_TIMED) === 0 ? start : start + TIME_BYTES
  }

  /** The trace context, copied, if there is one. */
  trace(at: number): Uint8Array | undefined {
    if ((this.#flags(at) & FLAG_TRACED) === 0) return undefined
    return new Uint8Array(this.#memory, this.#traceStart(at), TRACE_BYTES).slice()
  }

  /** The payload as text. */
  text(at: number): string {
    const length = this.#words[at + IN_PAYLOAD_LEN]
    return Buffer.from(this.#memory, (at + IN_WORDS) << 2, length).toString('utf8')
  }
}
