// The counters of all connections of a server together, those that are over included.

import type { NativeEngine } from '../../native/binding.js'
import type * as api from '../../index.js'
import { Failures, linkCounters } from './counters.js'
import { native } from '../native.js'
import { Latencies } from './timed-caller.js'

/** A connection that counts. */
interface Counting {
  readonly link: number
  /** If it measures them. */
  readonly latencies: Latencies | undefined
  stats(): api.ConnectionStats
}

export class Sums {
  readonly #engine: NativeEngine
  #opened = 0
  /** Of connections that are over: what the engine has counted, and what was counted here. */
  readonly #ended = new native.NativeTotals()
  readonly #failures = new Failures()
  #unhandled = 0
  readonly #latencies = new Latencies()
  readonly #hasLatencies: boolean

  /** `hasLatencies`: connections measure them by method. */
  constructor(engine: NativeEngine, hasLatencies: boolean) {
    this.#engine = engine
    this.#hasLatencies = hasLatencies
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
    if (connection.latencies !== undefined) this.#latencies.merge(connection.latencies)
  }

  /** All of them, and these, which are open. */
  with(open: Iterable<Counting>): api.ServerStats {
    const totals = this.#ended.copy()
    const failures = new Failures()
    failures.addAll(this.#failures.toObject())
    const latencies = new Latencies()
    latencies.merge(this.#latencies)
    let unhandled = this.#unhandled
    let [connections, pending, serving] = [0, 0, 0]
    for (const connection of open) {
      const stats = connection.stats()
      totals.add(this.#engine, connection.link)
      failures.addAll(stats.errors)
      if (connection.latencies !== undefined) latencies.merge(connection.latencies)
      unhandled += stats.unhandled
      pending += stats.pending
      serving += stats.serving
      connections++
    }
    return {
      ...linkCounters(totals.stats()),
      errors: failures.toObject(),
      methods: this.#hasLatencies ? latencies.toObject() : undefined,
      connections,
      connectionsTotal: this.#opened,
      pending,
      serving,
      unhandled,
    }
  }
}
