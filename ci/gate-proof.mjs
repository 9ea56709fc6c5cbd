// Does the gate find what it has to, and nothing else? A copy of this build with a planted delay
// that makes one row 10 % slower has to be called slower, each time; a copy without must never be.
//
//   node ci/gate-proof.mjs            20 planted, 50 unchanged: most of an hour, on a quiet
//                                     machine; written to benches/record/ as it goes
//   node ci/gate-proof.mjs --small    one of each in one row, with a delay that is obvious

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdirSync, mkdtempSync } from 'node:fs'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import './setup.mjs'
import { ROOT, giveUp } from './step.mjs'

const { values } = parseArgs({
  options: {
    small: { type: 'boolean', default: false },
    planted: { type: 'string' },
    unchanged: { type: 'string' },
  },
})
// What is built above is loaded now.
const { machine } = await import('../dist/benches/machine.mjs')
const { gatedRows } = await import('../dist/benches/gate/rows.mjs')
const { median } = await import('../dist/benches/compare.mjs')
const { print } = await import('../dist/benches/record.mjs')
const { Pair } = await import('../dist/benches/pair.mjs')
const { small } = values
const PLANTED = Number(values.planted ?? (small ? 1 : 20))
const UNCHANGED = Number(values.unchanged ?? (small ? 1 : 50))
const gated = small ? gatedRows().slice(0, 1) : gatedRows()
const rows = gated.map(({ id }) => id)
/** Of a figure that a delay is made for, of which the best counts. */
const TURNS = 10
const TURN_MS = 50
const SPIN_NS = spinNs()

const scratch = mkdtempSync(join(tmpdir(), 'ringpost-gate-'))
process.once('exit', () => rmSync(scratch, { recursive: true, force: true }))
const trials = []

const planted = new Map()
for (const row of gated) {
  const spins = await delayOf(row)
  planted.set(row.id, { folder: copy(`planted-${row.id}`, row.id, spins), spins })
  console.log(`${row.id}: a delay of ${(spins * SPIN_NS).toFixed(0)} ns`)
}
// Spread evenly, so that whatever happens to the machine happens to both.
const all = PLANTED + UNCHANGED
for (let number = 0; number < all; number++) {
  const before = Math.floor((number * PLANTED) / all)
  if (Math.floor(((number + 1) * PLANTED) / all) === before) {
    await trial('unchanged', null, copy('unchanged'))
  } else {
    const row = rows[before % rows.length]
    await trial('planted', row, planted.get(row).folder)
  }
  if (!small) keep()
}

const caught = trials.filter(({ what, answer }) => what === 'planted' && answer === 'slower')
const accused = trials.filter(({ what, answer }) => what === 'unchanged' && answer === 'slower')
const undecided = trials.filter(({ answer }) => answer === 'undecided')
console.log(
  `planted: ${caught.length} of ${PLANTED} caught; unchanged: ${accused.length} of ${UNCHANGED} ` +
    `accused; ${undecided.length} undecided`,
)
// The small form runs where anything else may run too, and then there may be no answer.
const missed = small ? trials.filter(isCleared).length : PLANTED - caught.length
if (missed > 0 || accused.length > 0) giveUp('The gate does not hold what it promises.')

function isCleared({ what, answer }) {
  return what === 'planted' && answer === 'not slower'
}

async function trial(what, row, candidate) {
  const result = await gate(candidate, rows, small ? ['--time', '30s'] : [])
  const slower = result.rows.filter(({ answer }) => answer === 'slower').map(({ id }) => id)
  const { answer, runs, disturbed, seconds } = result
  // A row that was not measured in time has no ratio.
  const ratios = Object.fromEntries(
    result.rows.map(({ id, ratio }) => [id, ratio === null ? null : Number(ratio.toFixed(3))]),
  )
  trials.push({ what, row, answer, slower, runs, disturbed, seconds: Math.round(seconds), ratios })
  const kind = row === null ? what : `${what} in ${row}`
  const took = `${runs} runs, ${seconds.toFixed(0)} s`
  console.log(`${trials.length}. ${kind}: ${answer} ${slower.join(' ')} (${took})`)
}

/** The delay that takes a tenth of what one message takes, or, in the small form, some ten times
 * it. */
async function delayOf(row) {
  const { measure, better } = row
  const pair = await Pair.open('ringpost', { settings: { directory: scratch } })
  const figures = []
  for (let turn = 0; turn < TURNS; turn++) figures.push(await measure(pair, TURN_MS))
  await pair.close()
  const ns = better === 'less' ? Math.min(...figures) : 1e9 / Math.max(...figures)
  return Math.max(1, Math.round((ns * (small ? 10 : 0.1)) / SPIN_NS))
}

/** What one turn of the planted loop takes. */
function spinNs() {
  const spins = 1e7
  let [sink, best] = [1, Infinity]
  for (let turn = 0; turn < TURNS; turn++) {
    const start = performance.now()
    for (let spin = 0; spin < spins; spin++) sink = (Math.imul(sink, 1103515245) + 12345) | 0
    best = Math.min(best, ((performance.now() - start) * 1e6) / spins)
  }
  return sink === 0 ? NaN : best
}

/** A copy of this build, with a delay in it if asked for. */
function copy(name, row, spins) {
  const folder = join(scratch, name)
  if (row === undefined && existsSync(folder)) return folder
  mkdirSync(join(folder, 'dist'), { recursive: true })
  for (const part of ['package.json', 'index.mjs', 'dist/ts', 'native']) {
    cpSync(join(ROOT, part), join(folder, part), { recursive: true })
  }
  if (row !== undefined) plant(join(folder, 'dist/ts/connection/connection.js'), row, spins)
  return folder
}

/** Puts a delay into what this row calls. */
function plant(file, row, spins) {
  const [method, isMeant] = {
    'latency.64.p50': ['request', 'params.length === 64'],
    'latency.65536.p50': ['request', 'params.length === 65536'],
    'pipelined.64': ['request', 'params.length === 64'],
    'sync.64.p50': ['requestSync', 'true'],
    'one-way.64': ['notify', 'payload.length === 64'],
  }[row]
  const code = readFileSync(file, 'utf8')
  const begins = new RegExp(`^ {4}${method}\\(.*\\{$`, 'm')
  if (!begins.test(code)) giveUp(`${file} has no ${method} to plant a delay in.`)
  const planted = code.replace(begins, `$& if (${isMeant}) spin();`)
  const spin = `
let sink = 1;
function spin() {
  let own = sink;
  for (let turn = 0; turn < ${spins}; turn++) own = (Math.imul(own, 1103515245) + 12345) | 0;
  sink = own;
}
`
  writeFileSync(file, planted + spin)
}

async function gate(candidate, ids, words = []) {
  const json = join(scratch, 'result.json')
  const command = [join(ROOT, 'dist/benches/cli/main.mjs'), 'gate', '--base', ROOT]
  const args = ['--candidate', candidate, '--rows', ids.join(','), '--json', json]
  const child = spawn(process.execPath, [...command, ...args, ...words], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const [code] = await once(child, 'exit')
  if (![0, 1, 3].includes(code)) giveUp(`The gate ended with ${code}.`)
  return JSON.parse(readFileSync(json, 'utf8'))
}

function keep() {
  const date = new Date().toISOString().slice(0, 10)
  const delays = [...planted].map(([row, { spins }]) => {
    const own = trials.filter((one) => one.row === row)
    const lost = own.map(({ ratios }) => ratios[row]).filter((ratio) => ratio !== null)
    // What it came to, in the median of trials.
    return { row, ns: spins * SPIN_NS, ratio: lost.length > 0 ? median(lost) : null }
  })
  const file = `benches/record/gate-proof-${date}.json`
  mkdirSync(join(ROOT, 'benches/record'), { recursive: true })
  const wanted = { planted: PLANTED, unchanged: UNCHANGED }
  const proof = { date, machine: machine(), wanted, delays, trials }
  writeFileSync(join(ROOT, file), print(proof))
}
