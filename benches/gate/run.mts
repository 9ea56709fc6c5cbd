// One run of all processes of a comparison: started, warmed up, measured in turns, and ended. The
// cores the kernel has chosen for a process stay with it by chance, so a run is one measurement of
// each row, however many turns it has.

import { availableParallelism } from 'node:os'
import { watchOthers } from '../machine.mjs'
import { Pair } from '../pair.mjs'
import { cpuMs, endedCpuMs } from '../process.mjs'
import { workerOf } from '../transports.mjs'
import type { GatedRow, Subject } from './rows.mjs'

/** The reference is measured only where the candidate is compared with a record: beside another
 * build of the same run it would cancel out. */
export type Side = 'candidate' | 'base' | 'anchor' | 'reference'

/** Logarithms of what each side did in one row of one run, with the sign that makes more better. */
export type Measurement = Partial<Record<Side, number>>

/** Module specifiers of builds; without a base the reference is measured. */
export interface Builds {
  candidate: string
  base?: string
  /** Older than the base. */
  anchor?: string
}

export interface RunOptions {
  builds: Builds
  rows: GatedRow[]
  /** Milliseconds of a turn. */
  ms: number
  /** The number of the run: the first and the last side alternate in being first. */
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
  const pairs: Pair[] = []
  const others = watchOthers()
  const used = () => {
    const { user, system } = process.cpuUsage()
    const running = pairs.flatMap(({ pids }) => pids).map(cpuMs)
    return running.reduce((sum, ms) => sum + ms, (user + system) / 1e3 + endedCpuMs())
  }
  const before = used()
  const stop = () => pairs.forEach((pair) => pair.kill())
  signal.addEventListener('abort', stop)
  try {
    const sides = await openSides(options, pairs)
    for (const row of rows) {
      if (row.warmUpMs === 0) continue
      for (const { subject, is } of sides) await measureOf(row, is)(subject, row.warmUpMs)
    }
    const measurements = new Map<string, Measurement>()
    for (const row of rows) measurements.set(row.id, await measureRow(row, sides, ms))
    const share = others(used() - before)
    for (const pair of pairs) await pair.close()
    return { measurements, others: share }
  } finally {
    signal.removeEventListener('abort', stop)
    stop()
  }
}

type Sides = { is: Side; subject: Subject }[]

/** Starts the processes of all sides; each is in `pairs` as soon as it is open. */
async function openSides(options: RunOptions, pairs: Pair[]): Promise<Sides> {
  const { builds, rows, number, directory } = options
  const open = async (is: Side, library: string) => {
    const name = is === 'reference' ? 'expert' : 'ringpost'
    const subject: Subject = { library, directory }
    const settings = { directory, library }
    if (rows.some(({ pair }) => pair === 'node')) {
      pairs.push((subject.node = await Pair.open(name, { settings, cores: CORES })))
    }
    if (rows.some(({ pair }) => pair === 'rust')) {
      const rust = { languages: 'rust-rust', worker: workerOf(library) } as const
      pairs.push((subject.rust = await Pair.open(name, { settings, cores: CORES, ...rust })))
    }
    return { is, subject }
  }
  const { candidate, base, anchor } = builds
  const sides = [await open('candidate', candidate)]
  sides.push(await (base === undefined ? open('reference', 'ringpost') : open('base', base)))
  if (anchor !== undefined) sides.push(await open('anchor', anchor))
  return number % 2 === 1 ? sides.reverse() : sides
}

/** There and back again. The best turn counts, because other programs can only make a turn worse.
 * */
async function measureRow(row: GatedRow, sides: Sides, ms: number): Promise<Measurement> {
  const best: Measurement = {}
  for (let turn = 0; turn < row.turns; turn++) {
    const order = turn % 2 === 0 ? sides : [...sides].reverse()
    for (const { subject, is } of order) {
      const figure = Math.log(await measureOf(row, is)(subject, ms))
      best[is] = Math.max(best[is] ?? -Infinity, row.better === 'less' ? -figure : figure)
    }
  }
  return best
}

function measureOf(row: GatedRow, is: Side): GatedRow['measure'] {
  if (is !== 'reference' || row.measureReference === undefined) return row.measure
  return row.measureReference ?? (() => Promise.resolve(1))
}
