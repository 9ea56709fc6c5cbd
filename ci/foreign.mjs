// What the tests in another platform's Node.js have in common: the core's own, the essential
// ones of the suite, and the packed packages as they are installed there.

import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import './setup.mjs'
import { buildAddon, crossCompiler } from './cross.mjs'
import { copyTree } from './mutations/tree.mjs'
import { GREETING, firstProgram } from './readme.mjs'
import { ROOT, giveUp, step } from './step.mjs'
import { addonOf, ownTarget } from './targets.mjs'

/** Of the suite, what everything else rests on. */
const ESSENTIAL = ['10-connect', '20-request', '25-streams', '30-one-way'].map(file)
/** All of it, but for a test that installs by the npm of this machine, which would have it another C
 * library: see ci/packages.mjs. */
export const ALL = [file('*'), `!${file('95-tarball')}`]
const CORE = ['--package', 'ipc-core', '--all-features', '--profile', 'ci', '--locked', '--lib', '--test=*']

/**
 * Runs the tests for one of the platforms in its `node`. Programs of that platform can run behind
 * the command `prefix`. Returns a copy of the tree with the addon for that platform.
 */
export async function testForeign(name, { node, prefix = [], env = {}, suite = ESSENTIAL, skipped = [] }) {
  const behind = (what, command, args, more) => {
    const [program, ...all] = [...prefix, command, ...args]
    return step(what, program, all, { ...more, env: { ...env, ...more.env } })
  }
  const { env: building, args } = await crossCompiler(name, { tests: true })
  const core = ['test', ...CORE, ...args]
  const options = { env: building }
  await step('building the tests of ipc-core', 'cargo-zigbuild', [...core, '--no-run'], options)
  const chosen = ['--no-fail-fast', '--', ...skipped.flatMap((test) => ['--skip', test])]
  await behind('the tests of ipc-core', 'cargo-zigbuild', [...core, ...chosen], options)

  const addon = await buildAddon(name)
  const copy = copyTree(name)
  for (const file of readdirSync(join(copy, 'native')).filter((file) => file.endsWith('.node'))) {
    rmSync(join(copy, 'native', file))
  }
  cpSync(addon, join(copy, 'native', addonOf(name)))
  const ava = ['node_modules/ava/entrypoints/cli.mjs', '--timeout=30m', '--concurrency=2', ...suite]
  // What the tests start by the name `node` is that one as well, and npm the one of this machine.
  const bin = temporary()
  symlinkSync(node, join(bin, 'node'))
  const path = [bin, process.env.PATH].join(delimiter)
  await behind('the suite', node, ava, { cwd: copy, env: { PATH: path }, loud: true })

  const packed = temporary()
  await step('packing', process.execPath, ['ci/pack.mjs', packed, '--only', name])
  const given = ['--packed', packed, '--node', node, '--target', name]
  await behind('the packages', process.execPath, ['ci/packages.mjs', ...given], { loud: true })
  return copy
}

/** The first program of the README with its server in the Node.js of this machine, and its client in
 * another one. */
export async function meetOurs(copy, { node, env }) {
  writeFileSync(join(copy, 'hello.mjs'), firstProgram())
  const RINGPOST_DIR = temporary()
  const RINGPOST_ADDON = join(ROOT, 'native', addonOf(ownTarget()))
  const server = spawn(process.execPath, ['hello.mjs', 'serve'], {
    cwd: copy,
    env: { ...process.env, RINGPOST_DIR, RINGPOST_ADDON },
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: 600_000,
  })
  await once(server.stdout, 'data')
  const options = { cwd: copy, env: { ...process.env, ...env, RINGPOST_DIR }, encoding: 'utf8' }
  const greeting = execFileSync(node, ['hello.mjs'], { ...options, timeout: 600_000 })
  server.kill()
  if (greeting !== GREETING) giveUp(`a client with another C library: ${greeting}`)
  console.log(`a client with another C library: ${greeting.trim()}`)
}

/** A file of the suite. */
function file(name) {
  return `dist/__test__/${name}.mjs`
}

/** A folder that is there until this process ends. */
function temporary() {
  const folder = mkdtempSync(join(tmpdir(), 'ringpost-foreign-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Says why nothing is tested, which is no failure. */
export function skip(reason) {
  console.log(`skipped: ${reason}`)
  process.exit()
}
