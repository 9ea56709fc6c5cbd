// Everything a change must pass, the same locally and in CI.
//
//   npm test                        all steps, but for those that take long
//   node ci/test.mjs <step> ...     only these; `node ci/test.mjs --list` names them

import { execFileSync } from 'node:child_process'
import { MISSED, ROOT, giveUp, step } from './step.mjs'

/** A profile that is optimized and builds quickly; see Cargo.toml. */
const TESTED = ['--profile', 'ci', '--all-features']

/** All but the libraries that others load, which are built and tested by their own steps. */
const CRATES = ['--workspace', '--exclude', 'ipc-node', '--exclude', 'ringpost-c']

/** Where tests in TypeScript are. Those of the benchmark runner as a program measure for a minute. */
const SUITES = ['dist/__test__/*.mjs', 'dist/benches/__test__/*.mjs']
const RUNNER = 'dist/benches/__test__/90-runner.mjs'

/** Steps by name: a command, its arguments, and its environment variables. */
const STEPS = {
  setup: node('ci/setup.mjs'),
  format: cargo('fmt', '--all', '--check'),
  clippy: cargo(
    ...['clippy', '--workspace', '--all-targets', '--all-features', '--locked'],
    ...['--', '-D', 'warnings'],
  ),
  eslint: npx('eslint', '.'),
  // The rest is checked when it is built. Their types are in comments, for people who copy from them.
  'tsc-examples': node('node_modules/typescript/bin/tsc', '--project', 'examples'),
  arrows: node('ci/arrows.mjs'),
  limits: node('ci/limits.mjs'),
  licenses: node('ci/licenses.mjs'),
  // Only that every planted fault has its place; `npm run nightly` checks that each is caught.
  faults: node('ci/mutations.mjs', '--places'),
  // Builds the conformance suite's test peer as well.
  rust: cargo('test', ...TESTED, ...CRATES),
  // What is in Rust of the examples: tests alone do not build programs. All of the workspace, so that
  // libraries have the same features as in the tests, and are not built again.
  'rust-examples': cargo('build', ...TESTED, ...CRATES, '--bins', '--examples'),
  'rust-package': node('ci/crates.mjs'),
  loom: [
    ...cargo(
      ...['test', ...TESTED, '--package', 'ipc-core', '--lib'],
      ...['--target-dir', 'target/loom', 'model'],
    ),
    { RUSTFLAGS: '--cfg loom', LOOM_MAX_PREEMPTIONS: '3' },
  ],
  typescript: npx('ava', ...SUITES, `!${RUNNER}`),
  runner: npx('ava', RUNNER),
  // The other transport has its turn each night.
  conformance: node('dist/conformance/run.mjs', '--transport', 'sealed'),
  wasm: node('ci/wasm-tests.mjs'),
  packages: node('ci/packages.mjs'),
  bundlers: node('ci/bundlers.mjs'),
  tour: node('examples/tour/test.mjs'),
  alerts: node('examples/alerts/test.mjs'),
  service: node('ci/service.mjs'),
  nats: node('ci/nats.mjs'),
  c: node('ci/c.mjs'),
  'c-header': node('ci/c.mjs', 'header'),
  python: node('ci/python.mjs'),
  'perception-pairs': node('ci/perception.mjs', '--pairs'),
  // The step `rust-examples` has built what these four start.
  perception: node('examples/perception/test.mjs'),
  dashboard: node('ci/dashboard.mjs', '--built'),
  audio: node('examples/audio/test.mjs'),
  'ai-backend': node('examples/ai-backend/test.mjs'),
  benches: node(
    ...['dist/benches/cli/main.mjs', 'bench', 'engine'],
    ...['--quick', '--repeats', '1', '--duration', '20ms'],
  ),
  report: node('ci/report.mjs'),
  gate: node('ci/gate-proof.mjs', '--small'),
  rustdoc: [
    ...cargo('doc', '--workspace', '--no-deps', '--all-features'),
    { RUSTDOCFLAGS: '-D warnings' },
  ],
  typedoc: npx('typedoc'),
  site: node('ci/site.mjs'),
}

/** Steps that have a command of their own and are done each night: with them all would take longer
 * than anybody waits for a change. */
const LONG = [
  ...['loom', 'runner', 'packages', 'bundlers', 'alerts', 'nats', 'dashboard', 'report', 'site', 'gate'],
  ...['c', 'c-header', 'python', 'perception-pairs', 'wasm'],
]

/** After so many minutes a step hangs, on however busy a machine. */
const HANGS_AFTER = 30

/** Exit codes that are a success too: how fast it is says nothing on a busy machine. */
const ACCEPTED = { benches: [MISSED] }

const asked = process.argv.slice(2)
if (asked.includes('--list')) {
  console.log(Object.keys(STEPS).join('\n'))
  process.exit()
}
for (const name of asked) {
  if (!(name in STEPS)) giveUp(`There is no step "${name}": --list names them.`)
}
const usual = Object.keys(STEPS).filter((name) => !LONG.includes(name))
const names = asked.length > 0 ? asked : usual
if (names.some((name) => STEPS[name][0] === 'cargo')) needRust()
const start = Date.now()
for (const name of names) {
  const [command, args, env] = STEPS[name]
  const options = { env, loud: name === 'setup', minutes: HANGS_AFTER, accepted: ACCEPTED[name] }
  await step(name, command, args, options)
}
const minutes = ((Date.now() - start) / 60_000).toFixed(1)
console.log(`\nall steps in ${minutes} min:\n${names.length} passed, 0 failed`)

function node(...args) {
  return [process.execPath, args]
}

function cargo(...args) {
  return ['cargo', args]
}

function npx(...args) {
  return ['npx', ['--no-install', ...args]]
}

function needRust() {
  for (const [tool, component] of [
    ['fmt', 'rustfmt'],
    ['clippy', 'clippy'],
  ]) {
    try {
      execFileSync('cargo', [tool, '--version'], { cwd: ROOT, stdio: 'ignore' })
    } catch {
      giveUp(`The tests need Rust with ${component}; see https://rustup.rs.`)
    }
  }
}
