// A suite: what `npm run bench` runs by name.

import type { Cost, Pair } from '../pair.mjs'
import type { Command, Rate } from '../commands.mjs'
import type { Latency, Measurement, Repeat } from '../results.mjs'
import type { Plan, Run, SuiteName } from '../run.mjs'
import { sweep, turns } from '../sweep.mjs'
import { human } from '../words.mjs'

export interface Suite {
  /** For people. */
  about: string
  play(run: Run): Promise<void>
}

/** One comparison, the same for all transports. */
export interface Case extends Pick<Measurement, 'suite' | 'id' | 'name' | 'metric' | 'settings'> {
  /** What it asks of a worker. */
  command: Command['do']
  /** What is known to be missed, or not, before it is played. */
  checks?: Measurement['checks']
  /** Only a worker in TypeScript can do it. */
  asksInTypeScript?: boolean
  /** Before the first repeat, so that compilers have done their work. */
  warmUp(pair: Pair): Promise<unknown>
  play(pair: Pair): Promise<Played>
  /** Why a repeat does not count, or null. */
  fault?(repeat: Repeat): string | null
}

/** `count` is how many round trips or messages the cost was for. */
export type Played = Repeat & { cost: Cost; count: number }

/** A suite of cases that all transports take part in. */
export function comparison(suite: SuiteName, about: string, cases: (plan: Plan) => Case[]): Suite {
  return {
    about,
    async play(run) {
      const planned = cases(run.plan)
      run.begin(suite, turns(run, planned))
      await sweep(run, planned)
    },
  }
}

/** Where the median round trip is what people compare. */
export const P50 = { name: 'p50', unit: 'ns', better: 'less' } as const
/** Where it is how many messages get across. */
export const MESSAGES = { name: 'messages', unit: '/s', better: 'more' } as const

export function timed<T extends Latency & Cost>(result: T): Played {
  const { count, mean, stddev, p50, p90, p99, p999, p9999, max } = result
  const latency = { count, mean, stddev, p50, p90, p99, p999, p9999, max }
  return { value: p50, latency, cost: result, count }
}

export function rated<T extends Rate & Cost>(result: T): Played {
  const { count, perSecond, bytesPerSecond } = result
  return { value: perSecond, perSecond, bytesPerSecond, cost: result, count }
}

/** Below this share of the wanted rate a run has not kept it. */
const RATE_KEPT = 0.99
/** The last answers come after the last send. */
const GRACE_MS = 5

/** Why an open loop of so long does not count, or null if it has kept its rate. */
export function missedRate(perSecond: number, rate: number, ms: number): string | null {
  const kept = perSecond >= rate * RATE_KEPT * (ms / (ms + GRACE_MS))
  return kept ? null : `missed its rate: ${human(perSecond, '/s')} of ${human(rate, '/s')}`
}
