// How much of the core and of the TypeScript the tests run through: at least 90 % of the lines of
// each.

import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import './setup.mjs'
import { ROOT, giveUp, step } from './step.mjs'

const BAR = 90
const PROFILES = join(ROOT, 'target/coverage/profiles')
const REPORT = join(ROOT, 'coverage')
/** Neither the tests themselves, nor what only tests use. */
const TESTS = [
  ...[String.raw`\.cargo`, 'rustc', '/target/', '/tests?/', String.raw`(tests|model)\.rs`],
  ...['simulation', 'violations', 'seeds', 'golden', 'testing', 'examples'],
].join('|')

const rust = await rustLines()
console.log(`Rust, ipc-core: ${rust.toFixed(1)} % of the lines (coverage/rust.txt)`)
await step('TypeScript', 'npx', [
  ...['--no-install', 'c8', '--include', 'ts/**', '--exclude-after-remap'],
  ...['--reporter', 'text', '--reporter', 'html', '--reports-dir', 'coverage/typescript'],
  ...['--check-coverage', '--lines', String(BAR), 'npx', '--no-install', 'ava'],
], { loud: true })
if (rust < BAR) giveUp(`The tests run through less than ${BAR} % of the Rust.`)

async function rustLines() {
  const [profdata, cov] = [llvm('llvm-profdata'), llvm('llvm-cov')]
  rmSync(PROFILES, { recursive: true, force: true })
  mkdirSync(PROFILES, { recursive: true })
  mkdirSync(REPORT, { recursive: true })
  const env = {
    RUSTFLAGS: '-C instrument-coverage',
    LLVM_PROFILE_FILE: join(PROFILES, '%p-%m.profraw'),
    CARGO_TARGET_DIR: join(ROOT, 'target/coverage'),
  }
  const test = ['test', '--package', 'ipc-core', '--all-features', '--lib', '--tests']
  await step('Rust', 'cargo', test, { env })
  const messages = run('cargo', [...test, '--no-run', '--message-format', 'json'], env)
  const programs = messages
    .split('\n')
    .filter(Boolean)
    .flatMap((line) => JSON.parse(line).executable ?? [])
  const profiles = readdirSync(PROFILES).map((file) => join(PROFILES, file))
  const merged = join(ROOT, 'target/coverage/merged.profdata')
  run(profdata, ['merge', '--sparse', ...profiles, '-o', merged])
  const about = ['--instr-profile', merged, '--ignore-filename-regex', TESTS]
  const objects = programs.flatMap((program) => ['--object', program])
  writeFileSync(join(REPORT, 'rust.txt'), run(cov, ['report', ...about, ...objects]))
  const summary = run(cov, ['export', '--summary-only', ...about, ...objects])
  return JSON.parse(summary).data[0].totals.lines.percent
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

/** A tool of LLVM's: the compiler's own, or one of the system that reads what it writes. */
function llvm(name) {
  const lib = join(run('rustc', ['--print', 'sysroot']).trim(), 'lib/rustlib')
  const own = join(lib, 'x86_64-unknown-linux-gnu/bin', name)
  if (existsSync(own)) return own
  for (let version = 30; version >= 19; version--) {
    const found = join('/usr/lib', `llvm-${version}`, 'bin', name)
    if (existsSync(found)) return found
  }
  return giveUp(`Coverage needs ${name}: \`rustup component add llvm-tools\`, or Debian's llvm-19.`)
}
