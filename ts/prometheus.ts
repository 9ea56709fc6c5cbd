// Metrics in a registry of prom-client. Of that only types are used: what a registry holds is asked
// for its name and its values when it is scraped, so that any copy of it will do.

import type { Metric, Registry } from 'prom-client'
import type * as api from '../index.js'
import type { Instrumentation, InstrumentOptions } from '../prometheus.js'
import { check, isString, wrongRange, wrongType } from './values/checks.js'

type Endpoint = api.Server | api.Client | api.Pool
type Sources = Readonly<Record<string, Endpoint>>

/** Methods of one object that have series of their own. */
const METHODS_MAX = 100

export function instrument(
  registry: Registry<any>,
  sources: Sources,
  options?: InstrumentOptions,
): Instrumentation {
  const { prefix = '' } = check('metrics', { prefix: isPrefix }, options)
  checkRegistry(registry)
  checkSources(sources)
  const collector = collectorOf(registry, prefix)
  const added = collector.add(Object.entries(sources))
  const dispose = () => collector.remove(added)
  return { dispose, [Symbol.dispose]: dispose }
}

// ---- what is collected ----

/** What one object has counted, at one moment. */
interface Seen {
  labels: Record<string, string>
  totals: api.Totals
  client?: api.ClientStats
  pool?: api.PoolStats
  /** Histograms by method, no more than so many. */
  methods: [string, api.LatencyHistogram][]
}

class Source {
  readonly endpoint: Endpoint
  readonly #labels: Record<string, string>
  readonly #methods = new Set<string>()

  constructor(name: string, endpoint: Endpoint) {
    this.endpoint = endpoint
    const role = isPool(endpoint) ? 'pool' : isClient(endpoint) ? 'client' : 'server'
    this.#labels = { role, name }
  }

  look(): Seen {
    const { endpoint } = this
    const totals = endpoint.totals()
    return {
      labels: this.#labels,
      totals,
      client: isClient(endpoint) ? endpoint.stats() : undefined,
      pool: isPool(endpoint) ? endpoint.stats() : undefined,
      methods: this.#bounded(totals.methods ?? {}),
    }
  }

  /** A method has its own series from when it is first seen, or never, so that no series ever goes
   * down. */
  #bounded(methods: Record<string, api.LatencyHistogram>): [string, api.LatencyHistogram][] {
    const own: [string, api.LatencyHistogram][] = []
    let others: api.LatencyHistogram | undefined
    for (const [method, histogram] of Object.entries(methods)) {
      if (this.#methods.size < METHODS_MAX) this.#methods.add(method)
      if (this.#methods.has(method)) own.push([method, histogram])
      else others = others === undefined ? histogram : sum(others, histogram)
    }
    return others === undefined ? own : [...own, ['other', others]]
  }
}

function sum(one: api.LatencyHistogram, other: api.LatencyHistogram): api.LatencyHistogram {
  return {
    ...one,
    count: one.count + other.count,
    sumMs: one.sumMs + other.sumMs,
    below: one.below.map(([ms, count], at) => [ms, count + other.below[at][1]]),
  }
}

/** The metrics of one prefix in one registry, and the objects they are of. */
class Collector {
  readonly #registry: Registry<any>
  readonly #families: Family[]
  readonly #sources = new Map<string, Source>()
  #seen: Seen[] | undefined

  constructor(registry: Registry<any>, prefix: string) {
    this.#registry = registry
    this.#families = FAMILIES.map((about) => new Family(about, prefix, () => this.#look()))
  }

  /** One look for all metrics of a scrape, which are asked for in the same moment. */
  #look(): Seen[] {
    if (this.#seen === undefined) {
      this.#seen = [...this.#sources.values()].map((source) => source.look())
      queueMicrotask(() => (this.#seen = undefined))
    }
    return this.#seen
  }

  add(entries: [string, Endpoint][]): Map<string, Source> {
    const added = new Map<string, Source>()
    const known = new Set([...this.#sources.values()].map(({ endpoint }) => endpoint))
    for (const [name, endpoint] of entries) {
      if (this.#sources.has(name)) throw wrongRange('name', 'new to this registry', `"${name}"`)
      if (known.has(endpoint)) {
        throw wrongRange(`sources.${name}`, 'new to this registry', 'it again')
      }
      known.add(endpoint)
      added.set(name, new Source(name, endpoint))
    }
    this.#register()
    for (const [name, source] of added) this.#sources.set(name, source)
    return added
  }

  /** Also anew, where the registry was cleared meanwhile. */
  #register(): void {
    const missing = this.#families.filter((family) => this.#at(family) !== family)
    const taken = missing.find((family) => this.#at(family) !== undefined)
    if (taken !== undefined) throw wrongRange('registry', `without ${taken.key}`, 'one with it')
    for (const family of missing) {
      family.name = family.key
      this.#registry.registerMetric(family as unknown as Metric)
    }
  }

  #at({ key }: Family): unknown {
    return this.#registry.getSingleMetric(key)
  }

  remove(added: Map<string, Source>): void {
    for (const [name, source] of added) {
      if (this.#sources.get(name) === source) this.#sources.delete(name)
    }
    added.clear()
    if (this.#sources.size > 0) return
    for (const family of this.#families) {
      if (this.#at(family) === family) this.#registry.removeSingleMetric(family.key)
    }
  }
}

/** By registry and prefix. */
const collectors = new WeakMap<Registry<any>, Map<string, Collector>>()

function collectorOf(registry: Registry<any>, prefix: string): Collector {
  let ofRegistry = collectors.get(registry)
  if (ofRegistry === undefined) collectors.set(registry, (ofRegistry = new Map()))
  let collector = ofRegistry.get(prefix)
  if (collector === undefined) {
    ofRegistry.set(prefix, (collector = new Collector(registry, prefix)))
  }
  return collector
}

// ---- metrics ----

interface About {
  name: string
  type: 'counter' | 'gauge' | 'histogram'
  help: string
  /** Of one object, by further labels. */
  samples(seen: Seen): [value: number | api.LatencyHistogram, labels?: Record<string, string>][]
}

/** A line of the output. */
interface Sample {
  labels: Record<string, string | number>
  value: number
  /** If it is not that of the metric. */
  metricName?: string
}

/** What a registry takes for a metric. */
class Family {
  /** Where it is in the registry, which changes the names of counters to print OpenMetrics. */
  readonly key: string
  name: string
  readonly help: string
  readonly type: About['type']
  readonly aggregator = 'sum'
  readonly #samples: About['samples']
  readonly #look: () => Seen[]

  constructor({ name, type, help, samples }: About, prefix: string, look: () => Seen[]) {
    this.key = this.name = `${prefix}ringpost_${name}`
    this.type = type
    this.help = help
    this.#samples = samples
    this.#look = look
  }

  async get() {
    const values = this.#look().flatMap((seen) => {
      return this.#samples(seen).flatMap(([value, more]): Sample[] => {
        const labels = { ...seen.labels, ...more }
        return typeof value === 'number' ? [{ labels, value }] : this.#histogram(value, labels)
      })
    })
    const { name, help, type, aggregator } = this
    return { name, help, type, aggregator, values }
  }

  #histogram({ below, count, sumMs }: api.LatencyHistogram, labels: Sample['labels']): Sample[] {
    const bucket = (le: number | string, value: number): Sample => {
      return { labels: { ...labels, le }, value, metricName: `${this.name}_bucket` }
    }
    return [
      ...below.map(([ms, count]) => bucket(seconds(ms), count)),
      bucket('+Inf', count),
      { labels, value: seconds(sumMs), metricName: `${this.name}_sum` },
      { labels, value: count, metricName: `${this.name}_count` },
    ]
  }

  /** What is counted is not counted here. */
  reset(): void {}
}

/** To the nanosecond, as bounds are known. */
const seconds = (ms: number) => Number((ms / 1e3).toFixed(9))

const about =
  (type: About['type']) =>
  (name: string, help: string, samples: About['samples']): About => ({ name, type, help, samples })
const [counter, gauge, histogram] = [about('counter'), about('gauge'), about('histogram')]

/** One figure that each object has. */
const one = (value: (totals: api.Totals) => number): About['samples'] => {
  return ({ totals }) => [[value(totals)]]
}
/** One that pools have. */
const ofPools = (value: (pool: api.PoolStats) => number): About['samples'] => {
  return ({ pool }) => (pool === undefined ? [] : [[value(pool)]])
}
const by = (label: string, counts: Record<string, number>) => {
  return Object.entries(counts).map(([key, count]): [number, Record<string, string>] => {
    return [count, { [label]: key }]
  })
}
/** Without kinds and lanes of which there was none. */
const traffic = (counts: Record<api.MessageKind, Record<api.Lane, number>>) => {
  return Object.entries(counts).flatMap(([kind, lanes]) => {
    const some = by('lane', lanes).filter(([count]) => count > 0)
    return some.map(([count, lane]): [number, Record<string, string>] => [count, { kind, ...lane }])
  })
}

const FAMILIES: About[] = [
  gauge('connections', 'Open connections.', one((it) => it.connections)),
  counter(
    'connections_opened_total',
    'Connections that were ever opened.',
    one((it) => it.connectionsTotal),
  ),
  counter('messages_sent_total', 'Messages sent.', ({ totals }) => traffic(totals.sentBy)),
  counter('messages_received_total', 'Messages received.', ({ totals }) => {
    return traffic(totals.receivedBy)
  }),
  counter('sent_bytes_total', 'Bytes of frames written.', one((it) => it.bytesSent)),
  counter('received_bytes_total', 'Bytes of frames read.', one((it) => it.bytesReceived)),
  histogram(
    'request_duration_seconds',
    'Time from a request to its answer: the first 1,024 of a connection, then one in eight.',
    ({ totals }) => [[totals.latency]],
  ),
  histogram(
    'method_duration_seconds',
    'Time from a request to its answer, of all requests, by method.',
    ({ methods }) => methods.map(([method, latency]) => [latency, { method }]),
  ),
  counter('request_errors_total', 'Requests and streams that have failed.', ({ totals }) => {
    return by('code', totals.errors)
  }),
  gauge('requests_in_flight', 'Requests without an answer yet.', one((it) => it.pending)),
  gauge('requests_serving', 'Requests of peers being worked on.', one((it) => it.serving)),
  gauge('queued_bytes', 'Bytes waiting for space in the rings.', one((it) => it.queuedBytes)),
  counter('events_dropped_total', 'Events dropped by a full lane.', ({ totals }) => {
    return by('lane', totals.dropped)
  }),
  counter(
    'peer_events_dropped_total',
    'Events of peers dropped by a full lane of theirs.',
    ({ totals }) => by('lane', totals.peerDropped),
  ),
  counter('events_unhandled_total', 'Events without a handler.', one((it) => it.unhandled)),
  counter('messages_refused_total', 'Messages refused with ERR_FULL.', one((it) => it.refused)),
  counter(
    'late_replies_total',
    'Replies that came after their request had ended.',
    one((it) => it.lateReplies),
  ),
  counter(
    'stale_requests_total',
    'Requests that had ended before they arrived.',
    one((it) => it.staleRequests),
  ),
  counter('doorbells_total', 'System calls to wake a peer.', one((it) => it.doorbells)),
  gauge('waiting', 'Requests, streams, events and leases that wait for a connection.', (seen) => {
    const { waiting } = seen.client ?? seen.pool ?? {}
    return waiting === undefined ? [] : [[waiting]]
  }),
  counter('reconnects_total', 'Sessions of a client after the first.', ({ client }) => {
    return client === undefined ? [] : [[client.reconnects]]
  }),
  gauge('pool_idle_connections', 'Connections of a pool in no use.', ofPools((it) => it.idle)),
  gauge('pool_leased_connections', 'Connections that are leased.', ofPools((it) => it.leased)),
  counter(
    'pool_reuses_total',
    'Times a connection was used that was there already.',
    ofPools((it) => it.reused),
  ),
  gauge('pool_acquire_seconds', 'Waits for the last 1,024 leases.', ({ pool }) => {
    if (pool === undefined) return []
    const quantiles = { 0.5: pool.acquireP50Ms / 1e3, 0.99: pool.acquireP99Ms / 1e3 }
    return by('quantile', quantiles)
  }),
  gauge('pool_server_up', 'Whether a server of a pool can be reached.', ({ pool }) => {
    return (pool?.servers ?? []).map((server) => [Number(server.isUp), { server: server.name }])
  }),
]

// ---- arguments ----

function isPool(endpoint: Endpoint): endpoint is api.Pool {
  return 'acquire' in endpoint
}

function isClient(endpoint: Endpoint): endpoint is api.Client {
  return 'state' in endpoint
}

function isPrefix(name: string, value: unknown): void {
  isString(name, value)
  if (!/^[a-zA-Z_:][\w:]*$/.test(value as string)) {
    throw wrongRange(name, 'the beginning of a metric name', JSON.stringify(value))
  }
}

function checkRegistry(registry: unknown): void {
  const { registerMetric } = (registry ?? {}) as { registerMetric?: unknown }
  if (typeof registerMetric !== 'function') {
    throw wrongType('registry', 'a registry of prom-client', registry)
  }
}

function checkSources(sources: unknown): void {
  if (typeof sources !== 'object' || sources === null) {
    throw wrongType('sources', 'an object', sources)
  }
  for (const [name, source] of Object.entries(sources)) {
    isString('name', name)
    const { totals } = (source ?? {}) as { totals?: unknown }
    if (typeof totals !== 'function') {
      throw wrongType(`sources.${name}`, 'a server, a client or a pool', source)
    }
  }
}
