// One-way messages: order, backpressure, and messages without a handler.

import { once } from 'node:events'
import ava from 'ava'
import { bytes, connect, createServer, event, IpcError, type Connection } from 'ringpost'
import { directory } from './helpers/directory.mjs'
import { RequestBack, Echo, PeerDropped, positive, NotifyBack, Tick, TickBytes } from './helpers/contracts.mjs'
import { TickedBytes, Ticks } from './helpers/contracts.mjs'
import { pair, serve, until } from './helpers/program.mjs'

// What one test floods must not keep another waiting.
const test = ava.serial
const server = await serve()
const LANES = ['critical', 'high', 'normal', 'low'] as const
const KIB = 1024
const TRACEPARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
/** For tests in which nothing is to be lost, however slow the machine. */
const PATIENT = { overflow: { normal: { waitMs: Infinity } } }

test('messages of a lane arrive in the order they were sent, mixed with requests', async (t) => {
  const client = await server.connect(t, { overflow: { low: { waitMs: Infinity } } })
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

test('messages that are alike, and others between them, each arrive as what they are', async (t) => {
  const { client } = await pair(t)
  const sends: Promise<void>[] = []
  let [ticks, bytes] = [0, 0]
  const tickBytes = (length: number) => {
    client.notify(TickBytes, new Uint8Array(length))
    bytes += length
  }
  for (let round = 0; round < 500; round++) {
    for (let step = 0; step < 3; step++) client.notify(Tick, ['alike', ticks++])
    client.notify(Tick, ['alike', ticks++], { traceparent: TRACEPARENT })
    sends.push(client.send(Tick, ['alike', ticks++]))
    client.notify(Tick, ['beside', round], { lane: 'high' })
    for (const length of [round % 100, round % 100, 0]) tickBytes(length)
    if (round % 50 === 0) for (const length of [9000, 200_000]) tickBytes(length)
    // Where messages wait for room, none is written with others.
    await client.drained()
  }
  await Promise.all(sends)
  t.deepEqual(await client.request(Ticks, 'alike'), Array.from({ length: ticks }, (_, at) => at))
  const beside = await client.request(Ticks, 'beside', { lane: 'high' })
  t.deepEqual(beside, Array.from({ length: 500 }, (_, at) => at))
  t.is(await client.request(TickedBytes), bytes)
  t.is(client.stats().sent, ticks + 500 + 1500 + 20 + 3)
})

test('messages that differ in their name or lane alone are not mixed up', async (t) => {
  const here = await createServer('alike', { directory })
  t.teardown(() => here.close())
  const client = await connect('alike', { directory, overflow: { low: { waitMs: Infinity } } })
  const [one, other] = [event<number>('one'), event<number>('other')]
  const seen: Record<string, number[]> = {}
  here.handle(one, (step, { lane }) => (seen[`one, ${lane}`] ??= []).push(step))
  here.handle(other, (step, { lane }) => (seen[`other, ${lane}`] ??= []).push(step))
  for (let step = 0; step < 80; step += 2) {
    for (const [at, lane] of LANES.entries()) {
      // So that from one to the next either the name changes or the lane.
      for (const name of at % 2 === 0 ? [one, other] : [other, one]) {
        for (const half of [0, 1]) client.notify(name, step + half, { lane })
      }
    }
  }
  const kinds = LANES.flatMap((lane) => [`one, ${lane}`, `other, ${lane}`])
  await until('all have arrived', () => kinds.every((kind) => (seen[kind]?.length ?? 0) >= 80))
  const all = Array.from({ length: 80 }, (_, at) => at)
  for (const kind of kinds) t.deepEqual(seen[kind], all, kind)
})

test('long messages and short ones of a lane keep their order', async (t) => {
  const client = await server.connect(t)
  const seen: number[] = []
  client.handle(event<Uint8Array>('sized'), (payload) => seen.push(payload.length))
  const sizes = [10, 300_000, 0, 20_000, 1, 131_073, 70]
  const told = sizes.map((size) =>
    client.request(NotifyBack, { name: 'sized', payload: new Uint8Array(size), count: 1 }),
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
  server.resume()
  t.is(await before, 0)
  t.is(await client.request(TickedBytes), 8 << 20)
})

test('a sender is notified when messages wait for space and when none do any more', async (t) => {
  const { client, server } = await pair(t, { client: PATIENT })
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
  server.resume()
  await client.drained()
  t.is(client.stats().queuedBytes, 0)
  t.true(client.notify(TickBytes, payload))
  t.is(await client.request(TickedBytes), (sent + 1) * 10_000)
  await client.drained()
})

test('a message that waits for space keeps the bytes it was sent with', async (t) => {
  const { client, server } = await pair(t, { client: { rings: { normal: 64 * KIB }, ...PATIENT } })
  server.stop()
  const text = 'x'.repeat(20_000)
  for (let step = 0; step < 100; step++) client.notify(Tick, [`${step}${text}`, step])
  server.resume()
  for (let step = 0; step < 100; step++) {
    t.deepEqual(await client.request(Ticks, `${step}${text}`), [step])
  }
})

test('a full lane with `fail` rejects at once, and other lanes continue', async (t) => {
  const { client, server } = await pair(t, { client: { overflow: { low: 'fail' } } })
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
  server.resume()
  t.deepEqual(await client.request(Ticks, 'other'), [1])
  const steps = await client.request(Ticks, 'low', { lane: 'low' })
  t.deepEqual(steps, Array.from({ length: sent }, (_, at) => at))
})

test('a lane that drops the newest counts them on both sides', async (t) => {
  const { client, server } = await pair(t)
  server.stop()
  for (let sent = 0; sent < 10_000; sent++) client.notify(Tick, ['low', sent], { lane: 'low' })
  await t.throwsAsync(client.send(Tick, ['low', 0], { lane: 'low' }), { code: 'ERR_FULL' })
  const { dropped, refused, queuedBytes } = client.stats()
  t.true(dropped.low > 1 && dropped.low < 10_000)
  t.deepEqual([dropped.normal, refused, queuedBytes], [0, 0, 0])
  server.resume()
  const free = () => client.request(Ticks, '', { lane: 'low' }).then(() => true, () => false)
  await until('the lane is free', free)
  const steps = await client.request(Ticks, 'low')
  t.deepEqual(steps, Array.from({ length: 10_001 - dropped.low }, (_, at) => at))
  t.is((await client.request(PeerDropped)).low, dropped.low)
})

test('a lane that drops the oldest keeps the newest and all answers', async (t) => {
  const rings = { normal: 16 * KIB }
  const overflow = { normal: 'dropOldest' } as const
  const { client, server } = await pair(t, { client: { rings, overflow } })
  server.stop()
  const answer = client.request(Echo, 'waits among them')
  for (let sent = 0; sent < 10_000; sent++) client.notify(Tick, ['newest', sent])
  await client.drained({ timeoutMs: 1 }).catch(() => {})
  const { queuedBytes } = client.stats()
  // Beside messages that may be dropped there is one that may not.
  t.true(queuedBytes > 1000 && queuedBytes <= rings.normal + 100, String(queuedBytes))
  server.resume()
  t.is(await answer, 'waits among them')
  const steps = await client.request(Ticks, 'newest')
  t.is(steps.at(-1), 9999)
  t.is(steps.length + client.stats().dropped.normal, 10_000)
})

test('send() waits for space, at most as long as its lane does', async (t) => {
  const overflow = { normal: { waitMs: 100 }, high: { waitMs: Infinity } }
  const rings = { normal: 16 * KIB, high: 16 * KIB }
  const { client, server } = await pair(t, { client: { rings, overflow } })
  await client.send(TickBytes, new Uint8Array(10))
  server.stop()
  const outcomes = { sent: 0, full: 0 }
  const note = (promise: Promise<void>) =>
    promise.then(() => outcomes.sent++, ({ code }) => (outcomes.full += code === 'ERR_FULL' ? 1 : 0))
  const normal = Array.from({ length: 100 }, () => note(client.send(TickBytes, new Uint8Array(1000))))
  const high = Array.from({ length: 100 }, () =>
    client.send(TickBytes, new Uint8Array(1000), { lane: 'high' }),
  )
  await Promise.all(normal)
  t.is(outcomes.sent + outcomes.full, 100)
  t.true(outcomes.full > 50 && outcomes.sent > 5, JSON.stringify(outcomes))
  t.is(client.stats().dropped.normal, outcomes.full)
  server.resume()
  await Promise.all(high)
  t.is(await client.request(TickedBytes, undefined, { lane: 'high' }), 10 + (outcomes.sent + 100) * 1000)
})

test('a message that waits for space fails when its connection ends', async (t) => {
  const overflow = { normal: { waitMs: Infinity } }
  const { client, server } = await pair(t, { client: { rings: { normal: 16 * KIB }, overflow } })
  server.stop()
  const all = Array.from({ length: 100 }, () => client.send(TickBytes, new Uint8Array(1000)))
  const outcomes = Promise.allSettled(all)
  await client.close()
  const reasons = (await outcomes).flatMap((one) => (one.status === 'rejected' ? [one.reason] : []))
  t.true(reasons.length > 50)
  t.true(reasons.every(({ code }) => code === 'ERR_CLOSED'))
  await t.throwsAsync(client.send(TickBytes, new Uint8Array(1)), { code: 'ERR_CLOSED' })
  server.resume()
})

test('messages above the backlog are rejected, and none that was accepted is lost', async (t) => {
  const backlogMax = 200_000
  const client = { rings: { normal: 16 * KIB }, backlogMax, ...PATIENT }
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
  server.resume()
  await sender.drained()
  t.is(await sender.request(TickedBytes), sent * 1000)
  t.deepEqual(await sender.request(Ticks, 'another lane'), [1])
})

test('a flooded receiver gets every message', async (t) => {
  const client = await server.connect(t)
  let sum = 0
  client.handle('flood', () => 0)
  client.handle(event<number>('add'), (value) => (sum += value))
  await client.request(NotifyBack, { name: 'add', payload: 3, count: 100_000 })
  await until('all has come', () => sum === 300_000)
  t.is(client.stats().lostWakeups, 0)
})

test('an event without a handler is counted, also if its name is a method', async (t) => {
  const client = await server.connect(t)
  client.handle('a-method', () => 1)
  await client.request(NotifyBack, { name: 'nothing-here', count: 3 })
  await client.request(NotifyBack, { name: 'a-method', count: 2 })
  t.is(client.stats().unhandled, 5)
  t.is(client.stats().received, 7)
})

test('a method whose name is an event of the peer is unknown', async (t) => {
  const client = await server.connect(t)
  await t.throwsAsync(client.request('tick', ['x', 1]), { code: 'ERR_UNKNOWN_METHOD' })
})

// ---- failures that no caller waits for ----

const Boom = event<string>('boom')

/** Has the server send one event that fails here. */
const provoke = (client: Connection) =>
  client.request(NotifyBack, { name: 'boom', payload: 'x', count: 1 })

test('a handler that throws or rejects causes an error event', async (t) => {
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

test('a handler that throws without an error listener causes a process warning', async (t) => {
  const client = await server.connect(t)
  client.handle(Boom, () => {
    throw new Error('unread')
  })
  const warned = once(process, 'warning') as Promise<[Error & { detail: string }]>
  await provoke(client)
  const [{ message, detail }] = await warned
  t.is(message, 'a handler of the event "boom" failed: Error: unread')
  t.regex(detail, /30-one-way\.m[jt]s:\d+/)
})

test('an event rejected by its contract causes an error event', async (t) => {
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

test('events and requests of one length are read where each of them begins', async (t) => {
  const client = await server.connect(t)
  const numbers = Array.from({ length: 20 }, (_, number) => number)
  for (const number of numbers) {
    // The event is the first of its batch, and the request alone is the first of the next.
    client.notify(Tick, ['same', number])
    t.deepEqual(await client.request(Echo, ['same', number]), ['same', number])
    t.deepEqual(await client.request(Echo, ['same', number]), ['same', number])
  }
  t.deepEqual(await client.request(Ticks, 'same'), numbers)
})

test('an event may be sent from within a handler of any kind', async (t) => {
  const client = await server.connect(t)
  client.handle('relay', (label: string) => client.notify(Tick, [label, 1]))
  client.handle(Boom, (label) => client.notify(Tick, [`${label} event`, 2]))
  t.true(await client.request(RequestBack, { name: 'relay', payload: 'relayed' }))
  await provoke(client)
  t.deepEqual(await client.request(Ticks, 'relayed'), [1])
  t.deepEqual(await client.request(Ticks, 'x event'), [2])
})
