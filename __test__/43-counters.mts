// What connections and servers count: bytes, how long requests took, and what has failed.

import { once } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import test from 'ava'
import {
  bytes,
  connect,
  createPool,
  createServer,
  event,
  method,
  type ConnectionStats,
  type ServerStats,
} from 'ringpost'
import { Numbers } from './helpers/inside.mjs'
import { inside } from './helpers/look-inside.mjs'
import { pair, Program, until } from './helpers/program.mjs'
import { EchoBytes } from './helpers/contracts.mjs'

const HEADER = 24

test('bytes are those of the frames, on both sides alike', async (t) => {
  const { client } = await pair(t)
  await client.request(EchoBytes, new Uint8Array(10))
  const before = client.stats()
  for (const length of [0, 1, 8, 1000, 300_000]) {
    const now = client.stats()
    await client.request(EchoBytes, new Uint8Array(length))
    const after = client.stats()
    const [sent, received] = [
      after.bytesSent - now.bytesSent,
      after.bytesReceived - now.bytesReceived,
    ]
    // The request has its deadline as an option, and a long one comes in parts.
    const least = HEADER + length
    for (const all of [sent, received]) {
      t.is(all % 8, 0)
      t.true(all >= least && all < least + 24 + length / 100, `${all} for ${length}`)
    }
  }
  t.true(before.bytesSent > 0)
})

test('bytes do not count what is skipped at the end of a ring', async (t) => {
  const server = await createServer('laps', { rings: { normal: 65_536 } })
  const client = await connect('laps', { rings: { normal: 65_536 } })
  t.teardown(() => Promise.all([client.close(), server.close()]))
  const Chunk = event('chunk', { codec: bytes })
  server.on(Chunk, () => {})
  await client.send(Chunk, new Uint8Array(1000))
  await until('it has come', () => server.connections.size === 1)
  const [connection] = server.connections
  const before = client.stats().bytesSent
  // Two hundred laps and more, each of which ends with a place that is too small for the next.
  for (let sent = 0; sent < 1000; sent++) await client.send(Chunk, new Uint8Array(15_000))
  const { bytesSent } = client.stats()
  t.is(bytesSent - before, 1000 * (HEADER + 15_000))
  await until('all is read', () => connection.stats().bytesReceived === bytesSent)
})

test('each request of the first is timed, and none that has not been answered', async (t) => {
  const { client } = await inside(t)
  t.deepEqual(client.stats().latency, {
    ...{ count: 0, meanMs: 0, p50Ms: 0 },
    ...{ p95Ms: 0, p99Ms: 0, maxMs: 0 },
  })
  for (let asked = 0; asked < 10; asked++) await client.request('see')
  client.requestSync('see')
  await t.throwsAsync(client.request('fail'))
  await Promise.all(Array.from({ length: 20 }, () => client.request('see later')))
  await t.throwsAsync(client.request('never', 0, { timeoutMs: 20 }))
  await client.stream(Numbers, 1).result
  client.notify('seen')
  await client.drained()
  const { latency } = client.stats()
  t.is(latency.count, 32)
  const { meanMs, p50Ms, p95Ms, p99Ms, maxMs } = latency
  t.true(0 < p50Ms && p50Ms <= p95Ms && p95Ms <= p99Ms && p99Ms <= maxMs)
  t.true(0 < meanMs && meanMs <= maxMs)
  // What the handler has waited for is in it.
  t.true(maxMs >= 3)
})

test('behind the first 1,024 one request in eight is timed', async (t) => {
  const { client } = await pair(t)
  const ask = async (count: number) => {
    for (let asked = 0; asked < count; asked++) await client.request(EchoBytes, new Uint8Array(8))
    return client.stats().latency.count
  }
  t.is(await ask(1024), 1024)
  t.is(await ask(800), 1124)
})

test('with methodLatency all requests are measured, by method', async (t) => {
  const { client } = await inside(t, false, { methodLatency: true })
  t.deepEqual(client.stats().methods, {})
  for (let asked = 0; asked < 3; asked++) await client.request('see')
  await client.request('see', undefined, { lane: 'high' })
  client.requestSync('see')
  await t.throwsAsync(client.request('fail'), { code: 'E_MINE' })
  t.throws(() => client.requestSync('fail'), { code: 'E_MINE' })
  await t.throwsAsync(client.request('never', 0, { timeoutMs: 20 }), { code: 'ERR_TIMEOUT' })
  await client.request('see later')
  const methods = client.stats().methods!
  const counts = Object.entries(methods).map(([method, { count }]) => [method, count])
  t.deepEqual(counts, [['see', 5], ['fail', 2], ['see later', 1]])
  t.true(methods['see later'].maxMs >= 3)
  t.true(methods.see.p50Ms > 0 && methods.see.p50Ms <= methods.see.maxMs)
  const plain = await inside(t)
  await plain.client.request('see')
  t.is(plain.client.stats().methods, undefined)
})

test('a request that waits, or is asked again, is measured once, from the call', async (t) => {
  const Ask = method<void, string>('ask', { idempotent: true })
  const first = await createServer('lasting')
  const isAsked = new Promise<void>((resolve) => {
    first.handle(Ask, () => {
      resolve()
      return new Promise<never>(() => {})
    })
  })
  const client = await connect('lasting', { methodLatency: true })
  const again = client.request(Ask)
  await isAsked
  const isAway = once(client, 'disconnect')
  await first.close()
  await isAway
  const later = client.request('wait')
  await setTimeout(50)
  const second = await createServer('lasting')
  const pool = createPool('lasting', { methodLatency: true })
  t.teardown(() => Promise.all([client.close(), pool.close(), second.close()]))
  for (const name of [Ask.name, 'wait']) second.handle(name, () => 'answered')
  t.deepEqual(await Promise.all([again, later]), ['answered', 'answered'])
  await client.request(Ask, undefined, { lane: 'high' })
  const { ask, wait } = client.stats().methods!
  t.deepEqual([ask.count, wait.count], [2, 1])
  // Timers of Node.js may be early by a millisecond.
  t.true(ask.maxMs >= 45 && wait.maxMs >= 45, `${ask.maxMs} and ${wait.maxMs} ms`)
  for (let asked = 0; asked < 3; asked++) await pool.request('wait')
  t.is(pool.totals().methods!.wait.count, 3)
})

test('a server adds up what its connections have measured by method', async (t) => {
  const server = await createServer('methods', { methodLatency: true })
  server.handle('ask', (_, { connection }) => connection.request('mine'))
  t.teardown(() => server.close())
  for (let round = 1; round <= 2; round++) {
    const client = await connect('methods')
    client.handle('mine', () => 1)
    await client.request('ask')
    t.is(server.stats().methods!.mine.count, round)
    await client.close()
    await until('it has gone', () => server.connections.size === 0)
    t.is(server.stats().methods!.mine.count, round)
  }
  const plain = await createServer('plain')
  t.is(plain.stats().methods, undefined)
  await plain.close()
})

test('failures are counted by their codes, however a request was made', async (t) => {
  const { client } = await inside(t)
  t.deepEqual(client.stats().errors, {})
  await t.throwsAsync(client.request('fail'))
  t.throws(() => client.requestSync('fail'))
  await t.throwsAsync(client.request('reject'))
  await t.throwsAsync(client.request('none'))
  await t.throwsAsync(client.request('never', 0, { timeoutMs: 5 }))
  await t.throwsAsync(client.stream(Numbers, -1).result)
  const controller = new AbortController()
  const cancelled = client.request('never', 0, { signal: controller.signal })
  controller.abort()
  await cancelled.catch(() => {})
  const pending = client.request('never')
  await client.request('see')
  await client.close()
  await t.throwsAsync(pending, { code: 'ERR_CLOSED' })
  // It was not even sent.
  await t.throwsAsync(client.request('see'), { code: 'ERR_CLOSED' })
  t.deepEqual(client.stats().errors, {
    E_MINE: 2,
    ERR_HANDLER: 1,
    ERR_UNKNOWN_METHOD: 1,
    ERR_TIMEOUT: 1,
    E_NEGATIVE: 1,
    AbortError: 1,
    ERR_CLOSED: 1,
  })
})

test('a peer that makes up codes makes no more than 64 counters', async (t) => {
  const server = await createServer('codes')
  const client = await connect('codes')
  t.teardown(() => Promise.all([client.close(), server.close()]))
  let code = 0
  const Fail = method('fail')
  server.handle(Fail, () => {
    throw Object.assign(new Error(), { code: `E_${code++}` })
  })
  for (let asked = 0; asked < 200; asked++) await t.throwsAsync(client.request(Fail))
  const { errors } = client.stats()
  t.is(Object.keys(errors).length, 65)
  t.is(errors.E_63, 1)
  t.is(errors.ERR_HANDLER, 136)
})

test('the counters of a connection stay when it has ended', async (t) => {
  const { client } = await inside(t)
  await client.request('see')
  await t.throwsAsync(client.request('fail'))
  const { sent, received, latency, errors } = client.stats()
  await client.close()
  const after = client.stats()
  t.like(after, { sent, received, latency, errors, pending: 0 })
  t.true(after.bytesSent > 0)
})

test('a server counts for all of its connections, those that were killed included', async (t) => {
  const { client, name } = await inside(t)
  const count = () => client.request<void, ServerStats>('count all')
  const there = (await client.request<void, ConnectionStats>('count')).received
  t.like(await count(), { connections: 1, connectionsTotal: 1 })
  const first = await count()
  t.true(first.received > there)
  const guest = new Program('guest', { name })
  t.teardown(() => guest.kill())
  const asked = await guest.report<number>()
  const during = await count()
  t.like(during, { connections: 2, connectionsTotal: 2 })
  await guest.kill()
  await until('it has gone', async () => (await count()).connections === 1)
  const after = await count()
  t.is(after.connectionsTotal, 2)
  t.true(after.received >= first.received + asked)
  t.true(after.bytesReceived > during.bytesReceived)
  // The server has asked the guest.
  t.is(after.latency.count, 5)
  t.is(after.errors.E_GUEST, 1)
  t.is(after.unhandled, 1)
})
