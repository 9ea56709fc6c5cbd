// Line coverage of the core, the binding and the TypeScript: at least 90 % each. Runs the tests of
// the core, the JavaScript suite and the conformance suite with instrumented programs.

import { execFileSync, spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import './setup.mjs'
import { ROOT, attempt, giveUp, step } from './step.mjs'

const BAR = 90
const TARGET = join(ROOT, 'target/coverage')
const PROFILES = join(TARGET, 'profiles')
const REPORT = join(ROOT, 'coverage')
/** Not counted: tests, and code that only tests use. */
const TESTS = [
  ...[String.raw`\.cargo`, 'rustc', '/target/', '/tests?/', String.raw`(tests|model)\.rs`],
  ...['simulation', 'violations', 'seeds', 'golden', 'testing', 'test-peer'],
].join('|')
const ADDON = join(TARGET, 'ringpost.node')
const TEST_PEER = join(TARGET, 'debug/test-peer')
const CRATES = ['--package', 'ipc-core', '--package', 'ringpost', '--all-features']
const TEST = ['test', ...CRATES, '--lib', '--tests']

const [profdata, cov] = tools(['llvm-profdata', 'llvm-cov'])
for (const folder of [PROFILES, REPORT]) {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
}
const building = { RUSTFLAGS: '-C instrument-coverage', CARGO_TARGET_DIR: TARGET }
const counting = { LLVM_PROFILE_FILE: join(PROFILES, '%p-%m.profraw') }
/** Makes all programs of the suites load the instrumented binding. */
const loading = { ...counting, RINGPOST_ADDON: ADDON }

await step('building the instrumented tests', 'cargo', [...TEST, '--no-run'], { env: building })
await step('the binding', 'cargo', ['build', '--package', 'ipc-node'], { env: building })
copyFileSync(join(TARGET, 'debug/libipc_node.so'), ADDON)
const testPeer = ['build', '--package', 'test-peer']
await step('the test peer', 'cargo', testPeer, { env: building })

const passed = [
  await attempt('the tests of the core', 'cargo', TEST, { env: { ...building, ...counting } }),
  await attempt('the JavaScript suite', 'npx', [
    ...['--no-install', 'c8', '--include', 'ts/**', '--exclude-after-remap'],
    ...['--reporter', 'text', '--reporter', 'html', '--reports-dir', 'coverage/typescript'],
    ...['--check-coverage', '--lines', String(BAR), 'npx', '--no-install', 'ava'],
    // Instrumented programs are slow.
    ...['--timeout', '10m'],
  ], { env: loading, loud: true }),
  await attempt('the conformance suite', process.execPath, [
    ...['dist/conformance/run.mjs', '--test-peer', TEST_PEER],
  ], { env: loading }),
]
const objects = [...testPrograms(), ADDON, TEST_PEER]
const merged = join(PROFILES, 'merged.profdata')
// A process killed while writing leaves a truncated file, which is skipped.
const profiles = readdirSync(PROFILES).map((file) => join(PROFILES, file))
run(profdata, ['merge', '--sparse', '--failure-mode=all', ...profiles, '-o', merged])
const lines = ['ipc-core', 'ringpost', 'ipc-node'].map(linesOf)
if (lines.some((percent) => percent < BAR)) giveUp(`Line coverage is below ${BAR} %.`)
if (!passed.every(Boolean)) giveUp('A suite has failed.')

/** Line coverage of a crate in percent. Writes a report by file. */
function linesOf(crate) {
  const [first, ...others] = objects
  const given = [first, ...others.flatMap((object) => ['--object', object])]
  const about = ['--instr-profile', merged, '--ignore-filename-regex', TESTS, ...given]
  const sources = join(ROOT, 'crates', crate, 'src')
  writeFileSync(join(REPORT, `${crate}.txt`), run(cov, ['report', ...about, sources]))
  const exported = JSON.parse(run(cov, ['export', '--summary-only', ...about, sources]))
  const { percent } = exported.data[0].totals.lines
  console.log(`${crate}: ${percent.toFixed(1)} % of the lines (coverage/${crate}.txt)`)
  return percent
}

function testPrograms() {
  const messages = run('cargo', [...TEST, '--no-run', '--message-format', 'json'], building)
  const built = messages.split('\n').filter(Boolean)
  return built.flatMap((line) => JSON.parse(line).executable ?? [])
}

function run(command, args, env = {}) {
  return execFileSync(command, args, {
    cwd: ROOT,
    encoding: 'utf8',
    env: { ...process.env, ...env },
    maxBuffer: 256 << 20,
    stdio: ['ignore', 'pipe', 'ignore'],
  })
}

/** LLVM's tools from the compiler's own toolchain; others may not read its profiles. */
function tools(names) {
  const sysroot = run('rustc', ['--print', 'sysroot']).trim()
  const paths = names.map((name) => join(sysroot, 'lib/rustlib/x86_64-unknown-linux-gnu/bin', name))
  const exist = () => paths.every((path) => existsSync(path))
  if (!exist()) {
    console.log('adding the component llvm-tools to the Rust toolchain')
    spawnSync('rustup', ['component', 'add', 'llvm-tools'], { stdio: 'ignore' })
  }
  return exist() ? paths : giveUp('Coverage needs `rustup component add llvm-tools`.')
}
