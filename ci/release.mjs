// Releases what this commit is, as .github/workflows/release.yml does; elsewhere only says what would be
// released, after the same checks.
//
//   npm run release -- --dry-run     checks and builds everything, and prints what would be published
//   ... --packed <folder>            with the npm packages that `npm run pack:all` has left there

import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { ROOT, giveUp, step } from './step.mjs'
import { TARGETS } from './targets.mjs'

/** In an order in which each finds what it depends on. */
const CRATES = ['ipc-core', 'ringpost']

const options = { 'dry-run': { type: 'boolean', default: false }, packed: { type: 'string' } }
const { values } = parseArgs({ options })
const isDry = values['dry-run']
const isWorkflow = process.env.GITHUB_ACTIONS === 'true' && process.env.GITHUB_WORKFLOW === 'release'
if (!isDry && !isWorkflow) {
  giveUp('Only the workflow `release` publishes: here it is `npm run release -- --dry-run`.')
}

const version = manifest('package.json').version
const faults = [...tree(), ...tag(), ...versions(), ...changelog()]
if (faults.length > 0) giveUp(faults.join('\n'))
console.log(`version ${version}, the same everywhere, in a clean tree`)

const packed = values.packed ?? 'target/packages'
if (!values.packed) {
  await step('packing', process.execPath, ['ci/pack.mjs', packed], { loud: true })
}
const sums = await checked(resolve(ROOT, packed))
const crates = CRATES.flatMap((name) => ['--package', name])
await step('cargo publish --dry-run', 'cargo', ['publish', '--dry-run', '--locked', ...crates])
const last = lastRelease()
if (last === undefined) console.log('no earlier release that programs could depend on')
else {
  const compared = ['semver-checks', ...crates, '--baseline-rev', last]
  await step(`cargo semver-checks against ${last} (\`cargo install cargo-semver-checks\`)`, 'cargo', compared)
}

// What another one depends on comes first, so that no version is ever there without it.
const files = [
  ...Object.keys(TARGETS).map((name) => `ringpost-${name}-${version}.tgz`),
  ...[`ringpost-${version}.tgz`, `ringpost-nats-${version}.tgz`],
]
const missing = files.filter((file) => !sums.has(file))
if (missing.length > 0) giveUp(`${packed} lacks ${missing.join(', ')}`)
const order = [
  ...CRATES.map((name) => ['cargo', ['publish', '--locked', '--package', name]]),
  ...files.map((file) => ['npm', ['publish', '--provenance', '--access=public', join(packed, file)]]),
]
console.log(isDry ? '\nwould be published, in this order:' : '\npublishing')
for (const [command, args] of order) {
  if (isDry) console.log(`${command} ${args.join(' ')}`)
  else await step(args.at(-1), command, args, { loud: true })
}

/** The tag of the release before this one. */
function lastRelease() {
  const tags = ['tag', '--merged', 'HEAD', '--sort=-version:refname', '--list', 'v*']
  const all = execFileSync('git', tags, { cwd: ROOT, encoding: 'utf8' }).split('\n')
  return all.find((tag) => tag !== '' && tag !== `v${version}`)
}

function* tree() {
  const changed = execFileSync('git', ['status', '--porcelain'], { cwd: ROOT, encoding: 'utf8' })
  if (changed !== '') yield `The tree has changes that are not committed:\n${changed.trimEnd()}`
}

/** The tag is that of the version. */
function* tag() {
  const { GITHUB_REF_NAME: name } = process.env
  if (!isDry && name !== `v${version}`) yield `The tag is ${name}, and the version ${version}.`
}

/** Every place that has the version in it. */
function* versions() {
  const nats = manifest('nats/package.json')
  const lock = manifest('package-lock.json').packages
  const places = {
    'package-lock.json': lock[''].version,
    'package-lock.json, nats': lock.nats.version,
    'nats/package.json': nats.version,
    'nats/package.json, peerDependencies': nats.peerDependencies.ringpost.replace('^', ''),
    'Cargo.toml': found('Cargo.toml', /^version = "(.+)"$/m),
    'crates/ringpost/Cargo.toml, ipc-core': found(
      'crates/ringpost/Cargo.toml',
      /^ipc-core = \{ version = "([^"]+)"/m,
    ),
    'ts/runtime/thread.ts': found('ts/runtime/thread.ts', /\bVERSION = '(.+)'/),
  }
  for (const name of [...CRATES, 'ipc-node']) {
    const entry = new RegExp(`^name = "${name}"\nversion = "(.+)"$`, 'm')
    places[`Cargo.lock, ${name}`] = found('Cargo.lock', entry)
  }
  for (const [place, said] of Object.entries(places)) {
    if (said !== version) yield `${place} says ${said}, and package.json ${version}.`
  }
}

/** The version has a heading, which has a date when it is published. */
function* changelog() {
  const heading = read('CHANGELOG.md').split('\n').find((line) => line.startsWith(`## [${version}]`))
  if (heading === undefined) yield `CHANGELOG.md does not have ${version}.`
  else if (!isDry && !/ - \d{4}-\d\d-\d\d$/.test(heading)) yield `CHANGELOG.md has no date: ${heading}`
}

/** The packages in a folder by name, all as their checksums say. */
async function checked(folder) {
  if (!existsSync(join(folder, 'SHA256SUMS'))) giveUp(`There is no SHA256SUMS in ${folder}.`)
  await step('checksums', 'sha256sum', ['--check', '--strict', 'SHA256SUMS'], { cwd: folder })
  const lines = readFileSync(join(folder, 'SHA256SUMS'), 'utf8').trimEnd().split('\n')
  return new Set(lines.map((line) => line.split('  ')[1]))
}

function found(file, pattern) {
  return pattern.exec(read(file))?.[1]
}

function manifest(file) {
  return JSON.parse(read(file))
}

function read(file) {
  return readFileSync(join(ROOT, file), 'utf8')
}
