// Streams, under ordinary conditions and with peers that fail.

import type { TestPeer } from '../test-peers.mjs'
import { assert, row, sleep, until, type Case, type Row } from '../case.mjs'
import type { StreamOrder } from '../wire.mjs'
import { POINTS } from './exits.mjs'

const stream = (t: Case, method: string, more: Partial<StreamOrder> = {}) =>
  t.caller.do('stream', { connection: t.connection, method, ...more })
const counted = (t: Case, what: string) => t.responder.do('counted', { what })
const whole = (items: number, result: unknown) => ({
  ...{ items, inOrder: true, result, failure: null },
})
const broken = (items: number, failure: string) => ({
  ...{ items, inOrder: true, result: null, failure },
})

/** How often a process passes a point before it dies there: while the stream is opened, between
 * items and grants, and near its end. */
const PASSAGES = [0, 1, 5, 40, 290]
const UP = 150

export const streams: readonly Row[] = [
  row('items in order, and then the result', async (t) => {
    assert.deepEqual(await stream(t, 'count', { value: 10_000 }), whole(10_000, 10_000))
  }),
  row('a stream without items', async (t) => {
    assert.deepEqual(await stream(t, 'count', { value: 0 }), whole(0, 0))
    assert.deepEqual(await stream(t, 'sum', { up: 0 }), whole(0, 0))
  }),
  row('items sent by the caller', async (t) => {
    const up = 10_000
    assert.deepEqual(await stream(t, 'sum', { up }), whole(0, (up * (up - 1)) / 2))
  }),
  row('items in both directions at once', async (t) => {
    const more = { up: 10_000, window: 4096 }
    assert.deepEqual(await stream(t, 'double', more), whole(10_000, 10_000))
  }),
  row('items on every lane', async (t) => {
    for (const lane of ['critical', 'high', 'low'] as const) {
      assert.deepEqual(await stream(t, 'count', { value: 3000, lane }), whole(3000, 3000))
    }
  }),
  row('empty items, and items larger than the window', async (t) => {
    for (const [count, length] of [[2000, 0], [20, 5000], [4, 300_000], [3, 3_000_000]]) {
      const more = { value: [count, length], length, window: 4096 }
      assert.deepEqual(await stream(t, 'bulk', more), whole(count, 'done'))
    }
  }),
  row('64 MiB through a window of 256 KiB', async (t) => {
    const length = 65_536
    const more = { value: [1024, length], length, window: 262_144 }
    assert.deepEqual(await stream(t, 'bulk', more), whole(1024, 'done'))
  }),
  row('an error after some items', async (t) => {
    assert.deepEqual(await stream(t, 'breaks'), broken(3, 'E_BROKEN'))
  }),
  row('a stream without a handler', async (t) => {
    assert.deepEqual(await stream(t, 'unhandled'), broken(0, 'ERR_UNKNOWN_METHOD'))
  }),
  row('a stream method called as a request', async (t) => {
    const outcome = await t.request('sum').catch((error) => error.code as string)
    assert.equal(outcome, 'ERR_INVALID_ARGUMENT')
  }),
  row('a request method called as a stream', async (t) => {
    // In TypeScript the contract decides; in Rust the handler does, by taking the stream or not.
    const refused = { ...whole(0, null), failure: 'ERR_INVALID_ARGUMENT' }
    const expected = t.responder.language === 'ts' ? refused : whole(0, 3)
    assert.deepEqual(await stream(t, 'add', { value: [1, 2] }), expected)
  }),
  row('a reader that stops early, which ends the handler', async (t) => {
    const ended = await counted(t, 'streamed')
    const found = await stream(t, 'endless', { take: 1000 })
    assert.deepEqual([found.items, found.inOrder], [1000, true])
    await until('the handler has ended', async () => (await counted(t, 'streamed')) > ended)
  }),
  row('a stream that times out', async (t) => {
    const ended = await counted(t, 'streamed')
    // One that times out before the responder has read it is never handled.
    await until('a handler has ended', async () => {
      const { failure, inOrder } = await stream(t, 'endless', { timeoutMs: 500 })
      assert.deepEqual([failure, inOrder], ['ERR_TIMEOUT', true])
      return (await counted(t, 'streamed')) > ended
    })
  }),
  row('a reader that pauses', async (t) => {
    const more = { value: 20_000, pauseMs: 300, window: 4096 }
    await t.besideTraffic(async () => {
      assert.deepEqual(await stream(t, 'count', more), whole(20_000, 20_000))
    })
  }),
  row('a peer that is killed in the middle of a stream', async (t) => {
    const victim = t.spawn(t.responder.language)
    const server = await t.serve({}, victim)
    const connection = await t.connect(server)
    const streaming = stream(t, 'endless', { connection })
    const begun = () => victim.do('counted', { what: 'streaming' })
    await until('items are being sent', async () => (await begun()) > 0)
    await sleep(20)
    await victim.kill()
    const { failure, inOrder } = await streaming
    assert.deepEqual([failure, inOrder], ['ERR_PEER_LOST', true])
  }),
  row('a reader that is killed in the middle of a stream', async (t) => {
    const [begun, ended] = [await counted(t, 'streaming'), await counted(t, 'streamed')]
    const victim = t.spawn(t.caller.language)
    const connection = await t.connect(t.main, {}, victim)
    const order = { connection, method: 'endless' }
    victim.begin('stream', order)
    await until('items are being sent', async () => (await counted(t, 'streaming')) > begun)
    await victim.kill()
    await until('the handler has ended', async () => (await counted(t, 'streamed')) > ended)
  }),
  row(
    'a responder that is killed at any step of a stream',
    async (t) => {
      for (const point of POINTS) {
        for (const passages of PASSAGES) await responderDies(t, point, passages)
      }
    },
    ({ responder }) => responder === 'rust',
  ),
  row(
    'a caller that is killed at any step of a stream',
    async (t) => {
      for (const point of POINTS) {
        for (const passages of PASSAGES) await callerDies(t, point, passages)
      }
    },
    ({ caller }) => caller === 'rust',
  ),
  row('a connection closed in the middle of a stream', async (t) => {
    const [begun, ended] = [await counted(t, 'streaming'), await counted(t, 'streamed')]
    const streaming = stream(t, 'endless')
    await until('items are being sent', async () => (await counted(t, 'streaming')) > begun)
    await t.caller.do('close', { connection: t.connection })
    assert.equal((await streaming).failure, 'ERR_CLOSED')
    await until('the handler has ended', async () => (await counted(t, 'streamed')) > ended)
  }),
  row(
    '100 peers that are suspended and resumed in random order',
    stoppedAndContinued,
    ({ caller }) => caller === 'rust',
  ),
  row('10,000 streams at once', async (t) => {
    const request = { connection: t.connection, method: 'count', value: 3 }
    const { ended, failed } = await t.caller.do('streams', { count: 10_000, request })
    assert.deepEqual({ ended, failed }, { ended: 10_000, failed: {} })
  }),
]

/** Every request and every stream completes, whenever its sender was suspended. */
async function stoppedAndContinued(t: Case): Promise<void> {
  const peers = Array.from({ length: 100 }, () => t.spawn('rust'))
  const connections = await Promise.all(peers.map((peer) => t.connect(t.main, {}, peer)))
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
  let isDone = false
  const all = Promise.all(work).finally(() => (isDone = true))
  all.catch(() => {})
  const seed = Number(process.env.RINGPOST_SEED ?? Date.now() >>> 0)
  const random = numbers(seed)
  const stopped = new Set<TestPeer>()
  for (let turn = 0; turn < 1000 && !isDone; turn++) {
    const peer = peers[random() % peers.length]
    if (stopped.delete(peer)) {
      peer.resume()
    } else {
      stopped.add(peer)
      await peer.stop()
    }
    if (turn % 8 === 0) await sleep(1)
  }
  for (const peer of stopped) peer.resume()
  await all.catch((error: Error) => {
    throw new Error(`with seed ${seed}: ${error.message}`)
  })
}

/** Pseudo-random numbers. */
function numbers(seed: number): () => number {
  let state = seed
  return () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) >>> 8
}

async function responderDies(t: Case, point: string, passages: number): Promise<void> {
  const victim = t.spawn('rust')
  const server = await t.serve({}, victim)
  const connection = await t.connect(server)
  assert.equal(await t.request('add', [1, 2], { connection }), 3)
  await victim.do('dieAt', { point, passages })
  const more = { connection, up: UP, window: 4096 }
  const found = await ended(victim, stream(t, 'double', more))
  // Either the result was published before the death, or the stream fails.
  assert.ok(found.failure === 'ERR_PEER_LOST' || found.result === UP, JSON.stringify(found))
  assert.ok(found.inOrder && found.items <= UP)
  assert.equal(await t.caller.do('closed', { connection }), 'ERR_PEER_LOST')
  assert.equal((await t.caller.do('stats', { connection })).pending, 0)
}

async function callerDies(t: Case, point: string, passages: number): Promise<void> {
  const victim = t.spawn('rust')
  const server = await t.serve()
  const connection = await t.connect(server, {}, victim)
  await victim.do('request', { connection, method: 'add', value: [1, 2] })
  await victim.do('dieAt', { point, passages })
  const order = { connection, method: 'double', up: UP, window: 4096 }
  await ended(victim, victim.do('stream', order).catch(() => undefined))
  assert.deepEqual(await t.endings(server), ['ERR_PEER_LOST'], point)
  assert.equal(await t.request('add', [1, 2]), 3)
}

/** Kills the victim after the stream if it has not died at the point it was to. */
async function ended<T>(victim: TestPeer, streaming: Promise<T>): Promise<T> {
  await Promise.race([victim.ended, streaming])
  await Promise.race([victim.ended, sleep(20)])
  await victim.kill()
  return streaming
}
