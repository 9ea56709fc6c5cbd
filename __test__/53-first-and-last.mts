// First words and last words: what is said at once is heard by those who are told of a connection, and
// what was said before an end is written.

import { on, once } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import ava from 'ava'
import {
  bytes,
  connect,
  createServer,
  event,
  stream,
  type Client,
  type Connection,
  type Server,
  type ServerOptions,
} from 'ringpost'
import { Program, until } from './helpers/program.mjs'

const test = ava.serial
const Said = event<any>('said')
const Bulk = event<Uint8Array>('bulk', { codec: bytes })

let names = 0

async function serve(options?: ServerOptions): Promise<Server & AsyncDisposable> {
  return createServer(`words-${++names}`, options)
}

/** Keeps the event loop from turning. */
function lookAway(ms: number): void {
  for (const end = performance.now() + ms; performance.now() < end; );
}

/** Looks away all the time, so that much comes together. */
async function whileBlocked<T>(work: () => Promise<T>): Promise<T> {
  const busy = setInterval(() => lookAway(30), 0)
  try {
    return await work()
  } finally {
    clearInterval(busy)
  }
}

/** Starts a program that says its first words in the very turn in which it is connected. */
function start(verb: string, name: string, wake?: 'loop' | 'thread'): Program {
  return new Program('edge', { verb, name, wake })
}

// ---- first words ----

const GREETINGS = 40

test('messages sent on connection reach handlers registered in the first turn', async (t) => {
  const sender = start('sends-on-connect', 'sends-on-connect')
  await sender.report()
  t.teardown(() => sender.kill())
  for (let at = 0; at < GREETINGS; at++) {
    const client = await connect('sends-on-connect')
    const heard: unknown[] = []
    client.on(Said, (value) => heard.push(value))
    client.handle('who', () => 'me')
    client.handle(stream('what'), async function* () {
      yield 'this'
    })
    await until('all was heard', () => heard.length === 3)
    t.deepEqual(heard, ['hello', 'me', 'this'])
    await client.close()
  }
})

test('the first turn lasts while only resolved promises are awaited', async (t) => {
  const sender = start('sends-on-connect', 'sends-late')
  await sender.report()
  t.teardown(() => sender.kill())
  const connectLater = async (): Promise<Client> => {
    const client = await connect('sends-late')
    await Promise.resolve()
    return Promise.resolve(client)
  }
  for (let at = 0; at < GREETINGS; at++) {
    const client = await connectLater()
    await new Promise<void>((resolve) => process.nextTick(resolve))
    const heard = once(client, Said as never)
    client.handle('who', () => 'me')
    t.is((await heard)[0], 'hello')
    await client.close()
  }
})

test('messages sent on connection reach a listener registered slightly later', async (t) => {
  await using server = await serve()
  const heard: unknown[] = []
  server.on('connection', async (connection) => {
    await Promise.resolve()
    await Promise.resolve()
    connection.on(Said, (value) => heard.push(value))
    connection.handle('who', () => 'the server')
  })
  const seen = await whileBlocked(() => start('sends-first', server.name).report())
  t.deepEqual(seen, 'the server')
  t.deepEqual(heard, ['first', 'second'])
})

test('a loop over connections registers in time', async (t) => {
  await using server = await serve()
  const connections = on(server, 'connection')
  void (async () => {
    for await (const [connection] of connections as AsyncIterableIterator<[Connection]>) {
      connection.on(Said, () => {})
      connection.handle('who', () => 'the loop')
    }
  })()
  t.is(await whileBlocked(() => start('sends-first', server.name).report()), 'the loop')
  await connections.return!()
})

for (const wake of ['loop', 'thread'] as const) {
  test(`both sides send at once, woken by a ${wake}`, async (t) => {
    const program = start('both-at-once', `both-${wake}`, wake)
    t.deepEqual(await program.report(), { heard: 200, asked: 200, unhandled: 0 })
    t.is(await program.end(), 0)
  })
}

test('a synchronous request in the first turn is answered, and no other message is lost', async (t) => {
  const sender = start('sends-on-connect', 'sends-sync')
  await sender.report()
  t.teardown(() => sender.kill())
  for (let at = 0; at < GREETINGS; at++) {
    const client = await connect('sends-sync')
    t.is(client.requestSync('echo', at, { timeoutMs: 10_000 }), at)
    lookAway(2)
    const heard = once(client, Said as never)
    client.handle('who', () => 'me')
    t.is((await heard)[0], 'hello')
    await client.close()
  }
})

test('a client that closes in the first turn receives nothing and ends gracefully', async (t) => {
  await using server = await serve()
  const reasons: unknown[] = []
  server.on('connection', (connection) => {
    connection.on(Said, () => t.fail())
    connection.on('close', (reason) => reasons.push(reason))
    void connection.close()
  })
  const codes = await whileBlocked(() => start('sends-first', server.name).report())
  t.is(codes, 'ERR_PEER_LOST')
  t.deepEqual(reasons, [null])
  t.is(server.connections.size, 0)
})

test('messages of a peer that exits at once are delivered, and then its end', async (t) => {
  await using server = await serve()
  const told: unknown[] = []
  server.on('connection', async (connection) => {
    await Promise.resolve()
    connection.on(Said, (value) => told.push(value))
    connection.on('close', (reason) => told.push(reason?.code))
  })
  await whileBlocked(async () => {
    for (let at = 0; at < 5; at++) await start('sends-and-exits', server.name).end()
  })
  const words = ['first', 'last', 'ERR_PEER_LOST']
  await until('all have gone', () => told.length === 15)
  t.deepEqual(told, [words, words, words, words, words].flat())
})

test('handlers can be passed to connect() and createServer()', async (t) => {
  const heard: unknown[] = []
  const handlers = (server: Server) => {
    server.on(Said, (value) => heard.push(value))
    server.handle('who', (_, { connection }) => connection.request('who'))
  }
  await using server = await serve({ handlers })
  await using client = await connect(server.name, {
    handlers(connection) {
      t.true(connection.isOpen)
      connection.handle('who', () => 'given')
      connection.notify(Said, 'before anyone awaited it')
    },
  })
  t.is(await client.request('who'), 'given')
  t.deepEqual(heard, ['before anyone awaited it'])
  const fail = () => {
    throw new Error('mine')
  }
  await t.throwsAsync(connect(server.name, { handlers: fail }), { message: 'mine' })
  await t.throwsAsync(serve({ handlers: fail }), { message: 'mine' })
  await t.throwsAsync(connect(`words-${names}`), { code: 'ERR_NO_SERVER' })
  await until('it has gone', () => server.connections.size === 1)
})

test('messages without a handler wait for the allowed time', async (t) => {
  await using server = await serve({ handlerWaitMs: 10_000 })
  await using client = await connect(server.name)
  const Up = stream<null, string, string, string>('up')
  server.handle('there', () => true)
  for (let at = 0; at < 3; at++) client.notify(Said, at)
  client.notify(Bulk, new Uint8Array(50_000).fill(7))
  const asked = client.request('who', 'x')
  const cancelled = new AbortController()
  const { signal } = cancelled
  const given = t.throwsAsync(client.request('never', null, { signal }), { message: 'enough' })
  const items = client.stream(Up, null)
  for (const item of ['a', 'b']) items.write(item)
  items.end()
  t.true(await client.request('there'))
  cancelled.abort(new Error('enough'))
  await given
  t.true(await client.request('there'))
  const heard: unknown[] = []
  server.on(Said, (value) => heard.push(value))
  server.on(Said, (value) => heard.push(-value))
  t.deepEqual(heard, [], 'not while handlers are being registered')
  client.notify(Said, 3)
  server.on(Bulk, (payload) => heard.push(payload.length))
  server.handle('who', (value) => `${value} it is`)
  server.handle('never', () => t.fail())
  server.handle(Up, async (_, upload) => {
    const all: string[] = []
    for await (const item of upload) all.push(item)
    return all.join()
  })
  t.is(await asked, 'x it is')
  t.is(await items.result, 'a,b')
  await until('all was heard', () => heard.length === 9)
  t.deepEqual(heard, [0, -0, 1, -1, 2, -2, 50_000, 3, -3])
  const [connection] = server.connections
  t.is(connection.stats().unhandled, 0)
})

test('messages that wait for a handler are bounded and are rejected in time', async (t) => {
  await using server = await serve({ handlerWaitMs: 30 })
  await using client = await connect(server.name)
  const [connection] = await connectionsOf(server)
  const start = performance.now()
  await t.throwsAsync(client.request('nobody'), { code: 'ERR_UNKNOWN_METHOD' })
  t.true(performance.now() - start >= 29)
  client.notify('nobody')
  await until('it is counted', () => connection.stats().unhandled === 1)
  // A mebibyte may wait, and no more.
  const patient = await serve({ handlerWaitMs: 60_000 })
  const bulky = await connect(patient.name)
  for (let at = 0; at < 30; at++) bulky.notify(Bulk, new Uint8Array(100_000))
  const [other] = await connectionsOf(patient)
  await until('some are counted', () => other.stats().unhandled === 20)
  await bulky.close()
  await until('so are those that waited', () => other.stats().unhandled === 30)
  await patient.close()
})

async function connectionsOf(server: Server): Promise<Connection[]> {
  await until('it has come', () => server.connections.size > 0)
  return [...server.connections]
}

// ---- last words ----

test('a process that ends by itself writes the messages that wait for space', async (t) => {
  await using server = await serve()
  let came = 0
  server.on(Bulk, () => {
    if (came++ % 50 === 0) lookAway(20)
  })
  const program = start('ends-by-itself', server.name)
  t.is(await program.end(), 0)
  await until('it has gone', () => server.connections.size === 0)
  t.is(came, 250)
  t.is(program.errors, '')
})

test('a process whose peer does not read exits soon and reports unwritten messages', async (t) => {
  const server = new Program('edge', { verb: 'answers', name: 'unread' })
  await server.report()
  t.teardown(() => server.kill())
  const program = start('ends-unread', 'unread')
  t.is(await program.report(), 'connected')
  server.stop()
  program.send('go')
  t.is(await Promise.race([program.end(), setTimeout(8000, 'it stays')]), 0)
  t.regex(program.errors, new RegExp(`RingpostWarning: .*process ${server.pid}.* bytes`))
})

const LAST: Record<string, [code: number, words: string[]]> = {
  exits: [3, ['in the turn of the end', 'from a listener of exit']],
  throws: [1, ['in the turn of the end']],
  'exits-in-a-handler': [3, ['in the turn of the end']],
  worker: [0, ['in the turn of the end']],
}

for (const [verb, [code, words]] of Object.entries(LAST)) {
  for (const wake of ['loop', 'thread'] as const) {
    test(`messages sent in the turn of an exit arrive: ${verb}, woken by a ${wake}`, async (t) => {
      await using server = await serve()
      const heard: unknown[] = []
      server.on(Said, (value) => heard.push(value))
      server.handle('go', (_, { connection }) => connection.notify('go'))
      const program = start(verb, server.name, wake)
      t.is(await program.end(), code)
      await until('it was heard', () => heard.length === words.length)
      t.deepEqual(heard, words)
    })
  }
}

for (const wake of ['loop', 'thread'] as const) {
  test(`messages sent in the turn of a terminated worker arrive, woken by a ${wake}`, async (t) => {
    await using server = await serve()
    const heard: unknown[] = []
    server.on(Said, (value) => heard.push(value))
    server.handle('ask', () => 1)
    const program = start('terminated', server.name, wake)
    const [connection] = await connectionsOf(server)
    await until('it has asked', () => connection.stats().received > 0)
    await setTimeout(50)
    program.send('terminate')
    t.like(await connection.closed, { code: 'ERR_PEER_LOST' })
    t.deepEqual(heard, ['in the turn of the end'])
    t.is(await program.end(), 0)
  })
}

