// How it scales: curves over connections, payload, requests in flight and busy neighbours, of
// Ringpost and of the reference.

import { amongBusy } from '../busy.mjs'
import type { Latency } from '../results.mjs'
import type { Cost, Pair } from '../pair.mjs'
import { curve } from '../report/scale.mjs'
import type { CurveName } from '../report/scale.mjs'
import type { Plan, Run } from '../run.mjs'
import { affordable, manyEnough } from '../scenarios/scenario.mjs'
import { sweep, turns, type Entrants } from '../sweep.mjs'
import { bytes } from '../words.mjs'
import { MESSAGES, P50, rated, timed, type Case, type Suite } from './suite.mjs'

const SIZE = 64

/** Where each curve is measured, in full and if quick. */
const POINTS: Record<CurveName, { full: number[]; quick: number[] }> = {
  connections: { full: [1, 4, 16, 64, 256, 1024, 4000], quick: [1, 32, 1000] },
  payload: {
    full: Array.from({ length: 12 }, (_, power) => 16 * 4 ** power),
    quick: [16, 4096, 256 << 10, 4 << 20],
  },
  'in-flight': {
    full: Array.from({ length: 9 }, (_, power) => 4 ** power),
    quick: [1, 32, 1024],
  },
  neighbours: { full: [0, 1, 2, 3, 4], quick: [0, 1, 2] },
}
const NAMES = Object.keys(POINTS) as CurveName[]

export const scale: Suite = {
  about: 'curves over connections, payload, requests in flight, busy neighbours',
  async play(run) {
    const { plan } = run
    const entrants: Entrants = { languages: ['ts-ts'], transports: plan.transports.slice(0, 2) }
    const all = NAMES.map((name) => ({ name, cases: casesOf(name, plan) }))
    run.begin('scale', turns(run, all.flatMap(({ cases }) => cases), entrants))
    // Each curve has processes of its own, because connections stay open to the end of theirs.
    for (const { name, cases } of all) {
      if (run.stopped) return
      await sweep(run, cases, entrants)
      show(run, name)
    }
  },
}

export function casesOf(name: CurveName, { quick, ms }: Pick<Plan, 'quick' | 'ms'>): Case[] {
  const { [quick ? 'quick' : 'full']: points } = POINTS[name]
  return points.map((at) => CASES[name](at, ms))
}

const CASES: Record<CurveName, (at: number, ms: number) => Case> = {
  connections(wanted, ms) {
    const connections = affordable(wanted)
    return {
      ...about('connections', wanted, `${count(wanted)} connections, a request on each in turn`),
      settings: { curve: 'connections', at: connections, size: SIZE, ms },
      checks: [manyEnough(wanted, connections)],
      command: 'ask-each',
      async warmUp(pair) {
        await pair.connectUpTo(connections)
        return pair.askEach({ size: SIZE, connections, ms })
      },
      play: async (pair) => timed(await pair.askEach({ size: SIZE, connections, ms })),
    }
  },

  payload(size, ms) {
    const ask = (pair: Pair) => pair.latency({ size, ms })
    return {
      ...about('payload', size, `a payload of ${bytes(size)} there and back`),
      settings: { curve: 'payload', at: size, size, ms },
      command: 'latency',
      warmUp: ask,
      async play(pair) {
        const result = await ask(pair)
        return { ...timed(result), bytesPerSecond: rateOf(result) * size }
      },
    }
  },

  'in-flight'(inFlight, ms) {
    const ask = (pair: Pair) => pair.pipelined({ size: SIZE, ms, inFlight })
    return {
      ...about('in-flight', inFlight, `${count(inFlight)} requests of ${SIZE} B in flight`),
      metric: MESSAGES,
      settings: { curve: 'in-flight', at: inFlight, size: SIZE, inFlight, ms },
      command: 'pipelined',
      warmUp: ask,
      play: async (pair) => rated(await ask(pair)),
    }
  },

  neighbours(busy, ms) {
    const ask = (pair: Pair) => pair.latency({ size: SIZE, ms })
    return {
      ...about('neighbours', busy, `round trip ${SIZE} B beside ${busy} processes that compute`),
      settings: { curve: 'neighbours', at: busy, size: SIZE, ms },
      command: 'latency',
      warmUp: ask,
      play: async (pair) => timed(await amongBusy(busy, () => ask(pair))),
    }
  },
}

const about = (curve: CurveName, at: number, name: string) => ({
  ...({ suite: 'scale', metric: P50, name } as const),
  id: `scale.${curve}.${at}`,
})

const count = (value: number): string => value.toLocaleString('en-US')

const rateOf = ({ count, wallMs }: Latency & Cost) => (count / wallMs) * 1e3

/** The curve as a table, once it is known. */
function show(run: Run, name: CurveName): void {
  const found = curve(run.results, name)
  if (found === null) return
  run.say('')
  for (const line of found.text) run.say(line)
}
