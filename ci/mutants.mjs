// Mutation testing of the Rust that does no I/O, with cargo-mutants: applies every small change,
// one at a time, and checks that the unit tests fail. Survivors are listed in
// ci/mutations/survivors-rust.txt, each with the reason why no test can catch it; a survivor that
// is not listed is a failure.
//
//   node ci/mutants.mjs                today's part; all parts take some days
//   node ci/mutants.mjs all            all mutants, which takes hours
//   node ci/mutants.mjs <file> ...     those of files like crates/ipc-core/src/session/slots.rs

import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { readSurvivors, report } from './mutations/survivors.mjs'
import { ROOT, giveUp } from './step.mjs'

const VERSION = '27.1.0'
const FILES = [
  ...['doorbell.rs', 'handshake.rs', 'handshake/policy.rs', 'header.rs', 'option_block.rs', 'limits.rs'],
  ...['lanes/mod.rs', 'ring/producer.rs', 'ring/consumer.rs', 'ring/mod.rs'],
  ...['session/mod.rs', 'session/receiving.rs', 'session/fragments.rs', 'session/id.rs', 'session/items.rs'],
  ...['session/message.rs', 'session/names.rs', 'session/slots.rs', 'session/stream.rs'],
  ...['engine/backlog.rs', 'engine/names.rs'],
].map((file) => `crates/ipc-core/src/${file}`).concat('crates/ringpost/src/api/flows.rs')
/** Number of parts; one is run every night. */
const PARTS = 4
/** Limit in seconds, ten times what the tests take. */
const TEST_MAX = 120
const OUTPUT = join(ROOT, 'target/mutations')

const asked = process.argv.slice(2)
const isAll = asked[0] === 'all'
const files = isAll || asked.length === 0 ? FILES : asked
for (const file of files) if (!existsSync(join(ROOT, file))) giveUp(`${file} does not exist.`)
const today = Math.floor(Date.now() / 86_400_000) % PARTS
const part = asked.length === 0 ? ['--shard', `${today}/${PARTS}`] : []

install()
const survivors = readSurvivors('survivors-rust.txt')
rmSync(join(OUTPUT, 'mutants.out'), { recursive: true, force: true })
const chosen = files.flatMap((file) => ['--file', file])
const about = ['--package', 'ipc-core', '--package', 'ringpost', '--all-features', ...chosen, ...part]
const { status } = spawnSync(
  'cargo',
  [
    ...['mutants', ...about, '--output', OUTPUT, '--timeout', `${TEST_MAX}`, '--no-shuffle'],
    ...['--colors', 'never', '--', '--lib'],
  ],
  // Slightly optimized, because running the tests takes longer than compiling them.
  { cwd: ROOT, stdio: 'inherit', env: { ...process.env, CARGO_PROFILE_DEV_OPT_LEVEL: '1' } },
)
// 2 means that mutants survived, 3 that tests timed out, which counts as caught.
if (![0, 2, 3].includes(status)) giveUp(`cargo-mutants ended with ${status}.`)
const tried = new Set(listed(['mutants', '--list', ...about]))
report(listed('missed.txt'), survivors, (name) => tried.has(name))

/** Names of mutants without line numbers, which change with every edit. */
function listed(source) {
  const text = Array.isArray(source)
    ? execFileSync('cargo', source, { cwd: ROOT, encoding: 'utf8' })
    : readFileSync(join(OUTPUT, 'mutants.out', source), 'utf8')
  const names = text.split('\n').filter(Boolean)
  return names.map((name) => name.replace(/^(\S+?):\d+:\d+: /, '$1: '))
}

function install() {
  const found = spawnSync('cargo', ['mutants', '--version'], { encoding: 'utf8' })
  if (found.status === 0) return
  console.log('installing cargo-mutants, which takes some minutes')
  const how = ['install', 'cargo-mutants', '--locked', '--version', VERSION]
  if (spawnSync('cargo', how, { stdio: 'inherit' }).status !== 0) {
    giveUp('cargo-mutants could not be installed.')
  }
}
