// Tests that must pass with every transport, checksum mode, ring size and way of waking.

import ava from 'ava'
import { event, type ClientOptions } from 'ringpost'
import {
  Abandoned,
  RequestBack,
  Block,
  Echo,
  EchoBytes,
  Fail,
  Never,
  NotifyBack,
  Tick,
  TickBytes,
  TickedBytes,
  Ticks,
} from './contracts.mjs'
import { pair, until, type Settings } from './program.mjs'

export type Variant = Partial<Settings> & { client?: ClientOptions }

/** Serial, so that the flood of one variant does not delay another. */
const test = ava.serial

/** Declares the tests; `variant` holds the options of each pair of processes. */
export function essential(title: string, variant: Variant): void {
  portable(title, variant)
  synchronous(title, variant)
}

/** Those that need no shared memory. */
export function portable(title: string, variant: Variant): void {
  requests(title, variant)
  events(title, variant)
  ending(title, variant)
}

function requests(title: string, variant: Variant): void {
  test(`${title}: requests, their errors, and payloads of every size`, async (t) => {
    const { client } = await pair(t, variant)
    t.deepEqual(await client.request(Echo, { a: [1, 'ä'] }), { a: [1, 'ä'] })
    await t.throwsAsync(client.request(Fail, { name: 'E', message: 'no' }), { message: 'no' })
    await t.throwsAsync(client.request('nonesuch'), { code: 'ERR_UNKNOWN_METHOD' })
    for (const size of [0, 1, 64, 3000, 70_000, 200_001, 3_000_000]) {
      const payload = Buffer.alloc(size, 'payload')
      t.is(Buffer.compare(await client.request(EchoBytes, payload), payload), 0, `${size}`)
    }
    const asked = Array.from({ length: 1000 }, (_, at) => client.request(Echo, at))
    t.deepEqual(await Promise.all(asked), Array.from({ length: 1000 }, (_, at) => at))
  })

  test(`${title}: deadlines and cancels reach the handler`, async (t) => {
    const { client } = await pair(t, variant)
    const late = client.request(Never, 'late', { timeoutMs: 300 })
    await t.throwsAsync(late, { code: 'ERR_TIMEOUT' })
    const controller = new AbortController()
    const cancelled = client.request(Never, 'cancelled', { signal: controller.signal })
    await client.request(Echo)
    controller.abort()
    await t.throwsAsync(cancelled, { any: true })
    for (const label of ['late', 'cancelled']) {
      await until(`${label} is abandoned`, () => client.request(Abandoned, label))
    }
    t.is(client.stats().pending, 0)
  })
}

function synchronous(title: string, variant: Variant): void {
  test(`${title}: synchronous requests, in both directions at once`, async (t) => {
    const { client } = await pair(t, variant)
    client.handle(Echo, (value) => value)
    for (let at = 0; at < 200; at++) t.is(client.requestSync(Echo, at), at)
    t.throws(() => client.requestSync(Never, 'sync', { timeoutMs: 20 }), { code: 'ERR_TIMEOUT' })
    t.is(await client.request(RequestBack, { name: 'echo', payload: 7, sync: true }), 7)
    const back = { name: 'echo', payload: 1, sync: true, timeoutMs: 20_000 }
    const attempt = (): unknown => {
      try {
        return client.requestSync(RequestBack, back)
      } catch (error) {
        return (error as { code: string }).code
      }
    }
    for (let round = 0; round < 20; round++) {
      t.is(attempt(), 'ERR_WOULD_DEADLOCK')
      t.is(await client.request(Echo, 'goes on'), 'goes on')
    }
  })
}

function events(title: string, variant: Variant): void {
  test(`${title}: one-way messages keep their order under backpressure`, async (t) => {
    const { client, server } = await pair(t, variant)
    let sum = 0
    server.stop()
    let sent = 0
    while (client.notify(TickBytes, new Uint8Array(5000))) sent++
    client.notify(Tick, ['urgent', 1], { lane: 'critical' })
    const urgent = client.request(Ticks, 'urgent', { lane: 'critical' })
    server.resume()
    t.deepEqual(await urgent, [1])
    await client.drained()
    t.is(await client.request(TickedBytes), (sent + 1) * 5000)
    for (let step = 0; step < 5000; step++) {
      if (!client.notify(Tick, ['row', step])) await client.drained()
    }
    const row = await client.request(Ticks, 'row')
    t.true(row.length === 5000 && row.every((step, at) => step === at))
    const registration = client.handle(event<number>('told'), (step) => (sum += step))
    await client.request(NotifyBack, { name: 'told', payload: 2, count: 20_000 })
    await until('all have arrived', () => sum === 40_000)
    registration.dispose()
    t.is(client.stats().lostWakeups, 0)
  })

  test(`${title}: both sides sleep and wake each other every time`, async (t) => {
    const { client } = await pair(t, variant)
    for (let round = 0; round < 50; round++) {
      await new Promise((resolve) => setTimeout(resolve, round % 5))
      t.is(await client.request(Echo, round), round)
    }
    await client.request(Block, 100)
    t.is(client.stats().lostWakeups, 0)
  })
}

function ending(title: string, variant: Variant): void {
  test(`${title}: a peer killed in mid-traffic ends every request`, async (t) => {
    const { client, server } = await pair(t, variant)
    const asked = Array.from({ length: 300 }, () => client.request(Never, 'killed'))
    await client.request(Echo)
    const flood = setInterval(() => {
      for (let at = 0; at < 1000 && client.isOpen; at++) client.notify(TickBytes, payload)
    }, 1)
    const payload = new Uint8Array(100)
    setTimeout(() => void server.kill(), 30)
    const reason = await client.closed
    clearInterval(flood)
    t.is(reason?.code, 'ERR_PEER_LOST')
    const outcomes = await Promise.allSettled(asked)
    t.true(outcomes.every((outcome) => outcome.status === 'rejected'))
    t.throws(() => client.notify(TickBytes, payload), { code: 'ERR_PEER_LOST' })
  })

  test(`${title}: a graceful close is one on both sides`, async (t) => {
    const { client, server } = await pair(t, variant)
    const other = await server.connect(t, variant.client)
    const pending = client.request(Never, 'closed')
    await client.request(Echo)
    await client.close()
    await t.throwsAsync(pending, { code: 'ERR_CLOSED' })
    t.is(await client.closed, null)
    await until('the other side has noticed', () => other.request(Abandoned, 'closed'))
  })
}
