// The library in a bundle: for Node.js with its .node file beside it, and without; for a browser. What
// docs/bundlers.md says of other bundlers is followed by `node ci/test.mjs bundlers`.

import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { build, type BuildOptions } from 'esbuild'
import { connect } from 'ringpost'
import { TARGET } from './helpers/addon.mjs'
import './helpers/directory.mjs'

const run = promisify(execFile)
const require = createRequire(import.meta.url)
const ROOT = dirname(require.resolve('ringpost/package.json'))
const { exports } = require('ringpost/package.json') as { exports: object }
const BINARY = `ringpost.${TARGET}.node`

const scratch = mkdtempSync(join(tmpdir(), 'ringpost-bundle-'))
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }))

/** Bundles a program that imports the library, and returns the only folder it is then in. */
async function bundle(name: string, program: string, options: BuildOptions): Promise<string> {
  const outdir = join(scratch, name)
  await build({
    stdin: { contents: program, resolveDir: ROOT, sourcefile: 'program.mjs' },
    bundle: true,
    minify: true,
    logLevel: 'silent',
    outdir,
    ...options,
  })
  return outdir
}

/** As docs/bundlers.md has it. */
const FOR_NODE: BuildOptions = {
  platform: 'node',
  format: 'cjs',
  loader: { '.node': 'copy' },
  assetNames: '[name]',
}

const SERVER = `
import { createServer } from 'ringpost'
createServer('bundled').then((server) => {
  server.handle('greet', ({ name }) => ({ greeting: 'hello ' + name }))
  console.log('ready')
})
`

test('a bundle with the .node file beside it serves another process', async (t) => {
  const folder = await bundle('for-node', SERVER, FOR_NODE)
  t.deepEqual(readdirSync(folder).sort(), [BINARY, 'stdin.js'])
  const server = execFile(process.execPath, [join(folder, 'stdin.js')])
  t.teardown(() => server.kill())
  await once(server.stdout!, 'data')
  const client = await connect('bundled')
  t.deepEqual(await client.request('greet', { name: 'world' }), { greeting: 'hello world' })
  t.is(client.peer.pid, server.pid!)
  await client.close()
})

test('a bundle without it says which file is missing', async (t) => {
  const folder = await bundle('alone', SERVER, FOR_NODE)
  const alone = join(scratch, 'moved')
  mkdirSync(alone)
  cpSync(join(folder, 'stdin.js'), join(alone, 'stdin.js'))
  const options = { env: { ...process.env, RINGPOST_ADDON: '' } }
  const error = await t.throwsAsync(run(process.execPath, [join(alone, 'stdin.js')], options))
  t.true(error.message.includes(`put ${BINARY} beside a bundle`))
  t.regex(error.message, /docs\/bundlers\.md/)
})

test('a bundle that is an ES module without require says where to read on', async (t) => {
  const folder = await bundle('module', SERVER, {
    ...FOR_NODE,
    format: 'esm',
    outExtension: { '.js': '.mjs' },
  })
  const error = await t.throwsAsync(run(process.execPath, [join(folder, 'stdin.mjs')]))
  t.regex(error.message, /Error: ringpost needs require.*docs\/bundlers\.md/)
})

const MODULES = Object.keys(exports)
  .filter((path) => path !== './package.json')
  .map((path) => path.replace('.', 'ringpost'))

for (const module of MODULES) {
  test(`${module} in a bundle for browsers says that it needs Node.js`, async (t) => {
    const name = module.replace('/', '-')
    const program = `import * as library from '${module}'\nconsole.log(library)`
    const folder = await bundle(`browser-${name}`, program, { platform: 'browser', format: 'iife' })
    t.deepEqual(readdirSync(folder), ['stdin.js'])
    const error = await t.throwsAsync(run(process.execPath, [join(folder, 'stdin.js')]))
    t.regex(error.message, /Error: ringpost needs Node\.js and does not run in a browser: build for/)
  })
}

test('what is imported by name from a bundle for browsers says so too', async (t) => {
  const program = `import { connect } from 'ringpost'\nconnect('bundled')`
  const folder = await bundle('named', program, { platform: 'browser', format: 'iife' })
  const error = await t.throwsAsync(run(process.execPath, [join(folder, 'stdin.js')]))
  t.regex(error.message, /ringpost needs Node\.js/)
})
