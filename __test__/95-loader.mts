// What is said where the addon cannot be loaded, and which package's is taken where it can: the loader
// in a folder of its own, in a process that is made to look like one elsewhere.

import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { TARGET } from './helpers/addon.mjs'
import './helpers/directory.mjs'

const run = promisify(execFile)
const ROOT = dirname(createRequire(import.meta.url).resolve('ringpost/package.json'))
const TARGETS = ['linux-x64-gnu', 'linux-x64-musl', 'linux-arm64-gnu', 'linux-arm64-musl']

const scratch = mkdtempSync(join(tmpdir(), 'ringpost-loader-'))
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }))

interface Elsewhere {
  platform?: string
  arch?: string
  /** The head of the program. */
  head?: string
  /** `glibcVersionRuntime` in the report; with a head and without this there is no report. */
  glibc?: string | null
}

let count = 0

/** A project with the loader and these packages, each of which exports its name; and with something
 * in the place of the core in WebAssembly, or as a checkout is in which that was not built. */
function project(packages: string[] = TARGETS, hasCore = false): string {
  const folder = join(scratch, `project-${count++}`)
  mkdirSync(folder)
  cpSync(join(ROOT, 'native/binding.js'), join(folder, 'native/binding.js'))
  if (hasCore) {
    mkdirSync(join(folder, 'dist/ts/wasm'), { recursive: true })
    writeFileSync(join(folder, 'dist/ts/wasm/binding.js'), "exports.binding = 'wasm'\n")
  }
  for (const name of packages) {
    const path = join(folder, 'node_modules/@ringpost', name)
    mkdirSync(path, { recursive: true })
    writeFileSync(join(path, 'index.js'), `module.exports = '${name}'\n`)
  }
  return folder
}

/** What the loader returns, or else says. */
async function load(folder: string, elsewhere: Elsewhere = {}, ...args: string[]): Promise<string> {
  return (await loadAndWarn(folder, elsewhere, ...args)).said
}

/** The same, and what it has warned of. */
async function loadAndWarn(folder: string, elsewhere: Elsewhere = {}, ...args: string[]) {
  const { head, glibc, ...fields } = elsewhere
  const program = join(folder, 'program')
  if (head !== undefined) writeFileSync(program, head)
  const header = { glibcVersionRuntime: glibc ?? undefined }
  const faked = {
    ...fields,
    ...(head === undefined ? {} : { execPath: program }),
    ...(head === undefined || 'glibc' in elsewhere ? {} : { report: null }),
  }
  const code = `
    for (const [name, value] of Object.entries(${JSON.stringify(faked)})) {
      Object.defineProperty(process, name, { value: value ?? undefined })
    }
    if (${'glibc' in elsewhere}) process.report.getReport = () => ({ header: ${JSON.stringify(header)} })
    try {
      const loaded = require('./native/binding.js')
      console.log(typeof loaded === 'string' ? loaded : Object.keys(loaded).includes('NativeEngine'))
    } catch ({ message, code, cause }) {
      console.log(message, code ?? '', cause === undefined ? '' : 'caused')
    }`
  const options = { cwd: folder, env: { ...process.env, RINGPOST_ADDON: '', RINGPOST_CORE: '' } }
  const { stdout, stderr } = await run(process.execPath, [...args, '--eval', code], options)
  return { said: stdout.trim(), warnings: stderr }
}

const GLIBC_PROGRAM = '\x7fELF … /lib64/ld-linux-x86-64.so.2\0'
const MUSL_PROGRAM = '\x7fELF … /lib/ld-musl-x86_64.so.1\0'

test('the package is that of the platform and of the C library of the program', async (t) => {
  const folder = project()
  const of = (arch: string, head: string) => load(folder, { platform: 'linux', arch, head })
  t.is(await of('x64', GLIBC_PROGRAM), 'linux-x64-gnu')
  t.is(await of('x64', MUSL_PROGRAM), 'linux-x64-musl')
  t.is(await of('arm64', '\x7fELF … /lib/ld-linux-aarch64.so.1\0'), 'linux-arm64-gnu')
  t.is(await of('arm64', '\x7fELF … /lib/ld-musl-aarch64.so.1\0'), 'linux-arm64-musl')
})

test('of a program that does not name its loader, the report says the C library', async (t) => {
  const folder = project()
  const of = (elsewhere: Elsewhere) => load(folder, { arch: 'x64', head: '#!', ...elsewhere })
  t.is(await of({ glibc: '2.28' }), 'linux-x64-gnu')
  t.is(await of({ glibc: null }), 'linux-x64-musl')
  // A runtime without reports.
  t.is(await of({}), 'linux-x64-gnu')
})

test('an addon beside the loader comes before the package', async (t) => {
  const folder = project()
  t.is(await load(folder), TARGET)
  cpSync(join(ROOT, `native/ringpost.${TARGET}.node`), join(folder, `native/ringpost.${TARGET}.node`))
  t.is(await load(folder), 'true')
})

test('another platform is named, with those that there are', async (t) => {
  const said = 'ringpost runs on Linux on x64 and arm64, and this is'
  t.is(await load(project(), { platform: 'darwin', arch: 'arm64' }), `${said} darwin-arm64`)
  t.is(await load(project(), { platform: 'linux', arch: 'riscv64' }), `${said} linux-riscv64`)
})

test('a package that was not installed is named, with what to do', async (t) => {
  const others = TARGETS.filter((name) => name !== TARGET)
  const said = await load(project(others))
  t.true(said.startsWith(`the package @ringpost/${TARGET} is not installed: `), said)
  t.regex(said, /without --omit=optional and with a lockfile that lists it/)
  t.true(said.endsWith('caused'), said)
})

test('an addon that does not load is named, with the reason of the system', async (t) => {
  const folder = project()
  const name = `ringpost.${TARGET}.node`
  writeFileSync(join(folder, 'native', name), 'no addon at all')
  const said = await load(folder)
  t.true(said.startsWith(`${name} does not load: `), said)
  t.regex(said, /(file too short|invalid ELF header|Exec format error)/)
  rmSync(join(folder, 'native', name))
  const entry = join(folder, 'node_modules/@ringpost', TARGET, 'index.js')
  writeFileSync(entry, "throw new Error('GLIBC_2.99 not found')\n")
  const failed = `@ringpost/${TARGET} does not load: GLIBC_2.99 not found`
  t.is(await load(folder), `${failed}  caused`)
})

test('where addons are disabled, that is said', async (t) => {
  const folder = project()
  cpSync(join(ROOT, `native/ringpost.${TARGET}.node`), join(folder, `native/ringpost.${TARGET}.node`))
  const said = 'loading addons is disabled here (--no-addons, or no --allow-addons)'
  t.is(await load(folder, {}, '--no-addons'), `${said} ERR_DLOPEN_DISABLED caused`)
})

test('RINGPOST_ADDON names an addon that is loaded instead, or the error', async (t) => {
  const folder = project([])
  const options = (addon: string) => ({ cwd: folder, env: { ...process.env, RINGPOST_ADDON: addon } })
  const code = "console.log('NativeEngine' in require('./native/binding.js'))"
  const addon = join(ROOT, `native/ringpost.${TARGET}.node`)
  t.is((await run(process.execPath, ['--eval', code], options(addon))).stdout, 'true\n')
  const error = await t.throwsAsync(run(process.execPath, ['--eval', code], options('/nowhere.node')))
  t.regex(error.message, /\/nowhere\.node \(RINGPOST_ADDON\) does not load: Cannot find module/)
})

test('elsewhere the core in WebAssembly is taken, and there is nothing to be said', async (t) => {
  for (const elsewhere of [{ platform: 'darwin', arch: 'arm64' }, { arch: 'riscv64' }]) {
    const found = await loadAndWarn(project(TARGETS, true), elsewhere)
    t.deepEqual(found, { said: 'wasm', warnings: '' })
  }
})

test('in place of an addon that there is, it is taken with one warning that says why', async (t) => {
  const warned = async (folder: string, why: string, ...args: string[]) => {
    const { said, warnings } = await loadAndWarn(folder, {}, ...args)
    t.is(said, 'wasm')
    t.regex(warnings, RegExp(`\\[RINGPOST_WASM\\] RingpostWarning: .* without its addon: ${why}`))
    t.regex(warnings, /install the addon, or set RINGPOST_CORE=wasm where that is intended/)
    t.is(warnings.match(/RingpostWarning/g)?.length, 1)
  }
  await warned(project([], true), `the package @ringpost/${TARGET} is not installed`)
  const folder = project([], true)
  const addon = join(folder, `native/ringpost.${TARGET}.node`)
  writeFileSync(addon, 'no addon at all')
  await warned(folder, `ringpost.${TARGET}.node does not load`)
  cpSync(join(ROOT, `native/ringpost.${TARGET}.node`), addon)
  await warned(folder, 'loading addons is disabled here', '--no-addons')
  t.deepEqual(await loadAndWarn(folder), { said: 'true', warnings: '' })
})
