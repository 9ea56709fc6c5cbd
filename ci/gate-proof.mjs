// Does the gate find what it has to, and nothing else? A copy of this build in which one row has
// lost twice its tolerance has to be called slower, each time; a copy without that must never be.
//
//   node ci/gate-proof.mjs            20 planted, 50 unchanged: some hours, on a quiet machine;
//                                     written to benches/record/ as it goes, with every sample
//   node ci/gate-proof.mjs --small    one of each in one row, with a delay that is obvious

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import './setup.mjs'
import { amountOf, checkPlaces, copy, plantedCopy } from './gate-plants.mjs'
import { ROOT, giveUp } from './step.mjs'
import { buildWorker } from './worker.mjs'

const { values } = parseArgs({
  options: {
    small: { type: 'boolean', default: false },
    planted: { type: 'string' },
    unchanged: { type: 'string' },
  },
})
const { small } = values
if (!small) await buildWorker()
// What is built above is loaded now.
const { machine } = await import('../dist/benches/machine.mjs')
const { gatedRows } = await import('../dist/benches/gate/rows.mjs')
const { median } = await import('../dist/benches/compare.mjs')
const { print } = await import('../dist/benches/record.mjs')
const { Pair } = await import('../dist/benches/pair.mjs')
const PLANTED = Number(values.planted ?? (small ? 1 : 20))
const UNCHANGED = Number(values.unchanged ?? (small ? 1 : 50))
const gated = small ? gatedRows().slice(0, 1) : gatedRows()
/** Of a figure that a loss is made for, of which the best counts. */
const TURNS = 10
const TURN_MS = 50
const SPIN_NS = spinNs()

const scratch = mkdtempSync(join(tmpdir(), 'ringpost-gate-'))
process.once('exit', () => rmSync(scratch, { recursive: true, force: true }))
checkPlaces(join(scratch, 'places'), gatedRows().map(({ id }) => id))
const trials = []

const amounts = new Map()
for (const row of gated) {
  amounts.set(row.id, amountOf(row, await figureOf(row), small ? 10 : 2 * row.tolerance, SPIN_NS))
}
// Spread evenly, so that whatever happens to the machine happens to both.
const all = PLANTED + UNCHANGED
for (let number = 0; number < all; number++) {
  const before = Math.floor((number * PLANTED) / all)
  const isUnchanged = Math.floor(((number + 1) * PLANTED) / all) === before
  await trial(isUnchanged ? null : gated[before % gated.length].id)
  if (!small) keep()
}

const count = (what, answer) =>
  trials.filter((one) => one.what === what && one.answer === answer).length
const [caught, accused] = [count('planted', 'slower'), count('unchanged', 'slower')]
console.log(
  `planted: ${caught} of ${PLANTED} caught, ${count('planted', 'undecided')} undecided; ` +
    `unchanged: ${accused} of ${UNCHANGED} accused, ${count('unchanged', 'undecided')} undecided`,
)
// The small form runs where anything else may run too, and then there may be no answer.
const missed = small ? count('planted', 'not slower') : PLANTED - caught
if (missed > 0 || accused > 0) giveUp('The gate does not hold what it promises.')

/** Both builds are copies of their own, so that where their files lie is chance each time. */
async function trial(row) {
  const folder = join(scratch, `trial-${trials.length}`)
  const [base, candidate] = [copy(join(folder, 'base')), join(folder, 'candidate')]
  if (row === null) copy(candidate)
  else await plantedCopy(candidate, row, amounts.get(row), join(scratch, 'rust'))
  const { answer, runs, disturbed, seconds, rows } = await gate(candidate, base)
  rmSync(folder, { recursive: true })
  const what = row === null ? 'unchanged' : 'planted'
  // A row that was not measured in time has no ratio.
  const judged = rows.map(({ id, answer, ratio, samples }) => {
    return { id, answer, ratio: ratio && rounded(ratio), samples: samples.map(rounded) }
  })
  const about = { what, row, answer, runs, disturbed, seconds: Math.round(seconds) }
  trials.push({ ...about, rows: judged })
  const slower = judged.filter(({ answer }) => answer === 'slower').map(({ id }) => id)
  const kind = row === null ? what : `${what} in ${row}`
  const took = `${runs} runs, ${seconds.toFixed(0)} s`
  console.log(`${trials.length}. ${kind}: ${answer} ${slower.join(' ')} (${took})`)
}

/** The best that a row does here, of this build. */
async function figureOf({ pair, measure, better }) {
  const subject = { library: pathToFileURL(join(ROOT, 'index.mjs')).href, directory: scratch }
  if (pair !== undefined) {
    const languages = pair === 'rust' ? 'rust-rust' : 'ts-ts'
    subject[pair] = await Pair.open('ringpost', { settings: { directory: scratch }, languages })
  }
  const figures = []
  for (let turn = 0; turn < TURNS; turn++) figures.push(await measure(subject, TURN_MS))
  await subject[pair]?.close()
  return better === 'less' ? Math.min(...figures) : Math.max(...figures)
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

async function gate(candidate, base) {
  const json = join(scratch, 'result.json')
  const words = ['--rows', gated.map(({ id }) => id).join(','), '--json', json]
  if (small) words.push('--time', '45s', '--turn', '20ms')
  const command = [join(ROOT, 'dist/benches/cli/main.mjs'), 'gate']
  const builds = ['--base', base, '--candidate', candidate]
  const child = spawn(process.execPath, [...command, ...builds, ...words], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const [code] = await once(child, 'exit')
  if (![0, 1, 3].includes(code)) giveUp(`The gate ended with ${code}.`)
  return JSON.parse(readFileSync(json, 'utf8'))
}

function rounded(value) {
  return Number(value.toFixed(4))
}

function keep() {
  const date = new Date().toISOString().slice(0, 10)
  const planted = gated.map(({ id, unit }) => {
    const own = trials.filter(({ row }) => row === id).flatMap(({ rows }) => rows)
    const lost = own.filter((one) => one.id === id && one.ratio !== null).map(({ ratio }) => ratio)
    const amount = unit === 'MiB' ? amounts.get(id) : amounts.get(id) * SPIN_NS
    // What it came to, in the median of trials.
    return { row: id, [unit === 'MiB' ? 'bytes' : 'ns']: amount, ratio: lost.length > 0 ? median(lost) : null }
  })
  const file = `benches/record/gate-proof-${date}.json`
  mkdirSync(join(ROOT, 'benches/record'), { recursive: true })
  const wanted = { planted: PLANTED, unchanged: UNCHANGED }
  const proof = { date, machine: machine(), wanted, planted, trials }
  writeFileSync(join(ROOT, file), print(proof))
}
