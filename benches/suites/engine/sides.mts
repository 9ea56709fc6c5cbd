// What a row compares: ours, the reference, and a plain Unix socket, turn by turn.

import { alternate, row, type Figure, type Row } from '../../compare.mjs'
import type { Cost, Pair } from '../../pair.mjs'

/** How much is measured. */
export interface Effort {
  /** Turns of each comparison. */
  turns: number
  /** Milliseconds of a turn. */
  ms: number
  /** Whether the Rust program is there; without it there are no Rust rows. */
  rust: boolean
  /** Only what is decisive, for a first impression. */
  brief: boolean
}

export interface Sides {
  ours: Pair
  reference: Pair
  plain?: Pair
}

/** A row of a measurement: which of its figures. */
export interface Column<T> {
  id: string
  name: string
  unit: string
  better: 'less' | 'more'
  figure(result: T): number
}

type Measure<T> = (pair: Pair) => Promise<T & Cost>

/** Measures all sides in turns; each column is a row. The others are measured as ours is, unless
 * `theirs` says how. `fault` says why a turn does not count, or null. */
export async function compare<T>(
  { turns }: Effort,
  { ours, reference, plain }: Sides,
  columns: Column<T & Cost>[],
  measure: Measure<T>,
  theirs = measure,
  fault: (result: T & Cost) => string | null = () => null,
): Promise<Row[]> {
  const results = await alternate(
    turns,
    () => measure(ours),
    () => theirs(reference),
    plain === undefined ? undefined : () => theirs(plain),
  )
  const faults = results.flatMap((turn) =>
    (['ours', 'reference'] as const).flatMap((side) => {
      const why = fault(turn[side])
      return why === null ? [] : [{ fault: `${side}: ${why}` }]
    }),
  )
  return columns.map(({ id, name, unit, better, figure }) => {
    const of = (result: T & Cost): Figure => ({ value: figure(result), cpu: cpu(result) })
    const figures = results.map(({ ours, reference, plain }) => ({
      ...{ ours: of(ours), reference: of(reference) },
      ...(plain === undefined ? {} : { plain: of(plain) }),
    }))
    return { ...row(id, name, unit, better, figures), ...faults[0] }
  })
}

/** Processor time of both sides, in cores. */
export const cpu = ({ clientCpuMs, serverCpuMs, wallMs }: Cost) =>
  (clientCpuMs + serverCpuMs) / wallMs

type Spans = { p50: number; p90: number; p99: number; p999: number }

const NAMES = { p50: 'p50', p90: 'p90', p99: 'p99', p999: 'p99.9' }

/** A column for each percentile. */
export const percentiles = (
  id: string,
  name: string,
  of: (keyof Spans)[],
): Column<Spans & Cost>[] =>
  of.map((span) => ({
    ...{ id: `${id}.${span}`, name: `${name}, ${NAMES[span]}` },
    ...({ unit: 'ns', better: 'less', figure: (result) => result[span] } as const),
  }))

/** A column of how many there were in a second. */
export const perSecond = (id: string, name: string): Column<{ perSecond: number } & Cost> => ({
  ...{ id, name },
  ...({ unit: '/s', better: 'more', figure: (result) => result.perSecond } as const),
})

/** A figure that stands for itself, with the processor time of both sides in cores. */
export const single = (
  id: string,
  name: string,
  unit: string,
  value: number,
  cores?: number,
): Row => ({
  ...{ id, name, unit },
  ...(cores === undefined ? {} : { cpu: { ours: cores, reference: NaN } }),
  ...{ ours: value, reference: NaN, ratio: value, spread: [value, value], turns: [] },
})
