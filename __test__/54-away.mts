// What waits for a session and does not get there: it cannot be sent, or is no longer wanted.

import { once } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import {
  connect,
  createPool,
  createServer,
  IpcError,
  method,
  stream,
  type Client,
  type ClientOptions,
} from 'ringpost'
import { Program, until } from './helpers/program.mjs'

const Count = stream<number, number, string>('count', { resumable: true })
const Once = method<string, unknown>('once', { idempotent: true })

let servers = 0

/** Starts a server that can be killed and started again. */
async function serving(options = {}) {
  const name = `away-${++servers}`
  const start = async () => {
    const program = new Program('echo-server', { name, options })
    await program.report()
    return program
  }
  return { name, start, program: await start() }
}

/** Connects to a server, and kills it. */
async function alone(t: ExecutionContext, options: ClientOptions = {}, ofServer = {}) {
  const { name, start, program } = await serving(ofServer)
  const client = await connect(name, options)
  t.teardown(() => client.close())
  await Promise.all([once(client, 'disconnect'), program.kill()])
  return { client, start }
}

/** Fails where it would wait for ever. */
const soon = <T,>(promise: Promise<T>): Promise<T> =>
  Promise.race([
    promise,
    setTimeout(10_000, undefined, { ref: false }).then(() => {
      throw new Error('it has not settled')
    }),
  ])

// ---- what cannot be sent ----

test('what no session takes is reported, and all that waits behind it is sent', async (t) => {
  const { client, start } = await alone(t, {}, { messageLenMax: 65_536 })
  const huge = 'x'.repeat(100_000)
  const errors: Error[] = []
  client.on('error', (error) => errors.push(error))
  t.false(client.notify('say', huge))
  const sent = client.send('say', huge)
  const asked = client.request('echo', huge)
  t.false(client.notify('say', 'small'))
  const heard = client.request('heard', undefined, { timeoutMs: 30_000 })
  const tooLarge = { code: 'ERR_TOO_LARGE' }
  const back = new Promise((resolve) => client.once('reconnect', resolve))
  await Promise.all([
    start(),
    t.throwsAsync(sent, tooLarge),
    t.throwsAsync(asked, tooLarge),
    heard.then((words) => t.deepEqual(words, ['small'])),
    back,
  ])
  t.like(errors, [tooLarge])
  t.is(errors.length, 1)
})

test('small messages are refused before more of them wait than can be sent', async (t) => {
  const { client, start } = await alone(t, { backlogMax: 100_000, rings: { normal: 4096 } })
  client.on('error', (error) => t.fail(`${error}`))
  let accepted = 0
  const refused = t.throws(() => {
    for (; accepted < 60_000; accepted++) client.notify('say', 'x')
    throw new Error('they are not counted')
  })
  t.like(refused, { code: 'ERR_FULL' })
  t.true(accepted > 100)
  await Promise.all([once(client, 'reconnect'), start()])
  await client.drained()
  t.is((await client.request<undefined, string[]>('heard')).length, accepted)
})

test('`drained` of a client that is away says what was dropped meanwhile', async (t) => {
  const { client, start } = await alone(t, { overflow: { high: { waitMs: 30 } } })
  client.notify('say', 'late', { lane: 'high' })
  const drained = t.throwsAsync(client.drained(), { code: 'ERR_FULL' })
  await once(client, 'drop')
  await Promise.all([start(), drained])
  await client.drained()
})

/** A signal that ends what would be asked for without end. */
function bounded(): AbortSignal {
  const { signal } = new AbortController()
  let looks = 0
  signal.throwIfAborted = () => {
    if (++looks > 100) throw new Error('it is asked for again and again')
  }
  return signal
}

test('a session that is leaving is not asked again and again', async (t) => {
  const refused = { code: 'ERR_CLOSED' }
  const asked = (client: Pick<Client, 'request' | 'stream'>) => [
    t.throwsAsync(soon(client.request(Once, 'x', { signal: bounded() })), refused),
    t.throwsAsync(soon(client.stream(Count, 1, { signal: bounded() }).result), refused),
  ]
  const name = 'away-leaving'
  const server = await createServer(name)
  server.handle('never', () => new Promise(() => {}))
  const [drained, single] = [await connect(name), await connect(name, { reconnect: false })]
  const pool = createPool(name)
  t.teardown(() => Promise.all([drained.close(), single.close(), pool.close({ drainMs: 0 })]))
  const { connection: leased } = await pool.acquire()
  const controller = new AbortController()
  const { signal } = controller
  const inFlight = [drained, single, leased].map((client) =>
    t.throwsAsync(client.request('never', undefined, { signal }), { message: 'enough' }),
  )
  const draining = drained.drain()
  await Promise.all(asked(drained))
  const left = [single, leased].map((client) => once(client, 'leaving'))
  const closing = server.close({ drainMs: 60_000 })
  await Promise.all(left)
  await Promise.all([...asked(single), ...asked(leased)])
  controller.abort(new Error('enough'))
  await Promise.all([...inFlight, draining, closing])
})

test('a pool asks no connections that are leaving, where all of them are', async (t) => {
  const { name } = await serving()
  const pool = createPool(name, { max: 2 })
  t.teardown(() => pool.close({ drainMs: 0 }))
  const controller = new AbortController()
  const { signal } = controller
  const leases = [await pool.acquire(), await pool.acquire()]
  const inFlight = leases.map(({ connection }) =>
    t.throwsAsync(connection.request('never', undefined, { signal }), { message: 'enough' }),
  )
  const draining = leases.map(({ connection }) => connection.drain())
  for (const lease of leases) lease.release()
  const items = pool.stream(Count, 1, { signal: bounded() })
  const echoed = pool.request(method('echo', { idempotent: true }), 1, { signal: bounded() })
  // What they refuse, they have refused by then.
  await Promise.all(leases.map(({ connection }) => connection.ping()))
  controller.abort(new Error('enough'))
  await Promise.all([...inFlight, ...draining])
  t.is(await soon(echoed), 1)
  t.is((await soon(items[Symbol.asyncIterator]().next())).value, 0)
})

test('an item is sent as it was when it was written, or refused at once', async (t) => {
  const name = 'away-uploads'
  const Upload = stream<void, never, { word: string }, unknown>('upload')
  const first = await createServer(name)
  const client = await connect(name)
  t.teardown(() => client.close())
  await Promise.all([once(client, 'disconnect'), first.close()])
  const items = client.stream(Upload, undefined)
  const isNone = { code: 'ERR_INVALID_PAYLOAD', message: /^item: / }
  t.throws(() => items.write(Symbol('none') as never), isNone)
  const item = { word: 'then' }
  t.false(items.write(item))
  item.word = 'later'
  await using server = await createServer(name)
  server.handle(Upload, async (_, uploaded) => {
    for await (const one of uploaded) return one
  })
  t.deepEqual(await soon(items.result), { word: 'then' })
})

// ---- what is no longer wanted ----

test('a stream that ends without a session has nobody wait for it', async (t) => {
  const { client } = await alone(t)
  const controller = new AbortController()
  const [cancelled, finished] = [client.stream(Count, 1), client.stream(Count, 1)]
  const late = client.stream(Count, 1, { timeoutMs: 30 })
  const aborted = client.stream(Count, 1, { signal: controller.signal })
  const closed = client.stream(Count, 1)
  const ends = [
    [cancelled, { message: 'enough' }, () => cancelled.cancel(new Error('enough'))],
    [finished, { code: 'ERR_CANCELLED' }, () => finished.end()],
    [late, { code: 'ERR_TIMEOUT' }, () => {}],
    [aborted, { message: 'aborted' }, () => controller.abort(new Error('aborted'))],
    [closed, { code: 'ERR_CLOSED' }, () => void client.close()],
  ] as const
  for (const [one, expected, end] of ends) {
    const ready = [one.ready(), one.ready({ timeoutMs: 20_000 })]
    end()
    for (const wait of ready) await t.throwsAsync(soon(wait), expected)
    await t.throwsAsync(soon(one.ready()), expected)
    t.throws(() => one.write('more'), expected)
  }
})

test('waiting until a stream without a session is ready ends by itself', async (t) => {
  const { client, start } = await alone(t)
  const items = client.stream(Count, 1)
  const controller = new AbortController()
  const aborted = items.ready({ signal: controller.signal })
  controller.abort(new Error('enough'))
  await t.throwsAsync(aborted, { message: 'enough' })
  await t.throwsAsync(items.ready({ timeoutMs: 20 }), {
    code: 'ERR_TIMEOUT',
    message: 'no session within 20 ms',
  })
  await Promise.all([items.ready(), items.ready({ timeoutMs: 60_000 }), start()])
  t.is((await items[Symbol.asyncIterator]().next()).value, 0)
})

/** Reads what comes before a stream has to wait. */
async function begun(client: Pick<Client, 'stream'>, signal?: AbortSignal) {
  const items = client.stream(Count, 30, { signal })
  const iterator = items[Symbol.asyncIterator]()
  for (let at = 0; at < 10; at++) await iterator.next()
  return { items, iterator }
}

test('all who wait for items as a session is lost get those of the next', async (t) => {
  const { name, start, program } = await serving()
  const client = await connect(name)
  t.teardown(() => client.close())
  const { iterator } = await begun(client)
  const early = [iterator.next(), iterator.next()]
  await Promise.all([once(client, 'disconnect'), program.kill()])
  const late = [iterator.next(), iterator.next()]
  await start()
  const items = await soon(Promise.all([...early, ...late]))
  t.deepEqual(items.map(({ value }) => value as unknown), [10, 11, 12, 13])
})

test('where there is no other, the first of them is told so', async (t) => {
  const { name, program } = await serving()
  const client = await connect(name)
  t.teardown(() => client.close())
  const { iterator } = await begun(client)
  const asked = [iterator.next(), iterator.next()]
  await Promise.all([once(client, 'disconnect'), program.kill()])
  asked.push(iterator.next())
  const [first, ...others] = asked
  await Promise.all([t.throwsAsync(soon(first), { code: 'ERR_CLOSED' }), client.close()])
  for (const other of others) t.true((await soon(other)).done)
  t.true((await soon(iterator.next())).done)
})

test('those of a stream that goes on elsewhere at once get them, too', async (t) => {
  const [one, other] = [await serving(), await serving()]
  const pool = createPool([one.name, other.name], { min: 2 })
  t.teardown(() => pool.close({ drainMs: 0 }))
  await until('both are there', () => pool.stats().servers.every(({ size }) => size > 0))
  const { iterator } = await begun(pool)
  const asked = [iterator.next(), iterator.next(), iterator.next()]
  const lost = pool.stats().servers[0].pending === 1 ? one : other
  await lost.program.kill()
  const items = await soon(Promise.all(asked))
  t.deepEqual(items.map(({ value }) => value as unknown), [10, 11, 12])
})

test('a stream that is cancelled as its session is lost is not asked for again', async (t) => {
  const { name, start, program } = await serving()
  const client = await connect(name)
  t.teardown(() => client.close())
  const [first, second] = [await begun(client), await begun(client)]
  const pending = first.iterator.next()
  client.once('disconnect', () => {
    first.items.cancel()
    second.items.cancel(new Error('enough'))
  })
  await program.kill()
  await t.throwsAsync(soon(first.items.result), { code: 'ERR_CANCELLED' })
  await t.throwsAsync(soon(second.items.result), { message: 'enough' })
  await t.throwsAsync(soon(pending), { code: 'ERR_CANCELLED' })
  await start()
  t.is(await client.request('counts'), 0)
})

test('a reader that fails ends its stream, also with an error of a lost session', async (t) => {
  const { name, start, program } = await serving()
  const client = await connect(name)
  t.teardown(() => client.close())
  const [now, later] = [client.stream(Count, 30), client.stream(Count, 30)]
  const lost = new IpcError('ERR_PEER_LOST', 'of another')
  const failed = { is: lost }
  await t.throwsAsync(soon(now.forEach(() => { throw lost })), failed)
  await t.throwsAsync(soon(later.forEach(() => Promise.reject(lost))), failed)
  for (const items of [now, later]) await t.throwsAsync(soon(items.result), failed)
  await program.kill()
  await start()
  t.is(await client.request('counts'), 0)
})

test('a stream whose signal is aborted as it is lost does not go elsewhere', async (t) => {
  const [one, other] = [await serving(), await serving()]
  const pool = createPool([one.name, other.name], { min: 2 })
  t.teardown(() => pool.close({ drainMs: 0 }))
  await until('both are there', () => pool.stats().size === 2)
  const controller = new AbortController()
  for (const lease of await Promise.all([pool.acquire(), pool.acquire()])) {
    lease.connection.once('close', () => controller.abort(new Error('enough')))
    lease.release()
  }
  const { items } = await begun(pool, controller.signal)
  const lost = pool.stats().servers[0].pending === 1 ? one : other
  const stays = lost === one ? other : one
  await lost.program.kill()
  await t.throwsAsync(soon(items.result), { message: 'enough' })
  const client = await connect(stays.name)
  t.is(await client.request('counts'), 0)
  await client.close()
})
