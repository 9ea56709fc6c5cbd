// What waits, what is dropped and what is told of it; names and items, and where they end.

import ava from 'ava'
import { bytes, connect, createServer, event, stream, type Drop } from 'ringpost'
import { EchoBytes, PeerDropped, Tick, TickBytes, Ticks } from './helpers/contracts.mjs'
import { pair, until } from './helpers/program.mjs'
import { Echoed } from './helpers/streams.mjs'

const test = ava.serial
const KIB = 1 << 10
const MIB = 1 << 20

test('by default messages wait for any time and none is dropped', async (t) => {
  const { client, server } = await pair(t, { client: { rings: { normal: 16 * KIB } } })
  server.stop()
  for (const lane of ['critical', 'high', 'normal'] as const) {
    for (let step = 0; step < 1000; step++) client.notify(Tick, [lane, step], { lane })
  }
  // Longer than any lane would have waited for with a limit of its own.
  await new Promise((resolve) => setTimeout(resolve, 1200))
  server.resume()
  await client.drained()
  for (const lane of ['critical', 'high', 'normal']) {
    t.deepEqual(await client.request(Ticks, lane), Array.from({ length: 1000 }, (_, step) => step))
  }
  t.deepEqual(Object.values(client.stats().dropped), [0, 0, 0, 0])
})

test('a synchronous request that a full lane refuses throws that, and does not wait', async (t) => {
  const { client, server } = await pair(t, { client: { overflow: { normal: 'fail' } } })
  server.stop()
  // Long ones are sent before they are waited for.
  for (const length of [60_000, 1000]) {
    const payload = new Uint8Array(length)
    const fill = () => {
      for (;;) client.notify(TickBytes, payload)
    }
    t.throws(fill, { code: 'ERR_FULL' })
    t.throws(() => client.requestSync(EchoBytes, payload), { code: 'ERR_FULL' })
  }
  server.resume()
  await client.drained()
  t.is(client.stats().pending, 0)
})

test('dropped messages are returned, reported and counted', async (t) => {
  const { client, server } = await pair(t)
  const told: Drop[] = []
  client.on('drop', (drop) => told.push(drop))
  server.stop()
  let taken = 0
  while (client.notify(Tick, ['low', taken], { lane: 'low' })) taken++
  t.false(client.notify(Tick, ['low', -1], { lane: 'low' }))
  server.resume()
  await until('it was told', () => told.length > 0)
  t.deepEqual(new Set(told.map(({ lane }) => lane)), new Set(['low']))
  const { low } = client.stats().dropped
  t.is(told.reduce((sum, { count }) => sum + count, 0), low)
  await until('all that was taken has come', async () => (await client.request(Ticks, 'low')).length === taken)
  t.is((await client.request(PeerDropped)).low, low)
})

test('drained() rejects if something was dropped meanwhile', async (t) => {
  const overflow = { normal: { waitMs: 50 } }
  const { client, server } = await pair(t, { client: { rings: { normal: 16 * KIB }, overflow } })
  server.stop()
  for (let step = 0; step < 1000; step++) client.notify(Tick, ['short', step])
  await t.throwsAsync(client.drained(), { code: 'ERR_FULL', message: /\d+ events were dropped/ })
  server.resume()
  await client.drained()
})

test('a stream continues in its lane while another lane is full', async (t) => {
  const { client, server } = await pair(t, { client: { overflow: { low: { waitMs: Infinity } } } })
  const items = client.stream(Echoed, undefined, { lane: 'critical' })
  t.true(items.write(0))
  const [first] = [await items[Symbol.asyncIterator]().next()]
  t.is(first.value, 0)
  server.stop()
  for (let count = 0; count < 400; count++) client.notify(TickBytes, new Uint8Array(50_000), { lane: 'low' })
  t.true(client.stats().queuedBytes > 10 * MIB)
  for (let number = 1; number < 10; number++) t.true(items.write(number), 'it waits for another lane')
  await items.ready({ timeoutMs: 1000 })
  server.resume()
  items.end()
  const seen: number[] = []
  for await (const item of items) seen.push(item)
  t.deepEqual(seen, [1, 2, 3, 4, 5, 6, 7, 8, 9])
})

test('a flooded lane leaves the share of other lanes free', async (t) => {
  const { client, server } = await pair(t, { client: { backlogMax: MIB, overflow: { low: { waitMs: Infinity } } } })
  server.stop()
  const flood = () => {
    for (;;) client.notify(TickBytes, new Uint8Array(10_000), { lane: 'low' })
  }
  t.throws(flood, { code: 'ERR_FULL' })
  t.true(client.stats().queuedBytes > MIB)
  // The ring of the critical lane takes some, and private memory some more.
  for (let step = 0; step < 1000; step++) client.notify(Tick, ['urgent', step], { lane: 'critical' })
  server.resume()
  await client.drained()
  t.is((await client.request(Ticks, 'urgent')).length, 1000)
})

test('names generated without end do not exhaust memory', async (t) => {
  const server = await createServer('names')
  const client = await connect('names')
  t.teardown(() => Promise.all([client.close(), server.close()]))
  const Steady = event<number>('steady')
  const heard: number[] = []
  server.on(Steady, (number) => heard.push(number))
  for (let number = 0; number < 20_000; number++) {
    if (number % 1000 === 0) {
      const method = `method ${number}`
      server.handle(method, (value) => [method, value])
      const lane = number % 2000 === 0 ? 'high' : 'normal'
      t.deepEqual(await client.request(method, number, { lane }), [method, number])
    }
    client.notify(`name ${number}`)
    if (number % 100 === 0) client.notify(Steady, number)
  }
  await client.drained()
  t.deepEqual(await client.request('method 0', 1), ['method 0', 1])
  t.deepEqual(heard, Array.from({ length: 200 }, (_, index) => index * 100))
})

test('items that are not read stay with the sender, and so do the messages after them', async (t) => {
  const Deaf = stream<void, never, Uint8Array, void>('deaf', { codec: bytes })
  let read = () => {}
  const server = await createServer('unread', { unreadMax: 100_000, rings: { normal: 65_536 } })
  server.handle(Deaf, async (_, items) => {
    await new Promise<void>((resolve) => (read = resolve))
    for await (const item of items) t.is(item.length, 5000)
  })
  server.handle(EchoBytes, (payload) => payload)
  const client = await connect('unread', { rings: { normal: 65_536 } })
  t.teardown(() => Promise.all([client.close(), server.close()]))
  const items = client.stream(Deaf)
  for (let count = 0; count < 40; count++) items.write(new Uint8Array(5000))
  items.end()
  const behind = client.request(EchoBytes, new Uint8Array(5))
  const early = await Promise.race([behind, new Promise((resolve) => setTimeout(resolve, 100, 'waits'))])
  t.is(early, 'waits')
  read()
  t.deepEqual(await behind, new Uint8Array(5))
  await items.result
})

test('a compressed payload is rejected only by methods that do not accept it', async (t) => {
  const server = await createServer('consent')
  const Plain = event<Uint8Array>('plain', { codec: bytes })
  server.handle(EchoBytes, (payload) => payload)
  server.on(Plain, () => t.fail('it was not to come'))
  const client = await connect('consent')
  t.teardown(() => Promise.all([client.close(), server.close()]))
  const { method } = await import('ringpost')
  const Packed = method<Uint8Array, Uint8Array>('echo-bytes', { codec: bytes, compress: true })
  const zeros = new Uint8Array(100_000)
  await t.throwsAsync(client.request(Packed, zeros), { code: 'ERR_INVALID_PAYLOAD', message: /compressed/ })
  t.deepEqual(await client.request(EchoBytes, zeros), zeros)
  const [connection] = server.connections
  const reported = new Promise<Error>((resolve) => connection.once('error', resolve))
  client.notify(event('plain', { codec: bytes, compress: true }), zeros)
  t.like(await reported, { code: 'ERR_INVALID_PAYLOAD' })
  t.is(connection.stats().unhandled, 1)
  t.true(client.isOpen)
})
