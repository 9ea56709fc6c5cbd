// Spans of time, and what a distribution of them says.

import { createHistogram, performance, type RecordableHistogram } from 'node:perf_hooks'
import type { Latency } from './results.mjs'

/** An HDR histogram of nanoseconds, up to 100 s. */
export const histogram = (): RecordableHistogram =>
  createHistogram({ lowest: 1, highest: 1e11, figures: 3 })

/** Records the time since `start`. */
export function record(spans: RecordableHistogram, start: number): void {
  spans.record(Math.max(1, Math.round((performance.now() - start) * 1e6)))
}

export function latencyOf(spans: RecordableHistogram): Latency {
  return {
    count: spans.count,
    mean: spans.mean,
    stddev: spans.stddev,
    p50: spans.percentile(50),
    p90: spans.percentile(90),
    p99: spans.percentile(99),
    p999: spans.percentile(99.9),
    p9999: spans.percentile(99.99),
    max: spans.max,
  }
}
