// Comparing two things fairly on a machine that is not quiet: turn by turn, each pair of turns a
// ratio of its own, and of the ratios the median.

import type { Measurement, Repeat } from './results.mjs'

/** What one row of a report says. */
export interface Row {
  /** Stable, for programs: `latency.64.p50`. */
  id: string
  /** For people. */
  name: string
  unit: string
  /** Medians over all turns. */
  ours: number
  reference: number
  /** What a plain Unix socket did in the same turns, where that was measured. */
  plain?: number
  /** How much better ours is: above 1 it is. */
  ratio: number
  /** The lowest and the highest ratio of all turns. */
  spread: [number, number]
  /** Processor time of both sides together, in share of one core. */
  cpu?: Turn<number>
  turns: Turn<number>[]
  /** Why it does not count: a rate missed. */
  fault?: string
}

/** What all sides did in one turn. */
export interface Turn<T> {
  ours: T
  reference: T
  plain?: T
}

/** One measurement: the figure, and what it cost. */
export interface Figure {
  value: number
  /** Of both sides together, in cores. */
  cpu: number
}

/** Measures both `turns` times, alternating which goes first, and the plain socket after them. */
export async function alternate<T>(
  turns: number,
  ours: () => Promise<T>,
  reference: () => Promise<T>,
  plain?: () => Promise<T>,
): Promise<Turn<T>[]> {
  const results: Turn<T>[] = []
  for (let turn = 0; turn < turns; turn++) {
    const forward = turn % 2 === 0
    const first = await (forward ? ours : reference)()
    const second = await (forward ? reference : ours)()
    const both = forward
      ? { ours: first, reference: second }
      : { ours: second, reference: first }
    results.push(plain === undefined ? both : { ...both, plain: await plain() })
  }
  return results
}

/** A row of figures where less is better, or more. */
export function row(
  id: string,
  name: string,
  unit: string,
  better: 'less' | 'more',
  turns: Turn<Figure>[],
): Row {
  const ratio = ({ ours, reference }: Turn<Figure>) =>
    better === 'less' ? reference.value / ours.value : ours.value / reference.value
  const ratios = turns.map(ratio).sort((a, b) => a - b)
  const middle = (of: (turn: Turn<Figure>) => number) => median(turns.map(of))
  const hasPlain = turns.every(({ plain }) => plain !== undefined)
  return {
    ...{ id, name, unit },
    ours: middle(({ ours }) => ours.value),
    reference: middle(({ reference }) => reference.value),
    ...(hasPlain ? { plain: middle(({ plain }) => plain!.value) } : {}),
    ratio: median(ratios),
    spread: [ratios[0], ratios[ratios.length - 1]],
    cpu: {
      ours: middle(({ ours }) => ours.cpu),
      reference: middle(({ reference }) => reference.cpu),
      ...(hasPlain ? { plain: middle(({ plain }) => plain!.cpu) } : {}),
    },
    turns: turns.map(({ ours, reference, plain }) => ({
      ...{ ours: ours.value, reference: reference.value },
      ...(plain === undefined ? {} : { plain: plain.value }),
    })),
  }
}

/** How many times better `ours` is, repeat by repeat, which were measured in turns; null if there
 * is nothing to compare, in particular if some repeat has no such figure. */
export function timesBetter(
  ours: Measurement,
  theirs: Measurement,
  better = ours.metric.better,
  figure: (repeat: Repeat) => number | undefined = ({ value }) => value,
): { ratio: number; low: number; high: number } | null {
  const less = better === 'less'
  const count = Math.min(ours.repeats.length, theirs.repeats.length)
  if (count === 0 || ours.failed !== null || theirs.failed !== null) return null
  const ratios = Array.from({ length: count }, (_, index) => {
    const [mine = NaN, other = NaN] = [ours, theirs].map(({ repeats }) => figure(repeats[index]))
    return less ? other / mine : mine / other
  })
  if (ratios.some((ratio) => Number.isNaN(ratio))) return null
  return { ratio: median(ratios), low: Math.min(...ratios), high: Math.max(...ratios) }
}

export function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}
