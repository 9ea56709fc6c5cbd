// Follows docs/bundlers.md step by step: for each recipe installs the packed library in an empty
// folder, bundles an extension or a program as the document says, and starts what came out of it in
// two processes, with nothing of node_modules left that the recipe does not keep. Then takes away
// what the recipes are for, and reads the error. Needs the network.

import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { follow, makeProject, packInto, recipes, write } from './recipes.mjs'
import './setup.mjs'
import { giveUp } from './step.mjs'
import { addonOf, ownTarget } from './targets.mjs'
import { makeModule } from './wasm.mjs'

const ADDON = addonOf(ownTarget())
/** The command of a recipe with which node_modules is shipped. */
const SHIPS_PACKAGES = 'npm prune'

const ACTIONS = `
import { connect, createServer } from 'ringpost'

async function act(role, show) {
  if (role === 'serve') {
    const server = await createServer('bundled')
    server.handle('greet', ({ name }) => 'hello ' + name)
    show('listening')
  } else {
    const client = await connect('bundled')
    show(await client.request('greet', { name: 'world' }))
    await client.close()
  }
}
`
const EXTENSION = `${ACTIONS}
import { window } from 'vscode'
export const activate = (role) => act(role, window.show)
`
const PROGRAM = `${ACTIONS}
act(process.argv[2], console.log)
`
/** Starts an extension as an editor does, whose API it provides. */
const HOST = `
const [, , extension, role] = process.argv
import(extension).then(({ activate, default: all }) => (activate ?? all.activate)(role))
`

const scratch = mkdtempSync(join(tmpdir(), 'ringpost-bundlers-'))
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1))
process.once('exit', () => rmSync(scratch, { recursive: true, force: true }))
process.env.RINGPOST_DIR = join(scratch, 'run')
// Where an executable of Bun leaves the addon.
process.env.TMPDIR = scratch

await makeModule()
const tarballs = packInto(scratch)
for (const [at, recipe] of recipes().entries()) {
  const folder = join(scratch, `project-${at}`)
  const isExtension = recipe.name.includes('extension')
  const source = isExtension ? { 'src/extension.mjs': EXTENSION } : { 'src/program.mjs': PROGRAM }
  await makeProject(folder, tarballs, source)
  await follow(recipe, folder)
  const isWhole = recipe.text.includes(SHIPS_PACKAGES)
  const out = isWhole ? join(folder, 'out') : moved(join(folder, 'out'), join(scratch, `moved-${at}`))
  const start = starting(out)
  await meet(recipe.name, start)
  if (recipe.name.includes('without an addon')) hasNoAddon(out)
  if (existsSync(join(out, ADDON))) {
    rmSync(join(out, ADDON))
    await misses(`${recipe.name}, without the .node file`, start)
  }
}
const withoutBanner = (text) => text.replace(/ "--banner:[^"]+"/, '')
const asCommonJs = (text) =>
  withoutBanner(text).replace('--format=esm', '--format=cjs').replace('"module"', '"commonjs"')
await failsWhenChanged('An ES module with esbuild', 'without the banner', withoutBanner)
await failsWhenChanged('An executable of Node.js', 'without the banner', withoutBanner)
// What is built in it can require, so that nothing but the addon is missing.
await failsWhenChanged('An executable of Node.js', 'CommonJS, without the banner', asCommonJs, misses)

/** Puts a bundle where there is an editor, and nothing else. Returns the new path. */
function moved(out, folder) {
  cpSync(out, join(folder, 'out'), { recursive: true })
  write(join(folder, 'node_modules/vscode/index.js'), 'exports.window = { show: console.log }\n')
  write(join(folder, 'host.cjs'), HOST)
  return join(folder, 'out')
}

/** How what is in a folder is started in a role: in an editor, in Node.js, or by itself. */
function starting(out) {
  const [file] = ['extension.js', 'extension.mjs', 'program', 'program.js', 'program.mjs']
    .map((name) => join(out, name))
    .filter((path) => existsSync(path))
  if (file.endsWith('program')) return (role) => [file, [role]]
  const host = file.includes('extension.') ? [join(dirname(out), 'host.cjs')] : []
  return (role) => [process.execPath, [...host, file, role]]
}

/** One process serves, another asks it. */
async function meet(name, start, errors = 'inherit') {
  const begin = (role) => spawn(...start(role), { stdio: ['ignore', 'pipe', errors] })
  const server = begin('serve')
  try {
    const printed = async ({ stdout }) => String((await once(stdout, 'data'))[0]).trim()
    const listening = await printed(server)
    const greeting = await printed(begin('ask'))
    if (greeting !== 'hello world') giveUp(`${name}: "${listening}", then "${greeting}"`)
    console.log(`${name}: ${greeting}`)
  } finally {
    server.kill()
  }
}

/** Does what a recipe says, but for what it is there for. */
async function failsWhenChanged(name, how, change, fail = fails) {
  const { text } = recipes().find((recipe) => recipe.name === name)
  const changed = { name: `${name}, ${how}`, text: change(text) }
  if (changed.text === text) giveUp(`${name} has no banner`)
  const folder = join(scratch, changed.name.replaceAll(/\W/g, '-'))
  await makeProject(folder, tarballs, { 'src/program.mjs': PROGRAM })
  await follow(changed, folder)
  await fail(changed.name, starting(join(folder, 'out')))
}

/** A bundle whose addon is missing ends with an error that names the document. Most have the core in
 * WebAssembly, and a warning that does. */
async function misses(name, start) {
  const warned = await warnings(start)
  const [sentence] = /RingpostWarning: .*docs\/bundlers\.md.*/.exec(warned) ?? []
  if (sentence === undefined) return fails(name, start)
  console.log(`${name}: ${sentence}`)
  await meet(`${name}, two processes`, start, 'ignore')
}

/** What a client prints for which there is no server. */
async function warnings(start) {
  return new Promise((done) => execFile(...start('ask'), (_error, _out, errors) => done(errors)))
}

function hasNoAddon(out) {
  const files = readdirSync(out)
  if (files.some((file) => file.endsWith('.node'))) giveUp(`${out} has an addon: ${files}`)
  const text = files.map((file) => readFileSync(join(out, file), 'latin1')).join('\n')
  const [found] = /require\([^)]*\.node.?\)|@ringpost\/linux/.exec(text) ?? []
  if (found !== undefined) giveUp(`a bundle without an addon asks for ${found}`)
}

/** It ends with an error that names the document. */
async function fails(name, start) {
  const [code, errors] = await new Promise((done) => {
    execFile(...start('ask'), (error, _, errors) => done([error?.code ?? 0, errors]))
  })
  const [sentence] = /Error: .*docs\/bundlers\.md.*/.exec(errors) ?? []
  if (code === 0 || sentence === undefined) giveUp(`${name}: ended with ${code}\n${errors}`)
  console.log(`${name}: ${sentence}`)
}
