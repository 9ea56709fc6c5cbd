// What the gate measures: the rows of budgets.json that have a tolerance.

import { existsSync } from 'node:fs'
import { bareNode } from '../bare-node.mjs'
import { budgets } from '../budgets.mjs'
import type { Pair } from '../pair.mjs'
import { workerOf } from '../transports.mjs'

/** One side in one run: a build or the reference. */
export interface Subject {
  /** Module specifier of the build. */
  library: string
  /** A folder of the run for sockets. */
  directory: string
  /** Two processes that are connected: of Node, and in Rust. Those that no row needs are missing. */
  node?: Pair
  rust?: Pair
}

export interface GatedRow {
  id: string
  name: string
  unit: 'ns' | '/s' | 'MiB'
  better: 'less' | 'more'
  /** The share a change may lose without being called slower. */
  tolerance: number
  /** The pair that has to be open; none if it starts processes of its own. */
  pair?: 'node' | 'rust'
  measure(subject: Subject, ms: number): Promise<number>
  /** Milliseconds until it is at full speed: code is compiled, and pages have been touched. */
  warmUpMs: number
  /** Turns of each side in a run, of which the best counts. */
  turns: number
  /** The same of the reference, where that takes another call; null if it has nothing like it, and
   * figures of a record stand by themselves. */
  measureReference?: GatedRow['measure'] | null
}

const WARM_UP_MS = 300

const roundTrip = (size: number, percentile: 'p50' | 'p99' = 'p50') => ({
  pair: 'node' as const,
  warmUpMs: WARM_UP_MS,
  turns: 2,
  unit: 'ns' as const,
  better: 'less' as const,
  measure: async ({ node }: Subject, ms: number) => (await node!.latency({ size, ms }))[percentile],
})

const rate = (
  pair: 'node' | 'rust',
  measure: (pair: Pair, ms: number) => Promise<{ perSecond: number }>,
) => ({
  pair,
  warmUpMs: WARM_UP_MS,
  turns: 4,
  unit: '/s' as const,
  better: 'more' as const,
  measure: async (subject: Subject, ms: number) => (await measure(subject[pair]!, ms)).perSecond,
})

/** Connections of a turn. */
const CONNECTIONS = 20

const oneWay = (pair: Pair, ms: number) => pair.oneWay({ size: 64, ms })

const MEASURES: Record<string, Omit<GatedRow, 'id' | 'tolerance'>> = {
  'latency.64.p50': { name: 'round trip 64 B, p50', ...roundTrip(64) },
  'latency.64.p99': { name: 'round trip 64 B, p99', ...roundTrip(64, 'p99') },
  'latency.65536.p50': { name: 'round trip 64 KiB, p50', ...roundTrip(65_536) },
  'sync.64.p50': {
    name: 'requestSync 64 B, p50',
    ...roundTrip(64),
    measure: async ({ node }, ms) => (await node!.latency({ size: 64, ms, sync: true })).p50,
    measureReference: roundTrip(64).measure,
  },
  'pipelined.64': {
    name: '256 in flight, 64 B',
    ...rate('node', (pair, ms) => pair.pipelined({ size: 64, ms, inFlight: 256 })),
  },
  'one-way.64': { name: 'one-way 64 B', ...rate('node', oneWay) },
  'stream.64': {
    name: 'stream of 64 B items',
    ...rate('node', (pair, ms) => pair.stream({ size: 64, ms })),
    measureReference: rate('node', oneWay).measure,
  },
  'rust.one-way.64': { name: 'Rust one-way 64 B', ...rate('rust', oneWay) },
  'connect.p50': {
    name: 'connect, p50',
    ...roundTrip(64),
    measure: async ({ node }) => (await node!.reconnect(CONNECTIONS)).p50,
  },
  'memory.node': {
    ...{ name: 'added to a bare process', unit: 'MiB', better: 'less' },
    ...{ warmUpMs: 0, turns: 1, measureReference: null },
    async measure({ library, directory }) {
      const [bare, connected] = await bareNode(directory, { library, repeats: 1 })
      return (connected - bare) / 2 ** 20
    },
  },
}

/** Leaves out what one of the builds cannot be measured in, each with the reason. */
export function measurable(
  rows: GatedRow[],
  builds: string[],
): { rows: GatedRow[]; leftOut: string[] } {
  const missing = builds.map(workerOf).find((worker) => !existsSync(worker))
  const isLeftOut = ({ pair }: GatedRow) => pair === 'rust' && missing !== undefined
  return {
    rows: rows.filter((row) => !isLeftOut(row)),
    leftOut: rows.filter(isLeftOut).map(({ name }) => `${name}: there is no ${missing}`),
  }
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
