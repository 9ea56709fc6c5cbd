// Where the answers of synchronous requests go.

import { native } from './native.js'
import type { Outbox } from './outbox.js'

const { LARGE, STATE_SYNC_FREE, STATE_SYNC_HEAD } = native

const ARENA_BYTES = 64 << 10

export class SyncArena {
  readonly #state: Uint32Array
  #memory = new ArrayBuffer(ARENA_BYTES)
  #free = 0

  constructor(state: Uint32Array) {
    this.#state = state
  }

  /** Waits for the answer to the request just appended; a number below 0 says why there is none. */
  request(outbox: Outbox, link: number, slot: number, generation: number): Uint8Array | number {
    if (this.#free + LARGE > ARENA_BYTES) {
      this.#memory = new ArrayBuffer(ARENA_BYTES)
      this.#free = 0
    }
    this.#state[STATE_SYNC_FREE] = this.#free
    const answer = outbox.requestSync(link, slot, generation, this.#memory)
    if (typeof answer !== 'number') {
      return new Uint8Array(answer.buffer, answer.byteOffset, answer.length)
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
