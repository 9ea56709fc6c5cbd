// What items cost that wait to be read, in their order. Most cost as much as the one before them,
// so each cost is kept once for all that follow each other.

import { Fifo } from './fifo.js'

interface Row {
  readonly cost: number
  count: number
}

export class Costs {
  readonly #rows = new Fifo<Row>()
  /** The last of them. */
  #last: Row = { cost: 0, count: 0 }
  #sum = 0

  push(cost: number): void {
    this.#sum += cost
    if (cost === this.#last.cost && this.#last.count > 0) this.#last.count++
    else this.#rows.push((this.#last = { cost, count: 1 }))
  }

  /** The cost of the first that is left, of which there has to be one. */
  shift(): number {
    const first = this.#rows.first()
    if (--first.count === 0) this.#rows.shift()
    this.#sum -= first.cost
    return first.cost
  }

  /** The cost of all that are left. */
  takeAll(): number {
    const sum = this.#sum
    this.clear()
    return sum
  }

  clear(): void {
    this.#rows.clear()
    this.#last = { cost: 0, count: 0 }
    this.#sum = 0
  }
}
