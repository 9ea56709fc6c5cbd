// Synchronous requests, and where their answers go.

import type { NativeEngine } from '../native/binding.js'
import { native } from './native.js'

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
  #free = 0

  constructor(state: Uint32Array, hot: ReturnType<NativeEngine['hot']>) {
    this.#state = state
    this.#hot = hot
  }

  /** Sends everything, and waits for the answer to this request; a number below 0 says why there is
   * none. */
  request(link: number, slot: number, generation: number): Uint8Array | number {
    if (this.#free + LARGE > this.#memory.byteLength) {
      this.#memory = new ArrayBuffer(ARENA_BYTES)
      this.#free = 0
      this.#hot.syncArena(this.#memory)
    }
    const state = this.#state
    state[STATE_SYNC_FREE] = this.#free
    state[STATE_SYNC_LINK] = link
    state[STATE_SYNC_SLOT] = slot
    state[STATE_SYNC_GENERATION] = generation
    const answer = this.#hot.requestSync()
    if (typeof answer !== 'number') {
      return new Uint8Array(answer.buffer, answer.byteOffset, state[STATE_SYNC_LEN])
    }
    return answer < 0 ? answer : new Uint8Array(this.#memory, this.#free, answer)
  }

  /** Kind of the last answer. */
  get kind(): number {
    return this.#state[STATE_SYNC_HEAD] & 0xff
  }

  /** Codec of the last answer. */
  get codec(): number {
    return (this.#state[STATE_SYNC_HEAD] >>> 16) & 0xff
  }

  /** The last answer is handed out, so its place is not used again. */
  keep(answer: Uint8Array): void {
    if (answer.buffer === this.#memory) this.#free = (this.#free + answer.length + 7) & ~7
  }
}
