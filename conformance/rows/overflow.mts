// Full lanes: what waits, what is dropped, and that both sides count the same.

import type { TestPeer } from '../test-peers.mjs'
import { assert, fails, freshStream, LASTING_MS, residentBytes } from '../case.mjs'
import { row, sleep, until } from '../case.mjs'
import type { Case, Row } from '../case.mjs'
import type { Chosen } from '../wire.mjs'

const LOW = 3
const NORMAL = 2
const MIB = 1 << 20
/** Capacity of the ring, which is also the bound of the backlog with `dropOldest`. */
const RING = 262_144

export const overflow: readonly Row[] = [
  row('a full lane that drops the newest messages', async (t) => {
    const { victim, server, connection, note } = await stopped(t, {})
    const { sent } = await note({ count: 20_000, length: 100, lane: 'low' })
    assert.equal(sent, 20_000)
    const { dropped, queuedBytes } = await stats(t, connection)
    assert.ok(dropped[LOW] > 0 && queuedBytes === 0, `${dropped} dropped, ${queuedBytes} queued`)
    await fails(t.echo(2000, { connection, lane: 'low' }), 'ERR_FULL')
    const urgent = t.request('add', [1, 2], { connection, lane: 'critical' })
    victim.resume()
    assert.equal(await urgent, 3)
    const seen = await arrived(victim, note.stream, sent - dropped[LOW])
    assert.deepEqual(seen, { count: sent - dropped[LOW], last: seen.count - 1, inOrder: true })
    assert.deepEqual(await peerDropped(victim, server), dropped)
  }),
  row('a full lane that drops the oldest messages', async (t) => {
    const chosen = { overflow: 'dropOldest' } as const
    const { victim, server, connection, note } = await stopped(t, chosen)
    const { sent } = await note({ count: 20_000, length: 1000 })
    assert.equal(sent, 20_000)
    const { queuedBytes } = await stats(t, connection)
    assert.ok(queuedBytes > RING / 2 && queuedBytes <= RING, `${queuedBytes} bytes wait`)
    victim.resume()
    await t.caller.do('drained', { connection, timeoutMs: 60_000 })
    const { dropped } = await stats(t, connection)
    assert.ok(dropped[NORMAL] > 0)
    const seen = await arrived(victim, note.stream, sent - dropped[NORMAL])
    assert.deepEqual(seen, { count: sent - dropped[NORMAL], last: sent - 1, inOrder: true })
    assert.deepEqual(await peerDropped(victim, server), dropped)
  }),
  row('a full lane that drops messages after waiting a limited time', async (t) => {
    const { victim, server, connection, note } = await stopped(t, { overflow: { waitMs: 1000 } })
    const queuedBytes = async () => (await stats(t, connection)).queuedBytes
    let sent = 0
    // On a busy machine the time may have passed before the backlog is read.
    await until('messages wait', async () => {
      sent += (await note({ count: 5000, length: 1000 })).sent
      return (await queuedBytes()) > RING
    })
    assert.equal(sent % 5000, 0)
    await until('the backlog is dropped', async () => (await queuedBytes()) === 0)
    assert.deepEqual(await note({ count: 1, length: 1000, awaiting: true }), {
      ...{ sent: 0, refused: 'ERR_FULL' },
    })
    const { dropped } = await stats(t, connection)
    victim.resume()
    const count = sent + 1 - dropped[NORMAL]
    const seen = await arrived(victim, note.stream, count)
    assert.deepEqual(seen, { count, last: count - 1, inOrder: true })
    assert.deepEqual(await peerDropped(victim, server), dropped)
    const last = await note({ count: 1, length: 8, awaiting: true })
    assert.deepEqual(last, { sent: 1, refused: null })
  }),
  row('a sender that waits for space before each message', async (t) => {
    const { victim, connection, note } = await stopped(t, { overflow: { waitMs: 60_000 } })
    const all = note({ count: 300, length: 60_000, awaiting: true })
    await sleep(100)
    assert.ok((await stats(t, connection)).queuedBytes <= 2 * 60_064, 'the sender does not wait')
    victim.resume()
    assert.deepEqual(await all, { sent: 300, refused: null })
    const seen = await arrived(victim, note.stream, 300)
    assert.deepEqual(seen, { count: 300, last: 299, inOrder: true })
  }),
  row('a sender that waits for space when its peer is killed', async (t) => {
    const { victim, note } = await stopped(t, { overflow: { waitMs: 60_000 } })
    const all = note({ count: 300, length: 60_000, awaiting: true })
    await sleep(50)
    await victim.kill()
    assert.equal((await all).refused, 'ERR_PEER_LOST')
  }),
  row('a sender that stays faster than its reader', async (t) => {
    const victim = t.spawn(t.responder.language)
    const server = await t.serve({}, victim)
    const connection = await t.connect(server, { overflow: 'dropOldest', rings: { normal: RING } })
    const stream = freshStream()
    const order = { connection, stream, count: 0, length: 1000 }
    await t.caller.do('notify', { ...order, forMs: 200 })
    const before = await residentBytes(t.caller)
    let isDone = false
    const all = t.caller.do('notify', { ...order, stream: freshStream(), forMs: LASTING_MS })
    const over = all.finally(() => (isDone = true))
    over.catch(() => {})
    let passed = 0
    while (!isDone) {
      const busy = victim.do('block', { ms: 20 })
      assert.equal(await t.request('add', [1, 2], { connection, lane: 'critical' }), 3)
      passed++
      await busy
      const { queuedBytes } = await stats(t, connection)
      assert.ok(queuedBytes <= RING, `${queuedBytes} bytes wait`)
    }
    await over
    assert.ok(passed > LASTING_MS / 1000, `${passed} urgent requests have passed`)
    const growth = (await residentBytes(t.caller)) - before
    assert.ok(growth < 24 * MIB, `the sender has grown by ${growth} bytes`)
    await t.caller.do('drained', { connection, timeoutMs: 60_000 })
    const { dropped } = await stats(t, connection)
    assert.ok(dropped[NORMAL] > 0)
    assert.deepEqual(await peerDropped(victim, server), dropped)
  }),
]

/** A connection to a suspended server, and a function that sends one-way messages on it. */
async function stopped(t: Case, chosen: Chosen) {
  const victim = t.spawn(t.responder.language)
  const server = await t.serve({}, victim)
  const connection = await t.connect(server, { ...chosen, rings: { normal: RING } })
  assert.equal(await t.request('add', [1, 2], { connection }), 3)
  await victim.stop()
  const stream = freshStream()
  type Order = { count: number; length: number; lane?: 'low'; awaiting?: boolean }
  const send = (order: Order) => t.caller.do('notify', { connection, stream, ...order })
  return { victim, server, connection, note: Object.assign(send, { stream }) }
}

const stats = (t: Case, connection: number) => t.caller.do('stats', { connection })

async function arrived(victim: TestPeer, stream: number, count: number) {
  const seen = () => victim.do('notes', { stream })
  const haveArrived = async () => (await seen()).count >= count
  await until('everything that was not dropped has arrived', haveArrived)
  return seen()
}

async function peerDropped(victim: TestPeer, server: string): Promise<number[]> {
  return (await victim.do('connections', { server })).peerDropped
}
