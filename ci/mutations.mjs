// Tests the tests: plants faults in a copy of the tree, one at a time, and checks that each is
// caught by the test meant for it. The tables are in ci/mutations/.
//
//   node ci/mutations.mjs             all faults
//   node ci/mutations.mjs <text> ...  faults whose description contains one of the texts
//   node ci/mutations.mjs --places    only checks that every fault has its place and its check

import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CORE } from './mutations/core.mjs'
import { EXAMPLES } from './mutations/examples.mjs'
import { INSIDE } from './mutations/inside.mjs'
import { HANDOVER } from './mutations/handover.mjs'
import { HELD_BACK } from './mutations/held-back.mjs'
import { LANGUAGE_SERVERS } from './mutations/language-servers.mjs'
import { LASTING } from './mutations/lasting.mjs'
import { LAYOUTS } from './mutations/layouts.mjs'
import { LIVENESS } from './mutations/liveness.mjs'
import { MAP } from './mutations/map.mjs'
import { NATS } from './mutations/nats.mjs'
import { PACKAGE } from './mutations/package.mjs'
import { PORT_FAULTS } from './mutations/ports.mjs'
import { PUBLISHED } from './mutations/published.mjs'
import { RUNS } from './mutations/runs.mjs'
import { SERVICE } from './mutations/service.mjs'
import { STATUS_FAULTS } from './mutations/status.mjs'
import { TOPICS } from './mutations/topic.mjs'
import { copyTree, transpile } from './mutations/tree.mjs'
import { VALUES } from './mutations/values.mjs'
import { WASM } from './mutations/wasm.mjs'
import './setup.mjs'
import { ROOT, giveUp } from './step.mjs'
import { addonOf, ownTarget } from './targets.mjs'
import { makeModule } from './wasm.mjs'

/** Time limit of a test in seconds; a fault may also show as a test that hangs. */
const TEST_MAX = 180
const LOOM = { RUSTFLAGS: '--cfg loom', LOOM_MAX_PREEMPTIONS: '3' }

/** Checks that can catch a fault in the Rust crates or in an example. */
const CHECKS = {
  models: rust(['--lib'], { filter: 'model', profile: 'ci', env: LOOM }),
  map: rust(['--lib'], { filter: 'map::' }),
  key_changes: rust(['--test', 'published'], { crate: 'ringpost', filter: 'maps::' }),
  topic: rust(['--lib'], { filter: 'topic::' }),
  session: rust(['--lib'], { filter: 'session::' }),
  checksum: rust(['--lib'], { filter: 'checksum' }),
  hosted: rust(['--lib'], { filter: 'hosted' }),
  mirror: rust(['--lib'], { filter: 'mirror::' }),
  stream: rust(['--test', 'faults'], { filter: 'stream' }),
  unit: rust(['--lib']),
  api: rust(['--lib'], { crate: 'ringpost', filter: 'api::' }),
  tokio_parts: rust(['--lib'], { crate: 'ringpost', filter: 'tokio::' }),
  tokio_api: rust(['--test', 'tokio_api'], { crate: 'ringpost' }),
  blocking: rust(['--test', 'blocking'], { crate: 'ringpost' }),
  metrics: rust(['--test', 'metrics'], { crate: 'ringpost' }),
  spans: rust(['--test', 'spans'], { crate: 'ringpost' }),
  typed: rust(['--test', 'typed'], { crate: 'ringpost' }),
  allocations: rust(['--test', 'allocations']),
  held_back: rust(['--test', 'held_back']),
  host: rust(['--test', 'host']),
  dialing: rust(['--test', 'dialing']),
  handover: rust(['--test', 'faults'], { filter: 'handover' }),
  realtime: rust(['--test', 'realtime'], { crate: 'ringpost', profile: 'ci' }),
  loans: rust(['--test', 'loans'], { crate: 'ringpost' }),
  layout: rust(['--test', 'layout'], { crate: 'ringpost' }),
  layout_api: rust(['--test', 'layout_api'], { crate: 'ringpost' }),
  published: rust(['--test', 'published'], { crate: 'ringpost' }),
  published_faults: rust(['--test', 'faults'], { filter: 'published' }),
  waiting: rust(['--lib'], { crate: 'ringpost', filter: 'waiting' }),
  liveness: rust(['--test', 'liveness']),
  dashboard_guard: withProducer('examples/dashboard/test/guard.mjs', 'dashboard'),
  dashboard_looks: program('examples/dashboard/test/looks.mjs'),
  dashboard_streams: withProducer('examples/dashboard/test/streams.mjs', 'dashboard'),
  perception_commands: rust(['--bins'], { crate: 'perception-producer' }),
  perception_program: rust(['--test', 'program'], { crate: 'perception-producer' }),
  audio_playing: withSynth('examples/audio/test/playing.mjs'),
  audio_trouble: withSynth('examples/audio/test/trouble.mjs'),
  ai_backend_life: withBackend('examples/ai-backend/test/life.mjs'),
  ai_backend_serving: withBackend('examples/ai-backend/test/serving.mjs'),
  ai_backend_tools: withBackend('examples/ai-backend/test/tools.mjs'),
  perception_recovery: withProducer('examples/perception/test/recovery.mjs'),
  perception_serving: withProducer('examples/perception/test/serving.mjs'),
  alerts_control: program('examples/alerts/test/control.mjs'),
  alerts_delivery: program('examples/alerts/test/delivery.mjs'),
  alerts_program: program('examples/alerts/test/program.mjs'),
  alerts_state: program('examples/alerts/test/state.mjs'),
  nats_hostile: nats('10-hostile'),
  nats_services: nats('20-services'),
  nats_topics: nats('30-topics'),
  nats_cuts: nats('40-cuts'),
  asleep: rust(['--test', 'asleep'], { profile: 'ci', env: { RINGPOST_RUNS: '4' } }),
}

const FAULTS = [
  ...[...CORE, ...EXAMPLES, ...HANDOVER, ...HELD_BACK, ...INSIDE, ...LANGUAGE_SERVERS, ...LASTING],
  ...[...LAYOUTS, ...LIVENESS, ...MAP, ...NATS, ...PACKAGE, ...PORT_FAULTS, ...PUBLISHED, ...RUNS, ...SERVICE, ...STATUS_FAULTS, ...TOPICS, ...VALUES, ...WASM],
]
const asked = process.argv.slice(2)
if (asked.includes('--places')) {
  const lost = FAULTS
    .filter(({ file, from }) => !hasOnce(join(ROOT, file), from))
    .map(({ what, file }) => `${what}: its text does not occur exactly once in ${file}`)
  const unchecked = FAULTS
    .filter(({ by }) => CHECKS[by] === undefined && !existsSync(join(ROOT, `__test__/${by}.mts`)))
    .map(({ what, by }) => `${what}: there is no check "${by}"`)
  if (lost.length + unchecked.length > 0) giveUp([...lost, ...unchecked].join('\n'))
  process.exit()
}
const wanted = ({ what }) => asked.length === 0 || asked.some((text) => what.includes(text))
const mutations = FAULTS.filter(wanted)
if (mutations.length === 0) giveUp('No description matches.')

if (mutations.some(({ by }) => by === '97-wasm')) await makeModule()
const copy = copyTree('tree')
// First, every check must pass on the unchanged tree.
const unchanged = new Map(mutations.map((one) => [one.file, one]))
for (const { file, by } of unchanged.values()) {
  await plant(file, readFileSync(join(copy, file), 'utf8'), by)
}
for (const by of new Set(mutations.map(({ by }) => by))) {
  const found = judge(by)
  if (found.verdict !== 'passed') {
    giveUp(`Without any fault, ${by} ${found.verdict}:\n${found.output}`)
  }
}
let missed = 0
for (const { what, file, from, to, by } of mutations) {
  const outcome = await tryOne(file, from, to, by)
  if (outcome !== by) missed++
  console.log(`${what.padEnd(76)} ${outcome}`)
}
console.log(`\n${mutations.length} faults, ${missed} not caught`)
process.exitCode = missed === 0 ? 0 : 1

function hasOnce(path, text) {
  return readFileSync(path, 'utf8').split(text).length === 2
}

/** The check that caught a fault, or why none did. */
async function tryOne(file, from, to, by) {
  const source = readFileSync(join(copy, file), 'utf8')
  if (!hasOnce(join(copy, file), from)) return `NOT PLANTED: ${file} does not have "${from}" once`
  try {
    const compiles = await plant(file, source.replace(from, () => to), by)
    if (!compiles) return 'NOT PLANTED: it does not compile'
    const { verdict } = judge(by)
    if (verdict === 'does not compile') return 'NOT PLANTED: it does not compile'
    return verdict === 'passed' ? `NOT CAUGHT by ${by}` : by
  } finally {
    await plant(file, source, by)
  }
}

/** Writes a file, and builds what the check `by` needs unless it builds that itself. Returns
 * whether it compiled. */
async function plant(file, source, by) {
  if (/\.m?ts$/.test(file)) await transpile(copy, file, source)
  else writeFileSync(join(copy, file), source)
  return !file.endsWith('.rs') || CHECKS[by] !== undefined || buildAddon()
}

function buildAddon() {
  const target = join(ROOT, 'target/mutations/core')
  const args = ['build', '--package', 'ipc-node', '--target-dir', target]
  if (run({ command: 'cargo', args }).status !== 0) return false
  const addon = join(copy, 'native', addonOf(ownTarget()))
  // Removed first: a file that was loaded cannot be overwritten.
  rmSync(addon)
  cpSync(join(target, 'debug/libipc_node.so'), addon)
  return true
}

/** Runs a check. */
function judge(by) {
  const { first, test } = CHECKS[by] ?? ava(by)
  if (first !== undefined) {
    const { status, stderr } = run(first)
    if (status !== 0) return { verdict: 'does not compile', output: stderr }
  }
  // `timeout` also kills the processes of the test, which might run for ever.
  const limited = ['--signal=KILL', `${TEST_MAX}`, test.command, ...test.args]
  const { status, stdout, stderr } = run({ ...test, command: 'timeout', args: limited })
  return status === 0 ? { verdict: 'passed' } : { verdict: 'failed', output: stdout + stderr }
}

function run({ command, args, env }) {
  const options = { cwd: copy, encoding: 'utf8', maxBuffer: 64 << 20 }
  return spawnSync(command, args, { ...options, env: { ...process.env, ...env } })
}

/** Tests of a crate: one target, and a filter on test names. */
function rust(target, { crate = 'ipc-core', filter = '', profile = 'dev', env = {} } = {}) {
  // Builds with other flags share no artifacts.
  const built = join(ROOT, 'target/mutations', env.RUSTFLAGS === undefined ? 'core' : 'loom')
  const which = ['--package', crate, '--all-features', '--profile', profile, ...target]
  const args = ['test', ...which, '--target-dir', built]
  return {
    first: { command: 'cargo', args: [...args, '--no-run'], env },
    test: { command: 'cargo', args: [...args, filter], env },
  }
}

/** A test that is a program of its own. */
function program(file) {
  return { test: { command: process.execPath, args: [file], env: {} } }
}

/** Tests of the examples with a part in Rust, which is built first. */
function withProducer(file, example = 'perception') {
  return withPart(file, [`${example}-producer`, '--bins'], {
    [`${example.toUpperCase()}_PRODUCER`]: `debug/${example}-producer`,
  })
}

function withSynth(file) {
  return withPart(file, ['audio-synth', '--examples'], {
    AUDIO_SANDBOXED: 'debug/examples/sandboxed',
  })
}

function withBackend(file) {
  return withPart(file, ['ai-backend', '--bins'], { AI_BACKEND: 'debug/ai-backend' })
}

/** `programs`: variables that say where it is, below the folder of what is built. */
function withPart(file, which, programs) {
  const built = join(ROOT, 'target/mutations/core')
  const args = ['build', '--all-features', '--target-dir', built, '--package', ...which]
  const entries = Object.entries(programs).map(([name, path]) => [name, join(built, path)])
  const env = Object.fromEntries(entries)
  return {
    first: { command: 'cargo', args, env: {} },
    test: { command: process.execPath, args: [file], env },
  }
}

/** A test file of ringpost-nats. */
function nats(file) {
  const command = ['npx', '--no-install', 'ava', '--fail-fast', `dist/__test__/${file}.mjs`]
  return { test: { command: 'env', args: ['--chdir', 'nats', ...command], env: {} } }
}

/** A test file of the JavaScript suite. */
function ava(file) {
  const args = ['--no-install', 'ava', '--fail-fast', `dist/__test__/${file}.mjs`]
  return { test: { command: 'npx', args, env: {} } }
}
