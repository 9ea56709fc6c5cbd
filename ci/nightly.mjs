// What takes long: sanitizers, sleepers by the million, planted faults, mutants, fuzzing, coverage, the
// editor, the gate's proof, the full benchmark. Each step sets up what it needs, in a fresh clone too;
// one that fails keeps no other from being run, and what has failed is said in the end.
//
//   npm run nightly                 all steps
//   node ci/nightly.mjs <step> ...  only these

import { join } from 'node:path'
import './setup.mjs'
import { ROOT, attempt, giveUp } from './step.mjs'

const TARGET = 'x86_64-unknown-linux-gnu'
/** No step takes longer; one that does has failed. */
const MINUTES_MAX = 120

/**
 * The sanitizers' runtimes come with the stable compiler; only the flags ask for more.
 *
 * The thread sanitizer sees nothing of the locks in the standard library, which is not instrumented,
 * so it is given the programs that do without: rings, lanes, sessions, and the faces for threads.
 * Some tests are left out: those that allow no system call would see the sanitizer's own, and one
 * writes over a segment while it is read, which is a race on purpose. Those that count descriptors
 * would find the sanitizer's.
 */
const STEPS = {
  'address-sanitizer': sanitize('address', [], ['--tests'], []),
  'thread-sanitizer': sanitize(
    'thread',
    ['-Cunsafe-allow-abi-mismatch=sanitizer'],
    ['--test', 'allocations', '--test', 'loans', '--test', 'realtime'],
    ['--skip', 'makes_no_system_call', '--skip', 'a_scribbler_in_the_segment'],
  ),
  asleep: rust({ RINGPOST_RUNS: '200' }, '--test', 'asleep'),
  seeds: rust({ RINGPOST_RUNS: '30' }, '--lib'),
  'seeds-typescript': [
    'npx',
    ['--no-install', 'ava', '--timeout', '30m', ...seeded('05', '07', '27', '28', '70-report', '91')],
    { RINGPOST_RUNS: '30' },
  ],
  mutations: node('ci/mutations.mjs'),
  mutants: node('ci/mutants.mjs'),
  'mutants-typescript': node('ci/mutants-typescript.mjs'),
  fuzz: node('ci/fuzz.mjs'),
  coverage: node('ci/coverage.mjs'),
  editor: node('ci/editor.mjs'),
  overflow: node('ci/conformance.mjs', '--long', '--row', 'faster than its reader'),
  'gate-proof': node('ci/gate-proof.mjs'),
  bench: node('ci/bench.mjs', 'all'),
}

const asked = process.argv.slice(2)
for (const name of asked) {
  if (!(name in STEPS)) giveUp(`There is no step "${name}": ${Object.keys(STEPS).join(', ')}.`)
}
const names = Object.keys(STEPS).filter((name) => asked.length === 0 || asked.includes(name))
const failed = []
for (const name of names) {
  const [command, args, env] = STEPS[name]
  const isFine = await attempt(name, command, args, {
    env,
    loud: env === undefined,
    minutes: MINUTES_MAX,
  })
  if (!isFine) failed.push(name)
}
console.log(`\n${names.length - failed.length} passed, ${failed.length} failed`)
if (failed.length > 0) giveUp(`failed: ${failed.join(', ')}`)

function node(...args) {
  return [process.execPath, args]
}

function rust(env, ...which) {
  const args = ['test', '--profile', 'ci', '--package', 'ipc-core', '--package', 'ringpost', '--all-features', ...which]
  return ['cargo', args, env]
}

function seeded(...files) {
  return files.map((file) => `dist/**/__test__/${file}*.mjs`)
}

function sanitize(sanitizer, flags, tests, filter) {
  const args = ['test', '--package', 'ipc-core', '--package', 'ringpost', '--all-features', '--lib', ...tests]
  const separate = ['--target', TARGET, '--target-dir', `target/${sanitizer}-sanitizer`]
  const env = {
    RUSTC_BOOTSTRAP: '1',
    RUSTFLAGS: [`-Zsanitizer=${sanitizer}`, ...flags].join(' '),
    TSAN_OPTIONS: `suppressions=${join(ROOT, 'ci/tsan.supp')}`,
  }
  return ['cargo', [...args, ...separate, '--', ...filter], env]
}
