// The border to user code: what it throws, what it enters, and what it does to memory it is given.

import { AsyncLocalStorage } from 'node:async_hooks'
import { once } from 'node:events'
import { markAsUntransferable, Worker } from 'node:worker_threads'
import ava from 'ava'
import {
  bytes,
  connect,
  createServer,
  event,
  method,
  stream,
  type Codec,
  type Connection,
  type Server,
} from 'ringpost'
import { Program, until } from './helpers/program.mjs'

const test = ava.serial
const Bulk = event<Uint8Array>('bulk', { codec: bytes })
const Ask = method<Uint8Array, Uint8Array>('ask', { codec: bytes })

let names = 0

/** A server and two clients, all in this thread. */
async function meet(): Promise<{ server: Server; client: Connection; other: Connection } & AsyncDisposable> {
  const name = `boundary-${++names}`
  const server = await createServer(name)
  const [client, other] = [await connect(name), await connect(name)]
  await until('both have come', () => server.connections.size === 2)
  return {
    ...{ server, client, other },
    async [Symbol.asyncDispose]() {
      await Promise.all([client.close(), other.close(), server.close()])
    },
  }
}

const filled = (length: number, value: number) => new Uint8Array(length).fill(value)
const isAll = (payload: Uint8Array, length: number, value: number) =>
  payload.length === length && payload.every((byte) => byte === value)

/** Takes an array's memory away from it, where there is a way to. */
function takeAway(payload: Uint8Array): void {
  const { buffer } = payload as { buffer: ArrayBuffer & { transfer?(): ArrayBuffer } }
  try {
    structuredClone(payload, { transfer: [buffer] })
  } catch (error) {
    if ((error as Error).name !== 'DataCloneError') throw error
    buffer.transfer?.()
  }
}

// ---- memory ----

test('transferring the memory of a payload affects only that payload', async (t) => {
  await using met = await meet()
  const { server, client } = met
  const came: Uint8Array[] = []
  client.on(Bulk, (payload) => came.push(payload))
  const sizes = [3, 64, 65, 300, 300, 512, 513, 4_096, 5_000, 20_000, 20_000, 200_000]
  for (const [at, size] of sizes.entries()) server.notify(Bulk, filled(size, at))
  await until('all have come', () => came.length === sizes.length)
  for (const [at, size] of sizes.entries()) t.true(isAll(came[at], size, at), `${size} bytes`)
  const taken = new Set([0, 3, 6, 8, 10, 11])
  for (const at of taken) structuredCloneOf(came[at])
  for (const [at, size] of sizes.entries()) {
    if (came[at].length > 0 || !taken.has(at)) t.true(isAll(came[at], size, at), `${size} bytes`)
  }
  for (const [at, size] of sizes.entries()) server.notify(Bulk, filled(size, 100 + at))
  await until('all have come again', () => came.length === 2 * sizes.length)
  for (const [at, size] of sizes.entries()) t.true(isAll(came[sizes.length + at], size, 100 + at))
})

test('a payload that is kept holds at most 32 times its length', async (t) => {
  await using met = await meet()
  const { server, client } = met
  const came: Uint8Array[] = []
  client.on(Bulk, (payload) => came.push(payload))
  const sizes = [1, 64, 65, 512, 513, 4_096, 4_097, 20_000]
  for (const size of sizes) server.notify(Bulk, filled(size, 1))
  await until('all have come', () => came.length === sizes.length)
  for (const { buffer, length } of came) t.true(buffer.byteLength <= 32 * length, `${length} bytes`)
})

/** Takes memory away where that is allowed. */
function structuredCloneOf(payload: Uint8Array): void {
  try {
    structuredClone(payload, { transfer: [payload.buffer as ArrayBuffer] })
  } catch (error) {
    if ((error as Error).name !== 'DataCloneError') throw error
  }
}

test('memory transferred to a worker is not written to', async (t) => {
  await using met = await meet()
  const { server, client } = met
  const code = `
    const { parentPort } = require('node:worker_threads')
    parentPort.once('message', (payload) => parentPort.once('message', () => {
      parentPort.postMessage(new Uint8Array(payload.buffer).filter((byte) => byte === 0x5a).length)
    }))`
  const worker = new Worker(code, { eval: true })
  t.teardown(() => worker.terminate())
  const came: Uint8Array[] = []
  client.on(Bulk, (payload) => came.push(payload))
  for (const value of [1, 2]) server.notify(Bulk, filled(3, value))
  await until('both have come', () => came.length === 2)
  worker.postMessage(came[0], [came[0].buffer as ArrayBuffer])
  t.deepEqual([...came[1]], [2, 2, 2])
  for (let sent = 0; sent < 100; sent++) server.notify(Bulk, filled(200, 0x5a))
  await until('all have come', () => came.length === 102)
  worker.postMessage('count')
  t.deepEqual(await once(worker, 'message'), [0])
})

test('detaching borrowed memory affects only the handler that does it', async (t) => {
  await using met = await meet()
  const { server, client, other } = met
  const came: number[] = []
  let left = 0
  client.on(
    Bulk,
    (payload) => {
      came.push(payload[0])
      if (payload[0] === 1) structuredCloneOf(payload)
      left = payload.length
    },
    { borrowed: true },
  )
  for (let at = 0; at < 5; at++) server.notify(Bulk, filled(100, at))
  await until('all have come', () => came.length === 5)
  // Whether that is refused, or a copy is made, depends on the version of Node.
  t.deepEqual([came, left], [[0, 1, 2, 3, 4], 100])
  // Large ones have memory of their own.
  came.length = 0
  for (let at = 0; at < 5; at++) server.notify(Bulk, filled(100_000, at), { to: [...server.connections] })
  await until('all have come', () => came.length === 5)
  t.deepEqual(came, [0, 1, 2, 3, 4])
  t.true(client.isOpen && other.isOpen)
})

/** Only Node 22 has a way to transfer what is marked as untransferable. */
function canBeTaken(): boolean {
  const marked = new Uint8Array(8)
  markAsUntransferable(marked.buffer)
  try {
    takeAway(marked)
  } catch {
    return false
  }
  return marked.length === 0
}
const whereItCan = canBeTaken() ? test : test.skip

whereItCan('an arena that is taken away ends its connection and no other', async (t) => {
  await using met = await meet()
  const { server, client, other } = met
  server.handle(Ask, (payload) => payload)
  const heard: number[] = []
  other.on(Bulk, (payload) => heard.push(payload[0]))
  client.on(Bulk, takeAway, { borrowed: true })
  // The answer lies behind what takes it away.
  const asked = client.request(Ask, filled(10, 1), { timeoutMs: 10_000 })
  for (let at = 0; at < 3; at++) server.notify(Bulk, filled(100, at))
  const rejected = client.request(Ask, filled(10, 2), { timeoutMs: 10_000 })
  const outcomes = await Promise.allSettled([asked, rejected])
  t.like(await client.closed, { code: 'ERR_INVALID_ARGUMENT' })
  t.true(outcomes.every(({ status }) => status === 'fulfilled' || status === 'rejected'))
  await until('the other has heard', () => heard.length === 3)
  t.is((await other.request(Ask, filled(10, 3)))[0], 3)
})

whereItCan('an arena that is taken away between two batches is replaced', async (t) => {
  await using met = await meet()
  const { server, client } = met
  let last: Uint8Array = filled(1, 0)
  const came: number[] = []
  client.on(
    Bulk,
    (payload) => {
      came.push(payload[0])
      last = payload
    },
    { borrowed: true },
  )
  for (let at = 1; at <= 20; at++) {
    server.notify(Bulk, filled(at % 3 === 0 ? 50_000 : 100, at))
    await until('it has come', () => came.length === at)
    takeAway(last)
  }
  t.deepEqual(came, Array.from({ length: 20 }, (_, at) => at + 1))
  t.true(client.isOpen)
})

test('a codec that detaches its bytes and sends requests while decoding', async (t) => {
  const program = new Program('edge', { verb: 'answers', name: 'answers' })
  await program.report()
  const client = await connect('answers')
  t.teardown(() => client.close())
  const greedy: Codec<number> = {
    name: 'greedy',
    encode: (value) => Buffer.from([value]),
    decode(payload) {
      const [value] = payload
      try {
        takeAway(payload)
      } catch {
        // Since Node 24 what is not to be taken stays.
      }
      return value
    },
  }
  const nested: Codec<number> = {
    name: 'nested',
    encode: (value) => Buffer.from([value]),
    decode(payload) {
      const before = payload[0]
      const inner = before > 0 ? client.requestSync(Nested, before - 1) : 0
      return payload[0] === before ? before + inner : NaN
    },
  }
  const Greedy = method<number, number>('greedy', { codec: greedy })
  const Nested = method<number, number>('nested', { codec: nested })
  for (let at = 1; at < 5; at++) t.is(client.requestSync(Greedy, at), at)
  t.is(client.requestSync(Nested, 4), 4 + 3 + 2 + 1)
  t.is(await client.request(Nested, 4), 4 + 3 + 2 + 1)
  const kept = [client.requestSync(Ask, filled(100, 1)), client.requestSync(Ask, filled(100, 2))]
  t.true(isAll(kept[0], 100, 1) && isAll(kept[1], 100, 2))
})

test('small payloads that are kept do not retain a large block', async (t) => {
  const program = new Program('edge', { verb: 'keeps', name: 'keeps' }, ['--expose-gc'])
  const { kept, bytes } = await program.report<{ kept: number; bytes: number }>()
  t.is(kept, 200)
  t.true(bytes < kept * 2500, `${bytes} bytes are held`)
})

test('long messages of any length arrive whole, kept or borrowed', async (t) => {
  await using met = await meet()
  const { server } = met
  const small = await connect(server.name, { rings: { normal: 4096 }, overflow: { normal: { waitMs: 60_000 } } })
  t.teardown(() => small.close())
  server.handle(Ask, (payload) => payload)
  for (const client of [met.client, small]) {
    for (const length of [1_500, 5_000, 70_000, 4_200_000, client === small ? 0 : 9_000_000]) {
      const payload = Uint8Array.from({ length }, (_, at) => at * 7)
      const echo = await client.request(Ask, payload)
      t.is(Buffer.compare(payload, echo), 0, `${length} bytes`)
    }
  }
})

// ---- what is thrown ----

interface Failure {
  came: string
  ended: number
  answered: number
  warnings: { message: string; detail?: string }[]
  uncaught: string[]
}

const THINGS = [
  ...['undefined', 'null', 'number', 'object', 'string', 'error', 'error of another realm'],
  ...['error whose stack throws', 'error whose all throws', 'proxy of which nothing can be asked'],
]

for (const thing of THINGS) {
  test(`a throwing handler fails only its own message: ${thing}`, async (t) => {
    const program = new Program('edge', { verb: 'thrown', name: 'thrown', thing })
    for (const { came, ended, answered, warnings, uncaught } of await program.report<Failure[]>()) {
      t.is(came, '001122')
      t.deepEqual([ended, answered], [10, 6])
      t.deepEqual(uncaught, [])
      t.is(warnings.length, 4)
      for (const { message } of warnings) t.regex(message, /"said"/)
      if (thing === 'error') t.regex(String(warnings[0].detail), /edge\.m[jt]s:\d+/)
    }
    t.is(await program.end(), 0)
  })
}

test('a handler returns a foreign thenable', async (t) => {
  const program = new Program('edge', { verb: 'odd-promises', name: 'odd' })
  const [asked, called, kept] = await program.report<Failure[]>()
  for (const { came, ended, uncaught } of [asked, called, kept]) {
    t.is(came, '001122')
    t.is(ended, 10)
    t.deepEqual(uncaught, [])
  }
  t.deepEqual([asked.answered, called.answered, kept.answered], [6, 6, 10])
  t.is(await program.end(), 0)
})

test('listeners that throw do not affect others, and their errors are raised last', async (t) => {
  const program = new Program('edge', { verb: 'listeners', name: 'listeners' })
  const seen = await program.report<{ order: string[]; answers: number[]; left: number }>()
  t.deepEqual(seen.answers, [1, 2])
  const { order } = seen
  t.deepEqual(order.filter((one) => one === 'connection').length, 3)
  for (const told of ['error', 'close']) t.true(order.includes(told), `${told} in ${order.join()}`)
  t.is(order.filter((one) => one === 'uncaught null').length, 5)
  t.is(seen.left, 2)
  t.is(await program.end(), 0)
})

test('messages lost with a dead peer cause no warning', async (t) => {
  const name = 'dies-after-words'
  const peer = new Program('edge', { verb: 'sends-and-dies', name })
  await peer.report()
  const program = new Program('edge', { verb: 'answers-dead-peer', name })
  const { came, outcome, warnings } = await program.report<{
    came: number
    outcome: string
    warnings: string[]
  }>()
  t.deepEqual([came, outcome, warnings], [20, 'ERR_PEER_LOST', []])
})

test('a method called as a stream, and a stream as a method', async (t) => {
  await using met = await meet()
  const { server, client } = met
  server.handle('plain', () => 1)
  const Items = stream('items')
  server.handle(Items, () => 1)
  const wrong = { code: 'ERR_INVALID_ARGUMENT' }
  await t.throwsAsync(client.stream(stream('plain')).result, { ...wrong, message: /no stream/ })
  await t.throwsAsync(client.request('items'), { ...wrong, message: /a stream/ })
  await t.throwsAsync(client.request('neither'), { code: 'ERR_UNKNOWN_METHOD' })
  t.is(await client.request('plain'), 1)
  t.is(await client.stream(Items).result, 1)
})

// ---- what is entered ----

test('an async context entered by a handler does not leak to other messages or listeners', async (t) => {
  await using met = await meet()
  const { server, client, other } = met
  const storage = new AsyncLocalStorage<string>()
  const another = new AsyncLocalStorage<string>()
  const seen: (string | undefined)[] = []
  const look = () => seen.push(storage.getStore(), another.getStore())
  server.handle('enter', async (value: string) => {
    look()
    storage.enterWith(value)
    another.enterWith(value)
    await Promise.resolve()
    await new Promise(setImmediate)
    return storage.getStore()
  })
  server.on(event<string>('enter'), (value) => {
    look()
    storage.enterWith(value)
  })
  server.handle('look', async () => {
    look()
    await new Promise(setImmediate)
    look()
    return null
  })
  server.handle('run', (value: string) => storage.run(value, () => storage.getStore()))
  const Items = stream<null, number, string, null>('items')
  server.handle(Items, async (_, items) => {
    await items.forEach(([item]) => {
      look()
      storage.enterWith(item)
    })
    return null
  })
  // All in one batch, again and again.
  const asked: Promise<unknown>[] = []
  for (let round = 0; round < 20; round++) {
    for (const one of [client, other]) {
      const name = `${round} of ${one.peer.session}`
      const entered = one.request('enter', name).then((value) => t.is(value, name))
      const ran = one.request('run', name).then((value) => t.is(value, name))
      one.notify('enter', name)
      const items = one.stream(Items, null)
      items.write(name)
      items.end()
      asked.push(entered, one.request('look'), ran, one.request('look'), items.result)
    }
  }
  await Promise.all(asked)
  for (const connection of server.connections) {
    connection.on('close', look)
  }
  client.notify('enter', 'last')
  await client.close()
  await until('it has gone', () => server.connections.size === 1)
  t.true(seen.length > 300)
  t.deepEqual([...new Set(seen)], [undefined])
  t.is(storage.getStore(), undefined)
  // Those who ask keep their own.
  const own = await storage.run('mine', async () => {
    await other.request('look')
    return storage.getStore()
  })
  t.is(own, 'mine')
})

test('the async context of the first connection does not leak to handlers', async (t) => {
  const program = new Program('edge', { verb: 'within', name: 'within' })
  t.deepEqual(await program.report(), ['nothing', 'nothing'])
})
