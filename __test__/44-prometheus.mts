// Metrics in a registry of prom-client, as Prometheus reads them.

import { once } from 'node:events'
import test, { type ExecutionContext } from 'ava'
import { Counter, Registry } from 'prom-client'
import { connect, createPool, createServer, method, type ClientOptions } from 'ringpost'
import { instrument } from 'ringpost/prometheus'
import './helpers/directory.mjs'
import { Program, until } from './helpers/program.mjs'
import { Scrape } from './helpers/scrape.mjs'

const scrape = async (registry: Registry) => new Scrape(await registry.metrics())

let names = 0

/** A server in another process, which answers probes, and a client here. */
async function observed(t: ExecutionContext, options?: ClientOptions) {
  const name = `observed-${++names}`
  const program = new Program('observed', { name })
  t.teardown(() => program.kill())
  const port = await program.report<number>()
  const client = await connect(name, options)
  t.teardown(() => client.close())
  const scrapeServer = async () => {
    const answer = await fetch(`http://127.0.0.1:${port}/metrics`)
    t.is(answer.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8')
    return new Scrape(await answer.text())
  }
  return { name, client, scrapeServer }
}

/** No counter of a scrape is below the one before. */
function neverDown(t: ExecutionContext, before: Scrape, after: Scrape): void {
  const now = after.counters()
  t.true(now.size > 40)
  for (const [series, count] of before.counters()) {
    t.true(now.get(series)! >= count, `${series}: ${count}, then ${now.get(series)}`)
  }
}

test('both sides export what they have counted', async (t) => {
  const { name, client, scrapeServer } = await observed(t)
  const registry = new Registry()
  instrument(registry, { camera: client })
  for (let asked = 0; asked < 5; asked++) await client.request('echo', 'hello')
  await client.request('echo', 'hello', { lane: 'high' })
  await t.throwsAsync(client.request('fail'))
  await client.send('unheard of')
  await client.request('echo')

  const [stats, here] = [client.stats(), await scrape(registry)]
  const own = { role: 'client', name: 'camera' }
  t.is(here.value('messages_sent_total', own), stats.sent)
  t.is(here.value('messages_received_total', own), stats.received)
  t.is(here.value('messages_sent_total', { kind: 'request', lane: 'normal' }), 7)
  t.is(here.value('messages_sent_total', { kind: 'request', lane: 'high' }), 1)
  t.is(here.value('messages_sent_total', { kind: 'event', lane: 'normal' }), 1)
  t.is(here.value('messages_received_total', { kind: 'reply', lane: 'normal' }), 6)
  t.is(here.value('messages_received_total', { kind: 'error', lane: 'normal' }), 1)
  t.is(here.value('sent_bytes_total', own), stats.bytesSent)
  t.is(here.value('received_bytes_total', own), stats.bytesReceived)
  t.is(here.value('doorbells_total', own), stats.doorbells)
  t.is(here.value('request_errors_total', { ...own, code: 'E_MINE' }), 1)
  t.deepEqual([here.value('connections'), here.value('connections_opened_total')], [1, 1])
  t.deepEqual(here.all('events_dropped_total').map(({ value }) => value), ['0', '0', '0', '0'])

  const timed = 'request_duration_seconds'
  const { count, meanMs } = stats.latency
  t.is(here.value(`${timed}_count`, own), count)
  t.is(here.value(`${timed}_bucket`, { ...own, le: '+Inf' }), count)
  t.true(Math.abs(here.value(`${timed}_sum`, own) - (meanMs * count) / 1e3) < 1e-6)
  const below = here.all(`${timed}_bucket`, own).map(({ value }) => Number(value))
  t.is(below.length, 25)
  t.deepEqual([...below].sort((one, other) => one - other), below)
  t.is(here.types.get(`ringpost_${timed}`), 'HISTOGRAM')

  await until('the server has counted the last', async () => {
    return (await scrapeServer()).value('messages_sent_total') === 8
  })
  const there = await scrapeServer()
  t.is(there.value('messages_received_total', { role: 'server', name }), 9)
  t.is(there.value('events_unhandled_total'), 1)
  t.is(there.value('sent_bytes_total'), stats.bytesReceived)
  t.is(there.types.get('ringpost_queued_bytes'), 'GAUGE')
})

test('no counter goes down when sessions end, and when a client is closed', async (t) => {
  const start = async () => {
    const program = new Program('echo-server', { name: 'restarted' })
    t.teardown(() => program.kill())
    await program.report()
    return program
  }
  let program = await start()
  const client = await connect('restarted', { methodLatency: true })
  t.teardown(() => client.close())
  // While there is no server, nothing else may keep this process.
  client.ref()
  const registry = new Registry()
  instrument(registry, { client })
  let before = await scrape(registry)
  for (let session = 1; session <= 3; session++) {
    for (let asked = 0; asked < 10; asked++) await client.request('echo', session)
    await t.throwsAsync(client.request('none'))
    const after = await scrape(registry)
    neverDown(t, before, after)
    t.is(after.value('messages_sent_total', { kind: 'request' }), session * 11)
    t.is(after.value('request_duration_seconds_count'), session * 11)
    t.is(after.value('method_duration_seconds_count', { method: 'echo' }), session * 10)
    t.is(after.value('request_errors_total', { code: 'ERR_UNKNOWN_METHOD' }), session)
    t.is(after.value('connections_opened_total'), session)
    t.is(after.value('reconnects_total'), session - 1)
    if (session === 3) break
    const disconnected = once(client, 'disconnect')
    await program.kill()
    await disconnected
    const away = await scrape(registry)
    neverDown(t, after, away)
    t.is(away.value('connections'), 0)
    const reconnected = once(client, 'reconnect')
    program = await start()
    await reconnected
    before = await scrape(registry)
    neverDown(t, away, before)
  }
  const last = await scrape(registry)
  await client.close()
  const closed = await scrape(registry)
  neverDown(t, last, closed)
  t.is(closed.value('connections'), 0)
})

test('a server keeps what connections have counted that are over', async (t) => {
  const server = await createServer('comings', { methodLatency: true })
  t.teardown(() => server.close())
  server.handle('ask', (_, { connection }) => connection.request('mine'))
  const registry = new Registry()
  instrument(registry, { server })
  let before = await scrape(registry)
  for (let round = 1; round <= 3; round++) {
    const client = await connect('comings')
    client.handle('mine', () => 1)
    await client.request('ask')
    await client.close()
    await until('it has gone', () => server.connections.size === 0)
    const after = await scrape(registry)
    if (round > 1) neverDown(t, before, after)
    t.is(after.value('messages_sent_total', { kind: 'request' }), round)
    t.is(after.value('method_duration_seconds_count', { method: 'mine' }), round)
    before = after
  }
})

test('a hundred methods have series of their own, further ones share one', async (t) => {
  const { client } = await observed(t, { methodLatency: true })
  const registry = new Registry()
  instrument(registry, { client })
  const ask = async (from: number, to: number) => {
    for (let at = from; at < to; at++) await client.request(`method ${at}`).catch(() => {})
    return scrape(registry)
  }
  const count = (found: Scrape, method: string) =>
    found.value('method_duration_seconds_count', { method })
  const first = await ask(0, 99)
  t.is(first.all('method_duration_seconds_count').length, 99)
  t.is(count(first, 'other'), 0)
  const second = await ask(0, 130)
  t.is(second.all('method_duration_seconds_count').length, 101)
  t.deepEqual([count(second, 'method 0'), count(second, 'method 99')], [2, 1])
  t.deepEqual([count(second, 'method 100'), count(second, 'other')], [0, 30])
  t.is(second.value('method_duration_seconds_bucket', { method: 'other', le: '+Inf' }), 30)
  neverDown(t, first, second)
})

test('a pool exports its connections, and what they have counted together', async (t) => {
  const { name } = await observed(t)
  const pool = createPool(name, { max: 2 })
  const registry = new Registry()
  instrument(registry, { workers: pool })
  for (let asked = 0; asked < 4; asked++) await pool.request('echo')
  const lease = await pool.acquire()
  await lease.connection.request('echo')
  const leased = await scrape(registry)
  const own = { role: 'pool', name: 'workers' }
  t.is(leased.value('messages_sent_total', { ...own, kind: 'request' }), 5)
  t.is(leased.value('pool_leased_connections', own), 1)
  t.is(leased.value('connections', own), pool.stats().size)
  t.is(leased.value('pool_reuses_total', own), pool.stats().reused)
  t.is(leased.value('pool_server_up', { ...own, server: name }), 1)
  t.is(leased.all('pool_acquire_seconds', own).length, 2)
  lease.release()
  await pool.close()
  const closed = await scrape(registry)
  neverDown(t, leased, closed)
  t.is(closed.value('messages_sent_total', { kind: 'request' }), 5)
  t.is(closed.value('connections', own), 0)
})

test('objects are added and taken out, each once', async (t) => {
  const server = await createServer('added')
  const [one, other] = [await connect('added'), await connect('added')]
  t.teardown(() => Promise.all([one.close(), other.close(), server.close()]))
  const registry = new Registry()
  const first = instrument(registry, { server, one })
  const second = instrument(registry, { other })
  const series = async () => (await scrape(registry)).all('connections').map(({ labels }) => labels!.name)
  t.deepEqual(await series(), ['server', 'one', 'other'])
  const third = createPool('added')
  const isTaken = { instanceOf: RangeError, code: 'ERR_INVALID_ARGUMENT' } as const
  t.throws(() => instrument(registry, { another: one }), isTaken)
  t.throws(() => instrument(registry, { one: third }), isTaken)
  t.throws(() => instrument(registry, { third, again: third }), isTaken)
  // Of a call that fails nothing is left.
  t.deepEqual(await series(), ['server', 'one', 'other'])
  first.dispose()
  first.dispose()
  t.deepEqual(await series(), ['other'])
  using again = instrument(registry, { one, third })
  t.deepEqual(await series(), ['other', 'one', 'third'])
  t.truthy(again)
  second.dispose()
  again.dispose()
  t.deepEqual(registry.getMetricsAsArray(), [])
  await third.close()
})

test('a registry may have metrics of its own, a prefix, OpenMetrics, and be cleared', async (t) => {
  const server = await createServer('registries')
  t.teardown(() => server.close())
  const client = await connect('registries')
  t.teardown(() => client.close())
  const registry = new Registry()
  const metrics = instrument(registry, { server }, { prefix: 'app_' })
  registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE as never)
  const text = await registry.metrics()
  t.regex(text, /# TYPE app_ringpost_sent_bytes counter\napp_ringpost_sent_bytes_total\{/)
  t.true(text.endsWith('# EOF\n'))
  instrument(registry, { client }, { prefix: 'app_' })
  const both = await registry.metrics()
  t.is(both.match(/^# TYPE app_ringpost_sent_bytes counter$/gm)!.length, 1)
  t.is(both.match(/^app_ringpost_sent_bytes_total\{/gm)!.length, 2)
  registry.resetMetrics()
  registry.clear()
  const pool = createPool('registries')
  instrument(registry, { pool }, { prefix: 'app_' })
  t.is((await registry.metrics()).match(/^app_ringpost_connections\{/gm)!.length, 3)
  metrics.dispose()
  t.is((await registry.metrics()).match(/^app_ringpost_connections\{/gm)!.length, 2)
  await pool.close()

  const taken = new Registry()
  new Counter({ name: 'ringpost_doorbells_total', help: 'mine', registers: [taken] })
  t.throws(() => instrument(taken, { server }), { code: 'ERR_INVALID_ARGUMENT', message: /doorbells/ })
  t.is(taken.getMetricsAsArray().length, 1)
})

test('arguments are checked', async (t) => {
  const registry = new Registry()
  const wrong: [unknown, unknown, unknown, RegExp][] = [
    [undefined, {}, undefined, /registry must be a registry of prom-client, got undefined/],
    [registry, 5, undefined, /sources must be an object, got number/],
    [registry, { demo: 5 }, undefined, /sources.demo must be a server, a client or a pool, got number/],
    [registry, { '': createPool('x') }, undefined, /name must be not empty/],
    [registry, {}, { prefix: '5' }, /prefix must be the beginning of a metric name, got "5"/],
    [registry, {}, { prefixes: 'a' }, /did you mean 'prefix'/],
  ]
  for (const [registry, sources, options, message] of wrong) {
    t.throws(() => instrument(registry as never, sources as never, options as never), {
      code: 'ERR_INVALID_ARGUMENT',
      message,
    })
  }
  t.deepEqual(registry.getMetricsAsArray(), [])
})

test('nothing of what is sent is in the metrics', async (t) => {
  const { client } = await observed(t)
  const registry = new Registry()
  instrument(registry, { client })
  const canary = 'canary-7f3a9'
  await client.request(method('echo'), { [canary]: canary })
  await client.send('unheard of', canary)
  t.false((await registry.metrics()).includes(canary))
})
