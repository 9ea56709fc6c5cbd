// What has come on one link: records in an arena the binding fills.

import { native, type Extras } from './native.js'

const {
  FLAG_OUTSIDE,
  FLAG_TRACED,
  IN_CODE,
  IN_DEADLINE,
  IN_HEAD,
  IN_ID,
  IN_LEN,
  IN_PAYLOAD_LEN,
  IN_WORDS,
  TRACE_BYTES,
} = native

/** No two records begin in the same so many words. */
const PLACE_SHIFT = 3

/** Places are counted in words from the arena's start. */
export class Inbox {
  /** Views of the arena have been handed out for good, so that it cannot be used again. */
  isKept = false
  readonly #memory: ArrayBuffer
  readonly #words: Uint32Array
  readonly #floats: Float64Array
  /** Views that were lent, by place. */
  readonly #views: (Uint8Array | undefined)[]
  /** The records they were lent for: to ask a view where it begins costs as much as to make one. */
  readonly #lent: Uint32Array

  constructor(memory: ArrayBuffer) {
    this.#memory = memory
    this.#words = new Uint32Array(memory)
    this.#floats = new Float64Array(memory)
    this.#views = new Array(this.#words.length >>> PLACE_SHIFT)
    this.#lent = new Uint32Array(this.#views.length)
  }

  /** The place of the record behind this one. */
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

  /** When whoever asked gives up, in milliseconds of the monotonic clock; 0 for never. Of some
   * events, a number of bytes. */
  deadline(at: number): number {
    return this.#floats[(at + IN_DEADLINE) >>> 1]
  }

  /** The payload for whoever keeps it. */
  kept(at: number, extras: Extras): Uint8Array {
    this.isKept = true
    return this.#view(at, extras)
  }

  /** The payload for whoever is done with it before the next message is read. Making a view costs
   * as much as all the rest, so that the one of an earlier message in the same place is used again. */
  borrowed(at: number, extras: Extras): Uint8Array {
    if (this.#words[at + IN_HEAD] >>> 24 !== 0) return this.#view(at, extras)
    const length = this.#words[at + IN_PAYLOAD_LEN]
    const place = at >>> PLACE_SHIFT
    const last = this.#views[place]
    // Records of another round may begin elsewhere in the same place.
    if (last !== undefined && last.length === length && this.#lent[place] === at) return last
    const view = new Uint8Array(this.#memory, (at + IN_WORDS) << 2, length)
    this.#views[place] = view
    this.#lent[place] = at
    return view
  }

  #view(at: number, extras: Extras): Uint8Array {
    const flags = this.#words[at + IN_HEAD] >>> 24
    let start = (at + IN_WORDS) << 2
    let length = this.#words[at + IN_PAYLOAD_LEN]
    if (flags !== 0) {
      if ((flags & FLAG_TRACED) !== 0) {
        start += TRACE_BYTES
        length -= TRACE_BYTES
      }
      if ((flags & FLAG_OUTSIDE) !== 0) {
        const [number, length] = this.#words.subarray(start >>> 2)
        const extra = extras![number] as Uint8Array
        return new Uint8Array(extra.buffer, extra.byteOffset, length)
      }
    }
    return new Uint8Array(this.#memory, start, length)
  }

  /** The trace context, copied, if there is one. */
  trace(at: number): Uint8Array | undefined {
    if (((this.#words[at + IN_HEAD] >>> 24) & FLAG_TRACED) === 0) return undefined
    return new Uint8Array(this.#memory, (at + IN_WORDS) << 2, TRACE_BYTES).slice()
  }

  /** The payload as text. */
  text(at: number): string {
    const length = this.#words[at + IN_PAYLOAD_LEN]
    return Buffer.from(this.#memory, (at + IN_WORDS) << 2, length).toString('utf8')
  }
}
