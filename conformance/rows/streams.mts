// Streams, on good days and on bad ones.

import type { Agent } from '../agents.mjs'
import { assert, row, sleep, until, type Cell, type Row } from '../cell.mjs'
import type { StreamAsk } from '../wire.mjs'
import { POINTS } from './ends.mjs'

const stream = (cell: Cell, method: string, more: Partial<StreamAsk> = {}) =>
  cell.asker.do('stream', { connection: cell.connection, method, ...more })
const counted = (cell: Cell, what: string) => cell.answerer.do('counted', { what })
const whole = (items: number, result: unknown) => ({
  ...{ items, inOrder: true, result, failure: null },
})
const broken = (items: number, failure: string) => ({
  ...{ items, inOrder: true, result: null, failure },
})

/** Before its death somebody passes a point so often: when the stream is opened, amid items and grants,
 * and near its end. */
const PASSAGES = [0, 1, 5, 40, 290]
const UP = 150

export const streams: readonly Row[] = [
  row('items in order, and then the result', async (cell) => {
    assert.deepEqual(await stream(cell, 'count', { value: 10_000 }), whole(10_000, 10_000))
  }),
  row('a stream without items', async (cell) => {
    assert.deepEqual(await stream(cell, 'count', { value: 0 }), whole(0, 0))
    assert.deepEqual(await stream(cell, 'sum', { up: 0 }), whole(0, 0))
  }),
  row('items that go with a request', async (cell) => {
    const up = 10_000
    assert.deepEqual(await stream(cell, 'sum', { up }), whole(0, (up * (up - 1)) / 2))
  }),
  row('items both ways at once', async (cell) => {
    const more = { up: 10_000, window: 4096 }
    assert.deepEqual(await stream(cell, 'double', more), whole(10_000, 10_000))
  }),
  row('items on every lane', async (cell) => {
    for (const lane of ['critical', 'high', 'low'] as const) {
      assert.deepEqual(await stream(cell, 'count', { value: 3000, lane }), whole(3000, 3000))
    }
  }),
  row('empty items, and items larger than the window', async (cell) => {
    for (const [count, length] of [[2000, 0], [20, 5000], [4, 300_000], [3, 3_000_000]]) {
      const more = { value: [count, length], length, window: 4096 }
      assert.deepEqual(await stream(cell, 'bulk', more), whole(count, 'done'))
    }
  }),
  row('64 MiB through a window of 256 KiB', async (cell) => {
    const length = 65_536
    const more = { value: [1024, length], length, window: 262_144 }
    assert.deepEqual(await stream(cell, 'bulk', more), whole(1024, 'done'))
  }),
  row('an error after some items', async (cell) => {
    assert.deepEqual(await stream(cell, 'breaks'), broken(3, 'E_BROKEN'))
  }),
  row('a stream nobody handles', async (cell) => {
    assert.deepEqual(await stream(cell, 'nobody'), broken(0, 'ERR_UNKNOWN_METHOD'))
  }),
  row('a stream that is asked for as a request', async (cell) => {
    const outcome = await cell.ask('sum').catch((error) => error.code as string)
    assert.equal(outcome, 'ERR_INVALID_ARGUMENT')
  }),
  row('a request that is asked for as a stream', async (cell) => {
    // A contract says which it is; in Rust the handler does, by making it one or not.
    const refused = { ...whole(0, null), failure: 'ERR_INVALID_ARGUMENT' }
    const expected = cell.answerer.language === 'ts' ? refused : whole(0, 3)
    assert.deepEqual(await stream(cell, 'add', { value: [1, 2] }), expected)
  }),
  row('a reader that leaves early, which the other side hears', async (cell) => {
    const ended = await counted(cell, 'streamed')
    const found = await stream(cell, 'endless', { take: 1000 })
    assert.deepEqual([found.items, found.inOrder], [1000, true])
    await until('heard', async () => (await counted(cell, 'streamed')) > ended)
  }),
  row('a stream that is out of time', async (cell) => {
    const ended = await counted(cell, 'streamed')
    const { failure, inOrder } = await stream(cell, 'endless', { timeoutMs: 1000 })
    assert.deepEqual([failure, inOrder], ['ERR_TIMEOUT', true])
    await until('heard', async () => (await counted(cell, 'streamed')) > ended)
  }),
  row('a reader that stops in the middle', async (cell) => {
    const more = { value: 20_000, pauseMs: 300, window: 4096 }
    await cell.besideTraffic(async () => {
      assert.deepEqual(await stream(cell, 'count', more), whole(20_000, 20_000))
    })
  }),
  row('a peer that is killed in the middle of a stream', async (cell) => {
    const victim = cell.spawn(cell.answerer.language)
    const server = await cell.serve({}, victim)
    const connection = await cell.connect(server)
    const streaming = stream(cell, 'endless', { connection })
    await until('it streams', async () => (await victim.do('counted', { what: 'streaming' })) > 0)
    await sleep(20)
    await victim.kill()
    const { failure, inOrder } = await streaming
    assert.deepEqual([failure, inOrder], ['ERR_PEER_LOST', true])
  }),
  row('whoever reads is killed in the middle of a stream', async (cell) => {
    const [begun, ended] = [await counted(cell, 'streaming'), await counted(cell, 'streamed')]
    const victim = cell.spawn(cell.asker.language)
    const connection = await cell.connect(cell.main, {}, victim)
    const order = { connection, method: 'endless' }
    victim.begin('stream', order)
    await until('it streams', async () => (await counted(cell, 'streaming')) > begun)
    await victim.kill()
    await until('heard', async () => (await counted(cell, 'streamed')) > ended)
  }),
  row(
    'who answers a stream is killed at any step of it',
    async (cell) => {
      for (const point of POINTS) {
        for (const passages of PASSAGES) await answererDies(cell, point, passages)
      }
    },
    ({ answerer }) => answerer === 'rust',
  ),
  row(
    'who asks for a stream is killed at any step of it',
    async (cell) => {
      for (const point of POINTS) {
        for (const passages of PASSAGES) await askerDies(cell, point, passages)
      }
    },
    ({ asker }) => asker === 'rust',
  ),
  row('a close in the middle of a stream', async (cell) => {
    const [begun, ended] = [await counted(cell, 'streaming'), await counted(cell, 'streamed')]
    const streaming = stream(cell, 'endless')
    await until('it streams', async () => (await counted(cell, 'streaming')) > begun)
    await cell.asker.do('close', { connection: cell.connection })
    assert.equal((await streaming).failure, 'ERR_CLOSED')
    await until('heard', async () => (await counted(cell, 'streamed')) > ended)
  }),
  row(
    '100 peers that are stopped and go on in random order',
    stoppedAndContinued,
    ({ asker }) => asker === 'rust',
  ),
  row('10,000 streams at once', async (cell) => {
    const request = { connection: cell.connection, method: 'count', value: 3 }
    const { ended, failed } = await cell.asker.do('streams', { count: 10_000, request })
    assert.deepEqual({ ended, failed }, { ended: 10_000, failed: {} })
  }),
]

/** Every request and every stream ends once, and whole, whenever its author was not there. */
async function stoppedAndContinued(cell: Cell): Promise<void> {
  const peers = Array.from({ length: 100 }, () => cell.spawn('rust'))
  const connections = await Promise.all(peers.map((peer) => cell.connect(cell.main, {}, peer)))
  const work = peers.map(async (peer, at) => {
    const connection = connections[at]
    const asked = { connection, method: 'add', value: [1, 2], timeoutMs: 170_000 }
    const streamed = { connection, method: 'count', value: 2000, window: 4096 }
    const outcomes = await Promise.all([
      peer.do('many', { count: 200, request: asked }),
      peer.do('streams', { count: 5, request: streamed }),
    ])
    assert.deepEqual(outcomes, [{ answered: 200, failed: {} }, { ended: 5, failed: {} }])
  })
  let isOver = false
  const all = Promise.all(work).finally(() => (isOver = true))
  all.catch(() => {})
  const seed = Number(process.env.RINGPOST_SEED ?? Date.now() >>> 0)
  const random = numbers(seed)
  const stopped = new Set<Agent>()
  for (let turn = 0; turn < 1000 && !isOver; turn++) {
    const peer = peers[random() % peers.length]
    if (stopped.delete(peer)) {
      peer.goOn()
    } else {
      stopped.add(peer)
      peer.stop()
    }
    if (turn % 8 === 0) await sleep(1)
  }
  for (const peer of stopped) peer.goOn()
  await all.catch((error: Error) => {
    throw new Error(`with seed ${seed}: ${error.message}`)
  })
}

/** Any numbers, the same for the same seed. */
function numbers(seed: number): () => number {
  let state = seed
  return () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) >>> 8
}

async function answererDies(cell: Cell, point: string, passages: number): Promise<void> {
  const victim = cell.spawn('rust')
  const server = await cell.serve({}, victim)
  const connection = await cell.connect(server)
  assert.equal(await cell.ask('add', [1, 2], { connection }), 3)
  await victim.do('dieAt', { point, passages })
  const more = { connection, up: UP, window: 4096 }
  const found = await ended(victim, stream(cell, 'double', more))
  // What was published before the end counts, and nothing else.
  assert.ok(found.failure === 'ERR_PEER_LOST' || found.result === UP, JSON.stringify(found))
  assert.ok(found.inOrder && found.items <= UP)
  assert.equal(await cell.asker.do('closed', { connection }), 'ERR_PEER_LOST')
  assert.equal((await cell.asker.do('stats', { connection })).pending, 0)
}

async function askerDies(cell: Cell, point: string, passages: number): Promise<void> {
  const victim = cell.spawn('rust')
  const server = await cell.serve()
  const connection = await cell.connect(server, {}, victim)
  await victim.do('request', { connection, method: 'add', value: [1, 2] })
  await victim.do('dieAt', { point, passages })
  const order = { connection, method: 'double', up: UP, window: 4096 }
  await ended(victim, victim.do('stream', order).catch(() => undefined))
  assert.deepEqual(await cell.endings(server), ['ERR_PEER_LOST'], point)
  assert.equal(await cell.ask('add', [1, 2]), 3)
}

/** Who is not killed by the way it is told to is killed when the stream is over. */
async function ended<T>(victim: Agent, streaming: Promise<T>): Promise<T> {
  await Promise.race([victim.ended, streaming])
  await Promise.race([victim.ended, sleep(20)])
  await victim.kill()
  return streaming
}
