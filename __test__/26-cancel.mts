// Cancels that busy code can see, and requests that inherit what is left.

import { existsSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import ava from 'ava'
import { connect, createServer } from 'ringpost'
import { Abandoned, Busy, busyFile, BusyFor, HasStarted } from './helpers/contracts.mjs'
import { Inherit, Inspect, Never } from './helpers/contracts.mjs'
import { pair, serve, until } from './helpers/program.mjs'

const test = ava.serial
const server = await serve()

test('a handler that never yields sees that it was cancelled', async (t) => {
  const client = await server.connect(t)
  const controller = new AbortController()
  const { signal } = controller
  const busy = client.request(Busy, 'cancelled', { signal })
  await until('it is at work', () => existsSync(busyFile('cancelled')))
  controller.abort(new Error('enough'))
  await t.throwsAsync(busy, { message: 'enough' })
  const other = await server.connect(t)
  let seen = null
  await until('it has stopped', async () => (seen = await other.request(BusyFor, 'cancelled')))
  t.deepEqual(seen, { before: false, after: true, turned: false })
})

test('a handler that never yields sees that it has timed out', async (t) => {
  const client = await server.connect(t)
  const busy = client.request(Busy, 'late', { timeoutMs: 1000 })
  await t.throwsAsync(busy, { code: 'ERR_TIMEOUT' })
  let seen = null
  await until('it has stopped', async () => (seen = await client.request(BusyFor, 'late')))
  t.deepEqual(seen, { before: false, after: true, turned: false })
})

test('messages that arrive while a handler polls for cancels are neither lost nor early', async (t) => {
  const client = await server.connect(t)
  const controller = new AbortController()
  const { signal } = controller
  const busy = client.request(Busy, 'crowded', { signal })
  const looks = Array.from({ length: 500 }, () => client.request(Inspect))
  await until('it is at work', () => existsSync(busyFile('crowded')))
  controller.abort(new Error('enough'))
  await t.throwsAsync(busy, { message: 'enough' })
  t.is((await Promise.all(looks)).length, 500)
})

test('cancels overtake lanes that are full and not read', async (t) => {
  const { client, server } = await pair(t, { server: { servingMax: 4 } })
  const other = await server.connect(t)
  const controller = new AbortController()
  const options = { signal: controller.signal, lane: 'critical', timeoutMs: Infinity } as const
  // Four are worked on and never answered; of the others the ring holds only some.
  const asked = Array.from({ length: 5_000 }, (_, at) => client.request(Never, `${at}`, options))
  const outcomes = Promise.allSettled(asked)
  await until('four are worked on', () => other.request(HasStarted, '3'))
  t.true(client.stats().queuedBytes > 0)
  const urgent = { lane: 'critical', timeoutMs: 50 } as const
  await t.throwsAsync(client.request(Abandoned, '0', urgent), { code: 'ERR_TIMEOUT' })
  controller.abort(new Error('enough'))
  t.true((await outcomes).every(({ status }) => status === 'rejected'))
  t.is(await client.request(Abandoned, '0', { lane: 'critical' }), 'ERR_CANCELLED')
  t.is(await client.request(Abandoned, '4000', { lane: 'critical' }), null)
})

test('a context is cancelled after its answer and not before', async (t) => {
  const name = `cancel-${process.pid}`
  const own = await createServer(name)
  t.teardown(() => own.close())
  const seen: boolean[] = []
  own.handle('ask', async (_, context) => {
    seen.push(context.cancelled)
    void setTimeout(20).then(() => seen.push(context.cancelled))
  })
  const client = await connect(name)
  t.teardown(() => client.close())
  await client.request('ask')
  await until('it has looked again', () => seen.length === 2)
  t.deepEqual(seen, [false, true])
})

test('a request with a parent has at most the time of its parent', async (t) => {
  const client = await server.connect(t)
  client.handle('left', (_, { remainingMs, traceparent }) => [remainingMs, traceparent])
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
  const options = { timeoutMs: 5000, traceparent }
  const [left, trace] = await client.request(Inherit, { name: 'left' }, options)
  // Long spans are measured by a clock with ticks of up to 10 ms, on either side.
  t.true(left > 0 && left <= 5020, `${left} ms`)
  t.is(trace, traceparent)
  const [shorter] = await client.request(Inherit, { name: 'left', timeoutMs: 2000 }, options)
  t.true(shorter <= 2020, `${shorter} ms`)
})

test('a request with a parent ends with its parent', async (t) => {
  const client = await server.connect(t)
  const reasons: string[] = []
  client.handle('never', (_, { signal }) => {
    signal.addEventListener('abort', () => reasons.push('heard'))
    return new Promise(() => {})
  })
  const asked = client.request(Inherit, { name: 'never' }, { timeoutMs: 1000 })
  await t.throwsAsync(asked, { code: 'ERR_TIMEOUT' })
  await until('its handler has heard', () => reasons.length === 1)
  const wrong = { parent: {} as never }
  t.throws(() => client.requestSync(Inspect, undefined, wrong), { code: 'ERR_INVALID_ARGUMENT' })
})
