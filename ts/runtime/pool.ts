// Payloads that are kept: copies, each of which holds no more memory than it needs.

import { untransferable } from './thread.js'

/** Up to so many bytes, V8 keeps them in the array itself. */
const SMALL_MAX = 64
/** A payload longer than this is worth memory of its own, which takes some time to make. */
const POOLED_MAX = 512
const BLOCK_BYTES = 2048

/** Of one peer, so that behind a view of one peer's bytes there are never another's. */
export class PayloadPool {
  #block = new Uint8Array(0)
  #used = 0

  copy(payload: Uint8Array): Uint8Array {
    const { length } = payload
    if (length <= SMALL_MAX || length > POOLED_MAX) return new Uint8Array(payload)
    // A block that was taken away all the same has no length any more.
    if (this.#used + length > this.#block.length) this.#renew()
    const copy = new Uint8Array(this.#block.buffer, this.#used, length)
    copy.set(payload)
    this.#used = (this.#used + length + 7) & ~7
    return copy
  }

  #renew(): void {
    this.#block = new Uint8Array(BLOCK_BYTES)
    this.#used = 0
    untransferable(this.#block.buffer)
  }
}
