// The counters of all connections of a server together, those that are over included.

import type { NativeEngine } from '../../native/binding.js'
import type * as api from '../../index.js'
import { Failures, linkCounters } from './counters.js'
import { native } from '../native.js'

/** A connection that counts. */
interface Counting {
  readonly link: number
  stats(): api.ConnectionStats
}

export class Sums {
  readonly #engine: NativeEngine
  #opened = 0
  /** Of connections that are over: what the engine has counted, and what was counted here. */
  readonly #ended = new native.NativeTotals()
  readonly #failures = new Failures()
  #unhandled = 0

  constructor(engine: NativeEngine) {
    this.#engine = engine
  }

  /** There is another connection. */
  opened(): void {
    this.#opened++
  }

  /** A connection is over; the engine still knows what it has counted. */
  ended(connection: Counting): void {
    const { errors, unhandled } = connection.stats()
    this.#ended.add(this.#engine, connection.link)
    this.#failures.addAll(errors)
    this.#unhandled += unhandled
  }

  /** All of them, and these, which are open. */
  with(open: Iterable<Counting>): api.ServerStats {
    const totals = this.#ended.copy()
    const failures = new Failures()
    failures.addAll(this.#failures.toObject())
    let unhandled = this.#unhandled
    let [connections, pending, serving] = [0, 0, 0]
    for (const connection of open) {
      const stats = connection.stats()
      totals.add(this.#engine, connection.link)
      failures.addAll(stats.errors)
      unhandled += stats.unhandled
      pending += stats.pending
      serving += stats.serving
      connections++
    }
    const errors = failures.toObject()
    const connectionsTotal = this.#opened
    const counters = linkCounters(totals.stats())
    return { ...counters, connections, connectionsTotal, errors, pending, serving, unhandled }
  }
}
