// The conformance suite: every situation with every pair of languages under both transports.
//
//   node dist/conformance/run.mjs [--row <pattern>] [--pair ts-rust] [--transport portable]
//                                 [--agent <path>] [--jobs <n>] [--long]
//
// With --long, rows that go on for a while do so for a minute.

import { parseArgs } from 'node:util'
import { findRustAgent, type Language } from './agents.mjs'
import { Column, LASTING_MS, type Cell, type Row, type Transport } from './cell.mjs'
import { bounds } from './rows/bounds.mjs'
import { missing } from './needs.mjs'
import { ends } from './rows/ends.mjs'
import { good } from './rows/good.mjs'
import { handlers } from './rows/handlers.mjs'
import { input } from './rows/input.mjs'
import { meeting } from './rows/meeting.mjs'
import { overflow } from './rows/overflow.mjs'
import { rogues } from './rows/rogues.mjs'
import { strain } from './rows/strain.mjs'
import { streams } from './rows/streams.mjs'

const { values: chosen } = parseArgs({
  options: {
    row: { type: 'string', default: '' },
    pair: { type: 'string' },
    transport: { type: 'string' },
    agent: { type: 'string' },
    jobs: { type: 'string', default: '4' },
    long: { type: 'boolean', default: false },
  },
})

const LANGUAGES: readonly Language[] = ['ts', 'rust']
const TRANSPORTS: readonly Transport[] = ['sealed', 'portable']
/** No row takes longer; one that does has failed. */
const ROW_MS = 40_000 + LASTING_MS
/** What of the agents' standard error is shown. */
const SAID_MAX = 2000

const themes: Record<string, readonly Row[]> = {
  'good days': good,
  'bad input': input,
  meeting,
  handlers,
  streams,
  'a rogue at the other end': rogues,
  'full lanes': overflow,
  strain,
  'what one peer may cost': bounds,
  'the end of a process': ends,
}
const pattern = new RegExp(chosen.row, 'i')
const rows = Object.values(themes).flat().filter(({ name }) => pattern.test(name))

const rustAgent = findRustAgent(chosen.agent)
const columns = LANGUAGES.flatMap((asker) =>
  LANGUAGES.flatMap((answerer) => TRANSPORTS.map((transport) => ({ asker, answerer, transport }))),
)
  .filter(({ asker, answerer }) => !chosen.pair || chosen.pair === `${asker}-${answerer}`)
  .filter(({ transport }) => !chosen.transport || chosen.transport === transport)
  .map((where) => new Column(where, rustAgent))

if (rows.length === 0 || columns.length === 0) {
  console.error('nothing matches')
  process.exit(2)
}

// ---- running ----

const DASH = '–'
const UNKNOWN = '?'
const { missing: lacking, known } = missing()
const results = new Map<Column, Map<Row, string>>()
const start = performance.now()
const queue = [...columns]
await Promise.all(
  Array.from({ length: Number(chosen.jobs) }, async () => {
    for (let column = queue.shift(); column; column = queue.shift()) await runColumn(column)
  }),
)
show()

async function runColumn(column: Column): Promise<void> {
  const found = new Map<Row, string>()
  results.set(column, found)
  for (const row of rows) {
    const result = row.applies(column.where) ? await runOrNot(row, column) : DASH
    found.set(row, result)
    if (isFine(result)) continue
    console.log(`FAILED: ${row.name} (${title(column).join(' ')})\n  ${result}`)
  }
  await column.end()
}

/** Unless it needs what is not there. */
async function runOrNot(row: Row, column: Column): Promise<string> {
  if (row.needs === undefined || !lacking.has(row.needs)) return runRow(row, column)
  if (known.has(row.needs)) return UNKNOWN
  return `it needs ${row.needs}, which cannot be had here: RINGPOST_WITHOUT=${row.needs} leaves it out`
}

/** Runs one cell. Returns `ok`, or what was wrong. */
async function runRow(row: Row, column: Column): Promise<string> {
  let cell: Cell | undefined
  const work = async () => {
    cell = await column.cell()
    await row.run(cell)
    await cell.checkWakeups()
  }
  try {
    await within(ROW_MS, work())
    await cell!.end()
    return 'ok'
  } catch (error) {
    const said = cell && (cell.asker.errors + cell.answerer.errors).trim().slice(-SAID_MAX)
    await column.replace()
    await cell?.end()
    const where = (error as Error).stack ?? String(error)
    return said ? `${where}\n  agents said: ${said}` : where
  }
}

async function within(ms: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout
  const tooLong = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not over after ${ms} ms`)), ms)
  })
  await Promise.race([work, tooLong]).finally(() => clearTimeout(timer))
}

// ---- showing ----

function title({ where }: Column): string[] {
  return [`${where.asker}→${where.answerer}`, where.transport]
}

function isFine(result: string): boolean {
  return ['ok', DASH, UNKNOWN].includes(result)
}

function show(): void {
  const wide = Math.max(...rows.map(({ name }) => name.length)) + 2
  const titles = columns.map(title)
  for (const line of [0, 1]) {
    console.log(''.padEnd(wide) + titles.map((words) => words[line].padEnd(11)).join(''))
  }
  for (const [theme, its] of Object.entries(themes)) {
    const shown = its.filter((row) => rows.includes(row))
    if (shown.length > 0) console.log(theme.toUpperCase())
    for (const row of shown) {
      const cells = columns.map((column) => {
        const result = results.get(column)!.get(row)!
        return (isFine(result) ? result : 'FAILED').padEnd(11)
      })
      console.log(row.name.padEnd(wide) + cells.join(''))
    }
  }
  const all = [...results.values()].flatMap((found) => [...found.values()])
  const failed = all.filter((result) => !isFine(result)).length
  const seconds = ((performance.now() - start) / 1000).toFixed(0)
  const ran = all.filter((result) => result !== DASH && result !== UNKNOWN).length
  console.log(`\n${DASH} makes no sense there`)
  const left = [...known].filter((need) => all.includes(UNKNOWN) && need !== '').join(' and ')
  if (left !== '') console.log(`${UNKNOWN} is not known: it needs ${left}, and was left out on purpose`)
  console.log(`${rows.length} situations, ${ran} cells, ${failed} failed, ${seconds} s`)
  // What a failed row has left running is not waited for.
  process.exit(failed > 0 ? 1 : 0)
}
