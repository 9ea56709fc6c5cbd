// Copies of the package in one thread: in another folder, by another way of loading, after the cache of
// modules was emptied, in another realm as test runners make them. They share one engine.

import { once } from 'node:events'
import {
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { setFlagsFromString } from 'node:v8'
import vm from 'node:vm'
import { Worker } from 'node:worker_threads'
import test, { type ExecutionContext } from 'ava'
import * as own from 'ringpost'
import { VERSION } from '../ts/runtime/thread.js'
import './helpers/directory.mjs'

type Package = typeof own

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const require = createRequire(import.meta.url)
const folder = mkdtempSync(join(tmpdir(), 'ringpost-copies-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))

let copies = 0
/** Another folder with all that is published. */
function copyFolder(): string {
  const root = join(folder, `copy-${++copies}`)
  for (const part of ['package.json', 'index.mjs', join('dist', 'ts'), 'native']) {
    cpSync(join(ROOT, part), join(root, part), { recursive: true })
  }
  return root
}

/** As after `jest.resetModules()`: the same files, loaded again. */
function loadAgain(): Package {
  for (const file of Object.keys(require.cache)) {
    if (file.startsWith(ROOT) && !file.endsWith('.node')) delete require.cache[file]
  }
  return require(join(ROOT, 'dist', 'ts', 'index.js')) as Package
}

/** As in a test runner: the code runs in a realm of its own, which has copies of Node's globals. */
function loadInRealm(root: string): { copy: Package; realm: vm.Context } {
  const realm = vm.createContext({})
  for (const name of Object.getOwnPropertyNames(globalThis)) {
    if (!vm.runInContext(`${JSON.stringify(name)} in globalThis`, realm)) {
      realm[name] = (globalThis as Record<string, unknown>)[name]
    }
  }
  realm.process = Object.create(process)
  // Node's own, where V8 has none yet.
  realm.asyncDispose = Symbol.asyncDispose
  vm.runInContext('Symbol.asyncDispose ??= asyncDispose', realm)
  const modules = new Map<string, { exports: object }>()
  const load = (file: string): object => {
    const known = modules.get(file)
    if (known !== undefined) return known.exports
    const module = { exports: {} }
    modules.set(file, module)
    const real = createRequire(file)
    const resolve = (name: string) => {
      const found = real.resolve(name)
      return found.startsWith(root) && found.endsWith('.js') ? load(found) : (real(name) as object)
    }
    const code = `(function (exports, require, module, __filename, __dirname) {${readFileSync(file, 'utf8')}\n})`
    const run = vm.runInContext(code, realm, { filename: file }) as (...of: unknown[]) => void
    run(module.exports, resolve, module, file, dirname(file))
    return module.exports
  }
  return { copy: load(join(root, 'dist', 'ts', 'index.js')) as Package, realm }
}

/** What every engine has one of. */
const engines = () =>
  readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).includes('eventpoll')
    } catch {
      return false
    }
  }).length

let names = 0

/** Whether two copies understand each other, in both directions. */
async function understand(t: ExecutionContext, one: Package, two: Package): Promise<void> {
  t.not(one, two)
  const name = `copies-${++names}`
  await using server = await one.createServer(name)
  const before = engines()
  const client = await two.connect(name)
  t.is(engines(), before, 'another engine')
  try {
    t.true(client.peer.isSelf)
    // A contract of either on either side.
    for (const [at, of] of [one, two].entries()) {
      const Echo = of.method<any, any>(`echo-${at}`)
      const Raw = of.method<Uint8Array, Uint8Array>(`raw-${at}`, { codec: of.bytes })
      const Text = of.method<any, any>(`text-${at}`, { codec: of.json })
      const Items = of.stream<number, number, number, string>(`items-${at}`)
      for (const contract of [Echo, Raw, Text]) server.handle(contract, (value) => value)
      server.handle(Items, async function* (count) {
        for (let item = 0; item < count; item++) yield item
        return 'whole'
      })
      t.deepEqual(await client.request(Echo, { list: [1] }), { list: [1] })
      t.deepEqual(await client.request(Raw, Uint8Array.of(7)), Uint8Array.of(7))
      t.deepEqual(await client.request(Text, { text: 'é' }), { text: 'é' })
      t.throws(() => client.requestSync(Echo, 1), { code: 'ERR_WOULD_DEADLOCK' })
      const duplex = one.toDuplex(client.stream(Items, 3))
      duplex.end()
      t.deepEqual(await duplex.toArray(), [0, 1, 2])
      const web = one.toReadableStream(client.stream(Items, 2))
      const read: number[] = []
      for await (const item of web) read.push(item)
      t.deepEqual(read, [0, 1])

      const Tick = of.event<number>(`tick-${at}`)
      const seen: number[] = []
      client.on(Tick, (value) => seen.push(value))
      client.once(Tick, (value) => seen.push(-value))
      server.notify(Tick, 5)
      await client.request(Echo, 'it came before')
      t.deepEqual(seen, [5, -5])
      t.throws(() => client.stream(Echo as never), { code: 'ERR_INVALID_ARGUMENT' })
      t.throws(() => client.notify(Echo as never), { code: 'ERR_INVALID_ARGUMENT' })
    }
    server.handle('fail', () => {
      throw new one.IpcError('E_OWN', 'failed')
    })
    const error = await t.throwsAsync(client.request('fail'), { code: 'E_OWN' })
    t.true(error instanceof two.IpcError)
    t.true(error instanceof one.IpcError)
    class Inner extends one.IpcError {}
    t.false(error instanceof Inner)
    t.true(new Inner('E', 'e') instanceof two.IpcError)
    t.false(new Error('e') instanceof two.IpcError)
    t.throws(() => two.configure({}), { message: /before the first/ })
  } finally {
    await client.close()
  }
}

test.serial('the version shared between copies is that of the package', (t) => {
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as typeof own & {
    version: string
  }
  t.is(VERSION, version)
})

test.serial('the package imported and required is the same', (t) => {
  const required = require('ringpost') as Package
  t.is(required.connect, own.connect)
})

test.serial('a copy in another folder', async (t) => {
  const root = copyFolder()
  const copy = require(root) as Package
  await understand(t, own, copy)
  await understand(t, copy, own)
  const imported = (await import(join(root, 'index.mjs'))) as Package
  t.is(imported.connect, copy.connect)
})

test.serial('the same files, loaded again', async (t) => {
  const [again, onceMore] = [loadAgain(), loadAgain()]
  await understand(t, own, again)
  await understand(t, again, onceMore)
})

test.serial('a copy in another realm, whose values and errors are of that realm', async (t) => {
  const { copy, realm } = loadInRealm(copyFolder())
  await understand(t, own, copy)
  await understand(t, copy, own)
  await using server = await own.createServer('realm')
  server.handle('echo', (value: unknown) => value)
  server.handle('wait', () => new Promise(() => {}))
  await using client = await copy.connect('realm')
  const isOf = (kind: string, value: unknown) => {
    realm.value = value
    t.true(vm.runInContext(`value instanceof ${kind}`, realm), kind)
  }
  isOf('Object', await client.request('echo', { a: 1 }))
  isOf('Array', await client.request('echo', [1]))
  isOf('Date', await client.request('echo', new Date(1)))
  isOf('Error', await client.request('nothing').catch((error: unknown) => error))
  isOf('Error', await client.request('wait', 1, { timeoutMs: 5 }).catch((error: unknown) => error))
  isOf('Error', await copy.connect('nobody').catch((error: unknown) => error))
})

test.serial('a copy in another realm warns of an error without a listener', async (t) => {
  const { copy } = loadInRealm(copyFolder())
  const directory = join(folder, 'lost')
  await using server = await copy.createServer('lost', { directory })
  const warned = once(process, 'warning') as Promise<[Error & { code?: string }]>
  rmSync(directory, { recursive: true })
  writeFileSync(directory, '')
  const [{ code, message }] = await warned
  t.is(code, 'ERR_UNSAFE_DIRECTORY')
  t.regex(message, /"lost"/)
  t.is(server.name, 'lost')
})

test.serial('a copy of another version has its own engine and can connect', async (t) => {
  const root = copyFolder()
  const { copy } = loadInRealm(root)
  const file = join(root, 'dist', 'ts', 'library.js')
  const other = createRequire(join(root, 'x.js'))
  const code = readFileSync(file, 'utf8').replaceAll(`'${VERSION}'`, "'99.0.0'")
  t.true(code.includes('99.0.0'))
  writeFileSync(file, code)
  const stranger = other('./dist/ts/index.js') as Package
  await using server = await own.createServer('versions')
  const Echo = stranger.method<any, any>('echo')
  server.handle(Echo, (value) => value)
  const before = engines()
  await using client = await stranger.connect('versions')
  t.is(engines(), before + 1)
  t.deepEqual(await client.request(Echo, { a: 1 }), { a: 1 })
  t.truthy(copy)
})

test.serial('shared state survives garbage collection', async (t) => {
  setFlagsFromString('--expose-gc')
  const collect = vm.runInNewContext('gc') as () => void
  for (let round = 0; round < 3; round++) {
    loadAgain()
    for (let times = 0; times < 5; times++) {
      collect()
      await sleep(1)
    }
    const before = engines()
    const again = loadAgain()
    await using server = await again.createServer(`kept-${round}`)
    t.is(engines(), before)
    t.is(server.name, `kept-${round}`)
  }
})

test.serial('each thread has its own engine', async (t) => {
  await using server = await own.createServer('threads')
  server.handle('echo', (value: unknown) => value)
  const code = `
    const { parentPort } = require('node:worker_threads')
    const [own, copy] = ${JSON.stringify([ROOT, copyFolder()])}.map(require)
    ;(async () => {
      const server = await own.createServer('in-worker')
      server.handle('echo', (value) => value)
      const [there, here] = [await own.connect('threads'), await copy.connect('in-worker')]
      let code
      try { here.requestSync('echo', 1) } catch (error) { code = error.code }
      parentPort.postMessage([there.peer.isSelf, there.requestSync('echo', 'sync'), here.peer.isSelf, code])
      await Promise.all([there.close(), here.close(), server.close()])
    })()`
  const worker = new Worker(code, { eval: true })
  const said = await new Promise((resolve, reject) => {
    worker.once('message', resolve).once('error', reject)
  })
  t.deepEqual(said, [false, 'sync', true, 'ERR_WOULD_DEADLOCK'])
  await worker.terminate()
})
