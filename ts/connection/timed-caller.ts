// A caller that measures how long requests took, by the names of their methods.

import type { NativeHistogram } from '../../native/binding.js'
import type * as api from '../../index.js'
import type { Alarms } from '../runtime/alarms.js'
import { Caller, type Inherited } from './caller.js'
import { histogramOf, latencyOf } from './counters.js'
import type { MethodContract } from '../values/contract.js'
import { IpcError } from '../values/errors.js'
import type { Link } from './link.js'
import { native } from '../native.js'

export class Latencies {
  readonly #methods = new Map<string, NativeHistogram>()

  record(method: string, ms: number): void {
    this.#of(method).record(ms)
  }

  merge(other: Latencies): void {
    for (const [method, histogram] of other.#methods) this.#of(method).merge(histogram)
  }

  toObject(): Record<string, api.Latency> {
    const all = [...this.#methods].map(([method, it]) => [method, latencyOf(it.summary())] as const)
    return Object.fromEntries(all)
  }

  /** The same with the histograms. */
  histograms(): Record<string, api.LatencyHistogram> {
    const all = [...this.#methods].map(([method, it]) => {
      return [method, histogramOf(it.summary(), it.buckets())] as const
    })
    return Object.fromEntries(all)
  }

  #of(method: string): NativeHistogram {
    let histogram = this.#methods.get(method)
    if (histogram === undefined) {
      this.#methods.set(method, (histogram = new native.NativeHistogram()))
    }
    return histogram
  }
}

/** Each way to ask is measured here, and none of them is made of another. */
export class TimedCaller extends Caller {
  override readonly latencies = new Latencies()
  readonly #clock: Alarms

  constructor(link: Link) {
    super(link)
    this.#clock = link.runtime.alarms
  }

  override request<Result>(contract: MethodContract, params: unknown): Promise<Result> {
    return this.#timed(contract, this.#clock.now(), super.request(contract, params))
  }

  override requestWith<Result>(
    contract: MethodContract,
    params: unknown,
    options: api.RequestOptions,
  ): Promise<Result> {
    return this.#timed(contract, this.#clock.now(), super.requestWith(contract, params, options))
  }

  override requestEncoded<Result>(
    contract: MethodContract,
    payload: Uint8Array,
    lane: api.Lane | undefined,
    terms: Inherited,
    replayed: number | undefined,
  ): Promise<Result> {
    const { since = this.#clock.now() } = terms
    const answer = super.requestEncoded<Result>(contract, payload, lane, terms, replayed)
    return this.#timed(contract, since, answer)
  }

  override requestSync(
    contract: MethodContract,
    params: unknown,
    options: api.SyncRequestOptions,
  ): unknown {
    const start = this.#clock.now()
    let error: unknown
    try {
      return super.requestSync(contract, params, options)
    } catch (thrown) {
      error = thrown
      throw thrown
    } finally {
      this.#ended(contract, start, error)
    }
  }

  async #timed<Result>(
    contract: MethodContract,
    start: number,
    answer: Promise<Result>,
  ): Promise<Result> {
    let error: unknown
    try {
      return await answer
    } catch (thrown) {
      error = thrown
      throw thrown
    } finally {
      this.#ended(contract, start, error)
    }
  }

  /** Counts a request, unless it was not answered. */
  #ended({ name }: MethodContract, start: number, error: unknown): void {
    const isAnswered = error === undefined || (error instanceof IpcError && error.isRemote)
    if (isAnswered) this.latencies.record(name, this.#clock.now() - start)
  }
}
