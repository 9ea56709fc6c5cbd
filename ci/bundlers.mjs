// Follows docs/editors.md step by step: for each bundler installs the packed library in an empty
// folder, bundles an extension as the document says, and starts what came out of it in two
// processes, with nothing of node_modules left. Needs the network.

import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdirSync, mkdtempSync } from 'node:fs'
import { readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import './setup.mjs'
import { ROOT, giveUp, step } from './step.mjs'

const RECIPES = /^### (?:With|As) (.+)\n([^]*?)(?=^##)/gm
const FILE = /^```js (\S+)\n([^]*?)^```$/gm
const COMMAND = /^\$ (.+)$/gm

const EXTENSION = `
import { connect, createServer } from 'ringpost'
import { window } from 'vscode'

export async function activate(role) {
  if (role === 'serve') {
    const server = await createServer('bundled')
    server.handle('greet', ({ name }) => 'hello ' + name)
    window.show('listening')
  } else {
    const client = await connect('bundled')
    window.show(await client.request('greet', { name: 'world' }))
    await client.close()
  }
}
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

execFileSync(process.execPath, ['ci/pack.mjs', scratch, '--own'], { cwd: ROOT })
const tarballs = readdirSync(scratch).filter((file) => file.endsWith('.tgz'))
const document = readFileSync(join(ROOT, 'docs/editors.md'), 'utf8')
const recipes = [...document.matchAll(RECIPES)]
if (recipes.length < 4) giveUp(`docs/editors.md has ${recipes.length} recipes`)
for (const [at, [, name, recipe]] of recipes.entries()) {
  const folder = join(scratch, `project-${at}`)
  await follow(name, recipe, folder)
  const extension = install(join(folder, 'out'), join(scratch, `installed-${at}`))
  await meet(name, extension)
}

/** Makes a project and does what the recipe says. */
async function follow(name, recipe, cwd) {
  write(join(cwd, 'package.json'), '{ "private": true }\n')
  write(join(cwd, 'src/extension.mjs'), EXTENSION)
  for (const [, file, text] of recipe.matchAll(FILE)) write(join(cwd, file), text)
  const options = { cwd, env: { npm_config_audit: 'false', npm_config_fund: 'false' } }
  const install = ['install', ...tarballs.map((file) => join(scratch, file))]
  await step('installing the library', 'npm', install, options)
  for (const [, command] of recipe.matchAll(COMMAND)) {
    await step(`${name}: ${command.slice(0, 40)}`, 'sh', ['-c', command], options)
  }
}

/** Puts a bundle where there is an editor, and nothing else. Returns the path of its file. */
function install(out, folder) {
  cpSync(out, join(folder, 'extension'), { recursive: true })
  write(join(folder, 'node_modules/vscode/index.js'), 'exports.window = { show: console.log }\n')
  write(join(folder, 'host.cjs'), HOST)
  const [file] = ['extension.js', 'extension.mjs']
    .map((name) => join(folder, 'extension', name))
    .filter((path) => existsSync(path))
  return file
}

/** One process serves, another asks it. */
async function meet(name, extension) {
  const host = (role) => {
    const args = [join(dirname(extension), '../host.cjs'), extension, role]
    return spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  }
  const server = host('serve')
  try {
    const printed = async ({ stdout }) => String((await once(stdout, 'data'))[0]).trim()
    const listening = await printed(server)
    const greeting = await printed(host('ask'))
    if (greeting !== 'hello world') giveUp(`${name}: "${listening}", then "${greeting}"`)
    console.log(`${name}: ${greeting}`)
  } finally {
    server.kill()
  }
}

function write(path, text) {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
}
