// npm run gate: says whether a build is slower than another.

import { appendFileSync, existsSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import {
  gate as judge,
  parseBaseline,
  record,
  writeBaseline,
  type Baseline,
  type GateOptions,
  type GateResult,
} from '../gate/gate.mjs'
import { gatedRows, measurable, type GatedRow } from '../gate/rows.mjs'
import { markdown, summary } from '../gate/summary.mjs'
import { Progress } from './progress.mjs'
import * as usage from './usage.mjs'
import { span, UsageError, whole } from './usage.mjs'

const EXIT = { 'not slower': 0, slower: 1, undecided: 3 }
/** A record has to be known better than what is judged by it. */
const RECORDED_RUNS = 40

export const HELP = `usage: npm run gate -- --base <commit> | --baseline <file> | --record <file> [options]

  --base <commit>      what to compare with: a commit, which is built first, or the folder of a
                       built tree
  --anchor <commit>    beside --base, something older, like the last release: each row may lose twice
                       its tolerance beside it, so that small losses do not add up unseen
  --baseline <file>    figures to compare with that --record wrote, best on the same machine
  --record <file>      writes such figures of this build

options
  --candidate <folder> a built tree to judge instead of this one
  --rows <list>        only these rows: ${gatedRows()
    .map(({ id }) => id)
    .join(', ')}
  --time <span>        the longest it may take, like 3m        (8m)
  --turn <span>        of one turn, like 60ms                  (60ms)
  --runs <n>           continues for so many runs, decided or not
  --markdown <file>    adds a summary for a CI page; in GitHub Actions that is $GITHUB_STEP_SUMMARY
  --json <file>        writes the result
  -h, --help           prints this text

All builds are measured in turns, in processes that are started anew for every run, until every row
is decided or time is up. With a record it is this build and a Unix socket, as an expert writes it,
and each figure counts in terms of the socket's. A row is slower if it has lost more than its
tolerance in benches/budgets.json.

exit code: 0 if nothing is slower, 1 if something is, 2 for a mistake in the command line, 3 if
there was no decision, 4 if the gate failed, 130 if it was interrupted`

const OPTIONS = {
  help: { type: 'boolean', short: 'h' },
  base: { type: 'string' },
  anchor: { type: 'string' },
  baseline: { type: 'string' },
  record: { type: 'string' },
  candidate: { type: 'string' },
  rows: { type: 'string' },
  time: { type: 'string', default: '8m' },
  turn: { type: 'string', default: '60ms' },
  runs: { type: 'string' },
  markdown: { type: 'string' },
  json: { type: 'string' },
} as const

export async function play(words: string[], signal: AbortSignal): Promise<number> {
  const { values } = usage.parse({ args: words, options: OPTIONS })
  if (values.help) {
    console.log(HELP)
    return 0
  }
  const { base, anchor, baseline, markdown, json } = values
  if ([base, baseline, values.record].filter((word) => word !== undefined).length !== 1) {
    throw new UsageError('one of --base, --baseline and --record is needed')
  }
  if (anchor !== undefined && base === undefined) throw new UsageError('--anchor needs --base')
  const asked = rowsOf(values.rows)
  const ms = span('turn', values.turn)
  const seconds = span('time', values.time) / 1e3
  const runs = values.runs === undefined ? undefined : whole('runs', values.runs, 1, 10_000)
  const candidate = values.candidate === undefined ? 'ringpost' : buildIn(values.candidate)
  const [library, older] = [base, anchor].map((word) => word === undefined ? word : buildIn(word))
  const builds = [candidate, library, older].filter((build) => build !== undefined)
  const { rows, leftOut } = measurable(asked, builds)
  if (rows.length === 0) throw new UsageError(`--rows: ${leftOut.join(', ')}`)
  const record = baseline === undefined ? undefined : baselineIn(baseline, rows)
  const against = library === undefined ? { record: record! } : { base: library, anchor: older }
  usage.writable({ record: values.record, markdown, json })
  const progress = new Progress()
  try {
    if (values.record !== undefined) {
      for (const reason of leftOut) console.log(`LEFT OUT: ${reason}`)
      await recordTo(values.record, { rows, ms, signal, runs: runs ?? RECORDED_RUNS }, progress)
      return 0
    }
    const result = await judge({
      ...{ candidate, against, rows, leftOut, ms, seconds, signal, runsMin: runs },
      ...reportTo(progress, seconds),
    })
    progress.clear()
    conclude(result, anchor === undefined ? (base ?? baseline!) : `${base} and ${anchor}`, { markdown, json })
    return EXIT[result.answer]
  } catch (error) {
    progress.clear()
    if (!signal.aborted) throw error
    console.log('Interrupted before there was an answer.')
    return 130
  }
}

function conclude(
  result: GateResult,
  beside: string,
  { markdown: page, json }: { markdown?: string; json?: string },
): void {
  for (const line of summary(result, beside)) console.log(line)
  if (page !== undefined) appendFileSync(page, markdown(result, beside))
  if (json !== undefined) writeFileSync(json, `${JSON.stringify(result, null, 2)}\n`)
}

async function recordTo(
  file: string,
  options: { rows: GatedRow[]; ms: number; signal: AbortSignal; runs: number },
  progress: Progress,
): Promise<void> {
  progress.begin('recording', options.runs)
  const baseline = await record({
    ...options,
    progress: (runs) => progress.step(`run ${runs} of ${options.runs}`),
  })
  progress.clear()
  writeBaseline(file, baseline)
  console.log(`${file}: ${options.runs} runs of ${options.rows.length} rows`)
}

/** Progress goes by time, because the number of runs is not known beforehand. */
function reportTo(progress: Progress, seconds: number): Pick<GateOptions, 'progress'> {
  progress.begin('gate', seconds)
  return {
    progress: (runs, result) => {
      const open = result.rows.filter(({ answer }) => answer === 'undecided').length
      const words = open === 0 ? 'all decided' : `${open} of ${result.rows.length} undecided`
      progress.at(result.seconds, `run ${runs}, ${words}`)
    },
  }
}

function rowsOf(list: string | undefined): GatedRow[] {
  try {
    return gatedRows(list?.split(','))
  } catch (error) {
    throw new UsageError(`--rows: ${(error as Error).message}`)
  }
}

function baselineIn(file: string, rows: GatedRow[]): Baseline {
  const text = usage.readable('baseline', file)
  try {
    return parseBaseline(text, rows)
  } catch (error) {
    throw new UsageError(`--baseline: '${file}' ${(error as Error).message}`)
  }
}

/** The module specifier of a built tree. */
function buildIn(folder: string): string {
  const entry = join(resolve(folder), 'index.mjs')
  if (!existsSync(entry)) {
    throw new UsageError(
      `'${folder}' is neither a commit nor a built tree, which has ${entry}`,
    )
  }
  return pathToFileURL(entry).href
}
