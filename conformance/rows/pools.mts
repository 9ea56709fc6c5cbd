// Pools of connections to one server, whose connections end while they are used.

import { assert, fresh, row, until, type Case, type Row } from '../case.mjs'
import type { RequestOrder } from '../wire.mjs'

const MAX = 4

export const pools: readonly Row[] = [
  row('a pool whose connections are shared, and leased', async (t) => {
    const { server, pool } = await begin(t, MAX)
    const add = { method: 'add', value: [1, 2] }
    for (const isLeased of [false, true, false]) {
      assert.deepEqual(await ask(t, pool, 100, isLeased, add), { answered: 100, failed: {} })
    }
    const { made, leased, waiting } = await t.caller.do('poolStats', { pool })
    assert.ok(made >= 1 && made <= MAX, `${made} were made`)
    assert.deepEqual([leased, waiting], [0, 0])
    assert.equal((await t.responder.do('connections', { server })).accepted, made)
    await t.caller.do('closePool', { pool })
    await until('all are closed', async () => {
      return (await t.responder.do('connections', { server })).open === 0
    })
  }),
  row('a lease is for one at a time', async (t) => {
    const { pool } = await begin(t, 1)
    const timeoutMs = 100
    const since = performance.now()
    const asked = await ask(t, pool, 3, true, { method: 'never', timeoutMs })
    assert.deepEqual(asked, { answered: 0, failed: { ERR_TIMEOUT: 3 } })
    const took = performance.now() - since
    assert.ok(took >= 3 * timeoutMs - 5, `one after the other, in ${took} ms`)
    assert.equal((await t.caller.do('poolStats', { pool })).made, 1)
  }),
  row('a pool whose server closes connections that it uses', async (t) => {
    const { pool } = await begin(t, 1)
    for (let round = 0; round < 20; round++) {
      const closed = await ask(t, pool, 1, round % 2 === 0, { method: 'closeHere' })
      assert.deepEqual(closed, { answered: 0, failed: { ERR_PEER_LOST: 1 } })
      const add = { method: 'add', value: [1, round] }
      const asked = await ask(t, pool, 3, round % 4 > 1, add)
      assert.deepEqual(asked, { answered: 3, failed: {} }, `after ${round} times`)
    }
  }),
  row('a pool whose server is killed, and another in its place', async (t) => {
    const server = fresh()
    const victim = t.spawn(t.responder.language)
    await victim.do('listen', { server, options: { transport: t.transport } })
    const pool = await create(t, server, MAX)
    const add = { method: 'add', value: [1, 2], timeoutMs: 60_000 }
    assert.deepEqual(await ask(t, pool, 10, false, add), { answered: 10, failed: {} })
    await victim.kill()
    const next = t.spawn(t.responder.language)
    await next.do('listen', { server, options: { transport: t.transport } })
    // What was on its way as the server died is lost.
    await until('it serves again', async () => (await ask(t, pool, 1, false, add)).answered === 1)
    assert.deepEqual(await ask(t, pool, 50, true, add), { answered: 50, failed: {} })
  }),
]

async function begin(t: Case, max: number) {
  const server = fresh()
  await t.responder.do('listen', { server, options: { transport: t.transport } })
  return { server, pool: await create(t, server, max) }
}

async function create(t: Case, server: string, max: number): Promise<number> {
  return (await t.caller.do('pool', { server, max, options: { transport: t.transport } })).pool
}

const ask = (
  t: Case,
  pool: number,
  count: number,
  isLeased: boolean,
  request: Omit<RequestOrder, 'connection'>,
) => t.caller.do('pooled', { count, isLeased, request: { ...request, connection: pool } })
