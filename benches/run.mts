// One run of the runner: its plan, its results, and an observer of its progress.

import type { Row } from './compare.mjs'
import { Watch, machine } from './machine.mjs'
import { missed } from './missed.mjs'
import {
  FORMAT,
  type Languages,
  type Measurement,
  type Results,
  type Transport,
} from './results.mjs'
import { scratch } from './scratch.mjs'
import { TRANSPORTS, type TransportEntry } from './transports.mjs'

export type SuiteName =
  | 'latency'
  | 'throughput'
  | 'burst'
  | 'connect'
  | 'scenarios'
  | 'scale'
  | 'soak'
  | 'engine'
  | 'micro'

/** What is to be measured. */
export interface Plan {
  suites: SuiteName[]
  /** Payloads, in bytes. */
  sizes: number[]
  /** Of open loops, in messages a second. */
  rates: number[]
  /** Milliseconds of a turn. */
  ms: number
  repeats: number
  languages: Languages[]
  transports: TransportEntry[]
  /** Which cores the two sides may use; without it the kernel decides. */
  cores: { client?: string; server?: string }
  /** Short forms where there are any. */
  quick: boolean
  soak: SoakPlan
  /** Whether transports were asked for: then one that cannot be measured is left out, else it is
   * only mentioned. */
  isNamed: boolean
  /** Only these scenarios, or these micro benchmarks. */
  only: string[] | undefined
}

export interface SoakPlan {
  seconds: number
  rate: number
  size: number
  /** Keeps every sample, so that a run can go on after an interruption. */
  file: string | undefined
  resume: boolean
}

/** Is called as a run proceeds. */
export interface Observer {
  /** A suite begins that takes so many steps, or so many seconds. */
  begin(suite: SuiteName, steps: number): void
  /** The next step begins. */
  step(what: string): void
  /** A result is known. */
  found(measurement: Measurement): void
  row(row: Row): void
  /** A line to print. */
  say(line: string): void
}

export class Run {
  readonly plan: Plan
  readonly watch = new Watch()
  readonly directory = scratch()
  readonly signal: AbortSignal
  readonly results: Results
  readonly #observer: Observer
  readonly #start = performance.now()

  constructor(plan: Plan, command: string[], observer: Observer, signal: AbortSignal) {
    this.plan = plan
    this.signal = signal
    this.#observer = observer
    const settings = { ...plan, transports: plan.transports.map(({ name }) => name) }
    this.results = {
      format: FORMAT,
      started: new Date().toISOString(),
      seconds: 0,
      command,
      settings,
      machine: machine(),
      state: this.watch.state,
      transports: [],
      measurements: [],
      rows: [],
      soak: null,
      failures: [],
      missed: [],
      leftOut: [],
      interrupted: false,
    }
  }

  /** Whether it was interrupted. */
  get stopped(): boolean {
    return this.signal.aborted
  }

  get cores(): Plan['cores'] {
    return this.plan.cores
  }

  begin(suite: SuiteName, steps: number): void {
    this.#observer.begin(suite, steps)
  }

  step(what: string): void {
    this.#observer.step(what)
  }

  say(line: string): void {
    this.#observer.say(line)
  }

  add(measurement: Measurement): void {
    this.results.measurements.push(measurement)
    const { failed, name, transport, pair } = measurement
    if (failed !== null) this.results.failures.push(`${name}, ${transport} ${pair}: ${failed}`)
    this.#observer.found(measurement)
  }

  /** Records a failure, which changes the exit code, unless the run was interrupted. */
  fail(what: string, error: unknown): void {
    if (this.stopped) return
    this.results.failures.push(`${what}: ${(error as Error).message.split('\n')[0]}`)
  }

  addRow(row: Row): void {
    this.results.rows.push(row)
    const { failures } = this.results
    // Rows of one measurement fail together, and once is enough to say it.
    if (row.fault !== undefined && !failures.some((failure) => failure.endsWith(row.fault!))) {
      failures.push(`${row.name}: ${row.fault}`)
    }
    this.#observer.row(row)
  }

  /** A transport that takes part, and its version. */
  has({ name, label }: TransportEntry, version: string): void {
    this.#note({ name, label, version, missing: null })
  }

  /** A transport that cannot be measured between these languages. */
  lacks(transport: TransportEntry, languages: Languages, reason: string): void {
    const { name, label } = transport
    const isEssential = TRANSPORTS.indexOf(transport) < 2
    const { measurements, transports } = this.results
    if (!transports.some((known) => known.name === name)) {
      this.#note({ name, label, version: '', missing: reason })
    }
    const what = `${label}, ${languages}: ${reason}`
    if (this.plan.isNamed || isEssential || measurements.some((one) => one.transport === name)) {
      this.leaveOut(what)
    } else this.say(`left out: ${what}`)
  }

  /** What was asked for and cannot be measured, once: worth the exit code, and no reason to stop.
   * */
  leaveOut(what: string): void {
    const { leftOut } = this.results
    if (leftOut.includes(what)) return
    leftOut.push(what)
    this.say(`left out: ${what}`)
  }

  /** The results, complete or as far as they are known. */
  finish(): Results {
    this.results.seconds = (performance.now() - this.#start) / 1e3
    this.results.state = this.watch.state
    this.results.missed = missed(this.results)
    this.results.interrupted = this.stopped
    return this.results
  }

  #note(transport: Transport): void {
    const { transports } = this.results
    const at = transports.findIndex((known) => known.name === transport.name)
    if (at === -1) transports.push(transport)
    else if (transport.missing === null) transports[at] = transport
  }
}
