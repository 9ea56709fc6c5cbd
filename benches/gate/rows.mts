// What the gate measures: the rows of budgets.json that have a tolerance.

import { budgets } from '../budgets.mjs'
import type { Pair } from '../pair.mjs'

export interface GatedRow {
  id: string
  name: string
  unit: 'ns' | '/s'
  better: 'less' | 'more'
  /** The share a change may lose without being called slower. */
  tolerance: number
  measure(pair: Pair, ms: number): Promise<number>
  /** Milliseconds until it is at full speed: code is compiled, and pages have been touched. */
  warmUpMs: number
  /** Turns of each side in a run, of which the best counts. */
  turns: number
  /** The same of the reference, where that takes another call. */
  measureReference?(pair: Pair, ms: number): Promise<number>
}

const WARM_UP_MS = 300

const roundTrip = (size: number) => ({
  warmUpMs: WARM_UP_MS,
  turns: 2,
  unit: 'ns' as const,
  better: 'less' as const,
  measure: async (pair: Pair, ms: number) => (await pair.latency({ size, ms })).p50,
})

const MEASURES: Record<string, Omit<GatedRow, 'id' | 'tolerance'>> = {
  'latency.64.p50': { name: 'round trip 64 B, p50', ...roundTrip(64) },
  // The ring has to be filled once before its pages are reused.
  'latency.65536.p50': { name: 'round trip 64 KiB, p50', ...roundTrip(65_536), warmUpMs: 300 },
  'sync.64.p50': {
    name: 'requestSync 64 B, p50',
    ...roundTrip(64),
    measure: async (pair, ms) => (await pair.latency({ size: 64, ms, sync: true })).p50,
    measureReference: roundTrip(64).measure,
  },
  'pipelined.64': {
    name: '256 in flight, 64 B',
    unit: '/s',
    better: 'more',
    warmUpMs: WARM_UP_MS,
    turns: 4,
    measure: async (pair, ms) =>
      (await pair.pipelined({ size: 64, ms, inFlight: 256 })).perSecond,
  },
  'one-way.64': {
    name: 'one-way 64 B',
    unit: '/s',
    better: 'more',
    warmUpMs: WARM_UP_MS,
    turns: 4,
    measure: async (pair, ms) => (await pair.oneWay({ size: 64, ms })).perSecond,
  },
}

/** All gated rows, or those asked for. */
export function gatedRows(only?: string[]): GatedRow[] {
  const gated = budgets.filter(({ tolerance }) => tolerance !== undefined)
  const unknown = only?.find((id) => !gated.some((budget) => budget.id === id))
  if (unknown !== undefined) {
    const ids = gated.map(({ id }) => id)
    throw new RangeError(`no gated row '${unknown}'; there are ${ids.join(', ')}`)
  }
  return gated
    .filter(({ id }) => only === undefined || only.includes(id))
    .map(({ id, tolerance }) => ({ id, tolerance: tolerance!, ...MEASURES[id] }))
}
