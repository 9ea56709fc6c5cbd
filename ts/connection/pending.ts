// Requests in flight: a slot for each, used again and again. The id of a request leads straight to
// its slot, and its generation tells its answer from a late answer to an earlier request.

export class Pending<C> {
  readonly #calls: (C | undefined)[] = []
  readonly #generations: number[] = []
  readonly #free: number[] = []

  get size(): number {
    return this.#calls.length - this.#free.length
  }

  /** Puts a call into a free slot and returns the slot. */
  add(call: C): number {
    const slot = this.#free.pop() ?? this.#calls.length
    this.#calls[slot] = call
    // Generation 0 stands for no call, and generations wrap as numbers of 32 bits do.
    this.#generations[slot] = ((this.#generations[slot] ?? 0) + 1) >>> 0 || 1
    return slot
  }

  generation(slot: number): number {
    return this.#generations[slot]
  }

  /** A call that is in flight. */
  get(slot: number, generation: number): C | undefined {
    return this.#generations[slot] === generation ? this.#calls[slot] : undefined
  }

  /** Takes a call out; `undefined` if it has ended before. */
  take(slot: number, generation: number): C | undefined {
    const call = this.get(slot, generation)
    if (call === undefined) return undefined
    this.#calls[slot] = undefined
    this.#free.push(slot)
    return call
  }

  /** Takes all out that are in flight. */
  takeAll(): C[] {
    const calls = this.#calls.map((_, slot) => this.take(slot, this.#generations[slot]))
    return calls.filter((call) => call !== undefined)
  }
}
