// One life of all processes of a comparison: started, warmed up, measured in turns, and ended. Where
// the kernel has put a process is luck that stays with it, so that a life is one sample and no more,
// however many turns it has.

import { availableParallelism } from 'node:os'
import type { Settings } from '../adapter.mjs'
import { watchOthers } from '../machine.mjs'
import { Pair } from '../pair.mjs'
import { cpuMs } from '../process.mjs'
import type { GatedRow } from './rows.mjs'

/** Logarithms of how many times better than the reference each build is, in one row of one life. */
export interface Sample {
  candidate: number
  /** Missing where the base is a record. */
  base?: number
}

/** Module specifiers of builds. */
export interface Builds {
  candidate: string
  base?: string
}

/** What a life is made of. */
export interface LifeOptions {
  builds: Builds
  rows: GatedRow[]
  /** Milliseconds of a turn. */
  ms: number
  /** Which life it is: candidate and base take turns in being first. */
  number: number
  directory: string
  signal: AbortSignal
}

/** Each side on a core of its own: what the scheduler makes of two is not what is compared. */
const CORES = availableParallelism() > 1 ? { client: '0', server: '1' } : {}

export interface Life {
  samples: Map<string, Sample>
  /** The share of all cores that others took meanwhile. */
  others: number
}

/** Measures all rows in a new life: candidate, reference, base, and the same backward. */
export async function live(options: LifeOptions): Promise<Life> {
  const { builds, rows, ms, number, directory, signal } = options
  const others = watchOthers()
  const startedAt = process.cpuUsage()
  const pairs: Pair[] = []
  const stop = () => pairs.forEach((pair) => pair.kill())
  signal.addEventListener('abort', stop)
  const open = async (name: string, settings: Settings = {}) => {
    const pair = await Pair.open(name, { settings: { directory, ...settings }, cores: CORES })
    pairs.push(pair)
    return pair
  }
  try {
    const candidate = await open('ringpost', { library: builds.candidate })
    const reference = await open('uds')
    const base =
      builds.base === undefined ? undefined : await open('ringpost', { library: builds.base })
    const sides: Side[] = [
      { pair: candidate, is: 'candidate' },
      { pair: reference, is: 'reference' },
      ...(base === undefined ? [] : [{ pair: base, is: 'base' } as const]),
    ]
    if (number % 2 === 1) sides.reverse()
    for (const row of rows) {
      for (const { pair, is } of sides) await measureOf(row, is)(pair, row.warmUpMs)
    }
    const samples = new Map<string, Sample>()
    for (const row of rows) samples.set(row.id, await measureRow(row, sides, ms))
    const { user, system } = process.cpuUsage(startedAt)
    const workers = pairs.flatMap(({ pids }) => pids).map(cpuMs)
    const ours = workers.reduce((sum, ms) => sum + ms, (user + system) / 1e3)
    const taken = others(ours)
    for (const pair of pairs) await pair.close()
    return { samples, others: taken }
  } finally {
    signal.removeEventListener('abort', stop)
    stop()
  }
}

interface Side {
  pair: Pair
  is: 'candidate' | 'reference' | 'base'
}

const measureOf = (row: GatedRow, is: Side['is']) =>
  (is === 'reference' && row.measureReference) || row.measure

/** There and back again; the best turn counts, because what others on the machine take away can only
 * make a turn worse. */
async function measureRow(row: GatedRow, sides: Side[], ms: number): Promise<Sample> {
  const best = { candidate: -Infinity, reference: -Infinity, base: -Infinity }
  for (let turn = 0; turn < row.turns; turn++) {
    const order = turn % 2 === 0 ? sides : [...sides].reverse()
    for (const { pair, is } of order) {
      const figure = Math.log(await measureOf(row, is)(pair, ms))
      best[is] = Math.max(best[is], row.better === 'less' ? -figure : figure)
    }
  }
  const { candidate, reference, base } = best
  return {
    candidate: candidate - reference,
    base: sides.length === 3 ? base - reference : undefined,
  }
}
