// Runs the programs of ci/runtimes/, and the first one of the README, in every runtime: the packed
// library in two processes of each. Prints what works, and fails if docs/runtimes.md says anything
// else. Downloads are kept in .cache/runtimes.
//
//   node ci/runtimes.mjs             all of them
//   node ci/runtimes.mjs <word> ...  only those that have one of these words in their names

import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { makeProject, packInto } from './recipes.mjs'
import { HOSTS, WITHOUT_ADDON } from './runtimes/hosts.mjs'
import { Program, endAll } from './runtimes/process.mjs'
import './setup.mjs'
import { ROOT, giveUp } from './step.mjs'
import { makeModule } from './wasm.mjs'

const FEATURES = [
  ...['README', 'connect', 'requests', 'asleep', 'streams', 'one-way', 'events', 'cancel'],
  ...['publish', 'clone', 'ports', 'reconnect', 'worker'],
]

const scratch = mkdtempSync(join(tmpdir(), 'ringpost-runtimes-'))
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1))
process.once('exit', () => {
  endAll()
  rmSync(scratch, { recursive: true, force: true, maxRetries: 5 })
})
// What runtimes leave behind: executables of Bun the addon, Deno what it has compiled.
process.env.TMPDIR = scratch
process.env.DENO_DIR = join(scratch, 'deno')

await makeModule()
const words = process.argv.slice(2)
const isAsked = ({ name }) => words.length === 0 || words.some((word) => name.includes(word))
const place = await makePlace()
const lines = [row('runtime', ...FEATURES, 'woken by')]
for (const host of HOSTS.filter(isAsked)) {
  const ready = { ...(await host.prepare(place)), wakers: new Set() }
  const cells = []
  for (const feature of FEATURES) cells.push(await tried(ready, feature))
  found(row(host.name, ...cells, [...ready.wakers].join(' ')), ready.version)
}
for (const [host, reason] of WITHOUT_ADDON.filter(([host]) => isAsked(host))) {
  const ready = await host.prepare(place)
  found(row(host.name, (await warns(ready, reason)) ? `\`${reason}\`` : '✗'), ready.version)
}
if (lines.length === 1) giveUp(`Nothing has one of these in its name: ${words.join(', ')}.`)
compare(readFileSync(join(ROOT, 'docs/runtimes.md'), 'utf8').split('\n'))

function found(line, version) {
  lines.push(line)
  console.log(`${line} ${version}`)
}

/** The programs, in a project that has the library. */
async function makePlace() {
  const source = (name) => readFileSync(join(ROOT, 'ci/runtimes', name), 'utf8')
  const readme = readFileSync(join(ROOT, 'README.md'), 'utf8')
  const [, hello] = /^```js hello\.mjs\n([^]*?)^```$/m.exec(readme)
  const [program, worker] = ['program.mjs', 'worker.mjs'].map(source)
  const project = join(scratch, 'project')
  const tarballs = packInto(scratch)
  await makeProject(project, tarballs, {
    'hello.mjs': hello,
    'program.mjs': program,
    'worker.mjs': worker,
  })
  const programs = {
    hello: { 'src/program.mjs': hello },
    program: { 'src/program.mjs': program, 'src/worker.mjs': worker },
  }
  return { scratch, project, tarballs, programs }
}

/**
 * Lets a client and a server do what a feature is about, and the client then end by itself: `✓`.
 * If it ends with the error that is meant for it, `✗`; whatever else becomes of it is printed.
 */
async function tried(host, feature) {
  const env = { RINGPOST_DIR: mkdtempSync(join(scratch, 'run-')) }
  const start = (...what) => new Program(host, env, ...what)
  const isReadme = feature === 'README'
  const serve = () => (isReadme ? start('hello', 'serve') : start('program', 'serve', 'name'))
  const servers = [serve()]
  try {
    await servers[0].prints(/^(listening|ready)$/m)
    const client = isReadme ? start('hello') : start('program', feature, 'name', host.worker)
    if (feature === 'reconnect') {
      await client.prints(/^kill$/m)
      servers[0].child.kill('SIGKILL')
      servers.push(serve())
    }
    const code = await client.ended
    host.wakers.add(servers.at(-1).wakes())
    if (code === 0 && client.output.endsWith(isReadme ? 'hello world\n' : 'fine\n')) return '✓'
    const lack = host.lacks?.[feature]
    if (code === 1 && lack !== undefined && client.output.includes(lack)) return '✗'
    console.log(`${feature} ended with ${code}\n${client.output}\n${servers[0].output}`)
  } catch (error) {
    console.log(`${feature}: ${error.message}`)
  } finally {
    for (const { child } of servers) child.kill('SIGKILL')
    await Promise.all(servers.map(({ ended }) => ended))
  }
  return '?'
}

/** Whether the library says by itself why it runs without its addon, before it finds no server. */
async function warns(host, reason) {
  const client = new Program(host, {}, 'program', 'connect', 'name')
  const code = await client.ended
  const isFine = typeof code === 'number' && code !== 0 && client.output.includes(reason)
  if (!isFine) console.log(`ended with ${code}\n${client.output}`)
  return isFine
}

function row(...cells) {
  return `| ${cells.join(' | ')} |`
}

/** The document has these lines, and no others in its tables. */
function compare(document) {
  const missing = lines.filter((line) => !document.includes(line))
  if (missing.length > 0) giveUp(`\ndocs/runtimes.md does not say:\n${missing.join('\n')}`)
  const others = document.filter((line) => /^\| (Node|Bun|Deno)/.test(line) && !lines.includes(line))
  if (words.length === 0 && others.length > 0) {
    giveUp(`\nNothing shows what docs/runtimes.md says:\n${others.join('\n')}`)
  }
  console.log('\nas docs/runtimes.md says')
}
