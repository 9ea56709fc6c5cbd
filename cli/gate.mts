// ringpost gate: says whether a build is slower than another.

import { appendFileSync, existsSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import {
  gate as judge,
  readBaseline,
  record,
  writeBaseline,
  type GateOptions,
} from '../benches/gate/gate.mjs'
import { gatedRows, type GatedRow } from '../benches/gate/rows.mjs'
import { markdown, summary } from '../benches/gate/summary.mjs'
import { Progress } from './progress.mjs'
import { parse, span, UsageError, whole } from './usage.mjs'

const EXIT = { 'not slower': 0, slower: 1, undecided: 3 }
/** A record has to be better known than what is judged by it. */
const RECORDED_LIVES = 24

const HELP = `usage: ringpost gate --base <folder> | --baseline <file> | --record <file>  [options]

  --base <folder>      a built tree to compare with; in the repository, npm run gate -- --base <commit>
                       makes one
  --baseline <file>    figures to compare with that --record wrote, best on the same machine
  --record <file>      writes such figures of this build

options
  --candidate <folder> a built tree to judge in place of this one
  --rows <list>        only these rows: ${gatedRows()
    .map(({ id }) => id)
    .join(', ')}
  --time <span>        the longest it may take, like 3m        (3m)
  --turn <span>        of one turn, like 60ms                  (60ms)
  --lives <n>          goes on for so many lives, decided or not
  --markdown <file>    adds a summary for a CI page; in GitHub Actions that is $GITHUB_STEP_SUMMARY
  --json <file>        writes the result

Both builds and a plain Unix socket are measured in turns, each figure in terms of the socket's, in
processes that are started anew again and again, until every row is decided or time is up. A row is
slower if it has lost more than its tolerance in benches/budgets.json.

It ends with 0 if nothing is slower, 1 if something is, 3 if that could not be decided, 2 if this was
misunderstood, 4 if it broke, 130 if it was interrupted.`

export async function gate(words: string[], signal: AbortSignal): Promise<number> {
  const { values } = parse({
    args: words,
    options: {
      help: { type: 'boolean' },
      base: { type: 'string' },
      baseline: { type: 'string' },
      record: { type: 'string' },
      candidate: { type: 'string' },
      rows: { type: 'string' },
      time: { type: 'string', default: '3m' },
      turn: { type: 'string', default: '60ms' },
      lives: { type: 'string' },
      markdown: { type: 'string' },
      json: { type: 'string' },
    },
  })
  if (values.help) {
    console.log(HELP)
    return 0
  }
  const { base, baseline } = values
  if ([base, baseline, values.record].filter((word) => word !== undefined).length !== 1) {
    throw new UsageError('one of --base, --baseline and --record is needed')
  }
  const rows = rowsOf(values.rows)
  const ms = span('turn', values.turn)
  const lives = values.lives === undefined ? undefined : whole('lives', values.lives, 1, 10_000)
  const progress = new Progress()
  try {
    if (values.record !== undefined) {
      await recordTo(values.record, { rows, ms, signal, lives: lives ?? RECORDED_LIVES }, progress)
      return 0
    }
    const result = await judge({
      candidate: values.candidate === undefined ? undefined : buildIn(values.candidate),
      base: base === undefined ? { record: readBaseline(baseline!) } : { library: buildIn(base) },
      ...{ rows, ms, signal, livesMin: lives },
      seconds: span('time', values.time) / 1e3,
      ...told(progress, span('time', values.time) / 1e3),
    })
    progress.clear()
    const beside = base ?? baseline!
    for (const line of summary(result, beside)) console.log(line)
    if (values.markdown !== undefined) appendFileSync(values.markdown, markdown(result, beside))
    if (values.json !== undefined) {
      writeFileSync(values.json, `${JSON.stringify(result, null, 2)}\n`)
    }
    return EXIT[result.answer]
  } catch (error) {
    progress.clear()
    if (!signal.aborted) throw error
    console.log('Interrupted before there was an answer.')
    return 130
  }
}

async function recordTo(
  file: string,
  options: { rows: GatedRow[]; ms: number; signal: AbortSignal; lives: number },
  progress: Progress,
): Promise<void> {
  progress.begin('recording', options.lives)
  const baseline = await record({
    ...options,
    progress: (lives) => progress.step(`life ${lives} of ${options.lives}`),
  })
  progress.clear()
  writeBaseline(file, baseline)
  console.log(`${file}: ${options.lives} lives of ${options.rows.length} rows`)
}

/** Its progress is by time, because nobody knows how many lives it will take. */
function told(progress: Progress, seconds: number): Pick<GateOptions, 'progress'> {
  progress.begin('gate', seconds)
  return {
    progress: (lives, result) => {
      const open = result.rows.filter(({ answer }) => answer === 'undecided').length
      const words = open === 0 ? 'all decided' : `${open} of ${result.rows.length} undecided`
      progress.at(result.seconds, `life ${lives}, ${words}`)
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

/** The module specifier of a built tree. */
function buildIn(folder: string): string {
  const entry = join(resolve(folder), 'index.mjs')
  if (!existsSync(entry)) {
    throw new UsageError(
      `${folder} is no built tree: ${entry} is missing; npm run gate -- --base <commit> makes one`,
    )
  }
  return pathToFileURL(entry).href
}
