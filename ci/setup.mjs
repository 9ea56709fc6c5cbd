// Makes a fresh clone ready to run: npm packages, the Rust binding, the TypeScript build. Later
// runs skip what is up to date.

import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isStale } from './stale.mjs'
import { ROOT, giveUp, step } from './step.mjs'
import { addonOf, ownTarget } from './targets.mjs'

const NODE_WANTED = [20, 17]
const RUST_WANTED = [1, 88]
/** Created when the TypeScript build has succeeded. */
const BUILT = join(ROOT, 'dist', '.built')
/** By its path: the compilers of the type tests have the same command. */
const TSC = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc')

checkNode()
// Not `npm ci`, which also requires the optional packages of every platform; some registries lack
// them.
if (isStale('node_modules/.package-lock.json', ['package-lock.json'])) {
  await step('installing npm packages', 'npm', ['install', '--no-save', '--no-audit', '--no-fund'])
}
const binding = `native/${addonOf(ownTarget())}`
const crates = ['crates/ipc-core', 'crates/ipc-node']
const rust = [
  ...['Cargo.toml', 'Cargo.lock'],
  ...crates.flatMap((crate) => [`${crate}/Cargo.toml`, `${crate}/src`]),
]
if (isStale(binding, rust)) {
  checkRust()
  await step('building the Rust binding (a minute or two the first time)', 'npx', [
    'napi',
    'build',
    ...['--manifest-path', 'crates/ipc-node/Cargo.toml'],
    ...['--platform', '--release', '--strip'],
    ...['--output-dir', 'native', '--no-js', '--dts', 'binding.d.ts'],
  ])
}
const sources = [
  ...['index.d.ts', 'native/binding.d.ts', 'tsconfig.json'],
  ...['ts', 'cli', 'benches', 'conformance', 'examples', '__test__'],
  ...['nats/tsconfig.json', 'nats/src', 'nats/__test__', 'nats/bench'],
]
if (isStale('dist/.built', sources)) {
  // What was built from files that have moved since would still be tested, and packed.
  for (const dist of ['dist', 'nats/dist']) {
    rmSync(join(ROOT, dist), { recursive: true, force: true })
  }
  await step('building the TypeScript', process.execPath, [TSC])
  // Imported late, because it may have been installed just now.
  const { bundle } = await import('./bundle.mjs')
  await bundle(ROOT)
  await step('building ringpost-nats', process.execPath, [TSC, '--project', 'nats'])
  await step('leading index.d.ts to its sources', process.execPath, ['ci/declaration-map.mjs'])
  mkdirSync(join(ROOT, 'dist'), { recursive: true })
  writeFileSync(BUILT, '')
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (isOlder([major, minor], NODE_WANTED)) {
    giveUp(`Ringpost needs Node.js ${NODE_WANTED.join('.')} or newer, this is ${process.version}.`)
  }
}

function checkRust() {
  const wanted = RUST_WANTED.join('.')
  let version
  try {
    version = execFileSync('cargo', ['--version'], { encoding: 'utf8' })
  } catch {
    giveUp(`Building Ringpost needs Rust ${wanted} or newer: see https://rustup.rs.`)
  }
  const [, major, minor] = /(\d+)\.(\d+)/.exec(version) ?? []
  if (isOlder([Number(major), Number(minor)], RUST_WANTED)) {
    giveUp(`Building Ringpost needs Rust ${wanted} or newer, this is ${version.trim()}.`)
  }
}

function isOlder(found, wanted) {
  return found[0] < wanted[0] || (found[0] === wanted[0] && found[1] < wanted[1])
}
