// Lanes that are full: who waits, what is dropped, and that both sides know.

import { readFileSync } from 'node:fs'
import type { Agent } from '../agents.mjs'
import { assert, fails, freshStream, LASTING_MS, row, sleep, until } from '../cell.mjs'
import type { Cell, Row } from '../cell.mjs'
import type { Chosen } from '../wire.mjs'

const LOW = 3
const NORMAL = 2
const MIB = 1 << 20
/** Capacity of the ring, and with that what may wait when the oldest are dropped. */
const RING = 262_144

export const overflow: readonly Row[] = [
  row('a full lane that drops what comes last', async (cell) => {
    const { victim, server, connection, note } = await stopped(cell, {})
    const { sent } = await note({ count: 20_000, length: 100, lane: 'low' })
    assert.equal(sent, 20_000)
    const { dropped, queuedBytes } = await stats(cell, connection)
    assert.ok(dropped[LOW] > 0 && queuedBytes === 0, `${dropped} dropped, ${queuedBytes} queued`)
    await fails(cell.echo(2000, { connection, lane: 'low' }), 'ERR_FULL')
    const urgent = cell.ask('add', [1, 2], { connection, lane: 'critical' })
    victim.goOn()
    assert.equal(await urgent, 3)
    const seen = await arrived(victim, note.stream, sent - dropped[LOW])
    assert.deepEqual(seen, { count: sent - dropped[LOW], last: seen.count - 1, inOrder: true })
    assert.deepEqual(await peerDropped(victim, server), dropped)
  }),
  row('a full lane that drops what has waited longest', async (cell) => {
    const chosen = { overflow: 'dropOldest' } as const
    const { victim, server, connection, note } = await stopped(cell, chosen)
    const { sent } = await note({ count: 20_000, length: 1000 })
    assert.equal(sent, 20_000)
    const { queuedBytes } = await stats(cell, connection)
    assert.ok(queuedBytes > RING / 2 && queuedBytes <= RING, `${queuedBytes} bytes wait`)
    victim.goOn()
    await cell.asker.do('drained', { connection, timeoutMs: 60_000 })
    const { dropped } = await stats(cell, connection)
    assert.ok(dropped[NORMAL] > 0)
    const seen = await arrived(victim, note.stream, sent - dropped[NORMAL])
    assert.deepEqual(seen, { count: sent - dropped[NORMAL], last: sent - 1, inOrder: true })
    assert.deepEqual(await peerDropped(victim, server), dropped)
  }),
  row('a full lane that waits so long and no longer', async (cell) => {
    const { victim, server, connection, note } = await stopped(cell, { overflow: { waitMs: 1000 } })
    const { sent } = await note({ count: 5000, length: 1000 })
    assert.equal(sent, 5000)
    assert.ok((await stats(cell, connection)).queuedBytes > RING)
    await until('what waits is dropped', async () => (await stats(cell, connection)).queuedBytes === 0)
    assert.deepEqual(await note({ count: 1, length: 1000, awaiting: true }), {
      ...{ sent: 0, refused: 'ERR_FULL' },
    })
    const { dropped } = await stats(cell, connection)
    victim.goOn()
    const seen = await arrived(victim, note.stream, sent + 1 - dropped[NORMAL])
    assert.deepEqual(seen, { count: sent + 1 - dropped[NORMAL], last: seen.count - 1, inOrder: true })
    assert.deepEqual(await peerDropped(victim, server), dropped)
    assert.deepEqual(await note({ count: 1, length: 8, awaiting: true }), { sent: 1, refused: null })
  }),
  row('a sender that waits for room with each message', async (cell) => {
    const { victim, connection, note } = await stopped(cell, { overflow: { waitMs: 60_000 } })
    const all = note({ count: 300, length: 60_000, awaiting: true })
    await sleep(100)
    assert.ok((await stats(cell, connection)).queuedBytes <= 2 * 60_064, 'it does not wait')
    victim.goOn()
    assert.deepEqual(await all, { sent: 300, refused: null })
    const seen = await arrived(victim, note.stream, 300)
    assert.deepEqual(seen, { count: 300, last: 299, inOrder: true })
  }),
  row('a sender that waits for room when its peer is killed', async (cell) => {
    const { victim, note } = await stopped(cell, { overflow: { waitMs: 60_000 } })
    const all = note({ count: 300, length: 60_000, awaiting: true })
    await sleep(50)
    await victim.kill()
    assert.equal((await all).refused, 'ERR_PEER_LOST')
  }),
  row('a sender that is faster than its reader, for as long as it likes', async (cell) => {
    const victim = cell.spawn(cell.answerer.language)
    const server = await cell.serve({}, victim)
    const connection = await cell.connect(server, { overflow: 'dropOldest', rings: { normal: RING } })
    const stream = freshStream()
    const order = { connection, stream, count: 0, length: 1000 }
    await cell.asker.do('notify', { ...order, forMs: 200 })
    const before = residentBytes(cell.asker)
    let isOver = false
    const all = cell.asker.do('notify', { ...order, stream: freshStream(), forMs: LASTING_MS })
    const over = all.finally(() => (isOver = true))
    over.catch(() => {})
    let passed = 0
    while (!isOver) {
      const busy = victim.do('block', { ms: 20 })
      assert.equal(await cell.ask('add', [1, 2], { connection, lane: 'critical' }), 3)
      passed++
      await busy
      const { queuedBytes } = await stats(cell, connection)
      assert.ok(queuedBytes <= RING, `${queuedBytes} bytes wait`)
    }
    await over
    assert.ok(passed > LASTING_MS / 1000, `${passed} urgent requests have passed`)
    const growth = residentBytes(cell.asker) - before
    assert.ok(growth < 24 * MIB, `the sender has grown by ${growth} bytes`)
    await cell.asker.do('drained', { connection, timeoutMs: 60_000 })
    const { dropped } = await stats(cell, connection)
    assert.ok(dropped[NORMAL] > 0)
    assert.deepEqual(await peerDropped(victim, server), dropped)
  }),
]

/** A connection to a server that does not read, and a way to send on it. */
async function stopped(cell: Cell, chosen: Chosen) {
  const victim = cell.spawn(cell.answerer.language)
  const server = await cell.serve({}, victim)
  const connection = await cell.connect(server, { ...chosen, rings: { normal: RING } })
  assert.equal(await cell.ask('add', [1, 2], { connection }), 3)
  victim.stop()
  const stream = freshStream()
  type Order = { count: number; length: number; lane?: 'low'; awaiting?: boolean }
  const send = (order: Order) => cell.asker.do('notify', { connection, stream, ...order })
  return { victim, server, connection, note: Object.assign(send, { stream }) }
}

const stats = (cell: Cell, connection: number) => cell.asker.do('stats', { connection })

async function arrived(victim: Agent, stream: number, count: number) {
  const seen = () => victim.do('notes', { stream })
  await until('all that was not dropped has come', async () => (await seen()).count >= count)
  return seen()
}

async function peerDropped(victim: Agent, server: string): Promise<number[]> {
  return (await victim.do('connections', { server })).peerDropped
}

function residentBytes({ pid }: Agent): number {
  return Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]) * 4096
}
