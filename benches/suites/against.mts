// Two builds of the library against each other: the same rows, the same workers, A-B-B-A.

import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { alternate, interval, row, type Figure, type Row } from '../compare.mjs'
import { Pair } from '../pair.mjs'
import { scratch } from '../scratch.mjs'

/** The fewest A-B-B-A rounds a comparison is worth anything with. */
export const ROUNDS_MIN = 20

interface Measured {
  id: string
  name: string
  unit: string
  better: 'less' | 'more'
  measure(pair: Pair, ms: number): Promise<number>
}

const latency = (size: number, name: string, sync = false): Measured => ({
  id: `${sync ? 'sync' : 'latency'}.${size}.p50`,
  name,
  unit: 'ns',
  better: 'less',
  measure: async (pair, ms) => (await pair.latency({ size, ms, sync })).p50,
})

const MEASURED: Measured[] = [
  latency(64, 'round trip 64 B, p50'),
  latency(65_536, 'round trip 64 KiB, p50'),
  latency(1_048_576, 'round trip 1 MiB, p50'),
  latency(64, 'requestSync 64 B, p50', true),
  {
    id: 'pipelined.64',
    name: '256 in flight, 64 B',
    unit: '/s',
    better: 'more',
    measure: async (pair, ms) => (await pair.pipelined({ size: 64, ms, inFlight: 256 })).perSecond,
  },
  {
    id: 'one-way.64',
    name: 'one-way 64 B',
    unit: '/s',
    better: 'more',
    measure: async (pair, ms) => (await pair.oneWay({ size: 64, ms })).perSecond,
  },
]

/** A row of a comparison of builds, whose reference is the other build. */
export interface Verdict extends Row {
  /** Where the true ratio lies, 95 times of 100. */
  interval: [number, number]
  verdict: 'faster' | 'slower' | 'no difference seen'
}

/** Rounds before both pairs of processes are started anew: where the kernel has put one pair is
 * luck, and would else stay with it. */
const ROUNDS_PER_LIFE = 4

/** Compares this build with the one whose tree is in `base`. */
export async function against(
  base: string,
  rounds: number,
  ms: number,
  done: (row: Verdict) => void,
): Promise<Verdict[]> {
  const directory = scratch()
  const library = pathToFileURL(join(base, 'index.mjs')).href
  const verdicts: Verdict[] = []
  for (const { id, name, unit, better, measure } of MEASURED) {
    const turns: Turn[] = []
    while (turns.length < rounds * 2) {
      turns.push(...(await life(directory, library, (pair) => measure(pair, ms))))
    }
    const compared = row(id, name, unit, better, turns)
    const bounds = interval(compared.turns.map(ratioOf(better)))
    verdicts.push({ ...compared, interval: bounds, verdict: judge(bounds) })
    done(verdicts[verdicts.length - 1])
  }
  return verdicts
}

type Turn = { ours: Figure; reference: Figure }

/** Some rounds with fresh processes. */
async function life(
  directory: string,
  library: string,
  measure: (pair: Pair) => Promise<number>,
): Promise<Turn[]> {
  const pairs: Pair[] = []
  try {
    pairs.push(await Pair.open('ringpost', { directory }))
    pairs.push(await Pair.open('ringpost', { directory, library }))
    const [candidate, other] = pairs
    for (const pair of pairs) await measure(pair)
    const figure = async (pair: Pair): Promise<Figure> => ({ value: await measure(pair), cpu: 0 })
    const turns = await alternate(
      ROUNDS_PER_LIFE * 2,
      () => figure(candidate),
      () => figure(other),
    )
    for (const pair of pairs) await pair.close()
    return turns
  } finally {
    for (const pair of pairs) pair.kill()
  }
}

function judge([low, high]: [number, number]): Verdict['verdict'] {
  if (low > 1) return 'faster'
  return high < 1 ? 'slower' : 'no difference seen'
}

const ratioOf = (better: 'less' | 'more') => (turn: { ours: number; reference: number }) =>
  better === 'less' ? turn.reference / turn.ours : turn.ours / turn.reference
