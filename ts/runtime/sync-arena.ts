// Synchronous requests, and where their answers go.

import type { NativeEngine } from '../../native/binding.js'
import { native } from '../native.js'
import { ours } from '../values/errors.js'

const {
  LARGE,
  STATE_SYNC_FREE,
  STATE_SYNC_GENERATION,
  STATE_SYNC_HEAD,
  STATE_SYNC_LEN,
  STATE_SYNC_LINK,
  STATE_SYNC_SLOT,
} = native

const ARENA_BYTES = 64 << 10

export class SyncArena {
  readonly #state: Uint32Array
  readonly #hot: ReturnType<NativeEngine['hot']>
  #memory = new ArrayBuffer(0)
  /** The answers before it are being read. */
  #free = 0
  /** Views of answers by their length, at the arena's start. */
  #views: (Uint8Array | undefined)[] = []

  constructor(state: Uint32Array, hot: ReturnType<NativeEngine['hot']>) {
    this.#state = state
    this.#hot = hot
  }

  /** Sends everything, and waits for the answer to this request; a number below 0 says why there is
   * none. */
  request(link: number, slot: number, generation: number): Uint8Array | number {
    // Codecs of others see it, and may have given it away.
    if (this.#free + LARGE > this.#memory.byteLength) this.#renew()
    const state = this.#state
    state[STATE_SYNC_FREE] = this.#free
    state[STATE_SYNC_LINK] = link
    state[STATE_SYNC_SLOT] = slot
    state[STATE_SYNC_GENERATION] = generation
    let answer
    try {
      answer = this.#hot.requestSync()
    } catch (error) {
      // It was not sent.
      throw ours(error)
    }
    if (typeof answer !== 'number') {
      return new Uint8Array(answer.buffer, answer.byteOffset, state[STATE_SYNC_LEN])
    }
    return answer < 0 ? answer : this.#view(answer)
  }

  /** Kind of the last answer. */
  get kind(): number {
    return this.#state[STATE_SYNC_HEAD] & 0xff
  }

  /** Codec of the last answer. */
  get codec(): number {
    return (this.#state[STATE_SYNC_HEAD] >>> 16) & 0xff
  }

  /** Whether an answer lies in the arena, where the next one will be written. */
  has(answer: Uint8Array): boolean {
    return answer.buffer === this.#memory
  }

  /** Runs `read` on an answer in the arena; it may make further requests. */
  whileHeld<T>(answer: Uint8Array, read: () => T): T {
    const free = this.#free
    this.#free = (free + answer.length + 7) & ~7
    try {
      return read()
    } finally {
      this.#free = free
    }
  }

  /** Making a view costs as much as a tenth of the round trip. */
  #view(length: number): Uint8Array {
    if (this.#free > 0) return new Uint8Array(this.#memory, this.#free, length)
    return (this.#views[length] ??= new Uint8Array(this.#memory, 0, length))
  }

  #renew(): void {
    this.#memory = new ArrayBuffer(ARENA_BYTES)
    this.#free = 0
    this.#views = []
    this.#hot.syncArena(this.#memory)
  }
}
