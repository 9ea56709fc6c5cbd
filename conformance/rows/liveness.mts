// Whether the peer is there, and leaving it in good order.

import { assert, CONDITION_MS, fails, row, sleep, until, type Case, type Row } from '../case.mjs'

/** Short, so that rows are; what is late never accuses the peer. */
const UNRESPONSIVE_AFTER_MS = 300
/** Longer than a busy machine takes from one command to the next. */
const SUSPENDED_AFTER_MS = 3000
/** Nothing is cut short by it. */
const DRAIN_MS = CONDITION_MS

export const liveness: readonly Row[] = [
  row('a ping is answered, also beside a handler that does not end', async (t) => {
    const never = t.begin('never').outcome
    for (let count = 0; count < 20; count++) {
      const ms = await t.caller.do('ping', { connection: t.connection })
      assert.ok(ms > 0 && ms < CONDITION_MS, `${ms} ms`)
    }
    const connection = await t.connect(t.main)
    await t.caller.do('close', { connection })
    await fails(t.caller.do('ping', { connection }), 'ERR_CLOSED')
    void never
  }),
  row('a suspended server is unresponsive until it continues', async (t) => {
    const { victim, connection } = await separate(t)
    const stats = () => t.caller.do('stats', { connection })
    await victim.stop()
    const answer = t.begin('add', [1, 2], { connection }).outcome
    await until('it is unresponsive', async () => (await stats()).isUnresponsive)
    assert.equal((await stats()).isOpen, true)
    victim.resume()
    assert.equal(await answer, 3)
    await until('it is responsive', async () => !(await stats()).isUnresponsive)
  }),
  row('two processes that are suspended together do not accuse each other', async (t) => {
    const victim = t.spawn(t.responder.language)
    const server = await t.serve({ unresponsiveAfterMs: SUSPENDED_AFTER_MS }, victim)
    const client = t.spawn(t.caller.language)
    const options = { unresponsiveAfterMs: SUSPENDED_AFTER_MS }
    const connection = await t.connect(server, options, client)
    await victim.stop()
    const answer = client.begin('request', { connection, method: 'add', value: [1, 2] }).outcome
    // It is on its way once this is answered.
    await client.do('stats', { connection })
    await client.stop()
    await sleep(2 * SUSPENDED_AFTER_MS)
    client.resume()
    assert.equal((await client.do('stats', { connection })).isUnresponsive, false)
    victim.resume()
    assert.equal(await answer, 3)
    assert.equal((await client.do('stats', { connection })).isUnresponsive, false)
  }),
  row('a server leaves under load and no request fails', async (t) => {
    const server = await t.serve()
    const connection = await t.connect(server)
    const request = { connection, method: 'add', value: [1, 2], timeoutMs: CONDITION_MS }
    const load = t.caller.begin('untilLeaving', { request }).outcome
    await until('requests are on their way', async () => {
      return (await t.caller.do('stats', { connection })).pending > 0
    })
    await t.responder.do('closeServer', { server, drainMs: DRAIN_MS })
    const { answered, failed } = await load
    assert.deepEqual(failed, [])
    assert.ok(answered > 0)
    // Closed by the client, which had nothing in flight any more.
    assert.deepEqual(await t.endings(server), [null])
    assert.equal(await t.caller.do('closed', { connection }), null)
    await fails(t.connect(server), 'ERR_NO_SERVER')
  }),
  row('a running handler finishes while its server leaves', async (t) => {
    const server = await t.serve()
    const connection = await t.connect(server)
    const before = await t.responder.do('counted', { what: 'started' })
    const slept = t.begin('sleep', 300, { connection }).outcome
    const started = () => t.responder.do('counted', { what: 'started' })
    await until('it runs', async () => (await started()) > before)
    const closed = t.responder.do('closeServer', { server, drainMs: DRAIN_MS })
    await until('the client knows', async () => {
      return (await t.caller.do('stats', { connection })).isLeaving
    })
    await fails(t.request('add', [1, 2], { connection }), 'ERR_CLOSED')
    assert.equal(await slept, 'slept')
    await closed
  }),
  row('a handler that never ends is given up when a server has drained enough', async (t) => {
    const server = await t.serve()
    const connection = await t.connect(server)
    const before = await t.responder.do('counted', { what: 'started' })
    const never = t.begin('never', null, { connection, timeoutMs: CONDITION_MS }).outcome
    const started = () => t.responder.do('counted', { what: 'started' })
    await until('it runs', async () => (await started()) > before)
    await t.responder.do('closeServer', { server, drainMs: 100 })
    await fails(never, 'ERR_PEER_LOST')
  }),
  row('a suspended client does not keep a server that leaves', async (t) => {
    const server = await t.serve()
    const client = t.spawn(t.caller.language)
    await t.connect(server, {}, client)
    await client.stop()
    await t.responder.do('closeServer', { server, drainMs: 100 })
    client.resume()
  }),
  row('a server is killed while it leaves', async (t) => {
    const { victim, server, connection } = await separate(t)
    const never = t.begin('never', null, { connection, timeoutMs: CONDITION_MS }).outcome
    await until('it runs', async () => (await victim.do('counted', { what: 'started' })) > 0)
    victim.begin('closeServer', { server, drainMs: DRAIN_MS })
    await until('the client knows', async () => {
      return (await t.caller.do('stats', { connection })).isLeaving
    })
    await victim.kill()
    await fails(never, 'ERR_PEER_LOST')
    assert.equal(await t.caller.do('closed', { connection }), 'ERR_PEER_LOST')
  }),
  row('a client drains: its requests are answered, and it closes', async (t) => {
    const server = await t.serve()
    const connection = await t.connect(server)
    const order = { connection, method: 'sleep', value: 200, timeoutMs: CONDITION_MS }
    const slept = t.caller.begin('many', { count: 20, request: order }).outcome
    await t.caller.do('drain', { connection, timeoutMs: DRAIN_MS })
    assert.deepEqual(await slept, { answered: 20, failed: {} })
    assert.equal(await t.caller.do('closed', { connection }), null)
    assert.deepEqual(await t.endings(server), [null])
  }),
]

/** A server in a process of its own, which can be suspended. */
async function separate(t: Case) {
  const victim = t.spawn(t.responder.language)
  const server = await t.serve({}, victim)
  const options = { unresponsiveAfterMs: UNRESPONSIVE_AFTER_MS }
  return { victim, server, connection: await t.connect(server, options) }
}
