// Comparing two things fairly on a machine that is not quiet: turn by turn, each pair of turns a
// ratio of its own, and of the ratios the median.

import type { Measurement } from './results.mjs'

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
  /** How much better ours is: above 1 it is. */
  ratio: number
  /** The lowest and the highest ratio of all turns. */
  spread: [number, number]
  /** Processor time of both sides together, in share of one core. */
  cpu?: { ours: number; reference: number }
  turns: { ours: number; reference: number }[]
}

/** One measurement: the figure, and what it cost. */
export interface Figure {
  value: number
  cpu: number
}

/** Measures both `turns` times, alternating which goes first. */
export async function alternate<T>(
  turns: number,
  ours: () => Promise<T>,
  reference: () => Promise<T>,
  onTurn: () => void = () => {},
): Promise<{ ours: T; reference: T }[]> {
  const results = []
  for (let turn = 0; turn < turns; turn++) {
    if (turn % 2 === 0) {
      const first = await ours()
      results.push({ ours: first, reference: await reference() })
    } else {
      const first = await reference()
      results.push({ ours: await ours(), reference: first })
    }
    onTurn()
  }
  return results
}

/** A row of figures where less is better, or more. */
export function row(
  id: string,
  name: string,
  unit: string,
  better: 'less' | 'more',
  turns: { ours: Figure; reference: Figure }[],
): Row {
  const ratio = ({ ours, reference }: { ours: Figure; reference: Figure }) =>
    better === 'less' ? reference.value / ours.value : ours.value / reference.value
  const ratios = turns.map(ratio).sort((a, b) => a - b)
  return {
    id,
    name,
    unit,
    ours: median(turns.map((turn) => turn.ours.value)),
    reference: median(turns.map((turn) => turn.reference.value)),
    ratio: median(ratios),
    spread: [ratios[0], ratios[ratios.length - 1]],
    cpu: {
      ours: median(turns.map((turn) => turn.ours.cpu)),
      reference: median(turns.map((turn) => turn.reference.cpu)),
    },
    turns: turns.map(({ ours, reference }) => ({ ours: ours.value, reference: reference.value })),
  }
}

/** How many times better `ours` is, repeat by repeat, which were measured in turns; null if there
 * is nothing to compare. */
export function timesBetter(
  ours: Measurement,
  theirs: Measurement,
): { ratio: number; low: number; high: number } | null {
  const less = ours.metric.better === 'less'
  const count = Math.min(ours.repeats.length, theirs.repeats.length)
  if (count === 0 || ours.failed !== null || theirs.failed !== null) return null
  const ratios = Array.from({ length: count }, (_, index) => {
    const [mine, other] = [ours.repeats[index].value, theirs.repeats[index].value]
    return less ? other / mine : mine / other
  })
  return { ratio: median(ratios), low: Math.min(...ratios), high: Math.max(...ratios) }
}

export function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}
