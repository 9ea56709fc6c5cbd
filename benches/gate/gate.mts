// Is this build slower than that one? Lives are measured until every row is decided, or time is up.

import { readFileSync, writeFileSync } from 'node:fs'
import { machine, Watch, type Machine, type MachineState } from '../machine.mjs'
import { median } from '../compare.mjs'
import { scratch } from '../scratch.mjs'
import { conclude, judgeApart, judgePaired, type Answer, type Verdict } from './judge.mjs'
import { live, type Sample } from './life.mjs'
import type { GatedRow } from './rows.mjs'

export interface GateOptions {
  /** Module specifier of what is judged. @default 'ringpost', this build */
  candidate?: string
  /** What it is judged by: a build, or a record. */
  base: { library: string } | { record: Baseline }
  rows: GatedRow[]
  /** Seconds after which it ends in any case. */
  seconds: number
  /** Milliseconds of a turn. */
  ms: number
  /** Goes on for so many lives, decided or not. */
  livesMin?: number
  signal: AbortSignal
  /** After each life. */
  progress(lives: number, result: GateResult): void
}

export interface GateResult {
  answer: Answer
  lives: number
  /** Lives that do not count, because others were at work. */
  disturbed: number
  seconds: number
  rows: JudgedRow[]
  machine: Machine
  state: MachineState
}

export interface JudgedRow extends Verdict {
  id: string
  name: string
  tolerance: number
  /** How many times better than the reference, in the median of all lives. */
  candidate: number
  base: number
}

/** What `--record` writes: logarithms of ratios to the reference, by row. */
export interface Baseline {
  format: 'ringpost-baseline/1'
  recorded: string
  machine: Machine
  rows: Record<string, number[]>
}

/** How often all are asked. More lives cost a little, and looking too often costs certainty. */
const LOOK_EVERY = 2
/** A life does not count if others took more than this of all cores: that is not about the builds. */
const OTHERS_MUCH = 0.05

export async function gate(options: GateOptions): Promise<GateResult> {
  const { candidate = 'ringpost', base, rows, ms, signal, livesMin = 0 } = options
  const directory = scratch()
  const watch = new Watch()
  const start = performance.now()
  const seconds = () => (performance.now() - start) / 1e3
  const samples = new Map(rows.map(({ id }) => [id, [] as Sample[]]))
  const builds = { candidate, base: 'library' in base ? base.library : undefined }
  let disturbed = 0
  let judged = rows.map((row) => judgeRow(row, [], base))
  for (let lives = 1; ; lives++) {
    if (lives % 8 === 1) await watch.ping()
    // What is decided is decided: time goes where there is doubt.
    const counted = lives - 1 - disturbed
    const open = rows.filter((_, index) => counted < livesMin || isOpen(judged[index]))
    const life = await live({ builds, rows: open, ms, number: lives, directory, signal })
    if (life.others > OTHERS_MUCH) disturbed++
    else for (const [id, sample] of life.samples) samples.get(id)!.push(sample)
    const isLook = (lives - disturbed) % LOOK_EVERY === 0
    if (isLook) {
      judged = rows.map((row, index) =>
        open.includes(row) ? judgeRow(row, samples.get(row.id)!, base) : judged[index],
      )
    }
    const answer = conclude(judged.map((row) => row.answer))
    const about = { machine: machine(), state: watch.state }
    const result = { answer, lives, disturbed, seconds: seconds(), rows: judged, ...about }
    options.progress(lives, result)
    const decided = isLook && answer !== 'undecided' && lives - disturbed >= livesMin
    // Another life that might not end in time is not begun.
    if (decided || seconds() * ((lives + 1) / lives) > options.seconds) return result
  }
}

const isOpen = ({ answer }: JudgedRow) => answer === 'undecided'

/** Measures what later changes are judged by. */
export async function record(
  options: Pick<GateOptions, 'rows' | 'ms' | 'signal'> & {
    lives: number
    progress(lives: number): void
  },
): Promise<Baseline> {
  const directory = scratch()
  const rows: Record<string, number[]> = {}
  for (let number = 0; number < options.lives; number++) {
    const builds = { candidate: 'ringpost' }
    const { samples, others } = await live({ ...options, builds, number, directory })
    options.progress(number + 1)
    if (others > OTHERS_MUCH) continue
    for (const [id, { candidate }] of samples) (rows[id] ??= []).push(candidate)
  }
  const recorded = new Date().toISOString()
  return { format: 'ringpost-baseline/1', recorded, machine: machine(), rows }
}

export function readBaseline(file: string): Baseline {
  const baseline = JSON.parse(readFileSync(file, 'utf8')) as Baseline
  if (baseline.format !== 'ringpost-baseline/1') {
    throw new TypeError(`${file} is no baseline: ringpost gate --record ${file} writes one`)
  }
  return baseline
}

export function writeBaseline(file: string, baseline: Baseline): void {
  writeFileSync(file, `${JSON.stringify(baseline, null, 2)}\n`)
}

function judgeRow(row: GatedRow, samples: Sample[], base: GateOptions['base']): JudgedRow {
  const { id, name, tolerance } = row
  const candidates = samples.map(({ candidate }) => candidate)
  const about = { id, name, tolerance, candidate: Math.exp(median(candidates)) }
  if ('library' in base) {
    const bases = samples.map((sample) => sample.base!)
    const differences = samples.map((sample) => sample.candidate - sample.base!)
    return { ...about, ...judgePaired(differences, tolerance), base: Math.exp(median(bases)) }
  }
  const recorded = base.record.rows[id]
  if (recorded === undefined) throw new RangeError(`the baseline has no row '${id}'`)
  const verdict = judgeApart(candidates, recorded, tolerance)
  return { ...about, ...verdict, base: Math.exp(median(recorded)) }
}
