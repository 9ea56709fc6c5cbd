// Clients that outlive their sessions. Servers die by SIGKILL, and others take their place.

import type { TestPeer } from '../test-peers.mjs'
import { assert, fails, fresh, freshStream, row, until, type Case, type Row } from '../case.mjs'
import type { Chosen, RequestOrder } from '../wire.mjs'

/** Items of a stream that breaks off half way. */
const ITEMS = 1000

export const lasting: readonly Row[] = [
  row('a killed server, and another in its place', async (t) => {
    const { server, victim, connection } = await begin(t)
    const waiting = t.request('never', null, { connection })
    await counts(victim, 'started', 1)
    await victim.kill()
    await fails(waiting, 'ERR_PEER_LOST')
    await isLost(t, connection, 'ERR_PEER_LOST')
    const next = await serveAgain(t, server)
    assert.deepEqual(await t.caller.do('change', { connection }), { pid: t.pidOf(next) })
    assert.equal(await t.request('add', [1, 2], { connection }), 3)
    const back = { method: 'add', value: [2, 3] }
    assert.equal(await t.request('requestBack', back, { connection }), 5, 'handlers stay')
  }),
  row('a server that closes, and another in its place', async (t) => {
    const { server, victim, connection } = await begin(t)
    await victim.do('closeServer', { server })
    await isLost(t, connection, null)
    await victim.do('listen', { server, options: { transport: t.transport } })
    assert.deepEqual(await t.caller.do('change', { connection }), { pid: t.pidOf(victim) })
    assert.equal(await t.request('add', [1, 2], { connection }), 3)
  }),
  row('a server that closes this connection and goes on', async (t) => {
    const { victim, connection } = await begin(t)
    const again = t.request('onceMore', null, { connection, timeoutMs: 60_000 })
    await counts(victim, 'started', 1)
    await fails(t.request('closeHere', null, { connection }), 'ERR_PEER_LOST')
    assert.equal(await t.caller.do('closed', { connection }), null)
    await fails(again, 'ERR_CLOSED')
    await fails(t.request('add', [1, 2], { connection }), 'ERR_CLOSED')
  }),
  row('a server that leaves, and another in its place', async (t) => {
    const { server, victim, connection } = await begin(t)
    const slow = t.request('onceMore', null, { connection, timeoutMs: 60_000 })
    await counts(victim, 'started', 1)
    const leaving = victim.do('closeServer', { server, drainMs: 60_000 })
    leaving.catch(() => {})
    await isLost(t, connection, null)
    const waiting = t.request('add', [1, 2], { connection })
    const next = await serveAgain(t, server)
    assert.deepEqual(await t.caller.do('change', { connection }), { pid: t.pidOf(next) })
    assert.equal(await waiting, 3)
    assert.equal((await t.caller.do('stats', { connection })).isLeaving, false)
    await victim.kill()
    assert.equal(await slow, true, 'it was in flight on the old session until then')
  }),
  row('requests and events that wait while the server is away', async (t) => {
    const { server, victim, connection } = await begin(t)
    await victim.kill()
    await isLost(t, connection, 'ERR_PEER_LOST')
    const request: RequestOrder = { connection, method: 'echo bytes', codec: 'bytes', length: 99 }
    const requests = t.caller.begin('many', { count: 50, request })
    const stream = freshStream()
    const notes = { connection, stream, count: 50, length: 8 }
    assert.deepEqual(await t.caller.do('notify', notes), { sent: 50, refused: null })
    const { waiting } = await t.caller.do('stats', { connection })
    assert.equal(waiting, 100)
    const next = await serveAgain(t, server)
    const { answered, failed } = await requests.outcome
    assert.deepEqual([answered, failed], [50, {}])
    await until('all have arrived', async () => (await next.do('notes', { stream })).count === 50)
    const { inOrder } = await next.do('notes', { stream })
    assert.ok(inOrder)
    assert.equal((await t.caller.do('stats', { connection })).waiting, 0)
  }),
  row('a request that waits ends with its time, or when it is cancelled', async (t) => {
    const { victim, connection } = await begin(t)
    await victim.kill()
    await isLost(t, connection, 'ERR_PEER_LOST')
    await fails(t.request('add', [1, 2], { connection, timeoutMs: 20 }), 'ERR_TIMEOUT')
    const { number, outcome } = t.begin('add', [1, 2], { connection })
    assert.equal(await t.caller.do('cancel', { request: number }), true)
    await fails(outcome, 'ABORTED')
    assert.equal((await t.caller.do('stats', { connection })).waiting, 0)
    const left = t.request('add', [1, 2], { connection })
    await until('it waits', async () => {
      return (await t.caller.do('stats', { connection })).waiting === 1
    })
    await t.caller.do('close', { connection })
    await fails(left, 'ERR_CLOSED')
  }),
  row('a client that is not to wait', async (t) => {
    const { server, victim, connection } = await begin(t, { whileAway: 'fail' })
    await victim.kill()
    await isLost(t, connection, 'ERR_PEER_LOST')
    await fails(t.request('add', [1, 2], { connection }), 'ERR_NO_SERVER')
    const notes = { connection, stream: freshStream(), count: 1, length: 8 }
    assert.equal((await t.caller.do('notify', notes)).refused, 'ERR_NO_SERVER')
    const next = await serveAgain(t, server)
    assert.deepEqual(await t.caller.do('change', { connection }), { pid: t.pidOf(next) })
    assert.equal(await t.request('add', [1, 2], { connection }), 3)
  }),
  row('an idempotent request, which is sent again and says so', async (t) => {
    const { server, victim, connection } = await begin(t)
    const answer = t.request('onceMore', null, { connection, timeoutMs: 60_000 })
    await counts(victim, 'started', 1)
    await victim.kill()
    await serveAgain(t, server)
    assert.equal(await answer, true, 'it has time left')
  }),
  row('a resumable stream, which goes on after what has arrived', async (t) => {
    const { server, victim, connection } = await begin(t)
    const outcome = t.caller.do('stream', { connection, method: 'resumed', value: ITEMS })
    await counts(victim, 'half', 1)
    await victim.kill()
    await serveAgain(t, server)
    const { result, ...found } = await outcome
    assert.deepEqual(found, { items: ITEMS, inOrder: true, failure: null })
    const taken = result as number
    assert.ok(taken > 0 && taken <= ITEMS / 2, `${taken} were taken`)
  }),
  row('bytes that a killed server has not read', async (t) => {
    const { victim, connection } = await begin(t)
    await victim.stop()
    const notes = { connection, stream: freshStream(), count: 10, length: 1000 }
    await t.caller.do('notify', { ...notes, lane: 'high' })
    await victim.kill()
    const [critical, high, normal, low] = await isLost(t, connection, 'ERR_PEER_LOST')
    assert.ok(high >= 10_000, `${high} bytes`)
    assert.deepEqual([critical, normal, low], [0, 0, 0])
  }),
  row('a server that refuses a client for good', async (t) => {
    const { server, victim, connection } = await begin(t)
    await victim.kill()
    await isLost(t, connection, 'ERR_PEER_LOST')
    const waiting = t.request('add', [1, 2], { connection })
    await serveAgain(t, server, { token: 'a secret' })
    await fails(waiting, 'ERR_TOKEN')
    assert.equal(await t.caller.do('closed', { connection }), 'ERR_TOKEN')
    await fails(t.request('add', [1, 2], { connection }), 'ERR_TOKEN')
  }),
]

/** A server that is to die, and a connection to it that is to outlive it. */
async function begin(t: Case, options: Chosen = {}) {
  const server = fresh()
  const victim = await serveAgain(t, server)
  const connection = await t.connect(server, { reconnect: true, ...options })
  // The client may be through with the handshake before the server is, which drops it then.
  assert.equal(await t.request('add', [1, 2], { connection }), 3)
  return { server, victim, connection }
}

async function serveAgain(t: Case, server: string, options: Chosen = {}): Promise<TestPeer> {
  const testPeer = t.spawn(t.responder.language)
  await testPeer.do('listen', { server, options: { transport: t.transport, ...options } })
  return testPeer
}

/** The session is lost; returns what was not delivered, by lane. */
async function isLost(t: Case, connection: number, reason: string | null): Promise<number[]> {
  const change = await t.caller.do('change', { connection })
  assert.ok('lost' in change, JSON.stringify(change))
  assert.equal(change.lost, reason)
  return change.undelivered
}

async function counts(testPeer: TestPeer, what: string, count: number): Promise<void> {
  await until(`${what} is counted`, async () => (await testPeer.do('counted', { what })) >= count)
}
