// What connections have counted, as programs see it.

import type { NativeLatency, NativeLinkStats } from '../../native/binding.js'
import type * as api from '../../index.js'
import { codeOf } from '../values/errors.js'
import { LANES } from '../values/options.js'

/** Different codes that are counted: a peer could make up any number. */
const CODES_MAX = 64

/** Requests that have failed, by the code of their error. */
export class Failures {
  readonly #counts = new Map<string, number>()

  count(error: unknown): void {
    this.#add(codeOf(error), 1)
  }

  addAll(counts: Record<string, number>): void {
    for (const [code, count] of Object.entries(counts)) this.#add(code, count)
  }

  #add(code: string, count: number): void {
    const isNew = !this.#counts.has(code)
    const counted = isNew && this.#counts.size >= CODES_MAX ? 'ERR_HANDLER' : code
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

const NO_LATENCY = { count: 0, mean: 0, p50: 0, p95: 0, p99: 0, max: 0 }

export const byLane = (counts = [0, 0, 0, 0]) =>
  Object.fromEntries(LANES.map((lane, at) => [lane, counts[at]])) as Record<api.Lane, number>
