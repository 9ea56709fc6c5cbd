// Messages that were lost on the way, found by the numbers that their senders give them.

/** Senders that are known at the same time; of older ones it is forgotten where they were. */
const SENDERS_MAX = 256

export class Gaps {
  readonly #last = new Map<string, number>()

  /** How many messages of this sender are missing before this one; -1 if it was here before. */
  before(from: string, number: number): number {
    const last = this.#last.get(from)
    if (last !== undefined && number <= last) return -1
    this.#last.delete(from)
    this.#last.set(from, number)
    if (this.#last.size > SENDERS_MAX) this.#last.delete(this.#last.keys().next().value!)
    return last === undefined ? 0 : number - last - 1
  }
}
