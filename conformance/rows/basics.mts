// Requests, answers, errors and one-way messages under ordinary conditions.

import { assert, fails, freshStream, has, row, sleep, until, type Row } from '../case.mjs'
import type { RequestOrder } from '../wire.mjs'

const MIB = 1 << 20
const LANES = ['critical', 'high', 'normal', 'low'] as const

const VALUES = {
  numbers: [0, -1, 127, 128, -129, 65_536, 2 ** 31, -(2 ** 31), 2 ** 53 - 1, 1.5, -1e300],
  texts: ['', 'é漢🦀\u0000', 'x'.repeat(100_000)],
  nothing: null,
  truths: [true, false],
  nested: { a: [{ b: { c: [[], {}] } }] },
}

export const basics: readonly Row[] = [
  row('a request is answered', async (t) => {
    assert.equal(await t.request('add', [19, 23]), 42)
  }),
  row('values are preserved by MessagePack and by JSON', async (t) => {
    assert.deepEqual(await t.request('echo messagePack', VALUES), VALUES)
    assert.deepEqual(await t.request('echo json', VALUES, { codec: 'json' }), VALUES)
  }),
  row('byte payloads of any length are echoed, empty ones included', async (t) => {
    for (const length of [0, 1, 7, 8, 1000, 16_384, 65_535, 131_073, MIB]) await t.echo(length)
  }),
  row('payloads of 8 MiB and 64 MiB are echoed', async (t) => {
    await t.echo(8 * MIB)
    await t.echo(64 * MIB)
  }),
  row('a long message does not delay a more urgent one', async (t) => {
    // On a busy machine the long one may finish between two commands; then it is tried again.
    await until('20 requests have passed a long one', async () => {
      let isDone = false
      const long = t.echo(64 * MIB, { lane: 'low' }).then(() => (isDone = true))
      for (let i = 0; i < 20 && !isDone; i++) await t.echo(100, { lane: 'critical' })
      const havePassed = !isDone
      await long
      return havePassed
    })
  }),
  row('a compressed message takes less space in the ring and is restored', async (t) => {
    const packed = (length: number, more: Partial<RequestOrder> = {}) =>
      t.request('packed bytes', null, { codec: 'bytes', length, ...more })
    for (const length of [0, 100, 4095, 4096, 100_000, 20 * MIB]) {
      assert.deepEqual(await packed(length), { length, same: true })
    }
    const victim = t.spawn(t.responder.language)
    const server = await t.serve({}, victim)
    const connection = await t.connect(server, { rings: { normal: 262_144 } })
    await victim.stop()
    const answer = packed(4 * MIB, { connection })
    await sleep(50)
    assert.equal((await t.caller.do('stats', { connection })).queuedBytes, 0)
    victim.resume()
    assert.deepEqual(await answer, { length: 4 * MIB, same: true })
  }),
  row('a thousand requests in flight each get their own answer', async (t) => {
    const request = { connection: t.connection, method: 'add', value: [1, 2] }
    const outcome = await t.caller.do('many', { count: 1000, request })
    assert.deepEqual(outcome, { answered: 1000, failed: {} })
    const sums = await Promise.all(Array.from({ length: 100 }, (_, i) => t.request('add', [i, i])))
    assert.deepEqual(sums, Array.from({ length: 100 }, (_, i) => i + i))
  }),
  row('one-way messages arrive once and in order on every lane', async (t) => {
    const connection = await t.connect(t.main, { overflow: { waitMs: 60_000 } })
    for (const lane of LANES) {
      const stream = freshStream()
      const order = { connection, stream, count: 5000, length: 64, lane }
      assert.deepEqual(await t.caller.do('notify', order), { sent: 5000, refused: null })
      const seen = () => t.responder.do('notes', { stream })
      await until('all have arrived', async () => (await seen()).count >= 5000)
      assert.deepEqual(await seen(), { count: 5000, last: 4999, inOrder: true })
    }
  }),
  row('an error keeps name, message, code, stack and cause', async (t) => {
    const cause = { name: 'Error', message: 'the disk', code: 'EIO', stack: 'at the bottom' }
    const own = { name: 'RangeError', message: 'no way', code: 'E_MINE', stack: 'at the top' }
    const { failure } = await fails(t.request('fail', { ...own, cause }), 'E_MINE')
    const isTs = t.caller.language === 'ts'
    for (const [found, sent] of [[failure, own], [failure.cause, cause]] as const) {
      const { stack, ...rest } = sent
      has(found, rest)
      // JavaScript marks the remote stack and appends it to the caller's own.
      if (isTs) assert.ok(found!.stack!.includes(`\n    [remote] ${stack}`), found!.stack)
      else assert.equal(found!.stack, stack)
    }
    assert.ok(failure.isRemote)
  }),
  row('an error keeps inner errors, properties, and a cause that is not an error', async (t) => {
    const properties = { errno: -5, path: '/x', list: [1, { deep: true }] }
    const errors = [{ name: 'RangeError', message: 'one', code: 'E_ONE' }, { value: 'two' }]
    const own = { name: 'AggregateError', message: 'all have failed', code: 'E_ALL' }
    const cause = { value: { why: 'disk' } }
    const sent = { ...own, properties, errors, cause }
    const { failure } = await fails(t.request('fail', sent), 'E_ALL')
    has(failure, { ...sent, isRemote: true })
    assert.equal(failure.errors!.length, 2)
  }),
  row('an error with a numeric code', async (t) => {
    const sent = { name: 'Error', message: 'gone', code: '404', properties: { code: 404 } }
    const { failure } = await fails(t.request('fail', sent), '404')
    has(failure, sent)
  }),
  row('a handler sees the lane and the trace', async (t) => {
    const traceparent = `00-${'ab'.repeat(16)}-${'cd'.repeat(8)}-01`
    for (const lane of LANES) {
      const context = await t.request('context', null, { lane, traceparent })
      assert.equal(context.lane, lane)
      assert.equal(context.trace, traceparent.replaceAll('-', ''))
    }
    assert.equal((await t.request('context')).trace, null)
  }),
  row('a deadline is sent as the time remaining', async (t) => {
    const { remainingMs } = await t.request('context', null, { timeoutMs: 30_000 })
    // Deadlines of a second and more are rounded up by a tick of 10 ms.
    assert.ok(remainingMs > 0 && remainingMs <= 30_010, `${remainingMs} ms`)
  }),
  row('a request that times out cancels its handler', async (t) => {
    const counted = (what: string) => t.responder.do('counted', { what })
    const before = await counted('cancelled')
    // One that times out before the responder has read it is never handled.
    await until('a handler is cancelled', async () => {
      await fails(t.request('never', null, { timeoutMs: 300 }), 'ERR_TIMEOUT')
      return (await counted('cancelled')) > before
    })
  }),
  row('a server sends a request to its client', async (t) => {
    assert.equal(await t.request('requestBack', { method: 'add', value: [1, 2] }), 3)
    const unknown = t.request('requestBack', { method: 'unhandled', value: null })
    await fails(unknown, 'ERR_UNKNOWN_METHOD')
  }),
  row('a synchronous request', async (t) => {
    const { connection } = await t.connectTo(t.main, {}, t.caller, true)
    const waiting = { connection, waiting: true }
    assert.equal(await t.request('add', [19, 23], waiting), 42)
    await t.echo(MIB, waiting)
    await fails(t.request('never', null, { ...waiting, timeoutMs: 100 }), 'ERR_TIMEOUT')
    assert.equal(await t.request('add', [1, 1], waiting), 2)
  }),
  row('the stricter checksum mode applies', async (t) => {
    const wishes = [
      ['off', 'off', 'off'],
      ['off', 'header', 'header'],
      ['header', 'off', 'header'],
      ['off', 'full', 'full'],
      ['full', 'header', 'full'],
    ]
    for (const [theirs, ours, agreed] of wishes) {
      const server = await t.serve({ crc: theirs })
      const { connection, peer } = await t.connectTo(server, { crc: ours })
      assert.equal(peer.crc, agreed)
      await t.echo(300_000, { connection })
    }
  }),
  row("the lower limits and the client's ring sizes apply", async (t) => {
    const rings = { critical: 4096, normal: 65_536 }
    const server = await t.serve({ messageLenMax: 1000, pendingMax: 50, rings: { low: 8192 } })
    const { peer } = await t.connectTo(server, { messageLenMax: 5000, pendingMax: 20, rings })
    has(peer, { messageLenMax: 1000, pendingMax: 20, rings: { ...rings, low: 8192 } })
    has(peer, { transport: t.transport, pid: t.pidOf(t.responder) })
  }),
  row('small rings carry messages of every size', async (t) => {
    const all = { critical: 4096, high: 4096, normal: 4096, low: 4096, control: 4096 }
    const connection = await t.connect(t.main, { rings: all })
    for (const length of [0, 100, 5000, 300_000]) await t.echo(length, { connection })
    const request = { connection, method: 'add', value: [1, 2] }
    const outcome = await t.caller.do('many', { count: 1000, request })
    assert.deepEqual(outcome, { answered: 1000, failed: {} })
  }),
]
