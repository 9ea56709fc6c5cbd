// The counters of all connections of a server, a client or a pool together, those that are over
// included.

import type { NativeEngine, NativeTotals } from '../../native/binding.js'
import type * as api from '../../index.js'
import { byKind, Failures, histogramOf, linkCounters } from './counters.js'
import { native } from '../native.js'
import { Latencies } from './timed-caller.js'

/** What a connection has counted beside the engine. */
export interface Counted {
  readonly failures: Failures
  /** By method, if it measures them. */
  readonly latencies: Latencies | undefined
  readonly pending: number
  readonly serving: number
  readonly unhandled: number
}

/** A connection that counts. */
interface Counting {
  readonly link: number
  readonly counted: Counted
}

export class Sums<C extends Counting> {
  /** Connections that are not over. */
  readonly open = new Set<C>()
  readonly #engine: NativeEngine
  #opened = 0
  /** Of connections that are over: what the engine has counted, and what was counted here. */
  #ended: NativeTotals | undefined
  /** Codes of errors that are counted. */
  readonly #codes = new Set<string>()
  readonly #failures = new Failures(this.#codes)
  #unhandled = 0
  readonly #latencies = new Latencies()
  readonly #hasLatencies: boolean

  /** `hasLatencies`: connections measure them by method. */
  constructor(engine: NativeEngine, hasLatencies: boolean) {
    this.#engine = engine
    this.#hasLatencies = hasLatencies
  }

  /** There is another connection. */
  opened(connection: C): void {
    this.open.add(connection)
    this.#opened++
  }

  /** A connection is over; the engine still knows what it has counted. */
  ended(connection: C): void {
    if (!this.open.delete(connection)) return
    const { failures, latencies, unhandled } = connection.counted
    this.#ended ??= new native.NativeTotals()
    this.#ended.add(this.#engine, connection.link)
    this.#failures.merge(failures)
    this.#unhandled += unhandled
    if (latencies !== undefined) this.#latencies.merge(latencies)
  }

  stats(): api.ServerStats {
    const { all, latencies, ...sums } = this.#sum()
    return {
      ...linkCounters(all.stats()),
      ...sums,
      methods: this.#hasLatencies ? latencies.toObject() : undefined,
    }
  }

  /** The same for exporters. */
  totals(): api.Totals {
    const { all, latencies, ...sums } = this.#sum()
    const [counted, { sent, received }] = [all.stats(), all.traffic()]
    return {
      ...linkCounters(counted),
      ...sums,
      latency: histogramOf(counted.latency, all.buckets()),
      methods: this.#hasLatencies ? latencies.histograms() : undefined,
      sentBy: byKind(sent),
      receivedBy: byKind(received),
    }
  }

  #sum() {
    const all = this.#ended?.copy() ?? new native.NativeTotals()
    const failures = new Failures(this.#codes)
    failures.merge(this.#failures)
    const latencies = new Latencies()
    latencies.merge(this.#latencies)
    let unhandled = this.#unhandled
    let [pending, serving] = [0, 0]
    for (const connection of this.open) {
      const { counted } = connection
      all.add(this.#engine, connection.link)
      failures.merge(counted.failures)
      if (counted.latencies !== undefined) latencies.merge(counted.latencies)
      unhandled += counted.unhandled
      pending += counted.pending
      serving += counted.serving
    }
    const [connections, connectionsTotal] = [this.open.size, this.#opened]
    const errors = failures.toObject()
    return { all, latencies, errors, connections, connectionsTotal, pending, serving, unhandled }
  }
}
