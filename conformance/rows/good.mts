// What it is for.

import { assert, fails, freshStream, has, row, sleep, until, type Row } from '../cell.mjs'
import type { Ask } from '../wire.mjs'

const MIB = 1 << 20
const LANES = ['critical', 'high', 'normal', 'low'] as const

const VALUES = {
  numbers: [0, -1, 127, 128, -129, 65_536, 2 ** 31, -(2 ** 31), 2 ** 53 - 1, 1.5, -1e300],
  texts: ['', 'é漢🦀\u0000', 'x'.repeat(100_000)],
  nothing: null,
  truths: [true, false],
  nested: { a: [{ b: { c: [[], {}] } }] },
}

export const good: readonly Row[] = [
  row('a request is answered', async (cell) => {
    assert.equal(await cell.ask('add', [19, 23]), 42)
  }),
  row('values survive as MessagePack and as JSON', async (cell) => {
    assert.deepEqual(await cell.ask('echo messagePack', VALUES), VALUES)
    assert.deepEqual(await cell.ask('echo json', VALUES, { codec: 'json' }), VALUES)
  }),
  row('bytes of any length come back, none at all included', async (cell) => {
    for (const length of [0, 1, 7, 8, 1000, 16_384, 65_535, 131_073, MIB]) await cell.echo(length)
  }),
  row('8 MiB and 64 MiB come back', async (cell) => {
    await cell.echo(8 * MIB)
    await cell.echo(64 * MIB)
  }),
  row('a long message does not hold up a more urgent one', async (cell) => {
    let isOver = false
    const long = cell.echo(64 * MIB, { lane: 'low' }).then(() => (isOver = true))
    for (let i = 0; i < 20; i++) await cell.echo(100, { lane: 'critical' })
    assert.ok(!isOver, 'the long one was over first')
    await long
  }),
  row('a compressed message takes less room on its way, and comes as it was', async (cell) => {
    const packed = (length: number, more: Partial<Ask> = {}) =>
      cell.ask('packed bytes', null, { codec: 'bytes', length, ...more })
    for (const length of [0, 100, 4095, 4096, 100_000, 20 * MIB]) {
      assert.deepEqual(await packed(length), { length, same: true })
    }
    const victim = cell.spawn(cell.answerer.language)
    const server = await cell.serve({}, victim)
    const connection = await cell.connect(server, { rings: { normal: 262_144 } })
    victim.stop()
    const answer = packed(4 * MIB, { connection })
    await sleep(50)
    assert.equal((await cell.asker.do('stats', { connection })).queuedBytes, 0)
    victim.goOn()
    assert.deepEqual(await answer, { length: 4 * MIB, same: true })
  }),
  row('a thousand requests in flight get their own answers', async (cell) => {
    const request = { connection: cell.connection, method: 'add', value: [1, 2] }
    const outcome = await cell.asker.do('many', { count: 1000, request })
    assert.deepEqual(outcome, { answered: 1000, failed: {} })
    const sums = await Promise.all(Array.from({ length: 100 }, (_, i) => cell.ask('add', [i, i])))
    assert.deepEqual(sums, Array.from({ length: 100 }, (_, i) => i + i))
  }),
  row('one-way messages come once and in order on every lane', async (cell) => {
    const connection = await cell.connect(cell.main, { overflow: { waitMs: 60_000 } })
    for (const lane of LANES) {
      const stream = freshStream()
      const order = { connection, stream, count: 5000, length: 64, lane }
      assert.deepEqual(await cell.asker.do('notify', order), { sent: 5000, refused: null })
      const seen = () => cell.answerer.do('notes', { stream })
      await until('all have come', async () => (await seen()).count >= 5000)
      assert.deepEqual(await seen(), { count: 5000, last: 4999, inOrder: true })
    }
  }),
  row('an error keeps name, message, code, stack and cause', async (cell) => {
    const cause = { name: 'Error', message: 'the disk', code: 'EIO', stack: 'at the bottom' }
    const own = { name: 'RangeError', message: 'no way', code: 'E_MINE', stack: 'at the top' }
    const { failure } = await fails(cell.ask('fail', { ...own, cause }), 'E_MINE')
    const isTs = cell.asker.language === 'ts'
    for (const [found, sent] of [[failure, own], [failure.cause, cause]] as const) {
      const { stack, ...rest } = sent
      has(found, rest)
      // JavaScript says whose it is, and shows the caller's own.
      if (isTs) assert.ok(found!.stack!.includes(`\n    [remote] ${stack}`), found!.stack)
      else assert.equal(found!.stack, stack)
    }
    assert.ok(failure.isRemote)
  }),
  row('an error keeps the others it holds, its properties, and a cause that is none', async (cell) => {
    const properties = { errno: -5, path: '/x', list: [1, { deep: true }] }
    const errors = [{ name: 'RangeError', message: 'one', code: 'E_ONE' }, { value: 'two' }]
    const own = { name: 'AggregateError', message: 'all have failed', code: 'E_ALL' }
    const cause = { value: { why: 'disk' } }
    const sent = { ...own, properties, errors, cause }
    const { failure } = await fails(cell.ask('fail', sent), 'E_ALL')
    has(failure, { ...sent, isRemote: true })
    assert.equal(failure.errors!.length, 2)
  }),
  row("an error's code that is a number", async (cell) => {
    const sent = { name: 'Error', message: 'gone', code: '404', properties: { code: 404 } }
    const { failure } = await fails(cell.ask('fail', sent), '404')
    has(failure, sent)
  }),
  row('a handler knows the lane and the trace', async (cell) => {
    const traceparent = `00-${'ab'.repeat(16)}-${'cd'.repeat(8)}-01`
    for (const lane of LANES) {
      const context = await cell.ask('context', null, { lane, traceparent })
      assert.equal(context.lane, lane)
      assert.equal(context.trace, traceparent.replaceAll('-', ''))
    }
    assert.equal((await cell.ask('context')).trace, null)
  }),
  row('a deadline travels as the time that is left', async (cell) => {
    const { remainingMs } = await cell.ask('context', null, { timeoutMs: 900 })
    assert.ok(remainingMs > 0 && remainingMs <= 900, `${remainingMs} ms`)
  }),
  row('a request out of time ends, and its handler hears of it', async (cell) => {
    const heard = await cell.answerer.do('counted', { what: 'cancelled' })
    await fails(cell.ask('never', null, { timeoutMs: 1000 }), 'ERR_TIMEOUT')
    const what = { what: 'cancelled' }
    await until('heard', async () => (await cell.answerer.do('counted', what)) > heard)
  }),
  row('the server asks its client back', async (cell) => {
    assert.equal(await cell.ask('askBack', { method: 'add', value: [1, 2] }), 3)
    const nobody = cell.ask('askBack', { method: 'nobody', value: null })
    await fails(nobody, 'ERR_UNKNOWN_METHOD')
  }),
  row('a request that waits for its answer', async (cell) => {
    const { connection } = await cell.meet(cell.main, {}, cell.asker, true)
    const waiting = { connection, waiting: true }
    assert.equal(await cell.ask('add', [19, 23], waiting), 42)
    await cell.echo(MIB, waiting)
    await fails(cell.ask('never', null, { ...waiting, timeoutMs: 100 }), 'ERR_TIMEOUT')
    assert.equal(await cell.ask('add', [1, 1], waiting), 2)
  }),
  row('the stricter checksum holds', async (cell) => {
    const wishes = [
      ['off', 'off', 'off'],
      ['off', 'header', 'header'],
      ['header', 'off', 'header'],
      ['off', 'full', 'full'],
      ['full', 'header', 'full'],
    ]
    for (const [theirs, ours, agreed] of wishes) {
      const server = await cell.serve({ crc: theirs })
      const { connection, peer } = await cell.meet(server, { crc: ours })
      assert.equal(peer.crc, agreed)
      await cell.echo(300_000, { connection })
    }
  }),
  row("the lower limits and the client's rings hold", async (cell) => {
    const rings = { critical: 4096, normal: 65_536 }
    const server = await cell.serve({ messageLenMax: 1000, pendingMax: 50, rings: { low: 8192 } })
    const { peer } = await cell.meet(server, { messageLenMax: 5000, pendingMax: 20, rings })
    has(peer, { messageLenMax: 1000, pendingMax: 20, rings: { ...rings, low: 8192 } })
    has(peer, { transport: cell.transport, pid: cell.answerer.pid })
  }),
  row('small rings carry everything', async (cell) => {
    const all = { critical: 4096, high: 4096, normal: 4096, low: 4096, control: 4096 }
    const connection = await cell.connect(cell.main, { rings: all })
    for (const length of [0, 100, 5000, 300_000]) await cell.echo(length, { connection })
    const request = { connection, method: 'add', value: [1, 2] }
    const outcome = await cell.asker.do('many', { count: 1000, request })
    assert.deepEqual(outcome, { answered: 1000, failed: {} })
  }),
]
