// The results of a run, as `--json` writes them. Tables, plots and documents are made from this and
// from nothing else.
//
// Times are in nanoseconds, sizes in bytes, rates per second, processor time in cores (1 is one
// core busy all the time). Every figure of every repeat is kept; medians are taken where they are
// shown.

import type { Machine, MachineState } from './machine.mjs'
import type { Row } from './compare.mjs'

/** Changes when a reader of older files would misread a newer one. */
export const FORMAT = 'ringpost-bench/1'

export interface Results {
  format: typeof FORMAT
  /** When it began, ISO 8601. */
  started: string
  seconds: number
  /** The words after `npm run bench --`. */
  command: string[]
  /** What holds for all of it: sizes, repeats, pinning, and so on. */
  settings: Record<string, unknown>
  machine: Machine
  /** What else went on during the run. */
  state: MachineState
  transports: Transport[]
  measurements: Measurement[]
  /** The rows the engine is held to, where that suite was asked for. */
  rows: Row[]
  soak: Soak | null
  /** What failed, each with what and why; a run with any ends with an exit code of its own. */
  failures: string[]
  /** What was measured and misses what it is held to: floors, bars, the verdict of a soak. */
  missed: string[]
  /** What was asked for and could not be measured, with the reason. */
  leftOut: string[]
  /** Whether it was ended before it was done. */
  interrupted: boolean
}

/** One way for two processes to talk. */
export interface Transport {
  name: string
  /** For people. */
  label: string
  version: string
  /** Why it could not be measured; null if it was. */
  missing: string | null
}

/** Which languages ask and serve. */
export type Languages = 'ts-ts' | 'ts-rust' | 'rust-rust'

/** One thing measured under one transport, again and again. */
export interface Measurement {
  suite: 'latency' | 'throughput' | 'burst' | 'connect' | 'scale' | 'scenarios' | 'micro'
  /** The same for all transports that are comparable: `latency.closed.64`. */
  id: string
  /** For people: `round trip 64 B, one at a time`. */
  name: string
  transport: string
  pair: Languages
  /** What `value` of each repeat is. */
  metric: { name: string; unit: Unit; better: 'less' | 'more' }
  /** What was set for it. */
  settings: { size?: number; rate?: number; inFlight?: number; [name: string]: unknown }
  repeats: Repeat[]
  /** What it is held to, where it is held to something. */
  checks: Check[]
  /** Why it does not count: a message lost, a rate missed. */
  failed: string | null
}

export type Unit = 'ns' | '/s' | 'B/s' | 'B' | '%' | '×' | 's' | 'MiB' | 'MB' | ''

export interface Repeat {
  /** The one figure people compare. */
  value: number
  latency?: Latency
  /** Messages a second. */
  perSecond?: number
  bytesPerSecond?: number
  /** Processor time, in cores. */
  cpu?: { client: number; server: number; others: number }
  /** Processor time of both sides, and of a broker, for one round trip or message, in
   * nanoseconds. */
  cpuEach?: number
  /** Anything else worth a line, by name. */
  details?: Record<string, number>
}

/** Spans in nanoseconds, from an HDR histogram of three digits. */
export interface Latency {
  count: number
  mean: number
  stddev: number
  p50: number
  p90: number
  p99: number
  p999: number
  p9999: number
  max: number
}

/** A required figure beside the one that was seen. */
export interface Check {
  what: string
  unit: Unit
  /** The figure to reach, or to stay below if `atMost`. */
  floor: number
  atMost: boolean
  seen: number
  ok: boolean
}

/** A long run at a fixed rate. */
export interface Soak {
  transport: string
  pair: Languages
  /** Messages a second, and bytes of each. */
  rate: number
  size: number
  /** How long it should last, and for how long it was seen to run, without pauses between. */
  secondsWanted: number
  secondsSeen: number
  samples: SoakSample[]
  trends: Trend[]
  verdict: 'leak' | 'no leak' | 'too short to tell'
  /** Standard deviation of the samples' rates by their mean. */
  throughputVariation: number
  failed: string | null
}

/** What was seen of some seconds of a soak. */
export interface SoakSample {
  /** Seconds since the beginning, at the end of what it covers. */
  at: number
  latency: Latency
  perSecond: number
  /** Of the two processes. */
  client: ProcessSample
  server: ProcessSample
  /** Messages refused, lost or not answered. */
  drops: number
  /** Times the other side was asleep and was rung for, and those that were lost. */
  wakeups: number
  lostWakeups: number
}

export interface ProcessSample {
  residentBytes: number
  descriptors: number
  mappings: number
  /** 99th percentile of how late the event loop was, in nanoseconds; null where there is none. */
  loopDelayP99: number | null
  /** In cores. */
  cpu: number
}

/** A line through what was seen over time, with the 95 % confidence interval of its slope. */
export interface Trend {
  /** `client.residentBytes` and the like. */
  of: string
  unit: 'B' | ''
  /** Units an hour. */
  slope: number
  low: number
  high: number
  verdict: 'grows' | 'does not grow' | 'too short to tell'
}
