// Is this build slower than that one? Both are measured in one run after the other, until every row
// is decided or time is up.

import { writeFileSync } from 'node:fs'
import { machine, Watch, type Machine, type MachineState } from '../machine.mjs'
import { median } from '../compare.mjs'
import { scratch } from '../scratch.mjs'
import { conclude, judgeApart, judgePaired, type Answer, type Verdict } from './judge.mjs'
import { measureRun, type Measurement } from './run.mjs'
import type { GatedRow } from './rows.mjs'

export interface GateOptions {
  /** Module specifier of what is judged. @default 'ringpost', this build */
  candidate?: string
  /** What it is compared with: a build, and a much older one if given, or a record. */
  against: { base: string; anchor?: string } | { record: Baseline }
  rows: GatedRow[]
  /** Rows that could not be measured, each with the reason. */
  leftOut: string[]
  /** Seconds after which it ends in any case. */
  seconds: number
  /** Milliseconds of a turn. */
  ms: number
  /** Continues for so many runs, decided or not. */
  runsMin?: number
  signal: AbortSignal
  /** Called after each run. */
  progress(runs: number, result: GateResult): void
}

export interface GateResult {
  answer: Answer
  runs: number
  /** Runs that do not count, because other programs used too much of the machine. */
  disturbed: number
  seconds: number
  rows: JudgedRow[]
  /** Rows that could not be measured, each with the reason. */
  leftOut: string[]
  machine: Machine
  state: MachineState
}

export interface JudgedRow extends Verdict {
  id: string
  name: string
  /** With an anchor each row is judged twice. */
  beside: Beside
  tolerance: number
  /** Medians of all runs: figures in `unit`, or, beside a record, times the reference. */
  candidate: number
  before: number
  unit: string
  /** The logarithms that the answer is from, run by run: differences between two builds, or what the
   * candidate did beside the reference. */
  samples: number[]
}

export type Beside = 'base' | 'anchor' | 'record'

/** What `--record` writes: logarithms of ratios to the reference, by row. */
export interface Baseline {
  format: 'ringpost-baseline/1'
  recorded: string
  machine: Machine
  rows: Record<string, number[]>
}

/** How many times its tolerance a row may lose beside an anchor: many small losses, each within the
 * tolerance, add up to this. */
const ANCHOR_TOLERANCES = 2
/** How often rows are judged. More runs cost a little, and judging too often costs certainty. */
const JUDGE_EVERY = 2
/** A run does not count if other programs used more than this share of all cores. */
const OTHERS_MAX = 0.05

export async function gate(options: GateOptions): Promise<GateResult> {
  const { candidate = 'ringpost', against, rows, leftOut, ms, signal, runsMin = 0 } = options
  const directory = scratch()
  const watch = new Watch()
  const start = performance.now()
  const seconds = () => (performance.now() - start) / 1e3
  const found = new Map(rows.map(({ id }) => [id, [] as Measurement[]]))
  const builds = { candidate, ...('base' in against ? against : {}) }
  const comparisons = comparisonsOf(rows, against)
  let disturbed = 0
  let judged = comparisons.map((comparison) => judgeRow(comparison, []))
  for (let runs = 1; ; runs++) {
    if (runs % 8 === 1) await watch.ping()
    // A decided row is not measured again: time is spent where there is doubt.
    const counted = runs - 1 - disturbed
    const isDone = (index: number) => counted >= runsMin && judged[index].answer !== 'undecided'
    const open = rows.filter((row) =>
      comparisons.some((comparison, index) => comparison.row === row && !isDone(index)),
    )
    const run = await measureRun({ builds, rows: open, ms, number: runs, directory, signal })
    if (run.others > OTHERS_MAX) disturbed++
    else for (const [id, measurement] of run.measurements) found.get(id)!.push(measurement)
    // A run that might not end in time is not begun.
    const isLast = seconds() * ((runs + 1) / runs) > options.seconds
    const isJudged = isLast || (runs - disturbed) % JUDGE_EVERY === 0
    if (isJudged) {
      judged = comparisons.map((comparison, index) =>
        isDone(index) ? judged[index] : judgeRow(comparison, found.get(comparison.row.id)!),
      )
    }
    const answer = conclude(judged.map((row) => row.answer))
    const about = { leftOut, machine: machine(), state: watch.state }
    const result = { answer, runs, disturbed, seconds: seconds(), rows: judged, ...about }
    options.progress(runs, result)
    const decided = isJudged && answer !== 'undecided' && runs - disturbed >= runsMin
    if (decided || isLast) return result
  }
}

/** Measures what later changes are compared with. */
export async function record(
  options: Pick<GateOptions, 'rows' | 'ms' | 'signal'> & {
    runs: number
    progress(runs: number): void
  },
): Promise<Baseline> {
  const directory = scratch()
  const rows: Record<string, number[]> = {}
  for (let number = 0; number < options.runs; number++) {
    const builds = { candidate: 'ringpost' }
    const { measurements, others } = await measureRun({ ...options, builds, number, directory })
    options.progress(number + 1)
    if (others > OTHERS_MAX) continue
    for (const [id, found] of measurements) (rows[id] ??= []).push(besideReference(found))
  }
  const recorded = new Date().toISOString()
  return { format: 'ringpost-baseline/1', recorded, machine: machine(), rows }
}

/** Reads what {@link writeBaseline} wrote; it must have all of `rows`. */
export function parseBaseline(text: string, rows: GatedRow[]): Baseline {
  let baseline: Partial<Baseline> | null
  try {
    baseline = JSON.parse(text) as Partial<Baseline> | null
  } catch {
    throw new TypeError('is not JSON')
  }
  if (baseline?.format !== 'ringpost-baseline/1') {
    throw new TypeError('is not a baseline: npm run gate -- --record <file> writes one')
  }
  const missing = rows.find(({ id }) => !Array.isArray(baseline.rows?.[id]))
  if (missing !== undefined) throw new RangeError(`has no row '${missing.id}'`)
  return baseline as Baseline
}

export function writeBaseline(file: string, baseline: Baseline): void {
  writeFileSync(file, `${JSON.stringify(baseline, null, 2)}\n`)
}

interface Comparison {
  row: GatedRow
  beside: Beside
  tolerance: number
  /** Of a record. */
  recorded?: number[]
}

function comparisonsOf(rows: GatedRow[], against: GateOptions['against']): Comparison[] {
  const more = 'base' in against && against.anchor !== undefined
  return rows.flatMap((row): Comparison[] => {
    const { id, tolerance } = row
    if ('record' in against) {
      return [{ row, tolerance, beside: 'record', recorded: against.record.rows[id] }]
    }
    const base = { row, tolerance, beside: 'base' } as const
    const anchor = { ...base, tolerance: ANCHOR_TOLERANCES * tolerance, beside: 'anchor' } as const
    return more ? [base, anchor] : [base]
  })
}

function judgeRow({ row, beside, tolerance, recorded }: Comparison, found: Measurement[]): JudgedRow {
  const { id, name, better, measureReference } = row
  const unit = recorded === undefined || measureReference === null ? row.unit : '×'
  const candidates = found.map(recorded === undefined ? (one) => one.candidate! : besideReference)
  const befores = recorded ?? found.map((one) => one[beside as Exclude<Beside, 'record'>]!)
  const figure = (values: number[]) =>
    Math.exp(unit !== '×' && better === 'less' ? -median(values) : median(values))
  const paired = recorded === undefined
  const samples = paired ? candidates.map((value, run) => value - befores[run]) : candidates
  const verdict = paired
    ? judgePaired(samples, tolerance)
    : judgeApart(samples, recorded, tolerance)
  const figures = { unit, candidate: figure(candidates), before: figure(befores), samples }
  return { id, name, beside, tolerance, ...verdict, ...figures }
}

const besideReference = ({ candidate, reference }: Measurement) => candidate! - reference!
