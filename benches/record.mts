// The summaries of runs: what stays of them in git, in benches/record/, and what the documents are
// made from. Of each figure it has the median of all turns, and of the figure that is compared
// every turn, and of those compared besides, because a ratio is of two turns.

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { median } from './compare.mjs'
import type { Row } from './compare.mjs'
import { FORMAT, type Latency, type Measurement, type Repeat, type Results } from './results.mjs'

/** Changes when a reader of older summaries would misread a newer one. */
const SUMMARY_FORMAT = 'ringpost-bench-summary/1'

export interface Summary extends Omit<Results, 'format' | 'measurements' | 'rows'> {
  format: typeof SUMMARY_FORMAT
  measurements: MeasurementSummary[]
  rows: Omit<Row, 'turns'>[]
}

interface MeasurementSummary extends Omit<Measurement, 'repeats'> {
  /** Of every repeat. */
  values: number[]
  /** Of all repeats. */
  medians: Omit<Repeat, 'value'>
  /** Of every repeat, what else is compared. Older summaries have no such list. */
  turns?: { p99?: number[]; cpuEach?: number[] }
}

export function summarize(results: Results): Summary {
  const { measurements, rows, ...about } = results
  const summary: Summary = {
    ...about,
    format: SUMMARY_FORMAT,
    measurements: measurements.map(({ repeats, ...rest }) => ({
      ...rest,
      values: repeats.map(({ value }) => value),
      medians: mediansOf(repeats),
      turns: {
        p99: ofAll(repeats, ({ latency }) => latency?.p99),
        cpuEach: ofAll(repeats, ({ cpuEach }) => cpuEach),
      },
    })),
    // Absent in JSON.
    rows: rows.map((row) => ({ ...row, turns: undefined })),
  }
  return rounded(summary) as Summary
}

/** Results for whatever shows them; in place of each turn's further figures are the medians. */
export function expand({ measurements, rows, ...about }: Summary): Results {
  return {
    ...about,
    format: FORMAT,
    measurements: measurements.map(({ values, medians, turns = {}, ...rest }) => ({
      ...rest,
      repeats: values.map((value, turn) => ({ value, ...repeatOf(medians, turns, turn) })),
    })),
    rows: rows.map((row) => ({ ...row, turns: [] })),
  }
}

/** What is not known of every turn is in the first only: there it is shown, and is in no ratio. */
function repeatOf(
  { latency, cpuEach, ...rest }: MeasurementSummary['medians'],
  { p99, cpuEach: cpuOf }: NonNullable<MeasurementSummary['turns']>,
  turn: number,
): Omit<Repeat, 'value'> {
  const known = p99 === undefined ? turn === 0 : true
  return {
    ...rest,
    latency: known && latency ? { ...latency, p99: p99?.[turn] ?? latency.p99 } : undefined,
    cpuEach: cpuOf?.[turn] ?? (turn === 0 ? cpuEach : undefined),
  }
}

/** A figure of all repeats, where all have it. */
function ofAll(
  repeats: Repeat[],
  figure: (repeat: Repeat) => number | undefined,
): number[] | undefined {
  const figures = repeats.map(figure).filter((value) => Number.isFinite(value)) as number[]
  return figures.length > 0 && figures.length === repeats.length ? figures : undefined
}

/** Reads a summary, or the results of a run. */
export function parse(text: string): Results {
  const content = JSON.parse(text) as Summary | Results
  // Older files have no list of what was left out, or of what was missed.
  const lists = { leftOut: content.leftOut ?? [], missed: content.missed ?? [] }
  if (content.format === SUMMARY_FORMAT) return expand({ ...content, ...lists })
  if (content.format === FORMAT) return { ...content, ...lists }
  throw new TypeError('neither the results of a run nor their summary')
}

/** What a folder of summaries may have, in the order of the documents. */
const NAMES = ['comparison', 'scenarios', 'soak', 'engine']

/** Which of them a run is: one suite that has a summary of its own, or what is compared. */
export function nameOf({ settings }: Results): string {
  const [first, ...others] = settings.suites as string[]
  return others.length === 0 && NAMES.includes(first) ? first : 'comparison'
}

/** The runs of a folder of summaries. */
export function record(folder: string): Results[] {
  const files = NAMES.map((name) => join(folder, `${name}.json`)).filter((file) => existsSync(file))
  return files.map((file) => parse(readFileSync(file, 'utf8')))
}

/** The figures of runs that share no suite. What else is known of each, like its machine, is that of
 * the first. */
export function together(runs: Results[]): Results {
  const transports = runs.flatMap((run) => run.transports)
  const names = transports.map(({ name }) => name)
  return {
    ...runs[0],
    transports: transports.filter(({ name }, at) => names.indexOf(name) === at),
    measurements: runs.flatMap(({ measurements }) => measurements),
    rows: runs.flatMap(({ rows }) => rows),
    soak: runs.find(({ soak }) => soak !== null)?.soak ?? null,
  }
}

/** One measurement a line, so that a diff of two summaries can be read. */
export function print(summary: object): string {
  const fields = Object.entries(summary).map(([name, value]) => {
    const isList = Array.isArray(value) && typeof value[0] === 'object'
    const lines = isList ? value.map((one) => `\n  ${JSON.stringify(one)}`) : []
    return ` ${JSON.stringify(name)}: ${isList ? `[${lines.join(',')}\n ]` : JSON.stringify(value)}`
  })
  return `{\n${fields.join(',\n')}\n}\n`
}

function mediansOf(repeats: Repeat[]): Omit<Repeat, 'value'> {
  const of = <Group extends object>(pick: (repeat: Repeat) => Group | undefined) => {
    const groups = repeats.map(pick).filter((group): group is Group => group !== undefined)
    const names = new Set(groups.flatMap((group) => Object.keys(group)))
    const figures = [...names].map((name) => {
      return [name, middle(groups.map((group) => (group as Record<string, number>)[name]))]
    })
    return groups.length === 0 ? undefined : (Object.fromEntries(figures) as Group)
  }
  const rates = of(({ perSecond, bytesPerSecond, cpuEach }) => {
    return { perSecond, bytesPerSecond, cpuEach }
  })
  return {
    ...rates,
    latency: of<Latency>(({ latency }) => latency),
    cpu: of(({ cpu }) => cpu),
    details: of(({ details }) => details),
  }
}

function middle(values: (number | undefined)[]): number | undefined {
  const finite = values.filter((value) => Number.isFinite(value)) as number[]
  return finite.length === 0 ? undefined : median(finite)
}

/** More digits than any document shows, and fewer than a double has. */
function rounded(value: unknown): unknown {
  if (Number.isInteger(value)) return value
  if (typeof value === 'number') return Number(value.toPrecision(8))
  if (Array.isArray(value)) return value.map(rounded)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, rounded(one)]))
}
