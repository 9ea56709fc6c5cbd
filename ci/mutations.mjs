// Proves that the tests prove something: plants faults in a copy of the tree, one at a time, and sees
// that each is caught by the test that is there for it. The tables are in ci/mutations/.
//
//   node ci/mutations.mjs             all of them
//   node ci/mutations.mjs <text> ...  those whose description contains one of the texts
//   node ci/mutations.mjs --places    none: says which have lost their place in the code

import { spawnSync } from 'node:child_process'
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CORE } from './mutations/core.mjs'
import { PACKAGE } from './mutations/package.mjs'
import { copyTree, transpile } from './mutations/tree.mjs'
import './setup.mjs'
import { ROOT, giveUp } from './step.mjs'

/** No test takes longer, in seconds; a fault may also show as a test without an end. */
const TEST_MAX = 180
const LOOM = { RUSTFLAGS: '--cfg loom', LOOM_MAX_PREEMPTIONS: '3' }

/** What may catch a fault in the Rust crates. */
const CHECKS = {
  models: rust(['--lib'], { filter: 'model', profile: 'ci', env: LOOM }),
  ring: rust(['--lib'], { filter: 'ring::' }),
  session: rust(['--lib'], { filter: 'session::' }),
  unit: rust(['--lib']),
  api: rust(['--lib'], { crate: 'ringpost', filter: 'api::' }),
  tokio_api: rust(['--test', 'tokio_api'], { crate: 'ringpost' }),
  allocations: rust(['--test', 'allocations']),
  realtime: rust(['--test', 'realtime'], { crate: 'ringpost', profile: 'ci' }),
  loans: rust(['--test', 'loans'], { crate: 'ringpost' }),
  asleep: rust(['--test', 'asleep'], { profile: 'ci', env: { RINGPOST_RUNS: '4' } }),
}

const asked = process.argv.slice(2)
if (asked.includes('--places')) {
  const lost = [...CORE, ...PACKAGE].filter(({ file, from }) => !hasOnce(join(ROOT, file), from))
  if (lost.length > 0) giveUp(lost.map(({ what, file }) => `${what}: not once in ${file}`).join('\n'))
  process.exit()
}
const wanted = ({ what }) => asked.length === 0 || asked.some((text) => what.includes(text))
const mutations = [...CORE, ...PACKAGE].filter(wanted)
if (mutations.length === 0) giveUp('No fault is called so.')

const copy = copyTree('tree')
// What is built here is seen to pass as it is.
const asItIs = new Map(mutations.map((one) => [one.file, one]))
for (const { file, by } of asItIs.values()) plant(file, readFileSync(join(copy, file), 'utf8'), by)
for (const by of new Set(mutations.map(({ by }) => by))) {
  const found = judge(by)
  if (found.word !== 'passed') giveUp(`Without any fault planted, ${by} ${found.word}:\n${found.said}`)
}
let missed = 0
for (const { what, file, from, to, by } of mutations) {
  const outcome = tryOne(file, from, to, by)
  if (outcome !== by) missed++
  console.log(`${what.padEnd(76)} ${outcome}`)
}
console.log(`\n${mutations.length} faults, ${missed} not caught`)
process.exitCode = missed === 0 ? 0 : 1

function hasOnce(path, text) {
  return readFileSync(path, 'utf8').split(text).length === 2
}

/** What catches a fault, or why nothing does. */
function tryOne(file, from, to, by) {
  const source = readFileSync(join(copy, file), 'utf8')
  if (!hasOnce(join(copy, file), from)) return `NOT PLANTED: ${file} does not have "${from}" once`
  try {
    if (!plant(file, source.replace(from, () => to), by)) return 'NOT PLANTED: it does not compile'
    const { word } = judge(by)
    if (word === 'does not compile') return 'NOT PLANTED: it does not compile'
    return word === 'passed' ? `NOT CAUGHT by ${by}` : by
  } finally {
    plant(file, source, by)
  }
}

/** Writes a file, and builds what `by` will look at where that does not do it itself. Returns whether that
 * was possible. */
function plant(file, source, by) {
  writeFileSync(join(copy, file), source)
  if (/\.m?ts$/.test(file)) transpile(copy, file, source)
  return !file.endsWith('.rs') || CHECKS[by] !== undefined || buildAddon()
}

function buildAddon() {
  const target = join(ROOT, 'target/mutations/core')
  const args = ['build', '--package', 'ipc-node', '--target-dir', target]
  if (run({ command: 'cargo', args }).status !== 0) return false
  const addon = join(copy, 'native/ringpost.linux-x64-gnu.node')
  // A file of its own: one that was loaded is not written over.
  rmSync(addon)
  cpSync(join(target, 'debug/libipc_node.so'), addon)
  return true
}

/** What a check comes to. */
function judge(by) {
  const { first, test } = CHECKS[by] ?? ava(by)
  if (first !== undefined) {
    const { status, stderr } = run(first)
    if (status !== 0) return { word: 'does not compile', said: stderr }
  }
  // With all that it has started, which would go on for ever.
  const limited = ['--signal=KILL', `${TEST_MAX}`, test.command, ...test.args]
  const { status, stdout, stderr } = run({ ...test, command: 'timeout', args: limited })
  return status === 0 ? { word: 'passed' } : { word: 'failed', said: stdout + stderr }
}

function run({ command, args, env }) {
  const options = { cwd: copy, encoding: 'utf8', maxBuffer: 64 << 20 }
  return spawnSync(command, args, { ...options, env: { ...process.env, ...env } })
}

/** Tests of a crate: those of one target that a filter selects. */
function rust(target, { crate = 'ipc-core', filter = '', profile = 'dev', env = {} } = {}) {
  // What is built with other flags shares nothing.
  const built = join(ROOT, 'target/mutations', env.RUSTFLAGS === undefined ? 'core' : 'loom')
  const which = ['--package', crate, '--all-features', '--profile', profile, ...target]
  const args = ['test', ...which, '--target-dir', built]
  return {
    first: { command: 'cargo', args: [...args, '--no-run'], env },
    test: { command: 'cargo', args: [...args, filter], env },
  }
}

/** A file of the JavaScript suite. */
function ava(file) {
  const args = ['--no-install', 'ava', '--fail-fast', `dist/__test__/${file}.mjs`]
  return { test: { command: 'npx', args, env: {} } }
}
