// Messages nobody answers: order, backpressure, and what becomes of those nobody wants.

import { once } from 'node:events'
import ava from 'ava'
import { bytes, event, IpcError, type Connection } from 'ringpost'
import { AskBack, Echo, positive, TellBack, Tick, TickBytes } from './helpers/contracts.mjs'
import { TickedBytes, Ticks } from './helpers/contracts.mjs'
import { pair, serve, until } from './helpers/program.mjs'

// What one test floods must not keep another waiting.
const test = ava.serial
const server = await serve()
const LANES = ['critical', 'high', 'normal', 'low'] as const
const KIB = 1024

test('messages of a lane come in the order they were sent, among requests too', async (t) => {
  const client = await server.connect(t)
  const count = 5000
  for (let step = 0; step < count; step++) {
    for (const lane of LANES) {
      if (!client.notify(Tick, [lane, step], { lane })) await client.drained()
    }
  }
  for (const lane of LANES) {
    const steps = await client.request(Ticks, lane, { lane })
    t.is(steps.length, count, lane)
    t.true(steps.every((step, at) => step === at), lane)
  }
})

test('long messages and short ones of a lane keep their order', async (t) => {
  const client = await server.connect(t)
  const seen: number[] = []
  client.handle(event<Uint8Array>('sized'), (payload) => seen.push(payload.length))
  const sizes = [10, 300_000, 0, 20_000, 1, 131_073, 70]
  const told = sizes.map((size) =>
    client.request(TellBack, { name: 'sized', payload: new Uint8Array(size), count: 1 }),
  )
  await Promise.all(told)
  t.deepEqual(seen, sizes)
})

test('an urgent message overtakes a long one', async (t) => {
  const { client, server } = await pair(t)
  server.stop()
  client.notify(TickBytes, new Uint8Array(8 << 20))
  client.notify(Tick, ['urgent', 1], { lane: 'critical' })
  const before = client.request(TickedBytes, undefined, { lane: 'critical' })
  server.goOn()
  t.is(await before, 0)
  t.is(await client.request(TickedBytes), 8 << 20)
})

test('a sender is told when messages wait for room, and when none do any more', async (t) => {
  const { client, server } = await pair(t)
  server.stop()
  const payload = new Uint8Array(10_000)
  let sent = 1
  while (client.notify(TickBytes, payload)) sent++
  t.true(client.stats().queuedBytes > 0)
  await t.throwsAsync(client.drained({ timeoutMs: 20 }), { code: 'ERR_TIMEOUT' })
  const reason = new Error('no patience')
  const impatient = client.drained({ signal: AbortSignal.timeout(20) })
  await t.throwsAsync(impatient, { any: true })
  t.is(await t.throwsAsync(client.drained({ signal: AbortSignal.abort(reason) })), reason)
  server.goOn()
  await client.drained()
  t.is(client.stats().queuedBytes, 0)
  t.true(client.notify(TickBytes, payload))
  t.is(await client.request(TickedBytes), (sent + 1) * 10_000)
  await client.drained()
})

test('what waits for room is as it was when it was sent', async (t) => {
  const { client, server } = await pair(t, { client: { rings: { normal: 64 * KIB } } })
  server.stop()
  const text = 'x'.repeat(20_000)
  for (let step = 0; step < 100; step++) client.notify(Tick, [`${step}${text}`, step])
  server.goOn()
  for (let step = 0; step < 100; step++) {
    t.deepEqual(await client.request(Ticks, `${step}${text}`), [step])
  }
})

test('a lane that refuses says so at once, and others go on', async (t) => {
  const { client, server } = await pair(t, { client: { overflow: { low: 'refuse' } } })
  server.stop()
  let sent = 0
  const flood = () => {
    for (; sent < 100_000; sent++) client.notify(Tick, ['low', sent], { lane: 'low' })
  }
  t.throws(flood, { instanceOf: IpcError, code: 'ERR_FULL' })
  t.true(sent > 0 && sent < 100_000)
  const large = () => client.notify(TickBytes, new Uint8Array(100_000), { lane: 'low' })
  t.throws(large, { instanceOf: IpcError, code: 'ERR_FULL' })
  t.is(client.stats().refused, 2)
  client.notify(Tick, ['other', 1])
  server.goOn()
  t.deepEqual(await client.request(Ticks, 'other'), [1])
  const steps = await client.request(Ticks, 'low', { lane: 'low' })
  t.deepEqual(steps, Array.from({ length: sent }, (_, at) => at))
})

test('more than may wait is refused, and nothing that was taken is lost', async (t) => {
  const backlogMax = 200_000
  const client = { rings: { normal: 16 * KIB }, backlogMax }
  const { client: sender, server } = await pair(t, { client })
  server.stop()
  let sent = 0
  const flood = () => {
    for (; sent < 100_000; sent++) sender.notify(TickBytes, new Uint8Array(1000))
  }
  t.throws(flood, { instanceOf: IpcError, code: 'ERR_FULL' })
  const { queuedBytes, refused } = sender.stats()
  t.true(queuedBytes > backlogMax && queuedBytes < backlogMax + 2000, String(queuedBytes))
  t.is(refused, 1)
  t.throws(() => sender.notify(TickBytes, new Uint8Array(100_000)), { code: 'ERR_FULL' })
  sender.notify(Tick, ['another lane', 1], { lane: 'critical' })
  server.goOn()
  await sender.drained()
  t.is(await sender.request(TickedBytes), sent * 1000)
  t.deepEqual(await sender.request(Ticks, 'another lane'), [1])
})

test('a receiver that is flooded gets all of it', async (t) => {
  const client = await server.connect(t)
  let sum = 0
  client.handle('flood', () => 0)
  client.handle(event<number>('add'), (value) => (sum += value))
  await client.request(TellBack, { name: 'add', payload: 3, count: 100_000 })
  await until('all has come', () => sum === 300_000)
  t.is(client.stats().lostWakeups, 0)
})

test('an event nobody handles is counted, also one that is a method here', async (t) => {
  const client = await server.connect(t)
  client.handle('a-method', () => 1)
  await client.request(TellBack, { name: 'nothing-here', count: 3 })
  await client.request(TellBack, { name: 'a-method', count: 2 })
  t.is(client.stats().unhandled, 5)
  t.is(client.stats().received, 7)
})

test('a method called that is an event there is unknown', async (t) => {
  const client = await server.connect(t)
  await t.throwsAsync(client.request('tick', ['x', 1]), { code: 'ERR_UNKNOWN_METHOD' })
})

// ---- failures nobody waits for ----

const Boom = event<string>('boom')

/** Has the server send one event that fails here. */
const provoke = (client: Connection) =>
  client.request(TellBack, { name: 'boom', payload: 'x', count: 1 })

test('a handler that throws or rejects is an error event', async (t) => {
  const client = await server.connect(t)
  const failures = [
    () => {
      throw new Error('thrown')
    },
    () => Promise.reject(new Error('rejected')),
  ]
  for (const [at, failure] of failures.entries()) {
    const { dispose } = client.handle(Boom, failure)
    const reported = once(client, 'error').catch((error: unknown) => [error])
    await provoke(client)
    dispose()
    t.is(((await reported) as [Error])[0].message, ['thrown', 'rejected'][at])
  }
  t.is(await client.request(Echo, 'goes on'), 'goes on')
})

test('a handler that throws while nobody listens is a process warning', async (t) => {
  const client = await server.connect(t)
  client.handle(Boom, () => {
    throw new Error('unheard')
  })
  const warned = once(process, 'warning') as Promise<[Error]>
  await provoke(client)
  t.is((await warned)[0].message, 'unheard')
})

test('an event its contract refuses is an error event', async (t) => {
  const client = await server.connect(t)
  const errors: string[] = []
  client.on('error', (error) => errors.push((error as IpcError).code))
  const refusing = client.handle(event('boom', { payload: positive() }), () => t.fail())
  await provoke(client)
  refusing.dispose()
  client.handle(event('boom', { codec: bytes }), () => t.fail())
  await provoke(client)
  t.deepEqual(errors, ['ERR_INVALID_PAYLOAD', 'ERR_INVALID_PAYLOAD'])
})

test('an event that cannot be encoded or is too long was not sent', async (t) => {
  const client = await server.connect(t, { messageLenMax: 1000 })
  const invalid = { code: 'ERR_INVALID_PAYLOAD' }
  t.throws(() => client.notify('x', () => 1), invalid)
  t.throws(() => client.notify(TickBytes, 'text' as any), invalid)
  t.throws(() => client.notify(TickBytes, new Uint8Array(1001)), { code: 'ERR_TOO_LARGE' })
  t.is(client.stats().sent, 0)
})

test('the signal of an event is aborted when the connection is over', async (t) => {
  const client = await server.connect(t)
  const seen = new Promise<AbortSignal>((resolve) => {
    client.handle(Boom, (_, { signal, remainingMs }) => {
      t.is(remainingMs, Infinity)
      resolve(signal)
    })
  })
  await provoke(client)
  const signal = await seen
  t.false(signal.aborted)
  await client.close()
  t.like(signal.reason, { code: 'ERR_CLOSED' })
})

test('an event may be sent from within a handler of any kind', async (t) => {
  const client = await server.connect(t)
  client.handle('relay', (label: string) => client.notify(Tick, [label, 1]))
  client.handle(Boom, (label) => client.notify(Tick, [`${label} event`, 2]))
  t.true(await client.request(AskBack, { name: 'relay', payload: 'relayed' }))
  await provoke(client)
  t.deepEqual(await client.request(Ticks, 'relayed'), [1])
  t.deepEqual(await client.request(Ticks, 'x event'), [2])
})
