// Queries for charts and tables: what was measured, in which order, and how it compares.

import { median, timesBetter } from '../compare.mjs'
import type { Languages, Measurement, Repeat, Results } from '../results.mjs'
import { TRANSPORTS } from '../transports.mjs'
import { bytes, human, round } from '../words.mjs'

/** The transport that all others are compared with. */
export const OURS = 'ringpost'

export const PAIRS: Record<Languages, string> = {
  'ts-ts': 'TypeScript → TypeScript',
  'ts-rust': 'TypeScript → Rust',
  'rust-rust': 'Rust → Rust',
}

/** Suites in which transports are beside each other. */
export const COMPARED = ['latency', 'throughput', 'burst', 'connect'] as const
export type Compared = (typeof COMPARED)[number]

/** A transport looks the same in all plots, whichever others are in them. */
export function lookOf({ transports }: Results, name: string): number {
  const known = TRANSPORTS.findIndex((transport) => transport.name === name)
  if (known !== -1) return known
  return TRANSPORTS.length + transports.findIndex((transport) => transport.name === name)
}

export function labelOf({ transports }: Results, name: string): string {
  return transports.find((transport) => transport.name === name)?.label ?? name
}

/** Of one suite and pair of languages, in the order in which transports are always shown. */
export function measurementsOf(results: Results, suite: string, pair?: Languages): Measurement[] {
  return results.measurements
    .filter((one) => one.suite === suite && (pair === undefined || one.pair === pair))
    .sort((a, b) => lookOf(results, a.transport) - lookOf(results, b.transport))
}

/** The pairs of languages with any measurement. */
export function pairsOf({ measurements }: Results, suite: string): Languages[] {
  const spoken = measurements.filter((one) => one.suite === suite).map(({ pair }) => pair)
  return (Object.keys(PAIRS) as Languages[]).filter((pair) => spoken.includes(pair))
}

/** Grouped by some key, in the order in which keys were first met. */
export function groupBy<T>(values: T[], key: (value: T) => string): [string, T[]][] {
  const groups = new Map<string, T[]>()
  for (const value of values) {
    const group = groups.get(key(value))
    if (group === undefined) groups.set(key(value), [value])
    else group.push(value)
  }
  return [...groups]
}

/** In the order in which they were measured, which is that of sizes. */
export function byId(results: Results, measurements: Measurement[]): [string, Measurement[]][] {
  const order = new Map(results.measurements.map(({ id }, index) => [id, index] as const).reverse())
  return groupBy(measurements, ({ id }) => id).sort(([a], [b]) => order.get(a)! - order.get(b)!)
}

/** Whether it may be plotted and compared. */
export const counts = ({ failed, repeats }: Measurement): boolean =>
  failed === null && repeats.length > 0

/** The median of a figure over those repeats that have it; null where none has. */
export function middle(
  { repeats }: Measurement,
  figure: (repeat: Repeat) => number | undefined,
): number | null {
  const values = repeats.map(figure).filter((value) => Number.isFinite(value)) as number[]
  return values.length === 0 ? null : median(values)
}

/** A figure in which transports are compared. */
export interface Figure {
  /** Null for the one a measurement is about. */
  name: string | null
  unit: string
  better: 'less' | 'more'
  of(repeat: Repeat): number | undefined
}

const mainFigure = ({ metric: { unit, better } }: Measurement): Figure => ({
  ...{ name: null, unit, better },
  of: ({ value }) => value,
})

/** Where repeats have them. */
const FURTHER: Figure[] = [
  { name: 'p99', unit: 'ns', better: 'less', of: ({ latency }) => latency?.p99 },
  { name: 'processor time of each', unit: 'ns', better: 'less', of: ({ cpuEach }) => cpuEach },
]

/** Ringpost beside another transport. */
export interface Ratio {
  measurement: Measurement
  figure: Figure
  label: string
  ratio: number
  low: number
  high: number
}

/** How many times better Ringpost is than others, wherever both were measured. */
export const ratios = (results: Results): Ratio[] =>
  compared(results).flatMap((measurement) => ratiosIn(results, measurement, []))

const compared = (results: Results, more: string[] = []) =>
  [...COMPARED, ...more].flatMap((suite) => measurementsOf(results, suite))

function ratiosIn(results: Results, measurement: Measurement, further: Figure[]): Ratio[] {
  return [mainFigure(measurement), ...further].flatMap((figure) => {
    const times = ratioOf(results, measurement, figure)
    if (times === null) return []
    return [{ measurement, figure, label: labelOf(results, measurement.transport), ...times }]
  })
}

/** Ringpost in another configuration, and a ring without a library around it: useful for
 * comparison, but not an alternative. */
const NO_RIVALS = ['ringpost-asleep', 'ringpost-socket', 'bare']

/** Ratios to alternatives, in the median or the rate, in the 99th percentile, and in processor
 * time. */
export const rivalRatios = (results: Results): Ratio[] =>
  compared(results, ['scale'])
    .filter(({ transport }) => !NO_RIVALS.includes(transport))
    .flatMap((measurement) => ratiosIn(results, measurement, FURTHER))

export function ratioOf(
  results: Results,
  theirs: Measurement,
  { better, of }: Figure = mainFigure(theirs),
): ReturnType<typeof timesBetter> {
  const { id, pair, transport } = theirs
  if (transport === OURS) return null
  const ours = results.measurements.find(
    (one) => one.transport === OURS && one.id === id && one.pair === pair,
  )
  const times = ours === undefined ? null : timesBetter(ours, theirs, better, of)
  if (times === null || ![times.ratio, times.low, times.high].every(isRatio)) return null
  return times
}

const isRatio = (value: number) => Number.isFinite(value) && value > 0

/** A figure for people. What JSON has no figure for is null there. */
export function figure(value: number | null | undefined, unit: string): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return '–'
  if (value < 0) return `−${figure(-value, unit)}`
  return unit === 'B' ? bytes(Math.round(value)) : human(value, unit)
}

/** A ratio; what is only just below 1 is not rounded to it. */
export function times(ratio: number): string {
  const isJustBelow = ratio < 1 && ratio >= 0.995
  return `${isJustBelow ? (Math.floor(ratio * 1000) / 1000).toFixed(3) : round(ratio)}×`
}

/** So many, in digits that can be read. */
export const count = (value: number): string =>
  value.toLocaleString('en-US', { maximumFractionDigits: value < 100 ? 2 : 0 })
