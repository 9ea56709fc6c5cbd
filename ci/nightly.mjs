// Long-running checks: what `npm test` leaves out, all of it at length, sanitizers, fuzzing, coverage,
// planted faults, mutants, other runtimes and platforms, the full benchmark. Each step sets up what it
// needs, also in a fresh clone. A failing step does not stop the others; failures are listed at the
// end.
//
//   npm run nightly                 all steps
//   node ci/nightly.mjs <step> ...  only these

import { join } from 'node:path'
import './setup.mjs'
import { ROOT, attempt, giveUp } from './step.mjs'

const TARGET = 'x86_64-unknown-linux-gnu'
/** A step that takes longer has failed. */
const MINUTES_MAX = 120

/**
 * The sanitizers' runtimes come with the stable compiler; only the flags are unstable.
 *
 * The thread sanitizer does not see the locks of the standard library, which is not instrumented,
 * so it runs only programs that use none: rings, lanes, sessions, and the APIs for threads. Some
 * tests are skipped: those that forbid system calls would see the sanitizer's own, and one
 * overwrites a segment while it is read, which is a deliberate race. Tests that count descriptors
 * would count the sanitizer's.
 */
const STEPS = {
  'address-sanitizer': sanitize('address', [], ['--tests'], []),
  'thread-sanitizer': sanitize(
    'thread',
    ['-Cunsafe-allow-abi-mismatch=sanitizer'],
    ['--test', 'allocations', '--test', 'loans', '--test', 'realtime'],
    ['--skip', 'makes_no_system_call', '--skip', 'a_scribbler_in_the_segment'],
  ),
  loom: node('ci/test.mjs', 'loom'),
  asleep: rust({ RINGPOST_RUNS: '200' }, '--test', 'asleep'),
  seeds: rust({ RINGPOST_RUNS: '30' }, '--lib'),
  'seeds-typescript': [
    'npx',
    ['--no-install', 'ava', '--timeout', '30m', ...seeded('05', '07', '27', '28', '70-report', '91')],
    { RINGPOST_RUNS: '30' },
  ],
  'bad-days': [
    'npx',
    ['--no-install', 'ava', '--timeout', '10m', ...seeded('56-bad-days')],
    { RINGPOST_LONG: '1' },
  ],
  mutations: node('ci/mutations.mjs'),
  mutants: node('ci/mutants.mjs'),
  'mutants-typescript': node('ci/mutants-typescript.mjs'),
  fuzz: node('ci/fuzz.mjs'),
  coverage: node('ci/coverage.mjs'),
  editor: node('ci/editor.mjs'),
  wasm: node('ci/wasm-tests.mjs'),
  packages: node('ci/packages.mjs'),
  musl: node('ci/musl.mjs'),
  arm64: node('ci/arm64.mjs'),
  windows: node('ci/windows.mjs'),
  release: node('ci/release.mjs', '--dry-run'),
  bundlers: node('ci/bundlers.mjs'),
  runner: node('ci/test.mjs', 'runner'),
  report: node('ci/report.mjs'),
  runtimes: node('ci/runtimes.mjs'),
  site: node('ci/site.mjs'),
  overflow: node('ci/conformance.mjs', '--long', '--row', 'faster than its reader'),
  conformance: node('ci/conformance.mjs'),
  nats: node('ci/nats.mjs', '--long'),
  c: node('ci/c.mjs'),
  'c-asan': node('ci/c.mjs', '--asan'),
  'c-valgrind': node('ci/c.mjs', '--valgrind'),
  'c-header': node('ci/c.mjs', 'header'),
  python: node('ci/python.mjs'),
  'perception-pairs': node('ci/perception.mjs', '--pairs'),
  alerts: node('examples/alerts/test.mjs', '--long'),
  perception: node('ci/perception.mjs', '--long'),
  // Ten minutes of pages that come and go.
  dashboard: node('ci/dashboard.mjs', '--long'),
  // Not one frame of an hour may be dropped; the full benchmark below counts those of ten minutes.
  'perception-hour': [
    ...node('ci/bench.mjs', 'scenarios', '--only', 'perception'),
    { RINGPOST_PERCEPTION_SECONDS: '3600' },
  ],
  // One loss in each row; the whole proof takes longer than a step may.
  'gate-proof': node('ci/gate-proof.mjs', '--planted', '10', '--unchanged', '4'),
  // A figure that misses what it is held to is a failure here, as its exit code says.
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
