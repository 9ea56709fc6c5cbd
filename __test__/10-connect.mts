// Meeting: names, directories, secrets, limits, and options that make no sense.

import { once } from 'node:events'
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { join } from 'node:path'
import test from 'ava'
import * as ringpost from 'ringpost'
import {
  connect,
  createServer,
  event,
  IpcError,
  method,
  type ClientOptions,
  type Connection,
} from 'ringpost'
import { Echo, Tick } from './helpers/contracts.mjs'
import { directory } from './helpers/directory.mjs'
import { serve, until } from './helpers/program.mjs'

const server = await serve()
const client = await connect(server.name)
test.after.always(() => client.close())

// ---- names and places ----

const NAMES = ['a/b', '../a', '', '.hidden', 'two words', 'naïve', 'x'.repeat(65), 'x'.repeat(300)]

for (const name of NAMES) {
  test(`an invalid server name: '${name.slice(0, 70)}' of ${name.length}`, async (t) => {
    await t.throwsAsync(createServer(name), { instanceOf: IpcError, code: 'ERR_INVALID_NAME' })
    await t.throwsAsync(connect(name), { instanceOf: IpcError, code: 'ERR_INVALID_NAME' })
  })
}

test('a server name that is not text is a TypeError', async (t) => {
  const wrong = { instanceOf: TypeError, code: 'ERR_INVALID_ARGUMENT' }
  for (const name of [undefined, null, 5, {}] as any[]) {
    await t.throwsAsync(createServer(name), wrong)
    await t.throwsAsync(connect(name), wrong)
  }
})

test('the longest possible name can be served', async (t) => {
  await using named = await createServer('x'.repeat(64))
  const client = await connect(named.name)
  t.true(client.isOpen)
  await client.close()
})

test('a name without a server', async (t) => {
  await t.throwsAsync(connect('nobody'), { instanceOf: IpcError, code: 'ERR_NO_SERVER' })
})

test('a name in use, by another process and by this one', async (t) => {
  const inUse = { instanceOf: IpcError, code: 'ERR_NAME_IN_USE' }
  await t.throwsAsync(createServer(server.name), inUse)
  await using own = await createServer('own')
  await t.throwsAsync(createServer(own.name), inUse)
})

test('a name is free again when its server is closed or killed', async (t) => {
  for (let round = 0; round < 3; round++) await (await createServer('again')).close()
  const killed = await serve({ name: 'again' })
  await killed.kill()
  await using successor = await createServer('again')
  t.is(successor.name, 'again')
})

test('a directory that is not private is refused', async (t) => {
  const place = (name: string) => join(directory, name)
  mkdirSync(place('open'))
  chmodSync(place('open'), 0o750)
  mkdirSync(place('private'), { mode: 0o700 })
  symlinkSync(place('private'), place('link'))
  writeFileSync(place('file'), '')
  for (const name of ['open', 'link', 'file']) {
    const options = { directory: place(name) }
    const unsafe = { instanceOf: IpcError, code: 'ERR_UNSAFE_DIRECTORY' }
    await t.throwsAsync(createServer('here', options), unsafe, name)
    await t.throwsAsync(connect('here', options), unsafe, name)
  }
})

test('a separate directory is created and separates names', async (t) => {
  const options = { directory: join(directory, 'fresh') }
  await using other = await createServer(server.name, options)
  const client = await connect(other.name, options)
  t.is(client.peer.pid, process.pid)
  await client.close()
})

// ---- who may come in ----

test('the token must be the same on both sides', async (t) => {
  const guarded = await serve({ server: { token: 'secret' } })
  const refused = { instanceOf: IpcError, code: 'ERR_TOKEN' }
  await t.throwsAsync(guarded.connect(t), refused)
  await t.throwsAsync(guarded.connect(t, { token: 'secre' }), refused)
  await t.throwsAsync(guarded.connect(t, { token: 'x'.repeat(1024) }), refused)
  const client = await guarded.connect(t, { token: Buffer.from('secret') })
  t.is(await client.request(Echo, 1), 1)
})

test('a client above the limit is rejected until another has disconnected', async (t) => {
  const small = await serve({ server: { connectionsMax: 2 } })
  const first = await small.connect(t)
  await small.connect(t)
  await t.throwsAsync(small.connect(t), { code: 'ERR_TOO_MANY_CONNECTIONS' })
  await first.close()
  await until('there is room again', () => small.connect(t).catch(() => false))
  t.pass()
})

test('the lower limit of the two sides applies, and both see it', async (t) => {
  const modest = await serve({ server: { messageLenMax: 5000, pendingMax: 70, crc: 'full' } })
  const { peer } = await modest.connect(t, { messageLenMax: 7000, pendingMax: 60, crc: 'off' })
  t.like(peer, { messageLenMax: 5000, pendingMax: 60, crc: 'full', pid: modest.pid })
  t.is(peer.uid, process.getuid!())
  t.is(peer.isSelf, false)
  t.regex(peer.session, /^[\da-f]{32}$/)
})

test('a client gets at most the memory its server grants', async (t) => {
  const server = { rings: { low: 8_388_608 }, ringsMax: { normal: 65_536, control: 4096 } }
  const strict = await serve({ server })
  const most = 67_108_864
  const rings = { critical: most, high: 4096, normal: most, low: most, control: most }
  const { peer } = await strict.connect(t, { rings })
  const given = { critical: 4_194_304, high: 4096, normal: 65_536, low: 8_388_608 }
  t.deepEqual(peer.rings, { ...given, control: 4096 })
})

// ---- waiting for a server ----

/** A socket that takes connections and never says a word. */
async function silence(t: { teardown(work: () => void): void }, name: string): Promise<void> {
  const silent = net.createServer(() => {})
  t.teardown(() => silent.close())
  await new Promise<void>((listening) =>
    silent.listen(join(directory, `${name}.sock`), () => listening()),
  )
}

test('connecting to a server that does not answer times out', async (t) => {
  await silence(t, 'mute')
  const connecting = connect('mute', { connectTimeoutMs: 50 })
  await t.throwsAsync(connecting, { instanceOf: IpcError, code: 'ERR_TIMEOUT' })
})

test('a signal aborts connecting, before and during', async (t) => {
  await silence(t, 'mute-too')
  const reason = new Error('changed my mind')
  const before = connect(server.name, { signal: AbortSignal.abort(reason) })
  t.is(await t.throwsAsync(before), reason)
  const controller = new AbortController()
  const connecting = connect('mute-too', { signal: controller.signal })
  setTimeout(() => controller.abort(reason), 20)
  t.is(await t.throwsAsync(connecting), reason)
})

test('a signal that is aborted by who prepares the client leaves no session', async (t) => {
  await using own = await createServer('prepared')
  const controller = new AbortController()
  const reason = new Error('not like this')
  const came = once(own, 'connection') as Promise<[Connection]>
  const handlers = () => controller.abort(reason)
  const connecting = connect('prepared', { signal: controller.signal, handlers })
  t.is(await t.throwsAsync(connecting), reason)
  const [connection] = await came
  await until('it has gone', () => !connection.isOpen)
  t.is(own.connections.size, 0)
})

test('a signal aborted after connecting has no effect', async (t) => {
  const controller = new AbortController()
  const client = await server.connect(t, { signal: controller.signal })
  controller.abort()
  t.is(await client.request(Echo, 'still here'), 'still here')
})

test('clients that never finish the handshake do not keep others out', async (t) => {
  const path = join(directory, `${server.name}.sock`)
  const sockets = Array.from({ length: 256 }, () => net.connect(path).on('error', () => {}))
  t.teardown(() => sockets.forEach((socket) => socket.destroy()))
  const client = await server.connect(t)
  t.is(await client.request(Echo, 'through'), 'through')
})

test('invalid handshake bytes end the connection', async (t) => {
  const socket = net.connect(join(directory, `${server.name}.sock`)).on('error', () => {})
  socket.write(Buffer.alloc(200, 0x5a))
  socket.resume()
  await new Promise((ended) => socket.on('close', ended))
  const client = await server.connect(t)
  t.is(await client.request(Echo, 'unharmed'), 'unharmed')
})

// ---- options ----

type Wrong = [option: string, types: unknown[], ranges: unknown[]]

const span: [unknown[], unknown[]] = [['5', true, null], [0, -1, NaN]]
const whole = (max: number): [unknown[], unknown[]] => [['5', null, 5n], [-1, 1.5, NaN, max + 1]]
const choice: [unknown[], unknown[]] = [[1, null, true], ['', 'Sealed']]
const ring: [unknown[], unknown[]] = [['4096', null], [0, 2048, 4097, 2 ** 27, NaN]]

const ENDPOINT: Wrong[] = [
  ['directory', [1, null], ['']],
  ['transport', ...choice],
  ['crc', ...choice],
  ['rings', [1, null, 'x'], []],
  ['rings.critical', ...ring],
  ['rings.control', ...ring],
  ['messageLenMax', ...whole(Number.MAX_SAFE_INTEGER)],
  ['pendingMax', ...whole(65_536)],
  ['token', [1, null, []], ['', 'x'.repeat(1025), new Uint8Array(1025)]],
  ['timeoutMs', ...span],
  ['overflow', [1, null], []],
  ['overflow.low', ...choice],
  ['backlogMax', ...whole(Number.MAX_SAFE_INTEGER)],
  ['servingMax', ...whole(65_536)],
]
const REQUEST: Wrong[] = [
  ['signal', [1, null, {}], []],
  ['timeoutMs', ...span],
  ['lane', ...choice],
  ['traceparent', [1, null], ['', '00-1-2-3', `00-${'g'.repeat(32)}-${'1'.repeat(16)}-00`]],
]
const CLIENT: Wrong[] = [...ENDPOINT, ['connectTimeoutMs', ...span], ['signal', [1, {}], []]]
const SERVER: Wrong[] = [
  ...ENDPOINT,
  ['connectionsMax', ...whole(65_000)],
  ['ringsMax', [1, null, 'x'], []],
  ['ringsMax.normal', ...ring],
  ['helloTimeoutMs', ...span],
  ['takeOver', [1, null, 'yes'], []],
]
const SYNC: Wrong[] = [
  ['timeoutMs', span[0], [...span[1], Infinity]],
  ['lane', ...choice],
]
const NOTIFY = REQUEST.filter(([option]) => option === 'lane' || option === 'traceparent')
const WAIT = REQUEST.filter(([option]) => option === 'signal' || option === 'timeoutMs')
const schema: Wrong[] = [['params', [1, {}, { '~standard': {} }], []], ['result', [1, {}], []]]
const codec: Wrong = ['codec', [1, {}, { name: 'x', encode() {} }], []]
const LOOK: [unknown[], unknown[]] = [['1', null], [-1, 1.5, 1e9]]

/** Every call that takes options, and what is wrong with them. */
const CALLS: [string, (options: any) => unknown, Wrong[]][] = [
  ['connect', (options) => connect(server.name, options as ClientOptions), CLIENT],
  ['createServer', (options) => createServer('never', options), SERVER],
  ['request', (options) => client.request(Echo, 1, options), REQUEST],
  ['requestSync', (options) => client.requestSync(Echo, 1, options), SYNC],
  ['notify', (options) => client.notify(Tick, ['x', 1], options), NOTIFY],
  ['drained', (options) => client.drained(options), WAIT],
  ['handle', (options) => client.handle(Echo, () => 1, options), [['borrowed', [1, 'x'], []]]],
  ['method', (options) => method('m', options), [codec, ...schema]],
  ['event', (options) => event('e', options), [codec, ['payload', [1, {}], []]]],
  [
    'configure',
    (options) => ringpost.configure(options),
    [['wake', ...choice], ['spinExpectingUs', ...LOOK], ['spinRecentUs', ...LOOK]],
  ],
]

/** `{ rings: { low: 1 } }` of 'rings.low' and 1. */
const withOption = (option: string, value: unknown) =>
  option.split('.').reduceRight((inner, key) => ({ [key]: inner }), value)

for (const [call, attempt, wrongs] of CALLS) {
  test(`${call}: every option of a wrong type or range is named`, async (t) => {
    for (const [option, types, ranges] of wrongs) {
      for (const [values, kind] of [[types, TypeError], [ranges, RangeError]] as const) {
        for (const value of values) {
          const note = `${option}: ${String(value)}`
          const error = await t.throwsAsync(
            async () => attempt(withOption(option, value)),
            { instanceOf: kind, code: 'ERR_INVALID_ARGUMENT' },
            note,
          )
          t.true(error?.message.startsWith(`${option} must be `), error?.message)
        }
      }
    }
  })

  test(`${call}: the error for a misspelt option suggests the right one`, async (t) => {
    const [[option]] = wrongs
    const misspelt = option.slice(0, -1) + option.at(-1)!.toUpperCase() + 'x'
    const error = await t.throwsAsync(async () => attempt({ [misspelt]: 1 }), {
      instanceOf: TypeError,
      code: 'ERR_INVALID_ARGUMENT',
    })
    t.true(error.message.endsWith(`option '${misspelt}'; did you mean '${option}'?`), error.message)
    await t.throwsAsync(async () => attempt({ nothingLikeIt: 1 }), { message: /there are: / })
    for (const options of [null, 5, 'x']) {
      await t.throwsAsync(async () => attempt(options), { instanceOf: TypeError })
    }
  })
}

test('an undefined option is the same as a missing one', async (t) => {
  const options = Object.fromEntries(CLIENT.map(([option]) => [option.split('.')[0], undefined]))
  const one = await server.connect(t, options)
  t.is(await one.request(Echo, 1, { timeoutMs: undefined, lane: undefined }), 1)
})

test('contracts have a name of 1 to 255 bytes, and handlers are functions', (t) => {
  for (const make of [method, event] as ((name: any) => { name: string })[]) {
    t.throws(() => make(''), { instanceOf: RangeError })
    t.throws(() => make('é'.repeat(128)), { instanceOf: RangeError })
    t.throws(() => make(5), { instanceOf: TypeError })
    t.is(make('x'.repeat(255)).name.length, 255)
  }
  t.throws(() => client.handle('x', 5 as any), { instanceOf: TypeError })
  t.throws(() => client.handle(5 as any, () => 1), { instanceOf: TypeError })
  t.throws(() => client.notify(Echo as any), { instanceOf: TypeError })
})

test('a method where an event belongs, and the reverse, is a TypeError', async (t) => {
  await t.throwsAsync(async () => client.request(Tick as any), { instanceOf: TypeError })
  t.throws(() => client.requestSync(Tick as any), { instanceOf: TypeError })
})

test('configure() after the first connection is too late', (t) => {
  t.throws(() => ringpost.configure({ wake: 'thread' }), { message: /before the first/ })
})
