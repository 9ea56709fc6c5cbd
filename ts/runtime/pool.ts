// Payloads that are kept: copies, each of which holds no more memory than it needs.

import { untransferable } from './thread.js'

/** Up to so many bytes, V8 keeps them in the array itself. */
const IN_ARRAY_MAX = 64
/** Blocks, by the longest payload that shares one: memory of its own takes a microsecond to make
 * and to collect. The shortest holds 32 times its length. */
const SMALL_MAX = 512
const SMALL_BLOCK = 2 << 10
const MEDIUM_MAX = 4 << 10
const MEDIUM_BLOCK = 16 << 10

/** Of one peer, so that behind a view of one peer's bytes there are never another's. */
export class PayloadPool {
  readonly #small = new Blocks(SMALL_BLOCK)
  readonly #medium = new Blocks(MEDIUM_BLOCK)

  copy(payload: Uint8Array): Uint8Array {
    const { length } = payload
    if (length <= IN_ARRAY_MAX || length > MEDIUM_MAX) return new Uint8Array(payload)
    return (length <= SMALL_MAX ? this.#small : this.#medium).copy(payload, length)
  }
}

/** Memory that payloads share, one block after the other. */
class Blocks {
  readonly #bytes: number
  #block = new Uint8Array(0)
  #used = 0

  constructor(bytes: number) {
    this.#bytes = bytes
  }

  copy(payload: Uint8Array, length: number): Uint8Array {
    // A block that was taken away all the same has no length any more.
    if (this.#used + length > this.#block.length) this.#renew()
    const copy = new Uint8Array(this.#block.buffer, this.#used, length)
    copy.set(payload)
    this.#used = (this.#used + length + 7) & ~7
    return copy
  }

  #renew(): void {
    this.#block = new Uint8Array(this.#bytes)
    this.#used = 0
    untransferable(this.#block.buffer)
  }
}
