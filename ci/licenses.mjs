// Checks that every dependency, Rust and npm, has a permissive license, that every direct one has
// its reason in ARCHITECTURE.md, that the licenses of what is only measured against are listed, and that
// the text of those in the addon is that of today.
// Needs no network: it reads cargo's metadata and lock files.

import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { outdated } from './peer-licenses.mjs'
import { ROOT } from './step.mjs'
import { thirdPartyLicenses } from './third-party.mjs'

/** What bundles that are made in a clone ship with the addon. */
const NOTICES = 'native/THIRD-PARTY-LICENSES.txt'

const ALLOWED = new Set([
  ...['0BSD', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', 'BlueOak-1.0.0', 'CC0-1.0', 'ISC'],
  ...['MIT', 'PSF-2.0', 'Python-2.0', 'Unicode-3.0', 'Unlicense', 'Zlib'],
])

const rust = crates()
const dependencies = [...rust, ...packages()]
const refused = dependencies.filter(({ license }) => !isAllowed(license))
for (const { name, license } of refused) console.error(`${name}: ${license ?? 'no license'}`)

const reasons = read('ARCHITECTURE.md')
const unexplained = chosen().filter((name) => !reasons.includes(`\`${name}\``))
for (const name of unexplained) console.error(`${name}: no reason in ARCHITECTURE.md`)

const unlisted = outdated()
for (const fault of unlisted) console.error(`benches/peers/LICENSES.md: ${fault}`)

const notices = thirdPartyLicenses('x86_64-unknown-linux-gnu')
const stale = read(NOTICES) === notices ? [] : [NOTICES]
for (const file of stale) {
  writeFileSync(join(ROOT, file), notices)
  console.error(`${file}: dependencies have changed, and it was written anew: commit it`)
}

if (refused.length + unexplained.length + unlisted.length + stale.length > 0) process.exit(1)
console.log(`${dependencies.length} dependencies, all under allowed licenses`)

/** Names of the dependencies in our own manifests. */
function chosen() {
  const ours = rust.filter(({ source }) => source === null)
  const names = ours.flatMap(({ dependencies }) => dependencies.map(({ name }) => name))
  const folders = ['.', 'benches', 'nats', 'site']
  const manifests = folders.map((folder) => JSON.parse(read(`${folder}/package.json`)))
  const own = [...ours, ...manifests].map(({ name }) => name)
  const npm = manifests.flatMap(({ dependencies = {}, devDependencies = {} }) => [
    ...Object.keys({ ...dependencies, ...devDependencies }),
  ])
  return [...names, ...npm].filter((name) => !own.includes(name))
}

function read(file) {
  return readFileSync(join(ROOT, file), 'utf8')
}

function crates() {
  const args = ['metadata', '--format-version', '1', '--locked', '--all-features']
  const options = { cwd: ROOT, encoding: 'utf8', maxBuffer: 64 << 20 }
  return JSON.parse(execFileSync('cargo', args, options)).packages
}

function packages() {
  const { packages } = JSON.parse(read('package-lock.json'))
  // A link is to a package of this repository, which stands in the list by its folder.
  return Object.entries(packages)
    .filter(([, { link }]) => !link)
    .map(([name, { license }]) => ({ name, license }))
}

/** Whether allowed licenses satisfy an SPDX expression: one operand of OR, all operands of AND. */
function isAllowed(license) {
  const tokens = license?.replaceAll('/', ' OR ').match(/[()]|[^\s()]+/g) ?? []
  const either = () => {
    let met = both()
    while (tokens[0] === 'OR') {
      tokens.shift()
      met = both() || met
    }
    return met
  }
  const both = () => {
    let met = one()
    while (tokens[0] === 'AND') {
      tokens.shift()
      met = one() && met
    }
    return met
  }
  const one = () => {
    const token = tokens.shift()
    if (token === '(') {
      const met = either()
      tokens.shift()
      return met
    }
    // An exception only grants more rights.
    if (tokens[0] === 'WITH') tokens.splice(0, 2)
    return ALLOWED.has(token)
  }
  return either() && tokens.length === 0
}
