// Ends: of connections, of servers, of processes, in good order and otherwise.

import { existsSync, readdirSync } from 'node:fs'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import ava from 'ava'
import { connect, createServer, event, IpcError, type Connection } from 'ringpost'
import { Abandoned, RequestBack, Block, CloseHere, Echo, End, Never } from './helpers/contracts.mjs'
import { Note, NotifyBack, TickBytes, Wait } from './helpers/contracts.mjs'
import { directory } from './helpers/directory.mjs'
import { pair, Program, serve, until } from './helpers/program.mjs'

// Processes are watched coming and going, which is best done one by one.
const test = ava.serial
const server = await serve()

/** Keeps the event loop from turning. */
function lookAway(ms: number): void {
  const end = performance.now() + ms
  while (performance.now() < end);
}

// ---- close ----

test('closing twice is the same as once, and every call fails afterwards', async (t) => {
  const client = await server.connect(t)
  const closing = [client.close(), client.close()]
  t.false(client.isOpen)
  const closed = { instanceOf: IpcError, code: 'ERR_CLOSED' }
  await t.throwsAsync(async () => client.request(Echo), closed)
  t.throws(() => client.requestSync(Echo), closed)
  t.throws(() => client.notify('tick'), closed)
  await t.throwsAsync(client.drained(), closed)
  await Promise.all(closing)
  await client.close()
  await client[Symbol.asyncDispose]()
  t.is(await client.closed, null)
  t.is(client.stats().pending, 0)
})

test('a handler that comes too late can be taken back all the same', async (t) => {
  const client = await server.connect(t)
  const taken = () => t.fail('it is called')
  client.on(event('aborted'), taken, { signal: AbortSignal.abort() }).dispose()
  await client.close()
  client.on(event('late'), taken).dispose()
  client.handle('late', taken).dispose()
  t.pass()
})

test('both sides see a close once, without a reason', async (t) => {
  await using own = await createServer('told')
  const accepted = once(own, 'connection') as Promise<[Connection]>
  const client = await connect('told')
  const [connection] = await accepted
  const told: unknown[] = []
  for (const side of [client, connection]) side.on('close', (reason) => told.push(reason))
  await client.close()
  t.is(await connection.closed, null)
  t.deepEqual(told, [null, null])
  t.is(own.connections.size, 0)
  t.throws(() => connection.notify('x'), { code: 'ERR_PEER_LOST' })
})

test('closing with a thousand requests pending rejects each once', async (t) => {
  const client = await server.connect(t)
  const other = await server.connect(t)
  const asked = Array.from({ length: 1000 }, () => client.request(Never, 'thousand'))
  await client.request(Echo)
  const [, outcomes] = await Promise.all([client.close(), Promise.allSettled(asked)])
  const codes = outcomes.map((outcome) => (outcome as PromiseRejectedResult).reason.code)
  t.deepEqual([...new Set(codes)], ['ERR_CLOSED'])
  await until('the handlers know', () => other.request(Abandoned, 'thousand'))
})

test('closing inside a handler, of a request and of an event, on either side', async (t) => {
  const client = await server.connect(t)
  await t.throwsAsync(client.request(CloseHere), { instanceOf: IpcError, code: 'ERR_PEER_LOST' })
  t.is(await client.closed, null)
  const other = await server.connect(t)
  other.handle('end', async (_, { connection, signal }) => {
    await connection.close()
    t.true(signal.aborted)
  })
  await t.throwsAsync(other.request(RequestBack, { name: 'end' }), { code: 'ERR_CLOSED' })
  t.is(await other.closed, null)
})

test('closing in the turn of the last message still sends it', async (t) => {
  const client = await server.connect(t)
  const other = await server.connect(t)
  for (let step = 0; step < 100; step++) client.notify('tick', ['last words', step])
  await client.close()
  const all = Array.from({ length: 100 }, (_, at) => at)
  await until('all were heard', async () => {
    const heard = await other.request<string, number[]>('ticks', 'last words')
    return heard.length === all.length
  })
  t.deepEqual(await other.request('ticks', 'last words'), all)
})

test('closing still writes the messages that wait for space', async (t) => {
  const { client, server } = await pair(t)
  const other = await server.connect(t)
  const blocked = other.request(Block, 100)
  await setTimeout(20)
  for (let step = 0; step < 100; step++) client.notify('tick', ['x'.repeat(50_000), step])
  await client.close()
  await blocked
  await until('all were heard', async () => {
    const heard = await other.request<string, number[]>('ticks', 'x'.repeat(50_000))
    return heard.length === 100
  })
  t.is(await client.closed, null)
})

test('a server closes all its connections, and its handlers stop', async (t) => {
  const own = await createServer('closing')
  own.handle(Never, () => new Promise(() => {}))
  const clients = await Promise.all(Array.from({ length: 5 }, () => connect('closing', { reconnect: false })))
  const asked = clients.map((client) => client.request(Never, 'x'))
  await until('all have arrived', () => own.connections.size === clients.length)
  const closed = once(own, 'close')
  await Promise.all([own.close(), own.close(), closed])
  for (const promise of asked) await t.throwsAsync(promise, { code: 'ERR_PEER_LOST' })
  for (const client of clients) t.is(await client.closed, null)
  await t.throwsAsync(connect('closing'), { code: 'ERR_NO_SERVER' })
})

test('`await using` closes a connection at the end of its block', async (t) => {
  let escaped: Connection
  {
    await using client = await connect(server.name)
    escaped = client
    t.is(await client.request(Echo, 1), 1)
  }
  t.false(escaped.isOpen)
})

test('a listener that throws does not affect other messages of the turn', async (t) => {
  const program = new Program('lifecycle', { verb: 'throwing', name: server.name })
  const { thrown, answered } = await program.report<{ thrown: string[]; answered: number }>()
  t.deepEqual(new Set(thrown), new Set(['a throwing listener']))
  t.is(answered, 200)
})

// ---- when the process may end ----

const ENDS_BY_ITSELF: Record<string, unknown[]> = {
  idle: ['done'],
  unreferenced: [100],
  'unreferenced-server': ['up'],
  'closed-server': [true, true],
  'fall-through': ['ERR_TIMEOUT'],
}

for (const [verb, reports] of Object.entries(ENDS_BY_ITSELF)) {
  test(`a process exits when nothing keeps it alive: ${verb}`, async (t) => {
    const name = verb.endsWith('server') ? verb : server.name
    const program = new Program('lifecycle', { verb, name })
    for (const expected of reports) t.is(await program.report(), expected)
    t.is(await Promise.race([program.end(), setTimeout(60_000, 'it stays')]), 0)
    t.is(program.errors, '')
  })
}

for (const verb of ['handled', 'referenced']) {
  test(`a handler or ref() keeps a process alive: ${verb}`, async (t) => {
    await using own = await createServer(`for-${verb}`)
    const accepted = once(own, 'connection') as Promise<[Connection]>
    const program = new Program('lifecycle', { verb, name: own.name })
    await program.report()
    const [connection] = await accepted
    t.is(await Promise.race([program.end(), setTimeout(200, 'it stays')]), 'it stays')
    await connection.request('leave').catch(() => {})
    t.is(await Promise.race([program.end(), setTimeout(60_000, 'it stays')]), 0)
  })
}

// ---- deaths ----

for (const how of ['kill', 'exit', 'throw'] as const) {
  test(`a server that ends by ${how} in mid-traffic`, async (t) => {
    const { client } = await pair(t)
    const asked = Array.from({ length: 200 }, () => client.request(Never, 'x'))
    for (let sent = 0; sent < 1000; sent++) client.notify(TickBytes, new Uint8Array(1000))
    await t.throwsAsync(client.request(End, how), { code: 'ERR_PEER_LOST' })
    for (const promise of asked) await t.throwsAsync(promise, { code: 'ERR_PEER_LOST' })
    t.like(await client.closed, { code: 'ERR_PEER_LOST' })
    await t.throwsAsync(async () => client.request(Echo), { code: 'ERR_PEER_LOST' })
    t.throws(() => client.requestSync(Echo), { code: 'ERR_PEER_LOST' })
    await client.close()
    t.is(client.stats().pending, 0)
  })
}

for (const [verb, code] of [['exit', 3], ['throw', 1]] as const) {
  test(`a client that ends by ${verb} in mid-traffic`, async (t) => {
    const own = await createServer(`left-by-${verb}`)
    own.handle(Echo, (value) => value)
    own.handle(TickBytes, () => {})
    const accepted = once(own, 'connection') as Promise<[Connection]>
    const program = new Program('lifecycle', { verb, name: own.name })
    const [connection] = await accepted
    await program.report()
    const asked = connection.request('never-asked').catch((error: IpcError) => error.code)
    t.is(await program.end(), code)
    t.like(await connection.closed, { code: 'ERR_PEER_LOST' })
    t.true([0, 'ERR_PEER_LOST'].includes((await asked) as number | string))
    t.is(own.connections.size, 0)
    const next = await connect(own.name)
    t.is(await next.request(Echo, 'next'), 'next')
    await own.close()
  })
}

test('answers published before the death of a peer are delivered', async (t) => {
  const { client, server } = await pair(t)
  const numbers = Array.from({ length: 100 }, (_, at) => at)
  const note = join(directory, 'answered')
  const answers = numbers.map((at) => client.request(Echo, at))
  client.notify(Note, note)
  await client.drained()
  // They are answered, and their author is killed, while this side looks elsewhere.
  while (!existsSync(note)) lookAway(1)
  process.kill(server.pid, 'SIGKILL')
  lookAway(50)
  t.deepEqual(await Promise.all(answers), numbers)
  t.like(await client.closed, { code: 'ERR_PEER_LOST' })
})

test('a suspended peer is not lost and continues where it was', async (t) => {
  const { client, server } = await pair(t)
  server.stop()
  const asked = client.request(Echo, 'patience')
  await setTimeout(100)
  t.true(client.isOpen)
  server.resume()
  t.is(await asked, 'patience')
})

test('blocking the own event loop for two seconds loses nothing', async (t) => {
  const { client } = await pair(t)
  let told = 0
  client.handle('count', () => ++told)
  const asked = client.request(RequestBack, { name: 'count' })
  const waited = client.request(Wait, 100)
  await client.request(NotifyBack, { name: 'nobody', count: 0 })
  lookAway(2000)
  t.is(await asked, 1)
  t.is(await waited, 100)
  t.true(client.isOpen)
  t.is(client.stats().lostWakeups, 0)
})

test('more connections are notified at once than fit one delivery', async (t) => {
  const { client, server } = await pair(t)
  const clients: Connection[] = []
  for (let count = 0; count < 1100; count++) clients.push(await server.connect(t))
  const asked = clients.map((one) => one.request(Never, 'many', { timeoutMs: 300 }))
  const outcomes = Promise.allSettled(asked)
  await client.drained()
  lookAway(600)
  const codes = (await outcomes).map((one) => (one as PromiseRejectedResult).reason.code)
  t.deepEqual([...new Set(codes)], ['ERR_TIMEOUT'])
  const answers = await Promise.all(clients.map((one, at) => one.request(Echo, at)))
  t.true(answers.every((answer, at) => answer === at))
})

// ---- what is left ----

test('closed connections leave no memory and no descriptors on either side', async (t) => {
  const { client, server } = await pair(t)
  const descriptors = () => readdirSync(`/proc/${server.pid}/fd`).length
  const before = descriptors()
  const run = { verb: 'collected', name: server.name }
  const program = new Program('lifecycle', run, ['--expose-gc'])
  const { gone, leaked } = await program.report<{ gone: number; leaked: number }>()
  t.is(leaked, 0)
  t.true(gone >= 200, `${gone} were collected`)
  t.is(await program.end(), 0)
  await client.request(Echo)
  await until('the server has let go', () => descriptors() <= before)
})
