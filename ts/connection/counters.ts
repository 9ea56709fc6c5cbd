// What connections have counted, as programs see it.

import type { NativeBuckets, NativeLatency, NativeLinkStats } from '../../native/binding.js'
import type * as api from '../../index.js'
import { native } from '../native.js'
import { codeOf } from '../values/errors.js'
import { LANES } from '../values/options.js'

/** Different codes that are counted: a peer could make up any number. */
const CODES_MAX = 64

/** Requests that have failed, by the code of their error. */
export class Failures {
  readonly #counts = new Map<string, number>()
  readonly #known: Set<string>

  /** `known`: codes that are counted, those of other sums of the same included: so a code that was
   * counted once is always counted. */
  constructor(known = new Set<string>()) {
    this.#known = known
  }

  count(error: unknown): void {
    this.#add(codeOf(error), 1)
  }

  merge(other: Failures): void {
    for (const [code, count] of other.#counts) this.#add(code, count)
  }

  #add(code: string, count: number): void {
    if (this.#known.size < CODES_MAX) this.#known.add(code)
    const counted = this.#known.has(code) ? code : 'ERR_HANDLER'
    this.#counts.set(counted, (this.#counts.get(counted) ?? 0) + count)
  }

  toObject(): Record<string, number> {
    return Object.fromEntries(this.#counts)
  }
}

/** The counters of the engine, by the names they have here. */
export function linkCounters(link: NativeLinkStats | null | undefined) {
  return {
    sent: link?.sent ?? 0,
    received: link?.received ?? 0,
    bytesSent: link?.bytesSent ?? 0,
    bytesReceived: link?.bytesReceived ?? 0,
    latency: latencyOf(link?.latency ?? NO_LATENCY),
    lateReplies: link?.lateReplies ?? 0,
    staleRequests: link?.staleRequests ?? 0,
    refused: link?.refused ?? 0,
    dropped: byLane(link?.dropped),
    peerDropped: byLane(link?.peerDropped),
    doorbells: link?.rings ?? 0,
    queuedBytes: link?.queued ?? 0,
  }
}

export function latencyOf({ count, mean, p50, p95, p99, max }: NativeLatency): api.Latency {
  return { count, meanMs: mean, p50Ms: p50, p95Ms: p95, p99Ms: p99, maxMs: max }
}

/** With the histogram behind it. */
export function histogramOf(latency: NativeLatency, buckets: NativeBuckets): api.LatencyHistogram {
  const below = buckets.below.map((count, at) => [BOUNDS_MS[at], count] as [number, number])
  return { ...latencyOf(latency), sumMs: buckets.sum, below }
}

const BOUNDS_MS = native.latencyBounds()

/** Messages by kind and lane, as the binding has them. */
export function byKind(rows: number[][]): Record<api.MessageKind, Record<api.Lane, number>> {
  const entries = KINDS.map((kind, at) => [kind, byLane(rows[at])] as const)
  return Object.fromEntries(entries) as Record<api.MessageKind, Record<api.Lane, number>>
}

/** In the order in which the binding has them. */
const KINDS = ['request', 'reply', 'error', 'event', 'requestItem', 'replyItem'] as const

const NO_LATENCY = { count: 0, mean: 0, p50: 0, p95: 0, p99: 0, max: 0 }

export const byLane = (counts = [0, 0, 0, 0]) =>
  Object.fromEntries(LANES.map((lane, at) => [lane, counts[at]])) as Record<api.Lane, number>
