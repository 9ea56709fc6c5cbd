// How much of each part the tests run through: of the core its own tests, of the binding and of the
// TypeScript the JavaScript suite. At least 90 % of the lines of each.

import { execFileSync, spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import './setup.mjs'
import { ROOT, attempt, giveUp, step } from './step.mjs'

const BAR = 90
const TARGET = join(ROOT, 'target/coverage')
const REPORT = join(ROOT, 'coverage')
/** Neither the tests themselves, nor what only tests use. */
const TESTS = [
  ...[String.raw`\.cargo`, 'rustc', '/target/', '/tests?/', String.raw`(tests|model)\.rs`],
  ...['simulation', 'violations', 'seeds', 'golden', 'testing', 'examples'],
].join('|')
const INSTRUMENTED = { RUSTFLAGS: '-C instrument-coverage', CARGO_TARGET_DIR: TARGET }

const [profdata, cov] = await tools(['llvm-profdata', 'llvm-cov'])
mkdirSync(REPORT, { recursive: true })
const core = await ofTheCore()
const [binding, isTypeScriptFine] = await ofTheSuite()
console.log(`ipc-core: ${core.toFixed(1)} % of the lines (coverage/ipc-core.txt)`)
console.log(`ipc-node: ${binding.toFixed(1)} % of the lines (coverage/ipc-node.txt)`)
const isFine = core >= BAR && binding >= BAR && isTypeScriptFine
if (!isFine) giveUp(`The tests fail, or run through less than ${BAR} % of the lines.`)

async function ofTheCore() {
  const profiles = fresh('core')
  const env = { ...INSTRUMENTED, LLVM_PROFILE_FILE: join(profiles, '%p-%m.profraw') }
  const test = ['test', '--package', 'ipc-core', '--all-features', '--lib', '--tests']
  await step('the tests of the core', 'cargo', test, { env })
  const messages = run('cargo', [...test, '--no-run', '--message-format', 'json'], env)
  const programs = messages
    .split('\n')
    .filter(Boolean)
    .flatMap((line) => JSON.parse(line).executable ?? [])
  return linesOf('ipc-core', profiles, programs)
}

/** The binding is built with counters, and loaded by all programs of the suite instead of the other. */
async function ofTheSuite() {
  const profiles = fresh('node')
  const build = ['build', '--package', 'ipc-node']
  await step('building the binding with counters', 'cargo', build, { env: INSTRUMENTED })
  const addon = join(TARGET, 'ringpost.node')
  copyFileSync(join(TARGET, 'debug/libipc_node.so'), addon)
  const env = {
    LLVM_PROFILE_FILE: join(profiles, '%p-%m.profraw'),
    NAPI_RS_NATIVE_LIBRARY_PATH: addon,
  }
  const c8 = [
    ...['--no-install', 'c8', '--include', 'ts/**', '--exclude-after-remap'],
    ...['--reporter', 'text', '--reporter', 'html', '--reports-dir', 'coverage/typescript'],
    ...['--check-coverage', '--lines', String(BAR), 'npx', '--no-install', 'ava'],
    // Programs that count are slow.
    ...['--timeout', '5m'],
  ]
  const isFine = await attempt('the JavaScript suite', 'npx', c8, { env, loud: true })
  return [linesOf('ipc-node', profiles, [addon]), isFine]
}

function fresh(name) {
  const folder = join(TARGET, 'profiles', name)
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  return folder
}

/** Of the lines of a crate, how many in a hundred were run through. Its files are listed in a report. */
function linesOf(crate, folder, objects) {
  const merged = join(folder, 'merged.profdata')
  // A process that was killed in the middle of writing leaves half a file.
  const profiles = readdirSync(folder).map((file) => join(folder, file))
  run(profdata, ['merge', '--sparse', '--failure-mode=all', ...profiles, '-o', merged])
  const about = ['--instr-profile', merged, '--ignore-filename-regex', TESTS]
  const given = objects.flatMap((object) => ['--object', object])
  const sources = join(ROOT, 'crates', crate, 'src')
  writeFileSync(join(REPORT, `${crate}.txt`), run(cov, ['report', ...about, ...given, sources]))
  const exported = run(cov, ['export', '--summary-only', ...about, ...given, sources])
  return JSON.parse(exported).data[0].totals.lines.percent
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

/** LLVM's tools, those that came with the compiler: no others are sure to read what it writes. */
async function tools(names) {
  const sysroot = run('rustc', ['--print', 'sysroot']).trim()
  const paths = names.map((name) => join(sysroot, 'lib/rustlib/x86_64-unknown-linux-gnu/bin', name))
  const areThere = () => paths.every((path) => existsSync(path))
  if (!areThere()) {
    console.log('adding the component llvm-tools to the Rust toolchain')
    spawnSync('rustup', ['component', 'add', 'llvm-tools'], { stdio: 'ignore' })
  }
  return areThere() ? paths : giveUp('Coverage needs `rustup component add llvm-tools`.')
}
