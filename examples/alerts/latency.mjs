// How long events take, as a distribution of fixed size.

import { createHistogram } from 'node:perf_hooks'

/**
 * Milliseconds; all are 0 as long as nothing was recorded.
 * @typedef {object} Latencies
 * @property {number} count
 * @property {number} meanMs
 * @property {number} p50Ms
 * @property {number} p95Ms
 * @property {number} maxMs
 */

const NS_PER_MS = 1e6
/** Up to 100 s, to within a hundredth: some 30 KB. */
const RANGE = { lowest: 1, highest: 1e11, figures: 2 }

export class Latency {
  #histogram = createHistogram(RANGE)

  /** @param {number} ms */
  record(ms) {
    // The histogram takes whole numbers from 1 on.
    this.#histogram.record(Math.max(1, Math.round(ms * NS_PER_MS)))
  }

  /** @returns {Latencies} */
  summary() {
    const { count, mean, max } = this.#histogram
    if (count === 0) return { count: 0, meanMs: 0, p50Ms: 0, p95Ms: 0, maxMs: 0 }
    return {
      count,
      meanMs: mean / NS_PER_MS,
      p50Ms: this.#histogram.percentile(50) / NS_PER_MS,
      p95Ms: this.#histogram.percentile(95) / NS_PER_MS,
      maxMs: max / NS_PER_MS,
    }
  }
}
