// Long payloads that are written piece by piece from where they are.

import ava from 'ava'
import { EchoBytes, Tick, TickBytes, TickedBytes, TickedLast, Ticks } from './helpers/contracts.mjs'
import { pair, until } from './helpers/program.mjs'

const test = ava.serial
const MIB = 1 << 20

/** Bytes that differ everywhere. */
function pattern(length: number): Uint8Array {
  const words = new Uint32Array(length / 4)
  for (let at = 0; at < words.length; at++) words[at] = Math.imul(at, 2654435761)
  return new Uint8Array(words.buffer)
}

test('long requests arrive whole and in order with short ones', async (t) => {
  const { client } = await pair(t)
  const payload = pattern(20 * MIB)
  const answers: Promise<Uint8Array>[] = []
  for (let step = 0; step < 5; step++) {
    answers.push(client.request(EchoBytes, payload.subarray(step * MIB)))
    client.notify(Tick, ['between', step])
  }
  for (let step = 0; step < 5; step++) {
    const answer = await answers[step]
    t.is(Buffer.compare(answer, payload.subarray(step * MIB)), 0, `of ${step}`)
  }
  t.deepEqual(await client.request(Ticks, 'between'), [0, 1, 2, 3, 4])
})

test('a deferred payload is not copied while it waits, and urgent messages overtake it', async (t) => {
  const { client, server } = await pair(t)
  server.stop()
  const before = process.memoryUsage.rss()
  const payload = pattern(48 * MIB)
  const sent = client.send(TickBytes, payload)
  await client.drained({ timeoutMs: 1 }).catch(() => {})
  t.true(client.stats().queuedBytes > 40 * MIB)
  t.true(process.memoryUsage.rss() - before < 60 * MIB)
  const urgent = client.request(Ticks, 'nobody', { lane: 'critical' })
  server.resume()
  t.deepEqual(await urgent, [])
  await sent
  t.is(await client.request(TickedBytes), payload.length)
  t.is(client.stats().queuedBytes, 0)
})

test('a deferred payload changed while it waits is sent as changed', async (t) => {
  const { client, server } = await pair(t)
  server.stop()
  const [told, asked] = [new Uint8Array(8 * MIB), new Uint8Array(8 * MIB)]
  const sent = client.send(TickBytes, told)
  const answer = client.request(EchoBytes, asked)
  await client.drained({ timeoutMs: 1 }).catch(() => {})
  told.fill(7)
  asked.fill(8)
  server.resume()
  await sent
  t.is((await answer).at(-1), 8)
  t.is(await client.request(TickedLast), 7)
})

test('a deferred payload that waits too long is dropped whole, and later messages arrive', async (t) => {
  const overflow = { normal: { waitMs: 100 } }
  const { client, server } = await pair(t, { client: { rings: { normal: 65_536 }, overflow } })
  server.stop()
  while (client.notify(TickBytes, new Uint8Array(1000)));
  const { dropped } = client.stats()
  await t.throwsAsync(client.send(TickBytes, pattern(4 * MIB)), { code: 'ERR_FULL' })
  t.true(client.stats().dropped.normal > dropped.normal)
  t.is(client.stats().queuedBytes, 0)
  server.resume()
  await until('there is room', () => client.notify(Tick, ['after', 1]))
  t.is((await client.request(Ticks, 'after')).at(-1), 1)
})

test('an array detached while it is sent fails only its own request', async (t) => {
  const { client, server } = await pair(t)
  server.stop()
  const payload = pattern(32 * MIB)
  const answer = client.request(EchoBytes, payload)
  await client.drained({ timeoutMs: 1 }).catch(() => {})
  structuredClone(payload.buffer, { transfer: [payload.buffer as ArrayBuffer] })
  server.resume()
  await t.throwsAsync(answer, { code: 'ERR_INVALID_ARGUMENT' })
  t.deepEqual(await client.request(Ticks, 'nobody'), [])
  t.deepEqual(await client.request(EchoBytes, pattern(2 * MIB)), pattern(2 * MIB))
})

test('the deferred payload of a request that has ended is released', async (t) => {
  const { client, server } = await pair(t)
  server.stop()
  const asked = Array.from({ length: 20 }, () =>
    client.request(EchoBytes, pattern(MIB), { timeoutMs: 50 }).catch((error) => error.code),
  )
  t.deepEqual(new Set(await Promise.all(asked)), new Set(['ERR_TIMEOUT']))
  const { pending, queuedBytes } = client.stats()
  // The first has begun, and its last frame says that it was given up.
  t.true(pending === 0 && queuedBytes < 2 * MIB, `${queuedBytes} bytes wait`)
  server.resume()
  t.deepEqual(await client.request(EchoBytes, pattern(2 * MIB)), pattern(2 * MIB))
  t.is(client.stats().queuedBytes, 0)
})

test('a deferred payload ends with its connection', async (t) => {
  const { client, server } = await pair(t)
  server.stop()
  const [sent, asked] = [client.send(TickBytes, pattern(32 * MIB)), client.request(EchoBytes, pattern(MIB))]
  const outcomes = Promise.allSettled([sent, asked])
  await server.kill()
  for (const outcome of await outcomes) {
    t.is(outcome.status === 'rejected' && outcome.reason.code, 'ERR_PEER_LOST')
  }
})
