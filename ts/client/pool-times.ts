// How long the last waits for a connection took.

/** Those that are kept. */
const KEPT = 1024

export class PoolTimes {
  readonly #ms = new Float64Array(KEPT)
  #count = 0

  add(ms: number): void {
    this.#ms[this.#count++ % KEPT] = ms
  }

  get p50(): number {
    return this.#at(0.5)
  }

  get p99(): number {
    return this.#at(0.99)
  }

  #at(part: number): number {
    const kept = this.#ms.slice(0, Math.min(this.#count, KEPT)).sort()
    return kept.length === 0 ? 0 : kept[Math.ceil(part * kept.length) - 1]
  }
}
