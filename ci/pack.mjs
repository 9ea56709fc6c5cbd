// Makes the npm packages: `ringpost`, which is JavaScript, for each platform one with the addon, and
// `ringpost-nats`.
//
//   npm run pack:all -- <folder>                  all of them, into the folder, with SHA256SUMS
//   ... --only linux-x64-gnu[,...]                of the platforms only these
//   ... --built <folder>                          with addons that were built elsewhere
//   ... --own                                     with the addon of this checkout, to be tried here: it
//                                                 may need a newer glibc than is promised

import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { buildAddon } from './cross.mjs'
import { ROOT, giveUp } from './step.mjs'
import { GLIBC_MAX, TARGETS, addonOf, ownTarget } from './targets.mjs'
import { thirdPartyLicenses } from './third-party.mjs'
import { MODULE, TRIPLE, makeModule } from './wasm.mjs'

const LICENSES = ['LICENSE-APACHE', 'LICENSE-MIT']
const NOTICES = 'THIRD-PARTY-LICENSES.txt'

const { into, names, own, built } = asked()
const main = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
if (!own && !built) {
  await import('./setup.mjs')
  await makeModule()
}
const needed = ['dist/ts/index.js', 'dist/cli/main.mjs']
// To try an addon, the module is not needed.
if (!own) needed.push(MODULE)
for (const file of needed) need(join(ROOT, file), file)
const scratch = mkdtempSync(join(tmpdir(), 'ringpost-pack-'))
process.once('exit', () => rmSync(scratch, { recursive: true, force: true }))
mkdirSync(into, { recursive: true })
const packed = []
for (const name of names) packed.push(await packAddon(name))
packed.push(packMain())
if (!own) packed.push(npmPack(join(ROOT, 'nats')))
const sums = packed.map((file) => `${sha256(join(into, file))}  ${file}\n`)
writeFileSync(join(into, 'SHA256SUMS'), sums.join(''))
console.log(sums.join('').trimEnd())

function asked() {
  const string = { type: 'string' }
  const options = { only: string, built: string, own: { type: 'boolean', default: false } }
  const { values, positionals } = parseArgs({ options, allowPositionals: true })
  const { only, built, own } = values
  if (positionals.length !== 1) giveUp('usage: npm run pack:all -- <folder> [--only <platform>,...]')
  const names = own ? [ownTarget()] : (only?.split(',') ?? Object.keys(TARGETS))
  for (const name of names) {
    if (!(name in TARGETS)) {
      giveUp(`There is no platform "${name}": ${Object.keys(TARGETS).join(', ')}.`)
    }
  }
  return { into: resolve(positionals[0]), names, own, built: built && resolve(built) }
}

/** Packs the package of a platform. Returns the name of its file. */
async function packAddon(name) {
  const addon = await addonFor(name)
  const folder = join(scratch, name)
  mkdirSync(folder)
  cpSync(addon, join(folder, addonOf(name)))
  for (const file of LICENSES) cpSync(join(ROOT, file), join(folder, file))
  writeFileSync(join(folder, NOTICES), thirdPartyLicenses(TARGETS[name].triple))
  writeFileSync(join(folder, 'README.md'), readmeOf(name))
  writeFileSync(join(folder, 'package.json'), text(manifestOf(name)))
  return npmPack(folder)
}

async function addonFor(name) {
  if (own || built) {
    const path = join(built ?? join(ROOT, 'native'), addonOf(name))
    need(path, own ? `native/${addonOf(name)}` : path)
    if (!own) check(name, path)
    return path
  }
  const path = await buildAddon(name)
  check(name, path)
  return path
}

function manifestOf(name) {
  const { cpu, libc } = TARGETS[name]
  const { version, license, repository, homepage, bugs, engines } = main
  return {
    name: `@ringpost/${name}`,
    version,
    description: `The addon of ringpost for Linux on ${cpu} with ${libc}.`,
    license,
    repository,
    homepage,
    bugs,
    engines,
    os: ['linux'],
    cpu: [cpu],
    libc: [libc],
    main: addonOf(name),
    files: [addonOf(name), ...LICENSES, NOTICES],
  }
}

function readmeOf(name) {
  const { cpu, libc } = TARGETS[name]
  const ours = `[ringpost](${main.homepage})`
  return `# @ringpost/${name}\n\nThe addon of ${ours} for Linux on ${cpu} with ${libc}; installed with it.\n`
}

/** Packs `ringpost`: the files that npm would pack, and the packages of the platforms as optional
 * dependencies, which package.json does not name because a checkout has an addon of its own. */
function packMain() {
  const folder = join(scratch, 'main')
  const list = npm(ROOT, 'pack', '--dry-run', '--json', '--ignore-scripts')
  for (const { path } of JSON.parse(list)[0].files) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    cpSync(join(ROOT, path), join(folder, path))
  }
  const addons = Object.keys(TARGETS).map((name) => [`@ringpost/${name}`, main.version])
  const optionalDependencies = Object.fromEntries(addons)
  // Scripts are those of a checkout.
  const manifest = { ...main, scripts: undefined, optionalDependencies }
  if (existsSync(join(folder, MODULE))) {
    writeFileSync(join(folder, NOTICES), thirdPartyLicenses(TRIPLE, 'module in WebAssembly'))
    manifest.files = [...main.files, NOTICES]
  }
  writeFileSync(join(folder, 'package.json'), text(manifest))
  return npmPack(folder)
}

function npmPack(folder) {
  const args = ['--json', '--ignore-scripts', '--pack-destination', into]
  return JSON.parse(npm(folder, 'pack', ...args))[0].filename
}

function npm(cwd, ...args) {
  return execFileSync('npm', args, { cwd, encoding: 'utf8', maxBuffer: 64 << 20 })
}

/** Gives up unless an ELF file is for this platform, and needs no newer glibc than is promised. */
function check(name, path) {
  const { machine, libc } = TARGETS[name]
  const file = readFileSync(path)
  const needed = glibcOf(file)
  if (libc === 'glibc' && isNewer(needed, GLIBC_MAX)) {
    giveUp(`${path} needs glibc ${needed.join('.')}, and ${GLIBC_MAX.join('.')} is promised`)
  }
  if (libc === 'musl' && needed[0] > 0) giveUp(`${path} needs glibc, and is for musl`)
  const isElf = file.toString('latin1', 0, 4) === '\x7fELF'
  if (!isElf || file.readUInt16LE(18) !== machine) giveUp(`${path} is no addon for ${name}`)
}

/** The newest version of glibc of which an ELF file imports a symbol. */
function glibcOf(file) {
  const versions = file.toString('latin1').match(/\bGLIBC_\d+\.\d+(\.\d+)?\0/g) ?? []
  const numbers = versions.map((version) => version.match(/\d+/g).slice(0, 2).map(Number))
  return numbers.reduce((a, b) => (isNewer(b, a) ? b : a), [0, 0])
}

function isNewer([major, minor], [otherMajor, otherMinor]) {
  return major > otherMajor || (major === otherMajor && minor > otherMinor)
}

function need(path, said) {
  const how = said === MODULE ? 'node ci/wasm.mjs' : 'npm run build'
  if (!existsSync(path)) giveUp(`cannot pack without ${said}: ${how} makes it`)
}

function sha256(path) {
  return createHash('sha256').update(readFileSync(path)).digest('hex')
}

function text(manifest) {
  return `${JSON.stringify(manifest, null, 2)}\n`
}
