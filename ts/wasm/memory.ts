// Memory of JavaScript's that received messages lie in: the module fills a copy of its own, and
// writes what has changed when it hands them over.

/** Buffers of JavaScript's, by the numbers the module knows them by. */
export class Buffers {
  readonly #known = new Map<number, Uint8Array>()
  #last = 0

  /** A fresh one of so many bytes; 0 when there is no memory left. */
  add(make: () => Uint8Array): number {
    let bytes
    try {
      bytes = make()
    } catch {
      return 0
    }
    do this.#last = (this.#last + 1) >>> 0
    while (this.#last === 0 || this.#known.has(this.#last))
    this.#known.set(this.#last, bytes)
    return this.#last
  }

  /** What was made: all of an `ArrayBuffer`, or a `Buffer`. */
  get(id: number): ArrayBuffer | Uint8Array | null {
    const bytes = this.#known.get(id)
    if (bytes === undefined) return null
    return Buffer.isBuffer(bytes) ? bytes : (bytes.buffer as ArrayBuffer)
  }

  /** Neither detached nor made smaller. A view of all of it has no length then. */
  isWhole(id: number): boolean {
    const bytes = this.#known.get(id)
    return bytes !== undefined && bytes.length > 0
  }

  write(id: number, start: number, bytes: Uint8Array): void {
    const into = this.#known.get(id)
    // It may have been taken away, which the module finds out when it asks.
    if (into !== undefined && into.length >= start + bytes.length) into.set(bytes, start)
  }

  forget(id: number): void {
    this.#known.delete(id)
  }
}
