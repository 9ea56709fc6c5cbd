// The conformance suite: every situation with every pair of languages over all transports.
//
//   node dist/conformance/run.mjs [--row <pattern>] [--pair ts-rust] [--transport portable]
//                                 [--core wasm] [--test-peer <path>] [--jobs <n>] [--long]
//
// With --core wasm, test peers in TypeScript run on the core in WebAssembly.
// With --long, rows that can run for any time run for a minute.

import { parseArgs } from 'node:util'
import { findRustTestPeer, type Language } from './test-peers.mjs'
import { Column, LASTING_MS, type Case, type Row, type Transport, type Where } from './case.mjs'
import { bounds } from './rows/bounds.mjs'
import { checkNames, whyLeftOut } from './elsewhere.mjs'
import { missing } from './needs.mjs'
import { exits } from './rows/exits.mjs'
import { handover } from './rows/handover.mjs'
import { basics } from './rows/basics.mjs'
import { handlers } from './rows/handlers.mjs'
import { input } from './rows/input.mjs'
import { lasting } from './rows/lasting.mjs'
import { connecting } from './rows/connecting.mjs'
import { counters } from './rows/counters.mjs'
import { overflow } from './rows/overflow.mjs'
import { liveness } from './rows/liveness.mjs'
import { pools } from './rows/pools.mjs'
import { privacy } from './rows/private.mjs'
import { published } from './rows/published.mjs'
import { malicious } from './rows/malicious.mjs'
import { exhaustion } from './rows/exhaustion.mjs'
import { streams } from './rows/streams.mjs'

const { values: chosen } = parseArgs({
  options: {
    row: { type: 'string', default: '' },
    pair: { type: 'string' },
    transport: { type: 'string' },
    core: { type: 'string', default: 'addon' },
    'test-peer': { type: 'string' },
    jobs: { type: 'string', default: '4' },
    long: { type: 'boolean', default: false },
  },
})

/** What test peers in TypeScript run on: elsewhere there is no addon. */
const core = chosen.core === 'wasm' || process.platform !== 'linux' ? 'wasm' : 'addon'
if (core === 'wasm') {
  process.env.RINGPOST_CORE = 'wasm'
  chosen.transport ??= 'socket'
}

const LANGUAGES: readonly Language[] = ['ts', 'rust']
const TRANSPORTS: readonly Transport[] = ['sealed', 'portable', 'socket']
/** A row that takes longer has failed. */
const ROW_MS = 180_000 + LASTING_MS
/** How much of the test peers' standard error is shown, in characters. */
const STDERR_MAX = 2000

const themes: Record<string, readonly Row[]> = {
  basics,
  'bad input': input,
  connecting,
  counters,
  handlers,
  streams,
  'liveness and leaving': liveness,
  'malicious peers': malicious,
  'full lanes': overflow,
  'exhausted resources': exhaustion,
  'bounds for one peer': bounds,
  'exiting processes': exits,
  'names that are handed over': handover,
  'clients that outlive their sessions': lasting,
  pools,
  'what is published': published,
  'what stays private': privacy,
}
const pattern = new RegExp(chosen.row, 'i')
const all = Object.values(themes).flat()
checkNames(all)
const rows = all.filter(({ name }) => pattern.test(name))

const rustTestPeer = findRustTestPeer(chosen['test-peer'])
const languages = LANGUAGES.filter((language) => language === 'ts' || rustTestPeer !== undefined)
const columns = languages.flatMap((caller) =>
  languages.flatMap((responder) =>
    TRANSPORTS.map((transport) => ({ caller, responder, transport, core }) satisfies Where),
  ),
)
  .filter(({ caller, responder }) => !chosen.pair || chosen.pair === `${caller}-${responder}`)
  .filter(({ transport }) => !chosen.transport || chosen.transport === transport)
  .map((where) => new Column(where, rustTestPeer))

if (rows.length === 0 || columns.length === 0) {
  console.error('no row, pair or transport matches')
  process.exit(2)
}

// ---- running ----

const DASH = '–'
const UNKNOWN = '?'
const LEFT_OUT = 'left out'
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
    const result = row.applies(column.where) ? await runIfPossible(row, column) : DASH
    found.set(row, result)
    if (isFine(result)) continue
    console.log(`FAILED: ${row.name} (${title(column).join(' ')})\n  ${result}`)
  }
  await column.end()
}

/** Runs a row unless it needs a privilege that is missing here. */
async function runIfPossible(row: Row, column: Column): Promise<string> {
  if (whyLeftOut(row, column.where) !== undefined) return LEFT_OUT
  if (row.needs === undefined || !lacking.has(row.needs)) return runRow(row, column)
  if (known.has(row.needs)) return UNKNOWN
  return `${row.needs} is not available here; RINGPOST_WITHOUT=${row.needs} skips the row`
}

/** Runs one case. Returns `ok`, or a description of the failure. */
async function runRow(row: Row, column: Column): Promise<string> {
  let opened: Case | undefined
  const work = async () => {
    opened = await column.open()
    await row.run(opened)
    await opened.checkWakeups()
  }
  try {
    await within(ROW_MS, work())
    await opened!.end()
    return 'ok'
  } catch (error) {
    const errors = opened && opened.caller.errors + opened.responder.errors
    const stderr = errors?.trim().slice(-STDERR_MAX)
    await column.replace()
    await opened?.end()
    const where = (error as Error).stack ?? String(error)
    return stderr ? `${where}\n  standard error: ${stderr}` : where
  }
}

async function within(ms: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout
  const tooLong = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`still running after ${ms} ms`)), ms)
  })
  await Promise.race([work, tooLong]).finally(() => clearTimeout(timer))
}

// ---- the matrix ----

function title({ where }: Column): string[] {
  return [`${where.caller}→${where.responder}`, where.transport]
}

function isFine(result: string): boolean {
  return ['ok', DASH, UNKNOWN, LEFT_OUT].includes(result)
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
  const cells = [...results.values()].flatMap((found) => [...found.values()])
  const failed = cells.filter((result) => !isFine(result)).length
  const seconds = ((performance.now() - start) / 1000).toFixed(0)
  const ran = cells.filter((result) => ![DASH, UNKNOWN, LEFT_OUT].includes(result)).length
  console.log(`\n${DASH} not applicable`)
  const left = [...known].filter((need) => cells.includes(UNKNOWN) && need !== '').join(' and ')
  if (left !== '') console.log(`${UNKNOWN} skipped on purpose: it needs ${left}`)
  showLeftOut()
  console.log(`${rows.length} situations, ${ran} cases, ${failed} failed, ${seconds} s`)
  // Exit now, without waiting for what a failed row left running.
  process.exit(failed > 0 ? 1 : 0)
}

/** What does not run here, or not with all pairs, by the reason. */
function showLeftOut(): void {
  const reasons = new Map<string, Set<string>>()
  for (const { where } of columns) {
    for (const row of rows) {
      const why = whyLeftOut(row, where)
      if (why === undefined) continue
      if (!reasons.has(why)) reasons.set(why, new Set())
      reasons.get(why)!.add(row.name)
    }
  }
  for (const [why, names] of reasons) {
    console.log(`${names.size} left out, because ${why}:\n  ${[...names].join('\n  ')}`)
  }
}
