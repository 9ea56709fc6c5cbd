// Requests: one outcome each, whatever happens.

import { setTimeout } from 'node:timers/promises'
import ava from 'ava'
import { bytes, connect, createServer, event, IpcError, method } from 'ringpost'
import {
  Abandoned,
  RequestBack,
  Block,
  Borrowed,
  Echo,
  EchoBytes,
  Fail,
  FailOddly,
  Inspect,
  Never,
  positive,
  Positive,
  Wait,
} from './helpers/contracts.mjs'
import { pair, Program, serve, until } from './helpers/program.mjs'

// What one test asks synchronously must not keep another waiting.
const test = ava.serial
const server = await serve()
const MIB = 1 << 20

test('an answer is the value the handler returns or resolves to', async (t) => {
  const client = await server.connect(t)
  const value = { text: 'grüße', list: [1, 2.5, null], bytes: new Uint8Array([1, 2]) }
  t.deepEqual(await client.request(Echo, value), value)
  t.is(await client.request(Wait, 1), 1)
  t.is(await client.request('echo', 'by name'), 'by name')
  t.is(await client.request(Echo), null)
})

test('a synchronous request in a handler keeps no other connection from being read', async (t) => {
  const client = await server.connect(t)
  const Chunk = event('chunk', { codec: bytes })
  const flooded = await createServer('flooded')
  const flooding = await connect('flooded')
  t.teardown(() => Promise.all([flooding.close(), flooded.close()]))
  let count = 0
  flooded.handle(Chunk, () => {
    if (count++ > 0) return
    // Its answer comes while the other is waited for, and is put behind what has come before.
    void client.request(Echo, 'before')
    t.is(client.requestSync(Echo, 'at once'), 'at once')
  })
  // More than is read before handlers run.
  const payload = new Uint8Array(15_000)
  for (let sent = 0; sent < 100; sent++) flooding.notify(Chunk, payload)
  await until('all have come', () => count === 100)
})

test('a synchronous request is answered however much others send meanwhile', async (t) => {
  const client = await server.connect(t)
  const crowded = await createServer('crowded')
  const counts = new Map<object, number>()
  crowded.handle(event('tick'), (_, { connection }) => {
    counts.set(connection, (counts.get(connection) ?? 0) + 1)
  })
  // What comes of many by turns takes more to note than what comes of one.
  const program = new Program('ticks', { name: 'crowded', count: 32 })
  t.teardown(async () => {
    await program.kill()
    await crowded.close()
  })
  await until('all send', () => counts.size === 32)
  t.is(client.requestSync(Wait, 500, { timeoutMs: 20_000 }), 500)
  const before = [...counts.values()]
  await until('all are read again', () => [...counts.values()].every((it, at) => it > before[at]))
})

// ---- errors ----

test('an error keeps its name, message, code, causes and stack', async (t) => {
  const client = await server.connect(t)
  const root = { name: 'Error', message: 'root' }
  const cause = { name: 'Inner', message: 'below', code: 'E_DEEP', cause: root }
  const failure = { name: 'NotFoundError', message: 'no such file: ä', code: 'ENOENT', cause }
  const error = await t.throwsAsync(client.request(Fail, failure), { instanceOf: IpcError })
  const { name, message, code } = failure
  t.like(error, { name, message, code, isRemote: true })
  t.regex(error.stack!, /NotFoundError: no such file|server\.m/)
  const inner = error.cause as IpcError
  t.like(inner, { name: 'Inner', message: 'below', code: 'E_DEEP' })
  t.like(inner.cause, root)
})

test('an error without a code, with a number for one, and no error at all', async (t) => {
  const client = await server.connect(t)
  const plain = client.request(Fail, { name: 'Error', message: 'plain' })
  await t.throwsAsync(plain, { code: 'ERR_HANDLER', message: 'plain' })
  const numbered = client.request(Fail, { name: 'Error', message: 'numbered', code: 7 })
  await t.throwsAsync(numbered, { code: 7 })
  await t.throwsAsync(client.request(FailOddly, 'just text'), { message: 'just text' })
})

test('an infinite chain of causes and a very long text are truncated', async (t) => {
  await using own = await createServer('endless')
  const endless: Error & { cause?: unknown } = new Error('x'.repeat(1e6))
  endless.cause = endless
  own.handle('fail', () => {
    throw endless
  })
  const client = await connect('endless')
  const error = await t.throwsAsync(client.request('fail'))
  t.true(error.message.length < 20_000)
  let depth = 0
  for (let at: any = error; at; at = at.cause) depth++
  t.true(depth > 2 && depth < 20, String(depth))
})

test('a method without a handler, before registering and after disposing one', async (t) => {
  const client = await server.connect(t)
  const unknown = { code: 'ERR_UNKNOWN_METHOD', message: /"nonesuch"/ }
  await t.throwsAsync(client.request('nonesuch'), unknown)
  await t.throwsAsync(async () => client.requestSync('nonesuch'), unknown)
  const ask = (name: string) => client.request(RequestBack, { name })
  t.is(await ask('late'), 'ERR_UNKNOWN_METHOD')
  const registration = client.handle('late', () => 'here')
  t.is(await ask('late'), 'here')
  registration.dispose()
  registration.dispose()
  t.is(await ask('late'), 'ERR_UNKNOWN_METHOD')
})

// ---- validators ----

test('a validator rejects params on the receiving side, and its value is used', async (t) => {
  const client = await server.connect(t)
  t.is(await client.request(Positive, 4), 8)
  const error = await t.throwsAsync(client.request(Positive, -4), { code: 'ERR_INVALID_PAYLOAD' })
  t.regex(error.message, /has to be above 0; really/)
  t.true((error as IpcError).isRemote)
})

test('a validator rejects a result on the receiving side', async (t) => {
  const client = await server.connect(t)
  const Checked = method<any, any>('echo', { result: positive() })
  t.is(await client.request(Checked, 4), 8)
  t.is(client.requestSync(Checked, 4), 8)
  const refused = { code: 'ERR_INVALID_PAYLOAD', message: /above 0/ }
  const error = await t.throwsAsync(client.request(Checked, 'x'), refused)
  t.false((error as IpcError).isRemote)
  t.throws(() => client.requestSync(Checked, 'x'), refused)
})

test('a validator that throws or is asynchronous rejects', async (t) => {
  const client = await server.connect(t)
  const checkedBy = (validate: (value: unknown) => any) =>
    client.request(method<any, any>('echo', { result: { '~standard': { validate } } }), 1)
  const slow = checkedBy(async (value) => ({ value }))
  await t.throwsAsync(slow, { code: 'ERR_INVALID_PAYLOAD', message: /it is asynchronous/ })
  const broken = checkedBy(() => {
    throw new Error('broken')
  })
  const error = await t.throwsAsync(broken, { code: 'ERR_INVALID_PAYLOAD' })
  t.like(error.cause, { message: 'broken' })
})

// ---- time ----

test('a request that times out aborts the signal of its handler', async (t) => {
  const client = await server.connect(t)
  const asked = client.request(Never, 'timed out', { timeoutMs: 500 })
  await t.throwsAsync(asked, { code: 'ERR_TIMEOUT', message: /"never" within 500 ms/ })
  await until('it is abandoned', () => client.request(Abandoned, 'timed out'))
  t.is(await client.request(Abandoned, 'timed out'), 'ERR_CANCELLED')
})

test("the connection's timeout applies to requests without one", async (t) => {
  const client = await server.connect(t, { timeoutMs: 30 })
  await t.throwsAsync(client.request(Never, 'a'), { code: 'ERR_TIMEOUT' })
  t.throws(() => client.requestSync(Never, 'b'), { code: 'ERR_TIMEOUT' })
  t.is(await client.request(Wait, 60, { timeoutMs: Infinity }), 60)
})

test('the handler sees the time remaining', async (t) => {
  // Long spans are measured by a clock that is up to 10 ms behind.
  const client = await server.connect(t)
  const { remainingMs } = await client.request(Inspect, undefined, { timeoutMs: 5000 })
  t.true(remainingMs > 0 && remainingMs <= 5010, String(remainingMs))
  const endless = await client.request(Inspect, undefined, { timeoutMs: Infinity })
  t.is(endless.remainingMs, Infinity)
})

test('a late answer is dropped and counted', async (t) => {
  const { client } = await pair(t)
  await t.throwsAsync(client.request(Block, 1000, { timeoutMs: 500 }), { code: 'ERR_TIMEOUT' })
  t.is(await client.request(Echo, 'next'), 'next')
  const { lateReplies, pending } = client.stats()
  t.is(lateReplies, 1)
  t.is(pending, 0)
})

test('a request that times out before it is read is not handled', async (t) => {
  const { client, server } = await pair(t)
  server.stop()
  await t.throwsAsync(client.request(Never, 'stale', { timeoutMs: 20 }), { code: 'ERR_TIMEOUT' })
  server.resume()
  t.is(await client.request(Abandoned, 'stale'), null)
})

// ---- cancel ----

test('a request is cancelled before it is sent, while in flight, and after its answer', async (t) => {
  const client = await server.connect(t)
  const reason = new Error('enough')
  const early = client.request(Never, 'early', { signal: AbortSignal.abort(reason) })
  t.is(await t.throwsAsync(early), reason)
  const controller = new AbortController()
  const meanwhile = client.request(Never, 'meanwhile', { signal: controller.signal })
  await client.request(Echo)
  controller.abort(reason)
  t.is(await t.throwsAsync(meanwhile), reason)
  await until('the handler has heard', () => client.request(Abandoned, 'meanwhile'))
  const later = new AbortController()
  t.is(await client.request(Echo, 'done', { signal: later.signal }), 'done')
  later.abort()
  t.is(await client.request(Echo, 'goes on'), 'goes on')
  t.is(await client.request(Abandoned, 'early'), null)
})

test('a request cancelled in the turn it was made in is never handled', async (t) => {
  const client = await server.connect(t)
  const controller = new AbortController()
  const asked = client.request(Never, 'same turn', { signal: controller.signal })
  controller.abort()
  await t.throwsAsync(asked, { any: true })
  t.is(await client.request(Echo, 1), 1)
  t.is(client.stats().pending, 0)
})

// ---- sizes ----

const SIZES = [0, 1, 63, 64, 65, 1000, 16_383, 16_384, 65_535, 65_536, 131_072, 131_073, MIB + 1]

test('payloads of every size are echoed', async (t) => {
  const client = await server.connect(t)
  for (const size of SIZES) {
    const payload = Uint8Array.from({ length: size }, (_, at) => (at * 31 + size) & 0xff)
    t.is(Buffer.compare(await client.request(EchoBytes, payload), payload), 0, `${size}`)
    t.is(Buffer.compare(client.requestSync(EchoBytes, payload), payload), 0, `${size} sync`)
    const text = 'é'.repeat(size / 2)
    t.is((await client.request<any, string>(Echo, text)) === text, true, `${size} as text`)
  }
})

test('the longest message is accepted, and one byte more is rejected', async (t) => {
  const client = await server.connect(t)
  const payload = Buffer.alloc(64 * MIB, 'longest')
  const asked = client.request(EchoBytes, payload)
  t.is(await client.request(Echo, 'meanwhile', { lane: 'high' }), 'meanwhile')
  t.is(Buffer.compare(await asked, payload), 0)
  const tooLong = Buffer.alloc(64 * MIB + 1)
  const refused = { code: 'ERR_TOO_LARGE' }
  await t.throwsAsync(client.request(EchoBytes, tooLong), refused)
  t.throws(() => client.requestSync(EchoBytes, tooLong), refused)
  t.throws(() => client.notify('e', tooLong), refused)
  t.is(await client.request(Echo, 'goes on'), 'goes on')
})

test('an answer above the agreed length fails only its request', async (t) => {
  const client = await server.connect(t, { messageLenMax: 1000 })
  client.handle('much', () => 'x'.repeat(1001))
  t.is(await client.request(RequestBack, { name: 'much' }), 'ERR_TOO_LARGE')
  const payload = new Uint8Array(1000)
  t.is((await client.request(EchoBytes, payload)).length, 1000)
  await t.throwsAsync(client.request(EchoBytes, new Uint8Array(1001)), { code: 'ERR_TOO_LARGE' })
})

test('bytes can be sent from any view, and received bytes belong to the receiver', async (t) => {
  const client = await server.connect(t)
  for (const size of [5, 100_000]) {
    const whole = Buffer.alloc(size + 10, 'view')
    const shared = Buffer.from(new SharedArrayBuffer(size)).fill('shared')
    for (const payload of [whole.subarray(3, size + 3), shared]) {
      const answer = await client.request(EchoBytes, payload)
      await Promise.all(Array.from({ length: 200 }, () => client.request(EchoBytes, whole)))
      t.is(Buffer.compare(answer, payload), 0)
      t.false(answer.buffer instanceof SharedArrayBuffer)
    }
  }
})

test('a payload may be reused as soon as the call returns', async (t) => {
  const client = await server.connect(t)
  const payload = Buffer.alloc(100_000)
  const answers = Array.from({ length: 50 }, (_, turn) => {
    payload.fill(turn)
    return client.request(EchoBytes, payload)
  })
  for (const [turn, answer] of (await Promise.all(answers)).entries()) {
    t.true(answer.every((byte) => byte === turn), String(turn))
  }
})

test('borrowed payloads reuse the same memory', async (t) => {
  const client = await server.connect(t)
  let lent = 0
  for (let turn = 0; turn < 20; turn++) {
    const [isSame, ...rest] = await client.request(Borrowed, Uint8Array.of(turn, 1, 2))
    t.deepEqual(rest, [turn, 1, 2])
    lent += isSame
  }
  t.true(lent > 15, String(lent))
})

// ---- what travels along ----

test('the handler sees lane, trace and peer', async (t) => {
  const client = await server.connect(t)
  const traceparent = `00-${'a1'.repeat(16)}-${'b2'.repeat(8)}-01`
  for (const lane of ['critical', 'high', 'normal', 'low'] as const) {
    const seen = await client.request(Inspect, undefined, { lane, traceparent })
    t.is(seen.lane, lane)
    t.is(seen.traceparent, traceparent)
    t.like(seen.peer, { ...client.peer, pid: process.pid })
    t.is(client.requestSync(Inspect, undefined, { lane }).lane, lane)
  }
  t.is((await client.request(Inspect)).traceparent, null)
})

test('a server sends requests to its client, also from within a handler', async (t) => {
  const client = await server.connect(t)
  client.handle(Echo, (value, { connection, peer }) => {
    t.is(connection, client)
    t.is(peer, client.peer)
    return value
  })
  t.is(await client.request(RequestBack, { name: 'echo', payload: 5 }), 5)
  client.handle('deeper', async () => client.request(Echo, 'and back'))
  t.is(await client.request(RequestBack, { name: 'deeper' }), 'and back')
})

test("a handler of the connection takes precedence over the server's", async (t) => {
  await using own = await createServer('two-handlers')
  own.handle('who', () => 'server')
  own.on('connection', (connection) => {
    const registration = connection.handle('who', () => {
      registration.dispose()
      return 'connection'
    })
  })
  const client = await connect('two-handlers')
  t.is(await client.request('who'), 'connection')
  t.is(await client.request('who'), 'server')
  own.handle('who', () => 'replaced')
  t.is(await client.request('who'), 'replaced')
})

// ---- many ----

test('a thousand concurrent requests each get their own answer', async (t) => {
  const client = await server.connect(t)
  const asked = Array.from({ length: 1000 }, (_, at) => client.request(Echo, { at }))
  t.is(client.stats().pending, 1000)
  const answers = await Promise.all(asked)
  t.true(answers.every((answer, at) => answer.at === at))
  t.is(client.stats().pending, 0)
})

test('a thousand handlers that wait answer independently', async (t) => {
  const client = await server.connect(t)
  const waits = Array.from({ length: 1000 }, (_, at) => (at * 7) % 50)
  t.deepEqual(await Promise.all(waits.map((ms) => client.request(Wait, ms))), waits)
})

test('requests in flight above the agreed limit are rejected', async (t) => {
  const client = await server.connect(t, { pendingMax: 10 })
  const controller = new AbortController()
  const { signal } = controller
  const pending = Array.from({ length: 10 }, () => client.request(Never, 'many', { signal }))
  await t.throwsAsync(client.request(Echo), { code: 'ERR_TOO_MANY_PENDING' })
  t.throws(() => client.requestSync(Echo), { code: 'ERR_TOO_MANY_PENDING' })
  controller.abort()
  for (const asked of pending) await t.throwsAsync(asked, { any: true })
  t.is(await client.request(Echo, 'room again'), 'room again')
})

test('requests above the limit of a server wait', async (t) => {
  const { client } = await pair(t, { server: { servingMax: 5 } })
  const waits = new Array<number>(50).fill(5)
  t.deepEqual(await Promise.all(waits.map((ms) => client.request(Wait, ms))), waits)
})

test('the number of names is limited only by memory', async (t) => {
  const client = await server.connect(t)
  for (let at = 0; at < 500; at++) {
    await t.throwsAsync(client.request(`unheard-of-${at}`), { code: 'ERR_UNKNOWN_METHOD' })
  }
})

// ---- synchronous ----

test('a synchronous request returns its answer, its error, or times out', async (t) => {
  const client = await server.connect(t)
  t.deepEqual(client.requestSync(Echo, { a: 1 }), { a: 1 })
  t.is(client.requestSync(Wait, 30), 30)
  const failure = { name: 'RangeError', message: 'no', code: 'E_NO' }
  t.like(t.throws(() => client.requestSync(Fail, failure)), { ...failure, isRemote: true })
  t.throws(() => client.requestSync(Never, 'sync', { timeoutMs: 30 }), { code: 'ERR_TIMEOUT' })
  t.is(client.stats().pending, 0)
})

test('messages that arrive during a synchronous request are handled afterwards', async (t) => {
  const client = await server.connect(t)
  const order: string[] = []
  client.handle('note', (text: string) => order.push(text))
  const earlier = client.request(Wait, 10).then(() => order.push('earlier'))
  const asked = client.request(RequestBack, { name: 'note', payload: 'asked' })
  client.requestSync(Wait, 60)
  order.push('sync')
  await Promise.all([earlier, asked])
  t.deepEqual([...order].sort(), ['asked', 'earlier', 'sync'])
  t.is(order[0], 'sync')
})

test('a synchronous request to a server in the same thread is refused', async (t) => {
  await using own = await createServer('own-thread')
  own.handle(Echo, (value) => value)
  const client = await connect('own-thread')
  t.true(client.peer.isSelf)
  t.throws(() => client.requestSync(Echo), { code: 'ERR_WOULD_DEADLOCK' })
  t.is(await client.request(Echo, 'but this works'), 'but this works')
})

test('synchronous requests in both directions fail with ERR_WOULD_DEADLOCK', async (t) => {
  const client = await server.connect(t)
  client.handle(Echo, (value) => value)
  const back = { name: 'echo', payload: 1, sync: true, timeoutMs: 10_000 }
  try {
    t.is(client.requestSync(RequestBack, back), 'ERR_WOULD_DEADLOCK')
  } catch (error) {
    t.is((error as IpcError).code, 'ERR_WOULD_DEADLOCK')
  }
  t.is(await client.request(RequestBack, back), 1)
})

test('a synchronous request fails when its peer is killed', async (t) => {
  const { client } = await pair(t)
  t.throws(() => client.requestSync('end', 'kill'), { code: 'ERR_PEER_LOST' })
})

test('the bytes of a thousand synchronous answers are independent', async (t) => {
  const client = await server.connect(t)
  const Bytes = method<Uint8Array, Uint8Array>('echo-bytes', { codec: bytes })
  const answers = Array.from({ length: 1000 }, (_, at) =>
    client.requestSync(Bytes, new Uint8Array(200).fill(at)),
  )
  t.true(answers.every((answer, at) => answer.every((byte) => byte === (at & 0xff))))
})

test('a blocked event loop delays answers and loses none', async (t) => {
  const { client } = await pair(t)
  const blocked = client.request(Block, 2000)
  const waiting = Array.from({ length: 100 }, (_, at) => client.request(Echo, at))
  const end = performance.now() + 2000
  while (performance.now() < end);
  await blocked
  t.deepEqual(await Promise.all(waiting), Array.from({ length: 100 }, (_, at) => at))
  await setTimeout(20)
  t.is(client.stats().lostWakeups, 0)
})
