// Streams: items in order, no more of them than the reader takes, and one end.

import { once } from 'node:events'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { Readable, Writable } from 'node:stream'
import { setTimeout } from 'node:timers/promises'
import ava from 'ava'
import { IpcError, toDuplex, toReadableStream, type ClientStream } from 'ringpost'
import { Abandoned } from './helpers/contracts.mjs'
import { pair, serve, until } from './helpers/program.mjs'
import { Checked, Chunks, Echoed, Numbers, Pushy, TokenSeen, Tokens } from './helpers/streams.mjs'

const test = ava.serial
const server = await serve()
const chunks = (count: number, length: number) => Buffer.from(JSON.stringify([count, length]))

async function all<Item>(items: ClientStream<Item>): Promise<Item[]> {
  const found = []
  for await (const item of items) found.push(item)
  return found
}

test('a generator is a stream, and its return value the result', async (t) => {
  const client = await server.connect(t)
  const numbers = client.stream(Numbers, ['a', 5])
  t.deepEqual(await all(numbers), [0, 1, 2, 3, 4])
  t.is(await numbers.result, 'whole')
  t.is(await client.request(Abandoned, 'a'), 'ended')
  // A second iteration finds nothing.
  t.deepEqual(await all(numbers), [])
})

test('the result resolves without reading the items that fit the window', async (t) => {
  const client = await server.connect(t)
  t.is(await client.stream(Numbers, ['b', 5]).result, 'whole')
})

test('an item is delivered as soon as it arrives', async (t) => {
  const client = await server.connect(t)
  const seen = []
  for await (const token of client.stream(Tokens)) {
    seen.push(token)
    // Before this has come there are no others.
    client.notify(TokenSeen)
  }
  t.deepEqual(seen, ['one', 'by', 'one'])
})

test('both sides write and read at once', async (t) => {
  const client = await server.connect(t)
  const echoed = client.stream(Echoed, undefined, { windowBytes: 4096 })
  const upload = async () => {
    for (let number = 0; number < 5000; number++) {
      if (!echoed.write({ number })) await echoed.ready()
    }
    echoed.end()
  }
  const [items] = await Promise.all([all(echoed), upload()])
  t.deepEqual(items, Array.from({ length: 5000 }, (_, number) => ({ number })))
  t.is(await echoed.result, 5000)
  const ended = { code: 'ERR_CANCELLED' }
  t.throws(() => echoed.write(1), ended)
  await t.throwsAsync(echoed.ready(), ended)
})

test('items that arrive together can be taken together', async (t) => {
  const client = await server.connect(t)
  const numbers = client.stream(Numbers, ['c', 10_000])
  const found: number[] = []
  let calls = 0
  await numbers.forEach((items) => {
    found.push(...items)
    calls++
  })
  t.deepEqual(found, Array.from({ length: 10_000 }, (_, number) => number))
  t.true(calls < 5000, `${calls} calls`)
  t.is(await numbers.result, 'whole')
})

test('no items are delivered while the reader is busy', async (t) => {
  const client = await server.connect(t)
  let [atWork, found] = [0, 0]
  await client.stream(Numbers, ['d', 20_000], { windowBytes: 4096 }).forEach(async (items) => {
    t.is(++atWork, 1)
    await setTimeout(0)
    found += items.length
    atWork--
  })
  t.is(found, 20_000)
})

test('a reader that throws ends the stream with its error', async (t) => {
  const client = await server.connect(t)
  const numbers = client.stream(Numbers, ['e', 1e9])
  const mine = new Error('mine')
  const taken = numbers.forEach(() => {
    throw mine
  })
  t.is(await t.throwsAsync(taken), mine)
  t.is(await t.throwsAsync(numbers.result), mine)
  await until('the handler is aborted', async () => (await client.request(Abandoned, 'e')) === 'ERR_CANCELLED')
})

test('memory of borrowed items is reused, memory of kept ones is not', async (t) => {
  const client = await server.connect(t)
  const memories = async (borrowed: boolean) => {
    const seen = new Set<ArrayBufferLike>()
    let bytes = 0
    const take = (items: Uint8Array[]) => {
      for (const item of items) {
        seen.add(item.buffer)
        bytes += item.every((byte) => byte === 7) ? item.length : NaN
      }
    }
    await client.stream(Chunks, chunks(64, 65_536)).forEach(take, { borrowed })
    t.is(bytes, 64 * 65_536)
    return seen.size
  }
  t.is(await memories(false), 64)
  t.true((await memories(true)) < 32)
})

// ---- ends ----

test('leaving a loop cancels the stream once, on both sides', async (t) => {
  const client = await server.connect(t)
  const numbers = client.stream(Numbers, ['f', 1e9])
  for await (const number of numbers) if (number === 1000) break
  await t.throwsAsync(numbers.result, { code: 'ERR_CANCELLED' })
  t.deepEqual(await all(numbers), [])
  await until('the handler is aborted', async () => (await client.request(Abandoned, 'f')) === 'ERR_CANCELLED')
  t.is(client.stats().pending, 0)
})

test('a signal ends a stream with its reason', async (t) => {
  const client = await server.connect(t)
  const controller = new AbortController()
  const numbers = client.stream(Numbers, ['g', 1e9], { signal: controller.signal })
  const reason = new Error('enough')
  const error = await t.throwsAsync(async () => {
    for await (const number of numbers) if (number === 100) controller.abort(reason)
  })
  t.is(error, reason)
  t.throws(() => client.stream(Numbers, ['g', 1], { signal: controller.signal }), { is: reason })
})

test('a deadline ends a stream', async (t) => {
  const client = await server.connect(t)
  const numbers = client.stream(Numbers, ['h', 1e9], { timeoutMs: 50 })
  await t.throwsAsync(numbers.forEach(() => {}), { code: 'ERR_TIMEOUT' })
})

test('a close or the death of the peer ends a stream on both sides', async (t) => {
  const { server: victim, client } = await pair(t)
  const numbers = client.stream(Numbers, ['i', 1e9])
  const taken = numbers.forEach(() => {})
  await setTimeout(20)
  await victim.kill()
  await t.throwsAsync(taken, { code: 'ERR_PEER_LOST' })
  await t.throwsAsync(numbers.result, { code: 'ERR_PEER_LOST' })
  const other = await server.connect(t)
  const closed = other.stream(Numbers, ['j', 1e9])
  await other.close()
  await t.throwsAsync(all(closed), { code: 'ERR_CLOSED' })
  t.throws(() => other.stream(Numbers, ['j', 1]), { code: 'ERR_CLOSED' })
  const client2 = await server.connect(t)
  await until('the handler is aborted', async () => (await client2.request(Abandoned, 'j')) !== null)
})

test('an item that cannot be decoded ends the stream after the items before it', async (t) => {
  const client = await server.connect(t)
  const checked = client.stream(Checked, [1, 2, -3, 4])
  const found: unknown[] = []
  const read = async () => {
    for await (const item of checked) found.push(item)
  }
  await t.throwsAsync(read(), { code: 'ERR_INVALID_PAYLOAD', message: /above 0/ })
  t.deepEqual(found, [2, 4])
  const uploading = client.stream(Checked, [])
  uploading.write(-1)
  await t.throwsAsync(all(uploading), { code: 'ERR_INVALID_PAYLOAD', message: /above 0/ })
  const odd = client.stream(Echoed)
  t.throws(() => odd.write(() => {}), { code: 'ERR_INVALID_PAYLOAD' })
  odd.cancel()
})

// ---- who keeps up, and who does not ----

test('at most a window is written to a reader that does not read', async (t) => {
  const client = await server.connect(t)
  const chunky = client.stream(Chunks, chunks(1000, 1000), { windowBytes: 65_536 })
  const iterator = chunky[Symbol.asyncIterator]()
  await iterator.next()
  await setTimeout(100)
  const { received } = client.stats()
  t.true(received <= 66, `${received} items came`)
  let count = 1
  while (!(await iterator.next()).done) count++
  t.is(count, 1000)
})

test('a writer that does not wait for credit fails', async (t) => {
  const client = await server.connect(t)
  t.is(await client.stream(Pushy).result, 'ERR_FULL')
  const echoed = client.stream(Echoed, undefined, { windowBytes: 4096 })
  while (echoed.write('x'.repeat(100)));
  t.throws(() => echoed.write('y'), { code: 'ERR_FULL', message: /await ready\(\)/ })
  await echoed.ready({ timeoutMs: 60_000 })
  echoed.write('y')
  echoed.end()
  t.is((await all(echoed)).at(-1), 'y')
})

test('waiting for credit can time out or be aborted', async (t) => {
  const client = await server.connect(t)
  // Nothing of it is read here, so that the server in its turn stops reading.
  const echoed = client.stream(Echoed, undefined, { windowBytes: 4096 })
  const fill = async () => {
    for (;;) if (!echoed.write('x'.repeat(1000))) await echoed.ready({ timeoutMs: 1000 })
  }
  await t.throwsAsync(fill(), { code: 'ERR_TIMEOUT' })
  const stuck = echoed.ready()
  echoed.cancel(new Error('no use'))
  await t.throwsAsync(stuck, { message: 'no use' })
})

test('memory stays flat while a gigabyte passes through a window', async (t) => {
  const client = await server.connect(t)
  const [count, length] = [16_384, 65_536]
  const bulk = client.stream(Chunks, chunks(count, length), { windowBytes: 262_144 })
  let [bytes, before, most] = [0, 0, 0]
  await bulk.forEach(
    (items: Uint8Array[]) => {
      for (const item of items) bytes += item.length
      const { rss } = process.memoryUsage()
      // What is needed once is there after the first tenth.
      if (bytes < (count * length) / 10) before = Math.max(before, rss)
      most = Math.max(most, rss)
    },
    { borrowed: true },
  )
  t.is(bytes, count * length)
  t.true(most - before < 32 << 20, `${(most - before) >> 20} MiB more`)
})

// ---- as others know streams ----

test('a Duplex writes and reads, and its ends are the stream\'s', async (t) => {
  const client = await server.connect(t)
  const found: unknown[] = []
  const echoed = client.stream(Echoed, undefined, { windowBytes: 4096 })
  const numbers = Array.from({ length: 3000 }, (_, number) => number + 1)
  const sink = new Writable({
    objectMode: true,
    write(item, _, done) {
      found.push(item)
      done()
    },
  })
  await pipeline(Readable.from(numbers), toDuplex(echoed), sink)
  t.deepEqual(found, numbers)
  t.is(await echoed.result, 3000)
  const endless = client.stream(Numbers, ['k', 1e9])
  toDuplex(endless).destroy()
  await t.throwsAsync(endless.result, { code: 'ERR_CANCELLED' })
  const failing = toDuplex(client.stream(Numbers, ['l', 1e9], { timeoutMs: 20 })).resume()
  const [error] = (await once(failing, 'error')) as [IpcError]
  t.is(error.code, 'ERR_TIMEOUT')
})

test('a web ReadableStream', async (t) => {
  const client = await server.connect(t)
  const web = toReadableStream(client.stream(Chunks, chunks(100, 1000)))
  t.is((await buffer(web)).length, 100_000)
  const endless = client.stream(Numbers, ['m', 1e9])
  const reader = toReadableStream(endless).getReader()
  t.deepEqual(await reader.read(), { value: 0, done: false })
  await reader.cancel()
  await t.throwsAsync(endless.result, { code: 'ERR_CANCELLED' })
  t.throws(() => toReadableStream({} as never), { code: 'ERR_INVALID_ARGUMENT' })
})

test('an item that is null is no end: a Duplex says so, a web stream passes it on', async (t) => {
  const client = await server.connect(t)
  for (const none of [null, undefined]) {
    const echo = () => {
      const echoed = client.stream(Echoed)
      for (const item of [1, none, 2]) echoed.write(item)
      return echoed
    }
    const [echoed, found]: [ClientStream, unknown[]] = [echo(), []]
    const duplex = toDuplex(echoed).on('data', (item) => found.push(item))
    const refusal = { code: 'ERR_INVALID_PAYLOAD', message: /null.*in an object/ }
    const error = await t.throwsAsync(once(duplex, 'end'), refusal)
    t.deepEqual(found, [1])
    t.is(await t.throwsAsync(echoed.result), error)
    const reader = toReadableStream(echo()).getReader()
    for (const value of [1, null, 2]) t.deepEqual(await reader.read(), { value, done: false })
    await reader.cancel()
  }
})

// ---- mistakes ----

test('a value that is not a stream is rejected', async (t) => {
  const client = await server.connect(t)
  t.throws(() => client.stream('numbers' as never), { code: 'ERR_INVALID_ARGUMENT' })
  t.throws(() => client.stream(Numbers, ['n', 1], { windowBytes: 100 }), { instanceOf: RangeError })
  await t.throwsAsync(client.request('numbers', ['n', 1]), { code: 'ERR_INVALID_ARGUMENT' })
})
