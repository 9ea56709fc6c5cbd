// Does the gate find what it has to, and nothing else? A copy of this build with a planted delay that
// makes one row 10 % slower has to be called slower, each time; a copy without must never be.
//
//   node ci/gate-proof.mjs            20 planted, 50 unchanged: most of an hour, on a quiet machine;
//                                     written to benches/record/
//   node ci/gate-proof.mjs --small    one of each in one row, with a delay nobody can miss

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
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
const { small } = values
const PLANTED = Number(values.planted ?? (small ? 1 : 20))
const UNCHANGED = Number(values.unchanged ?? (small ? 1 : 50))
/** How fast a planted row is, in terms of the unchanged one, and how near that has to be met. */
const TARGET = 1 / 1.1
const NEAR = 0.01
const ROWS = ['latency.64.p50', 'sync.64.p50', 'pipelined.64', 'one-way.64', 'latency.65536.p50']
const rows = small ? ROWS.slice(0, 1) : ROWS

const scratch = mkdtempSync(join(tmpdir(), 'ringpost-gate-'))
process.once('exit', () => rmSync(scratch, { recursive: true, force: true }))
const trials = []

const planted = new Map()
for (const row of rows) planted.set(row, small ? obvious(row) : await calibrate(row))
for (let number = 0; number < Math.max(PLANTED, UNCHANGED); number++) {
  // Taken in turns, so that whatever happens to the machine happens to both.
  if (number < UNCHANGED) await trial('unchanged', null, copy('unchanged'))
  if (number < PLANTED) {
    const row = rows[number % rows.length]
    await trial('planted', row, planted.get(row).folder)
  }
}

const caught = trials.filter(({ what, row, slower }) => what === 'planted' && slower.includes(row))
const accused = trials.filter(({ what, answer }) => what === 'unchanged' && answer === 'slower')
const undecided = trials.filter(({ answer }) => answer === 'undecided')
console.log(
  `planted: ${caught.length} of ${PLANTED} caught; unchanged: ${accused.length} of ${UNCHANGED} ` +
    `accused; ${undecided.length} undecided`,
)
if (!small) keep()
// The small form runs where anything else may run too, and then there may be no answer.
const missed = small ? trials.filter(isCleared).length : PLANTED - caught.length
if (missed > 0 || accused.length > 0) giveUp('The gate does not hold what it promises.')

function isCleared({ what, answer }) {
  return what === 'planted' && answer === 'not slower'
}

async function trial(what, row, candidate) {
  const result = await gate(candidate, rows, small ? ['--time', '30s'] : [])
  const slower = result.rows.filter(({ answer }) => answer === 'slower').map(({ id }) => id)
  const { answer, lives, disturbed, seconds, state } = result
  const judged = result.rows.map(({ id, ratio, low, high }) => ({ id, ratio, low, high }))
  trials.push({ what, row, answer, slower, lives, disturbed, seconds, judged, state })
  const kind = row === null ? what : `${what} in ${row}`
  console.log(`${trials.length}. ${kind}: ${answer} ${slower.join(' ')} (${lives} lives, ${seconds.toFixed(0)} s)`)
}

/** Some ten times slower. */
function obvious(row) {
  const spins = 20_000
  return { folder: copy(`planted-${row}`, row, spins), spins }
}

/** Finds the delay that makes a row as slow as it should be: where a delay goes into waiting, more of
 * it is needed. */
async function calibrate(row) {
  let spins = 40
  for (let attempt = 0; attempt < 12; attempt++) {
    const folder = copy(`planted-${row}`, row, Math.round(spins))
    const { rows: judged } = await gate(folder, [row], ['--lives', '16', '--time', '60s'])
    const [{ ratio }] = judged
    console.log(`calibrating ${row}: ${Math.round(spins)} spins make it ${ratio.toFixed(3)}×`)
    if (Math.abs(ratio - TARGET) < NEAR) return { folder, spins: Math.round(spins), ratio }
    const loss = Math.max(0.01, 1 / ratio - 1)
    spins *= Math.min(4, Math.max(0.25, (1 / TARGET - 1) / loss))
  }
  giveUp(`No delay was found that makes ${row} ${TARGET.toFixed(2)}× as fast.`)
}

/** A copy of this build, with a delay in it if asked for. */
function copy(name, row, spins) {
  const folder = join(scratch, name)
  if (row === undefined && existsSync(folder)) return folder
  mkdirSync(join(folder, 'dist'), { recursive: true })
  for (const part of ['package.json', 'index.mjs', 'dist/ts', 'native']) {
    cpSync(join(ROOT, part), join(folder, part), { recursive: true })
  }
  if (row !== undefined) {
    cpSync(join(folder, 'index.mjs'), join(folder, 'plain.mjs'))
    writeFileSync(join(folder, 'index.mjs'), plant(row, spins))
  }
  return folder
}

/** The library with a delay in what this row calls. */
function plant(row, spins) {
  const [name, isMeant] = {
    'latency.64.p50': ['request', 'words[1].length === 64'],
    'latency.65536.p50': ['request', 'words[1].length === 65536'],
    'pipelined.64': ['request', 'words[1].length === 64'],
    'sync.64.p50': ['requestSync', 'true'],
    'one-way.64': ['notify', 'words[1].length === 64'],
  }[row]
  return `import { connect as plain } from './plain.mjs'
export * from './plain.mjs'

let sink = 1

export async function connect(...where) {
  const client = await plain(...where)
  const { ${name} } = client
  client.${name} = (...words) => {
    if (${isMeant}) {
      for (let turn = 0; turn < ${spins}; turn++) sink = (Math.imul(sink, 1103515245) + 12345) | 0
    }
    return ${name}.apply(client, words)
  }
  return client
}
`
}

async function gate(candidate, ids, words = []) {
  const json = join(scratch, 'result.json')
  const args = ['gate', '--base', ROOT, '--candidate', candidate, '--rows', ids.join(','), '--json', json]
  const child = spawn(process.execPath, [join(ROOT, 'dist/cli/main.mjs'), ...args, ...words], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const [code] = await once(child, 'exit')
  if (![0, 1, 3].includes(code)) giveUp(`The gate ended with ${code}.`)
  return JSON.parse(readFileSync(json, 'utf8'))
}

function keep() {
  const date = new Date().toISOString().slice(0, 10)
  const calibrations = [...planted].map(([row, { spins, ratio }]) => ({ row, spins, ratio }))
  const file = `benches/record/gate-proof-${date}.json`
  const proof = { date, machine: machine(), planted: PLANTED, unchanged: UNCHANGED, calibrations, trials }
  writeFileSync(join(ROOT, file), `${JSON.stringify(proof, null, 1)}\n`)
  console.log(`written: ${file}`)
}
