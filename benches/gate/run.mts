// One run of all processes of a comparison: started, warmed up, measured in turns, and ended. The
// cores the kernel has chosen for a process stay with it by chance, so a run is one measurement of
// each row, however many turns it has.

import { availableParallelism } from 'node:os'
import type { Settings } from '../adapter.mjs'
import { watchOthers } from '../machine.mjs'
import { Pair } from '../pair.mjs'
import { cpuMs } from '../process.mjs'
import type { GatedRow } from './rows.mjs'

/** The reference is measured only where the candidate is compared with a record: beside another
 * build of the same run it would cancel out. */
export type Side = 'candidate' | 'base' | 'reference'

/** Logarithms of what each side did in one row of one run, with the sign that makes more better. */
export type Measurement = Partial<Record<Side, number>>

/** Module specifiers of builds; without a base the reference is measured. */
export interface Builds {
  candidate: string
  base?: string
}

export interface RunOptions {
  builds: Builds
  rows: GatedRow[]
  /** Milliseconds of a turn. */
  ms: number
  /** The number of the run: candidate and base alternate in being first. */
  number: number
  directory: string
  signal: AbortSignal
}

/** Each side on a core of its own: where the scheduler would put the two is not what is compared.
 * */
const CORES = availableParallelism() > 1 ? { client: '0', server: '1' } : {}

export interface Run {
  measurements: Map<string, Measurement>
  /** The share of all cores that other programs used meanwhile. */
  others: number
}

/** Measures all rows in new processes: candidate, base, and the same backward. */
export async function measureRun(options: RunOptions): Promise<Run> {
  const { rows, ms, signal } = options
  const others = watchOthers()
  const startedAt = process.cpuUsage()
  const pairs: Pair[] = []
  const stop = () => pairs.forEach((pair) => pair.kill())
  signal.addEventListener('abort', stop)
  try {
    const sides = await openSides(options, pairs)
    for (const row of rows) {
      for (const { pair, is } of sides) await measureOf(row, is)(pair, row.warmUpMs)
    }
    const measurements = new Map<string, Measurement>()
    for (const row of rows) measurements.set(row.id, await measureRow(row, sides, ms))
    const { user, system } = process.cpuUsage(startedAt)
    const workers = pairs.flatMap(({ pids }) => pids).map(cpuMs)
    const ours = workers.reduce((sum, ms) => sum + ms, (user + system) / 1e3)
    const used = others(ours)
    for (const pair of pairs) await pair.close()
    return { measurements, others: used }
  } finally {
    signal.removeEventListener('abort', stop)
    stop()
  }
}

interface Subject {
  pair: Pair
  is: Side
}

/** Starts the processes of all sides; each is in `pairs` as soon as it is open. */
async function openSides(options: RunOptions, pairs: Pair[]): Promise<Subject[]> {
  const { builds, number, directory } = options
  const open = async (is: Side, name: string, settings: Settings = {}) => {
    const pair = await Pair.open(name, { settings: { directory, ...settings }, cores: CORES })
    pairs.push(pair)
    return { pair, is }
  }
  const sides = [await open('candidate', 'ringpost', { library: builds.candidate })]
  if (builds.base === undefined) sides.push(await open('reference', 'expert'))
  else sides.push(await open('base', 'ringpost', { library: builds.base }))
  return number % 2 === 1 ? sides.reverse() : sides
}

const measureOf = (row: GatedRow, is: Side) =>
  (is === 'reference' && row.measureReference) || row.measure

/** There and back again. The best turn counts, because other programs can only make a turn worse.
 * */
async function measureRow(row: GatedRow, sides: Subject[], ms: number): Promise<Measurement> {
  const best: Measurement = {}
  for (let turn = 0; turn < row.turns; turn++) {
    const order = turn % 2 === 0 ? sides : [...sides].reverse()
    for (const { pair, is } of order) {
      const figure = Math.log(await measureOf(row, is)(pair, ms))
      best[is] = Math.max(best[is] ?? -Infinity, row.better === 'less' ? -figure : figure)
    }
  }
  return best
}
