// Whether a peer is there, and leaving it in good order.

import { once } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import ava from 'ava'
import { connect, createServer, stream } from 'ringpost'
import type { Client, Connection, Server } from 'ringpost'
import { Block, Echo, EchoBytes, Never, RequestBack, Wait } from './helpers/contracts.mjs'
import { Tick, TickBytes } from './helpers/contracts.mjs'
import { pair, Program, serve, until } from './helpers/program.mjs'

const test = ava.serial
const Slowly = stream<null, number>('slowly')
/** Longer than a busy machine keeps a process from running, and short, so that tests are. */
const AFTER_MS = 1000
const QUICKLY = { client: { unresponsiveAfterMs: AFTER_MS } }
/** Nothing is cut short by it. */
const DRAIN_MS = 60_000

let names = 0

interface Met {
  server: Server
  client: Client
  /** The server's end of it. */
  connection: Connection
}

/** A server and a client in this thread. */
async function meet(): Promise<Met> {
  const server = await createServer(`liveness-${++names}`)
  const client = await connect(server.name, { reconnect: false })
  await until('it has come', () => server.connections.size === 1)
  const [connection] = server.connections
  return { server, client, connection }
}

/** Records the events a connection emits about its peer. */
function listen(connection: Connection): string[] {
  const heard: string[] = []
  for (const event of ['unresponsive', 'responsive', 'leaving', 'close'] as const) {
    connection.on(event, () => heard.push(event))
  }
  return heard
}

// ---- ping ----

test('a ping takes some time, and many at once share theirs', async (t) => {
  const { client } = await pair(t)
  const alone = await client.ping()
  t.true(alone > 0 && alone < 60_000)
  const all = await Promise.all(Array.from({ length: 1000 }, () => client.ping()))
  t.true(new Set(all).size <= 3, 'one was on its way, and the others followed it')
})

test('the peer pings, too', async (t) => {
  const { server, client, connection } = await meet()
  t.teardown(() => server.close())
  t.true((await connection.ping()) > 0)
  t.true((await client.ping()) > 0)
})

test('a ping that waits ends by its limit, its signal or the connection', async (t) => {
  const { client, server } = await pair(t)
  server.stop()
  await t.throwsAsync(client.ping({ timeoutMs: 20 }), { code: 'ERR_TIMEOUT' })
  const reason = new Error('given up')
  const controller = new AbortController()
  const given = client.ping({ signal: controller.signal })
  controller.abort(reason)
  t.is(await t.throwsAsync(given), reason)
  t.is(await t.throwsAsync(client.ping({ signal: controller.signal })), reason)
  const lost = client.ping()
  await server.kill()
  await t.throwsAsync(lost, { code: 'ERR_PEER_LOST' })
  await t.throwsAsync(client.ping(), { code: 'ERR_PEER_LOST' })
  const misspelt: object = { timeout: 5 }
  await t.throwsAsync(client.ping(misspelt), { instanceOf: TypeError })
})

test('a ping is answered beside handlers that wait, and late by a loop that is blocked', async (t) => {
  const { client } = await pair(t)
  const never = client.request(Never, 'pinged')
  t.true((await client.ping()) > 0)
  const blocked = client.request(Block, 300)
  await setTimeout(50)
  const late = await client.ping()
  await blocked
  t.true(late >= 0)
  await client.close()
  await t.throwsAsync(never, { code: 'ERR_CLOSED' })
})

// ---- unresponsive ----

test('a suspended peer is unresponsive once, and responsive when it continues', async (t) => {
  const { client, server } = await pair(t, QUICKLY)
  const heard = listen(client)
  server.stop()
  client.notify(Tick, ['unheard', 1])
  await until('it is unresponsive', () => client.isUnresponsive)
  await setTimeout(500)
  t.deepEqual(heard, ['unresponsive'])
  t.true(client.isOpen)
  server.resume()
  await until('it is responsive', () => !client.isUnresponsive)
  t.deepEqual(heard, ['unresponsive', 'responsive'])
  t.is(await client.request(Echo, 'back'), 'back')
})

test('a peer whose loop is blocked is unresponsive meanwhile', async (t) => {
  const { client } = await pair(t, QUICKLY)
  const heard = listen(client)
  const blocked = client.request(Block, 4 * AFTER_MS)
  // What the handler was called with is read by then.
  await setTimeout(100)
  client.notify(Tick, ['blocked', 1])
  await until('it is unresponsive', () => client.isUnresponsive)
  await blocked
  await until('it is responsive', () => !client.isUnresponsive)
  t.deepEqual(heard, ['unresponsive', 'responsive'])
})

test('a peer that has nothing to read may be stopped for long', async (t) => {
  const { client, server } = await pair(t, QUICKLY)
  const heard = listen(client)
  await client.request(Echo)
  server.stop()
  await setTimeout(2 * AFTER_MS)
  t.deepEqual(heard, [])
  server.resume()
  t.is(await client.request(Echo, 1), 1)
})

test('a peer that is killed is lost, whether it was unresponsive or not', async (t) => {
  const { client, server } = await pair(t, QUICKLY)
  const heard = listen(client)
  server.stop()
  const asked = client.request(Echo)
  await until('it is unresponsive', () => client.isUnresponsive)
  await server.kill()
  await t.throwsAsync(asked, { code: 'ERR_PEER_LOST' })
  t.deepEqual(heard, ['unresponsive', 'close'])
})

test('a loop that was blocked itself accuses nobody', async (t) => {
  const { client, server } = await pair(t, QUICKLY)
  const heard = listen(client)
  server.stop()
  client.notify(TickBytes, new Uint8Array(8))
  // So far that the peer is to be looked at a second time.
  await setTimeout(0.7 * AFTER_MS)
  const end = performance.now() + 2 * AFTER_MS
  while (performance.now() < end);
  // What was due meanwhile is looked at.
  await setTimeout(1)
  t.deepEqual(heard, [])
  server.resume()
  t.is(await client.request(Echo, 'back'), 'back')
  t.deepEqual(heard, [])
})

test('a program that wants to know nothing of it is told nothing', async (t) => {
  const { client, server } = await pair(t, { client: { unresponsiveAfterMs: Infinity } })
  const heard = listen(client)
  server.stop()
  client.notify(Tick, ['unheard', 2])
  await setTimeout(300)
  t.deepEqual(heard, [])
  server.resume()
  await t.throwsAsync(connect('any', { unresponsiveAfterMs: 0 }), { instanceOf: RangeError })
})

// ---- leaving ----

test('a server that drains answers what is in flight, and its clients close', async (t) => {
  const { server, client, connection } = await meet()
  const [heard, told] = [listen(client), listen(connection)]
  let finish!: (value: string) => void
  server.handle('slow', () => new Promise<string>((resolve) => (finish = resolve)))
  const slow = client.request('slow')
  await until('it is being served', () => connection.stats().serving === 1)
  const closed = server.close({ drainMs: DRAIN_MS })
  await t.throwsAsync(connect(server.name), { code: 'ERR_NO_SERVER' })
  await once(client, 'leaving')
  t.true(client.isLeaving && client.isOpen)
  await t.throwsAsync(client.request('slow'), { code: 'ERR_CLOSED', message: /peer is leaving/ })
  // Events are no requests.
  t.true(client.notify(Tick, ['leaving', 1]))
  finish('done')
  t.is(await slow, 'done')
  await closed
  t.is(await client.closed, null)
  t.is(await connection.closed, null)
  t.deepEqual([heard, told], [['leaving', 'close'], ['close']])
  t.is(server.connections.size, 0)
})

test('a client that has just connected is served by a server that leaves', async (t) => {
  for (let round = 0; round < 20; round++) {
    await using own = await createServer(`liveness-${++names}`)
    own.handle(Echo, (value) => value)
    const client = await connect(own.name, { reconnect: false })
    const asked = client.request(Echo, round)
    await own.close({ drainMs: DRAIN_MS })
    t.is(await asked, round)
    t.is(await client.closed, null)
  }
})

test('a server that has handed its name over drains no longer than its clients', async (t) => {
  const old = await createServer(`liveness-${++names}`)
  const client = await connect(old.name, { reconnect: false })
  await client.ping()
  const over = once(old, 'takenOver')
  const successor = await createServer(old.name, { takeOver: true })
  await over
  await old.close({ drainMs: DRAIN_MS })
  t.is(await client.closed, null)
  await successor.close()
  await using idle = await createServer(`liveness-${++names}`)
  await idle.close({ drainMs: DRAIN_MS })
})

test('a request of a `leaving` listener is the last that is sent', async (t) => {
  const { server, client } = await meet()
  server.handle(Echo, (value) => value)
  const last = new Promise((resolve) => {
    client.on('leaving', () => resolve(client.request(Echo, 'farewell')))
  })
  await server.close({ drainMs: DRAIN_MS })
  t.is(await last, 'farewell')
})

test('a handler may ask its client while its server leaves', async (t) => {
  const { server, client } = await meet()
  client.handle('name', () => 'a client')
  let go!: (value: unknown) => void
  const gone = new Promise((resolve) => (go = resolve))
  server.handle('ask', async (_, { connection }) => {
    await gone
    return connection.request('name')
  })
  const asked = client.request('ask')
  await until('it is being served', () => client.stats().pending === 1)
  const closed = server.close({ drainMs: DRAIN_MS })
  await once(client, 'leaving')
  go(undefined)
  t.is(await asked, 'a client')
  await closed
})

test('a stream goes on to its end', async (t) => {
  const { server, client } = await meet()
  server.handle(Slowly, async function* () {
    for (let item = 0; item < 20; item++) {
      await setTimeout(5)
      yield item
    }
  })
  const items: number[] = []
  const reading = (async () => {
    for await (const item of client.stream(Slowly, null)) items.push(item)
  })()
  await until('it has begun', () => items.length > 0)
  await server.close({ drainMs: DRAIN_MS })
  await reading
  t.is(items.length, 20)
})

test('a handler that never ends is given up after the span, or by a second close', async (t) => {
  for (const second of [false, true]) {
    const { server, client, connection } = await meet()
    server.handle(Never, () => new Promise(() => {}))
    const never = client.request(Never, 'drained')
    await until('it is being served', () => connection.stats().serving === 1)
    const closed = server.close({ drainMs: second ? Infinity : 50 })
    await once(client, 'leaving')
    if (second) void server.close()
    await closed
    await t.throwsAsync(never, { code: 'ERR_PEER_LOST' })
    t.is(await client.closed, null)
  }
})

test('a client that does not turn does not keep its server', async (t) => {
  const own = await createServer(`liveness-${++names}`)
  const program = new Program('lifecycle', { verb: 'handled', name: own.name })
  t.teardown(() => program.kill())
  await program.report()
  program.stop()
  await own.close({ drainMs: 50 })
  t.is(own.connections.size, 0)
})

test('no request fails while servers leave under load, again and again', async (t) => {
  const name = `liveness-${++names}`
  const start = () => createServer(name, { handlers: (it) => it.handle(Echo, (value) => value) })
  let answered = 0
  let isDone = false
  let server = await start()
  const client = async () => {
    while (!isDone) {
      const own = await connect(name, { reconnect: false }).catch(() => undefined)
      if (own === undefined) {
        await setTimeout(1)
        continue
      }
      while (!own.isLeaving && own.isOpen && !isDone) {
        const values = [1, 2, 3, 4, 5, 6, 7, 8]
        const answers = await Promise.all(values.map((value) => own.request(Echo, value)))
        t.deepEqual(answers, values)
        answered += answers.length
      }
      if (isDone) await own.close()
      else await own.closed
    }
  }
  const clients = Array.from({ length: 4 }, client)
  for (let round = 0; round < 10; round++) {
    const before = answered
    await until('they are at work', () => answered > before + 100)
    await server.close({ drainMs: DRAIN_MS })
    server = await start()
  }
  isDone = true
  await Promise.all(clients)
  await server.close()
})

test('a client that drains is closed when all is answered, in both directions', async (t) => {
  const server = await serve()
  t.teardown(() => server.kill())
  const client = await server.connect(t)
  client.handle('name', () => setTimeout(100, 'a client'))
  const asked = [client.request(Wait, 200), client.request(RequestBack, { name: 'name' })]
  const heard = listen(client)
  const drained = client.drain({ timeoutMs: DRAIN_MS })
  t.true(client.isLeaving)
  const refused = { code: 'ERR_CLOSED', message: /this side is leaving/ }
  await t.throwsAsync(client.request(Echo), refused)
  t.throws(() => client.requestSync(Echo), refused)
  t.throws(() => client.requestSync(EchoBytes, new Uint8Array(1 << 20)), refused)
  await t.throwsAsync(client.stream(Slowly, null).result, refused)
  await drained
  await Promise.all(asked)
  t.is(await client.closed, null)
  t.deepEqual(heard, ['close'])
  await t.throwsAsync(client.drain(), { code: 'ERR_CLOSED' })
})

test('a drain that waits ends by its limit, its signal or the loss of the peer', async (t) => {
  const { client, server } = await pair(t)
  const never = client.request(Never, 'drained')
  await client.request(Echo)
  await t.throwsAsync(client.drain({ timeoutMs: 20 }), { code: 'ERR_TIMEOUT' })
  const reason = new Error('given up')
  const aborted = AbortSignal.abort(reason)
  t.is(await t.throwsAsync(client.drain({ signal: aborted })), reason)
  const drained = client.drain()
  await server.kill()
  await t.throwsAsync(drained, { code: 'ERR_PEER_LOST' })
  await t.throwsAsync(never, { code: 'ERR_PEER_LOST' })
})

test('two sides that drain at the same time both end', async (t) => {
  const { server, client, connection } = await meet()
  t.teardown(() => server.close())
  await Promise.all([client.drain(), connection.drain()])
  t.is(await client.closed, null)
  t.is(await connection.closed, null)
})

test('options of a close are checked', async (t) => {
  const { server } = await meet()
  const wrong = [{ drainMs: -1 }, { drainMs: '5' }, { drain: 5 }] as object[]
  for (const options of wrong) t.throws(() => server.close(options), { code: 'ERR_INVALID_ARGUMENT' })
  await server.close({ drainMs: 0 })
})
