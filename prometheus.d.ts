/**
 * Metrics of `ringpost` in a registry of `prom-client`, collected when it is scraped. Needs
 * `prom-client`.
 *
 * @packageDocumentation
 */

import type { Registry } from 'prom-client'
import type { Client, Pool, Server } from './index.js'

/** Options of {@link instrument}. */
export interface InstrumentOptions {
  /** Goes in front of all names: `app_` makes `app_ringpost_connections`. @default '' */
  prefix?: string
}

/** Metrics are there until it is disposed. */
export interface Instrumentation extends Disposable {
  /** Takes the objects out of the registry, and the metrics with the last of them. Further calls do
   * nothing. */
  dispose(): void
}

/**
 * Adds what servers, clients and pools have counted to a registry. Nothing is done between two
 * scrapes.
 *
 * Each series has the label `name`, which is the key of its object here, and `role`: `server`,
 * `client` or `pool`. Counters are those of `totals()`, over all connections there were, and
 * stay at their last values once an object is closed. Times are in seconds.
 *
 * | metric, after `ringpost_` | further labels | |
 * | --- | --- | --- |
 * | `connections`, `connections_opened_total` | | open, and ever opened |
 * | `messages_sent_total`, `messages_received_total` | `kind`, `lane` | by `MessageKind` |
 * | `sent_bytes_total`, `received_bytes_total` | | of frames |
 * | `request_duration_seconds` | | histogram of the requests that were timed, see `Latency` |
 * | `method_duration_seconds` | `method` | histogram of all, with the option `methodLatency` |
 * | `request_errors_total` | `code` | 64 codes, others as `ERR_HANDLER` |
 * | `requests_in_flight`, `requests_serving` | | of this side, and of the peers |
 * | `queued_bytes` | | waiting for space in the rings |
 * | `events_dropped_total`, `peer_events_dropped_total` | `lane` | by full lanes |
 * | `events_unhandled_total`, `messages_refused_total` | | |
 * | `late_replies_total`, `stale_requests_total` | | |
 * | `doorbells_total` | | system calls that woke a peer |
 * | `waiting` | | clients and pools: what waits for a connection |
 * | `reconnects_total` | | clients |
 * | `pool_idle_connections`, `pool_leased_connections`, `pool_reuses_total` | | pools |
 * | `pool_acquire_seconds` | `quantile` | pools: waits for the last 1,024 leases |
 * | `pool_server_up` | `server` | pools: 1 if it can be reached |
 *
 * The first 100 methods of an object have series of their own, further ones have one together:
 * `method="other"`.
 *
 * @example
 * ```ts
 * import { Registry } from 'prom-client'
 * import { instrument } from 'ringpost/prometheus'
 *
 * const registry = new Registry()
 * const metrics = instrument(registry, { demo: server, camera: client })
 * console.log(await registry.metrics())
 * ```
 * @param registry where the metrics are; that of another copy of `prom-client` will do.
 * @param sources the objects, by the names they have in the label `name`.
 * @param options see {@link InstrumentOptions}.
 * @throws TypeError or RangeError `ERR_INVALID_ARGUMENT` for anything else than such objects, for
 * wrong options, and for a name or an object that is in the registry already. Nothing was added then.
 */
export declare function instrument(
  registry: Registry<any>,
  sources: Readonly<Record<string, Server | Client | Pool>>,
  options?: InstrumentOptions,
): Instrumentation
