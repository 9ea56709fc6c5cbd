// Proves that the tests prove something: plants faults in a copy of the tree, one at a time, and sees
// that each is caught by the test that is there for it. The tables are in ci/mutations/.
//
//   node ci/mutations.mjs             all of them
//   node ci/mutations.mjs <text> ...  those whose description contains one of the texts

import { spawnSync } from 'node:child_process'
import { cpSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import ts from 'typescript'
import { CORE } from './mutations/core.mjs'
import { PACKAGE } from './mutations/package.mjs'
import './setup.mjs'
import { ROOT, giveUp } from './step.mjs'

/** No test takes longer; a fault may also show as a test without an end. */
const TEST_MS = 180_000
const LOOM = { RUSTFLAGS: '--cfg loom', LOOM_MAX_PREEMPTIONS: '3' }
const NOT_COPIED = /^(target|node_modules|\.git|\.cache|coverage|crates\/ipc-core\/fuzz\/(target|corpus|artifacts))$/

/** What may catch a fault in the core. */
const CHECKS = {
  models: rust(['--lib'], { filter: 'model', profile: 'ci', env: LOOM }),
  ring: rust(['--lib'], { filter: 'ring::' }),
  session: rust(['--lib'], { filter: 'session::' }),
  unit: rust(['--lib']),
  faces: rust(['--test', 'tokio_face']),
  allocations: rust(['--test', 'allocations']),
  realtime: rust(['--test', 'realtime'], { profile: 'ci' }),
  loans: rust(['--test', 'loans']),
  asleep: rust(['--test', 'asleep'], { profile: 'ci', env: { RINGPOST_RUNS: '4' } }),
}

const asked = process.argv.slice(2)
const wanted = ({ what }) => asked.length === 0 || asked.some((text) => what.includes(text))
const mutations = [...CORE, ...PACKAGE].filter(wanted)
if (mutations.length === 0) giveUp('No fault is called so.')

// Always the same place, so that what is built there is built anew only where it has changed.
const copy = join(ROOT, 'target/mutations/tree')
rmSync(copy, { recursive: true, force: true })
const filter = (path) => !NOT_COPIED.test(relative(ROOT, path))
for (const name of readdirSync(ROOT).filter((name) => !NOT_COPIED.test(name))) {
  cpSync(join(ROOT, name), join(copy, name), { recursive: true, filter })
}
symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'))

// What is built here is seen to pass as it is.
const asItIs = new Map(mutations.map((one) => [one.file, one]))
for (const { file, by } of asItIs.values()) plant(file, readFileSync(join(copy, file), 'utf8'), by)
for (const by of new Set(mutations.map(({ by }) => by))) {
  const said = failure(by)
  if (said !== undefined) giveUp(`Without any fault planted, ${by} fails:\n${said}`)
}
let missed = 0
for (const { what, file, from, to, by } of mutations) {
  const path = join(copy, file)
  const source = readFileSync(path, 'utf8')
  if (source.split(from).length !== 2) giveUp(`${file} does not have "${from}" once: ${what}`)
  plant(file, source.replace(from, () => to), by)
  const caught = failure(by) !== undefined
  plant(file, source, by)
  if (!caught) missed++
  console.log(`${what.padEnd(72)} ${caught ? by : `NOT CAUGHT by ${by}`}`)
}
console.log(`\n${mutations.length} faults, ${missed} not caught`)
process.exitCode = missed === 0 ? 0 : 1

/** Writes a file, and builds what `by` will look at where that does not do it itself. */
function plant(file, source, by) {
  writeFileSync(join(copy, file), source)
  if (/\.m?ts$/.test(file)) transpile(file, source)
  if (file.endsWith('.rs') && CHECKS[by] === undefined) buildAddon()
}

/** Without a look at types: quick, and it is the tests that are tested. */
function transpile(file, source) {
  const { config } = ts.readConfigFile(join(ROOT, 'tsconfig.json'), ts.sys.readFile)
  const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, ROOT)
  const built = ts.transpileModule(source, {
    fileName: join(copy, file),
    compilerOptions: { ...options, sourceMap: false },
  })
  writeFileSync(join(copy, 'dist', file.replace(/ts$/, 'js')), built.outputText)
}

function buildAddon() {
  const target = join(ROOT, 'target/mutations/core')
  build({ command: 'cargo', args: ['build', '--package', 'ipc-node', '--target-dir', target] })
  const addon = join(copy, 'native/ringpost.linux-x64-gnu.node')
  // A file of its own: the tree this was copied from uses the other.
  rmSync(addon)
  cpSync(join(target, 'debug/libipc_node.so'), addon)
}

/** What a check says when it fails; `undefined` if it does not. */
function failure(by) {
  const { first, test } = CHECKS[by] ?? ava(by)
  if (first !== undefined) build(first)
  const { status, stdout, stderr } = run(test, { timeout: TEST_MS, killSignal: 'SIGKILL' })
  return status === 0 ? undefined : stdout + stderr
}

function build(step) {
  const { status, stderr } = run(step)
  if (status !== 0) giveUp(`A planted fault does not compile:\n${stderr}`)
}

function run({ command, args, env }, limits = {}) {
  const options = { cwd: copy, encoding: 'utf8', maxBuffer: 64 << 20, ...limits }
  return spawnSync(command, args, { ...options, env: { ...process.env, ...env } })
}

/** Tests of the core: those of one target that a filter selects. */
function rust(target, { filter = '', profile = 'dev', env = {} } = {}) {
  // What is built with other flags shares nothing.
  const built = join(ROOT, 'target/mutations', env.RUSTFLAGS === undefined ? 'core' : 'loom')
  const which = ['--package', 'ipc-core', '--all-features', '--profile', profile, ...target]
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
