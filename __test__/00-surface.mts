// The package is what index.d.ts says, however it is loaded, and nothing more.

import { execFileSync, type ExecFileSyncOptions } from 'node:child_process'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import * as ringpost from 'ringpost'
import type * as api from '../index.mjs'
import type * as built from '../ts/index.js'
import { directory } from './helpers/directory.mjs'

const require = createRequire(import.meta.url)
const root = fileURLToPath(new URL('../../', import.meta.url))

// Checked by the compiler: the source has what the contract promises.
const promised = ringpost as unknown as typeof built satisfies typeof api
const exported: Record<keyof typeof api, string> = {
  IpcError: 'function',
  bytes: 'object',
  configure: 'function',
  connect: 'function',
  createMap: 'function',
  createPool: 'function',
  createServer: 'function',
  createStateFrame: 'function',
  createTopic: 'function',
  encoded: 'function',
  event: 'function',
  json: 'object',
  layout: 'function',
  list: 'function',
  messagePack: 'object',
  method: 'function',
  openMap: 'function',
  openStateFrame: 'function',
  sharedMap: 'function',
  stateFrame: 'function',
  stream: 'function',
  structuredClone: 'object',
  subscribe: 'function',
  systemdSocket: 'function',
  text: 'function',
  toDuplex: 'function',
  toReadableStream: 'function',
  topic: 'function',
}

const typesOf = (module: object) =>
  Object.fromEntries(Object.entries(module).map(([name, value]) => [name, typeof value]))

test('an ES module exports what the contract declares and nothing else', (t) => {
  t.deepEqual(typesOf(promised), exported)
})

test('the CommonJS module is the same object', (t) => {
  const common = require('ringpost') as typeof api
  t.deepEqual(typesOf(common), exported)
  for (const name of Object.keys(exported) as (keyof typeof api)[]) {
    t.true(common[name] === ringpost[name], name)
  }
})

test('what is printed of an object names what the contract calls it', (t) => {
  const { sharedMap, stateFrame, topic } = ringpost
  const [Map, Frame, Topic] = [sharedMap('names'), stateFrame('names'), topic('names')]
  const made = {
    MapWriter: ringpost.createMap(Map),
    MapReader: ringpost.openMap(Map),
    StateFrameWriter: ringpost.createStateFrame(Frame),
    StateFrameReader: ringpost.openStateFrame(Frame),
    TopicPublisher: ringpost.createTopic(Topic),
    TopicSubscription: ringpost.subscribe(Topic),
    Pool: ringpost.createPool('names'),
  }
  for (const [name, object] of Object.entries(made)) {
    t.is(object.constructor.name, name)
    void object.close()
  }
})

test('ringpost/opentelemetry is one module, however it is loaded', async (t) => {
  const opentelemetry = await import('ringpost/opentelemetry')
  t.deepEqual(Object.keys(opentelemetry), ['instrument'])
  t.is(require('ringpost/opentelemetry').instrument, opentelemetry.instrument)
})

test('the other modules are one each, however they are loaded', async (t) => {
  const prometheus = await import('ringpost/prometheus')
  t.deepEqual(Object.keys(prometheus), ['instrument'])
  t.is(require('ringpost/prometheus').instrument, prometheus.instrument)
  const health = await import('ringpost/health')
  t.deepEqual(Object.keys(health), ['serveHealth'])
  t.is(require('ringpost/health').serveHealth, health.serveHealth)
  const messageport = await import('ringpost/messageport')
  t.deepEqual(Object.keys(messageport), ['connectPort', 'onPort', 'openPort', 'servePorts'])
  t.is(require('ringpost/messageport').openPort, messageport.openPort)
  const jsonrpc = await import('ringpost/jsonrpc')
  const names = ['createClientTransport', 'createServerTransport', 'serveClients', 'startServer']
  t.deepEqual(Object.keys(jsonrpc), names)
  t.is(require('ringpost/jsonrpc').startServer, jsonrpc.startServer)
})

test('an error of each module is an error of the package', async (t) => {
  const { connectPort } = await import('ringpost/messageport')
  const { createClientTransport, createServerTransport } = await import('ringpost/jsonrpc')
  const { IpcError } = ringpost
  await t.throwsAsync(connectPort('not-there'), { instanceOf: IpcError, code: 'ERR_NO_SERVER' })
  await t.throwsAsync(createClientTransport('not-there'), { instanceOf: IpcError })
  t.throws(() => createServerTransport(), { instanceOf: IpcError, code: 'ERR_INVALID_ARGUMENT' })
})

test('a path into the package is not exported', (t) => {
  t.throws(() => require('ringpost/dist/ts/index.js'), { code: 'ERR_PACKAGE_PATH_NOT_EXPORTED' })
})

test('an error is an Error with a code', (t) => {
  const cause = new Error('below')
  const error = new ringpost.IpcError('ERR_FULL', 'no room', { cause })
  t.true(error instanceof Error)
  t.like(error, { name: 'IpcError', code: 'ERR_FULL', message: 'no room', isRemote: false, cause })
})

test('the codes of errors are those of the engine', (t) => {
  const read = (path: string) => readFileSync(join(root, path), 'utf8')
  const codes = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].map(([, code]) => code)
  const declared = read('index.d.ts').split('export type IpcErrorCode =')[1].split('\n\n')[0]
  t.deepEqual(
    codes(declared, /'(ERR_\w+)'/g),
    codes(read('crates/ipc-core/src/error.rs').split('codes! {')[1], /= "(ERR_\w+)",/g),
  )
})

const CONSUMER = `
import { once, type EventEmitter } from 'node:events'
import { connect, createServer, event, method, type IpcError, type Server } from 'ringpost'
import type { CallMessage, DiagnosticsChannels } from 'ringpost'
import { Registry } from 'prom-client'
import { serveHealth, type HealthServer } from 'ringpost/health'
import { connectPort, servePorts, type MessagePort } from 'ringpost/messageport'
import { instrument } from 'ringpost/opentelemetry'
import { instrument as measure } from 'ringpost/prometheus'

const Greet = method<{ name: string }, { greeting: string }>('greet')
const Seen = event<number>('seen')

export async function both(): Promise<string> {
  const server: Server = await createServer('demo', { crc: 'full', rings: { normal: 4096 } })
  server.handle(Greet, ({ name }, { remainingMs }) => ({ greeting: name + remainingMs.toFixed() }))
  server.handle(Seen, (count) => count.toFixed())
  // @ts-expect-error: a handler of a method returns its result
  server.handle(Greet, () => 5)
  // @ts-expect-error: there is no such option
  await createServer('demo', { crcs: 'full' })
  const client = await connect('demo')
  // @ts-expect-error: parameters are those of the contract
  await client.request(Greet, { nam: 'world' })
  client.notify(Seen, 5)
  // @ts-expect-error: the payload is that of the contract
  client.notify(Seen, 'five')
  client.on('close', (reason: IpcError | null) => reason?.code.length)
  // @ts-expect-error: what an event brings is what the class says
  client.on('close', (reason: number) => reason)
  const heard = (count: number) => count
  client.on(Seen, heard)
  client.on('seen', heard)
  client.off(Seen, heard).removeListener('seen', heard).removeAllListeners(Seen)
  const emitter: EventEmitter = client
  await once(emitter, client.listenerCount(Seen) > 0 ? 'close' : 'error')
  const { greeting } = await client.request(Greet, { name: 'world' }, { timeoutMs: 5 })
  const heardOf = (message: DiagnosticsChannels['ringpost:request:end']): CallMessage => message
  // @ts-expect-error: there is no such channel
  type None = DiagnosticsChannels['ringpost:request:ended']
  using spans = instrument({ events: false })
  // @ts-expect-error: there is no such option
  instrument({ event: false })
  const registry = new Registry()
  using metrics = measure(registry, { server, client }, { prefix: 'app_' })
  // @ts-expect-error: it is a server, a client or a pool
  measure(registry, { greet: Greet })
  const probes: HealthServer = await serveHealth({
    port: 0,
    registry,
    ready: { server, client, fine: () => true, later: async () => true },
  })
  // @ts-expect-error: a check returns a boolean
  await serveHealth({ port: 0, ready: { fine: () => 'yes' } })
  const port: MessagePort = await connectPort('demo')
  port.addEventListener('message', ({ data, ports }) => ports[0].postMessage(data))
  port.postMessage(1, [new ArrayBuffer(1)])
  // @ts-expect-error: there is no such event
  port.on('error', () => {})
  await servePorts('demo', (other) => (other.onmessage = ({ data }) => other.postMessage(data)))
  const { listening } = server.health().checks
  const [sentMs, below] = server.totals().latency.below[0]
  const sent: number = client.totals().sentBy.requestItem.high
  return greeting + heardOf.length + probes.port + listening + sentMs + below + sent + server.stats().latency.p99Ms.toFixed()
}
`

test('the types are right for consumers that are ES modules and CommonJS', (t) => {
  const folder = join(directory, 'consumer')
  mkdirSync(join(folder, 'node_modules'), { recursive: true })
  symlinkSync(root, join(folder, 'node_modules/ringpost'))
  symlinkSync(join(root, 'node_modules/prom-client'), join(folder, 'node_modules/prom-client'))
  for (const file of ['esm.mts', 'common.cts']) writeFileSync(join(folder, file), CONSUMER)
  const compilerOptions = {
    target: 'es2022',
    module: 'node16',
    strict: true,
    noEmit: true,
    exactOptionalPropertyTypes: true,
    types: ['node'],
    typeRoots: [join(root, 'node_modules/@types')],
  }
  const config = join(folder, 'tsconfig.json')
  writeFileSync(config, JSON.stringify({ compilerOptions, files: ['esm.mts', 'common.cts'] }))
  const tsc = require.resolve('typescript/bin/tsc')
  const options: ExecFileSyncOptions = { encoding: 'utf8', timeout: 180_000 }
  try {
    execFileSync(process.execPath, [tsc, '-p', config], options)
    t.pass()
  } catch (error) {
    t.fail(String((error as { stdout?: unknown }).stdout ?? error))
  }
})
