// A queue that lets go of what was taken.

/** Places that were taken are removed so many at a time, which costs each next to nothing. */
const TAKEN_MAX = 1024

export class Fifo<T> {
  #items: (T | undefined)[] = []
  #taken = 0

  get length(): number {
    return this.#items.length - this.#taken
  }

  push(item: T): void {
    this.#items.push(item)
  }

  /** The first of those that are left, of which there has to be one. */
  first(): T {
    return this.#items[this.#taken] as T
  }

  /** The same, taken. */
  shift(): T {
    const items = this.#items
    const item = items[this.#taken] as T
    items[this.#taken++] = undefined
    if (this.#taken === items.length) this.clear()
    else if (this.#taken === TAKEN_MAX) {
      items.splice(0, TAKEN_MAX)
      this.#taken = 0
    }
    return item
  }

  /** All that are left. */
  takeAll(): T[] {
    const items = this.#taken === 0 ? this.#items : this.#items.slice(this.#taken)
    this.clear()
    return items as T[]
  }

  clear(): void {
    this.#items = []
    this.#taken = 0
  }
}
