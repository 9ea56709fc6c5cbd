// What takes long: sanitizers, planted faults, fuzzing, coverage, the editor, the gate's proof, the full
// benchmark.
//
//   npm run nightly                 all steps
//   node ci/nightly.mjs <step> ...  only these

import { join } from 'node:path'
import './setup.mjs'
import { ROOT, giveUp, step } from './step.mjs'

const TARGET = 'x86_64-unknown-linux-gnu'

/**
 * The sanitizers' runtimes come with the stable compiler; only the flags ask for more.
 *
 * The thread sanitizer sees nothing of the locks in the standard library, which is not instrumented,
 * so it is given the programs that do without: rings, lanes, sessions, and the faces for threads.
 * Two tests are left out: one allows no system call and would see the sanitizer's own, the other
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
  mutations: node('ci/mutations.mjs'),
  fuzz: node('ci/fuzz.mjs'),
  coverage: node('ci/coverage.mjs'),
  editor: node('ci/editor.mjs'),
  overflow: node('dist/conformance/run.mjs', '--long', '--row', 'faster than its reader'),
  'gate-proof': node('ci/gate-proof.mjs'),
  bench: node('ci/bench.mjs', 'all'),
}

const asked = process.argv.slice(2)
for (const name of asked) {
  if (!(name in STEPS)) giveUp(`There is no step "${name}": ${Object.keys(STEPS).join(', ')}.`)
}
for (const [name, [command, args, env]] of Object.entries(STEPS)) {
  if (asked.length > 0 && !asked.includes(name)) continue
  await step(name, command, args, { env, loud: env === undefined })
}

function node(...args) {
  return [process.execPath, args]
}

function sanitize(sanitizer, flags, tests, filter) {
  const args = ['test', '--package', 'ipc-core', '--all-features', '--lib', ...tests]
  const separate = ['--target', TARGET, '--target-dir', `target/${sanitizer}-sanitizer`]
  const env = {
    RUSTC_BOOTSTRAP: '1',
    RUSTFLAGS: [`-Zsanitizer=${sanitizer}`, ...flags].join(' '),
    TSAN_OPTIONS: `suppressions=${join(ROOT, 'ci/tsan.supp')}`,
  }
  return ['cargo', [...args, ...separate, '--', ...filter], env]
}
