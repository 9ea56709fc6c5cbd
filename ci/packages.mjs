// Installs the packed packages as a user does, in empty folders, under each package manager, and runs
// the README's first program between two processes. They come from a registry on the loopback that has
// nothing else, and no compiler is on the PATH. The package managers are kept in .cache/packages.
//
//   node ci/packages.mjs                       packs them first
//   node ci/packages.mjs --packed <folder>     those in a folder, as `npm run pack:all` has left it
//   ... --node <path>                          with npm alone, in another Node.js
//   ... --target linux-x64-musl                which is one of this platform

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync } from 'node:fs'
import { realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, delimiter, join } from 'node:path'
import { parseArgs } from 'node:util'
import { GREETING, LISTENING, firstProgram } from './readme.mjs'
import { registry } from './registry.mjs'
import { ROOT, giveUp, step } from './step.mjs'
import { TARGETS, addonOf, ownTarget } from './targets.mjs'

const MANAGERS = ['pnpm@10.34.8', '@yarnpkg/cli-dist@4.18.1']
/** The longest an installation or a program may take, on a busy machine and under an emulator. */
const TIMEOUT_MS = 600_000
const MISSING = /the package @ringpost\/\S+ is not installed: install ringpost without --omit=optional/

const string = { type: 'string' }
const { values } = parseArgs({ options: { packed: string, node: string, target: string } })
const { node = process.execPath, target = ownTarget() } = values
const scratch = mkdtempSync(join(tmpdir(), 'ringpost-packages-'))
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1))
process.once('exit', () => rmSync(scratch, { recursive: true, force: true, maxRetries: 5 }))

const packed = values.packed ?? join(scratch, 'packed')
if (!values.packed) {
  await step('packing', process.execPath, ['ci/pack.mjs', packed], { loud: true })
}
const server = await registry(packed)
const env = environment()
const npm = [realpathSync(find('npm'))]
await withNpm()
if (!values.node) {
  await withNpmElsewhere()
  await withOthers()
}
server.close()

async function withNpm() {
  const folder = project('npm')
  // npm asks /usr/bin/ldd which C library there is, and that is one of this machine.
  const libc = values.node ? [`--libc=${TARGETS[target].libc}`] : []
  await run('npm install', folder, [...npm, 'install', 'ringpost', ...libc])
  hasOnly(folder, target)
  await meet('npm', folder, [])
}

/** From a lockfile, which has to list all platforms; without the addon; for another platform. */
async function withNpmElsewhere() {
  const folder = join(scratch, 'npm')
  const lock = readFileSync(join(folder, 'package-lock.json'), 'utf8')
  const unlisted = Object.keys(TARGETS).filter((name) => !lock.includes(`/@ringpost/${name}"`))
  if (unlisted.length > 0) giveUp(`the lockfile lacks ${unlisted.join(', ')}`)
  rmSync(join(folder, 'node_modules'), { recursive: true })
  await run('npm ci', folder, [...npm, 'ci'])
  hasOnly(folder, target)
  await meet('npm ci', folder, [])

  const bare = project('bare')
  await run('npm install --omit=optional', bare, [...npm, 'install', 'ringpost', '--omit=optional'])
  hasOnly(bare)
  const said = await output(bare, ['hello.mjs'])
  if (!MISSING.test(said)) giveUp(`without its addon, the program says: ${said}`)
  await meet('without its addon', bare, [], { ...env, RINGPOST_CORE: 'wasm' })

  const other = project('other')
  const asked = ['--os=linux', '--cpu=arm64', '--libc=musl']
  await run(`npm install ${asked.join(' ')}`, other, [...npm, 'install', 'ringpost', ...asked])
  hasOnly(other, 'linux-arm64-musl')
}

async function withOthers() {
  const managers = await installManagers()
  const pnpm = [join(managers, 'pnpm/bin/pnpm.cjs')]
  const yarn = [join(managers, '@yarnpkg/cli-dist/bin/yarn.js')]
  const inPnpm = project('pnpm')
  await run('pnpm add', inPnpm, [...pnpm, 'add', 'ringpost'])
  hasOnly(inPnpm, target)
  await meet('pnpm', inPnpm, [])
  for (const linker of ['node-modules', 'pnp']) {
    const folder = project(`yarn-${linker}`)
    // Else the folder would be part of a project above it.
    writeFileSync(join(folder, 'yarn.lock'), '')
    env.YARN_NODE_LINKER = linker
    await run(`yarn add (${linker})`, folder, [...yarn, 'add', 'ringpost'])
    hasOnly(folder, target)
    await meet(`yarn (${linker})`, folder, [...yarn, 'node'])
  }
}

/** Installs the package managers where they stay. Returns the folder of their packages. */
async function installManagers() {
  const folder = join(ROOT, '.cache/packages', MANAGERS.join('+').replaceAll('/', '-'))
  if (!existsSync(join(folder, 'node_modules'))) {
    mkdirSync(folder, { recursive: true })
    const args = ['install', '--prefix', folder, '--no-audit', '--no-fund', ...MANAGERS]
    await step('installing the package managers', 'npm', args)
  }
  return join(folder, 'node_modules')
}

/** A PATH with nothing but Node.js and a shell, folders of their own, and the registry. */
function environment() {
  const bin = join(scratch, 'bin')
  mkdirSync(bin)
  symlinkSync(node, join(bin, 'node'))
  symlinkSync(find('sh'), join(bin, 'sh'))
  return {
    PATH: bin,
    HOME: scratch,
    RINGPOST_DIR: join(scratch, 'run'),
    LD_LIBRARY_PATH: process.env.LD_LIBRARY_PATH ?? '',
    npm_config_registry: server.url,
    npm_config_update_notifier: 'false',
    YARN_NPM_REGISTRY_SERVER: server.url,
    YARN_UNSAFE_HTTP_WHITELIST: '127.0.0.1',
    YARN_ENABLE_TELEMETRY: '0',
    // For the program, which is an ES module.
    YARN_PNP_ENABLE_ESM_LOADER: 'true',
    // Packages without a date are refused for not being old enough.
    YARN_NPM_MINIMAL_AGE_GATE: '0',
  }
}

function find(name) {
  const folders = process.env.PATH.split(delimiter)
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path))
}

function project(name) {
  const folder = join(scratch, name)
  mkdirSync(folder)
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n')
  writeFileSync(join(folder, 'hello.mjs'), firstProgram())
  return folder
}

function run(name, cwd, args) {
  // Not what is set for this process: the command has this environment and no other.
  const only = ['-i', ...Object.entries(env).map(([key, value]) => `${key}=${value}`)]
  return step(name, 'env', [...only, node, ...args], { cwd, minutes: TIMEOUT_MS / 60_000 })
}

/** Of all addons, a project has to have that of one platform, or none. */
function hasOnly(folder, name) {
  const files = readdirSync(folder, { recursive: true }).filter((file) => file.endsWith('.node'))
  const found = [...new Set(files.map((file) => basename(file)))]
  const wanted = name === undefined ? [] : [addonOf(name)]
  if (found.join() !== wanted.join()) giveUp(`installed: ${found.join()}, wanted: ${wanted.join()}`)
}

/** One process serves, and another one asks it. */
async function meet(name, cwd, runner, its = env) {
  const serving = spawn(node, [...runner, 'hello.mjs', 'serve'], {
    cwd,
    env: its,
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: TIMEOUT_MS,
    // The package manager may start another process: all of them end together.
    detached: true,
  })
  try {
    const listening = String((await once(serving.stdout, 'data'))[0])
    const greeting = await output(cwd, [...runner, 'hello.mjs'], its)
    if (listening !== LISTENING || greeting !== GREETING) {
      giveUp(`${name}: "${listening}", then "${greeting}"`)
    }
    console.log(`${name}: ${greeting.trim()}`)
  } finally {
    process.kill(-serving.pid, 'SIGKILL')
  }
}

/** All that a program prints. */
async function output(cwd, args, its = env) {
  return new Promise((resolve) => {
    const child = spawn(node, args, { cwd, env: its, timeout: TIMEOUT_MS })
    let text = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (text += data))
    child.once('close', () => resolve(text))
  })
}
