// The library in a bundle: for Node.js with its .node file beside it, and without; for a browser. What
// docs/bundlers.md says of other bundlers is followed by `node ci/test.mjs bundlers`.

import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import test, { type ExecutionContext } from 'ava'
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

/** A bundle in a folder without the .node file. */
async function alone(name: string, program: string): Promise<string> {
  const folder = await bundle(name, program, FOR_NODE)
  const moved = join(scratch, `${name}-moved`)
  mkdirSync(moved)
  cpSync(join(folder, 'stdin.js'), join(moved, 'stdin.js'))
  return join(moved, 'stdin.js')
}

test('a bundle without it that insists on it says which file is missing', async (t) => {
  const file = await alone('alone', SERVER)
  const options = { env: { ...process.env, RINGPOST_ADDON: '', RINGPOST_CORE: 'addon' } }
  const error = await t.throwsAsync(run(process.execPath, [file], options))
  t.true(error.message.includes(`put ${BINARY} beside a bundle`))
  t.regex(error.message, /docs\/bundlers\.md/)
})

const isBuilt = existsSync(join(ROOT, 'native/wasm.js'))
const testOfCore = isBuilt ? test : test.skip

testOfCore('a bundle without it has the core in WebAssembly, and a warning', async (t) => {
  const file = await alone('with-core', SERVER.replace('bundled', 'portable'))
  const warning = await greets(t, 'portable', [file])
  t.true(warning.includes(`put ${BINARY} beside a bundle`), warning)
})

testOfCore('a bundle of ringpost/wasm-only is one file, and silent', async (t) => {
  const program = SERVER.replace('bundled', 'only').replace("'ringpost'", "'ringpost/wasm-only'")
  const folder = await bundle('wasm-only', program, { platform: 'node', format: 'cjs' })
  t.deepEqual(readdirSync(folder), ['stdin.js'])
  t.is(await greets(t, 'only', ['--no-addons', join(folder, 'stdin.js')]), '')
})

/** A bundled server without an addon answers. Returns what it has printed as errors. */
async function greets(t: ExecutionContext, name: string, args: string[]): Promise<string> {
  const server = execFile(process.execPath, args)
  t.teardown(() => server.kill())
  let errors = ''
  server.stderr!.on('data', (text) => (errors += text))
  await once(server.stdout!, 'data')
  const client = await connect(name, { transport: 'socket' })
  t.deepEqual(await client.request('greet', { name: 'world' }), { greeting: 'hello world' })
  await client.close()
  return errors
}

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
