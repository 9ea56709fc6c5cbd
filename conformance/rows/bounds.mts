// Bounds on the work and the memory one peer can cause, which never withhold an answer it awaits.

import { assert, residentBytes, row, sleep, until, type Case, type Row } from '../case.mjs'

const MIB = 1 << 20
const BACKLOG = MIB
/** Allowance for allocators, garbage and the process itself. */
const SLACK = 40 * MIB
const WASM_SLACK = 20 * MIB

export const bounds: readonly Row[] = [
  row('more requests that call back than are handled at once', async (t) => {
    for (const options of [{ servingMax: 1 }, { servingMax: 4 }, { servingMaxTotal: 2 }]) {
      const server = await t.serve(options)
      const connection = await t.connect(server)
      const value = { method: 'add', value: [1, 2] }
      const request = { connection, method: 'requestBack', value, timeoutMs: 60_000 }
      const outcome = await t.caller.do('many', { count: 20, request })
      assert.deepEqual(outcome, { answered: 20, failed: {} }, JSON.stringify(options))
      // Requests that were set aside are all handled.
      assert.equal(await t.request('add', [1, 2], { connection }), 3)
    }
  }),
  row('a peer that sends requests and never reads the answers', async (t) => {
    const { victim, server, client, connection } = await separate(t)
    const before = await residentBytes(victim)
    const request = { connection, method: 'later', value: [1000, 60_000], timeoutMs: 60_000 }
    // The requests are in the ring before the server reads, and the client is suspended before it
    // could read an answer.
    await victim.stop()
    // Those that wait for room in the socket would not be there.
    const count = t.transport === 'socket' ? 200 : 300
    client.begin('many', { count, request })
    const stats = () => client.do('stats', { connection })
    await until('all are sent', async () => (await stats()).pending === count)
    await stats()
    await client.stop()
    victim.resume()
    const started = () => victim.do('counted', { what: 'started' })
    await until('all are being handled', async () => (await started()) === count)
    await t.besideTraffic(async () => {
      await until('the peer is disconnected', async () => {
        const { ended } = await victim.do('connections', { server })
        return ended.includes('ERR_FULL')
      })
    })
    const growth = (await residentBytes(victim)) - before
    // Memory of a module that a backlog has grown through stays with it.
    const left = t.column.where.core === 'wasm' ? WASM_SLACK : 0
    assert.ok(growth < 4 * BACKLOG + SLACK + left, `the server has grown by ${growth} bytes`)
    await client.kill()
  }),
  row('a peer that pauses reading while its requests are handled', async (t) => {
    const { victim, server, client, connection } = await separate(t)
    const busy = victim.do('block', { ms: 300 })
    await sleep(50)
    const request = { connection, method: 'text', value: 60_000, timeoutMs: 60_000 }
    const { outcome } = client.begin('many', { count: 1000, request })
    await sleep(100)
    await client.stop()
    await busy
    await sleep(200)
    assert.deepEqual((await victim.do('connections', { server })).ended, [])
    client.resume()
    assert.deepEqual(await outcome, { answered: 1000, failed: {} })
    await client.kill()
  }),
  row('streams that are sent more items than their handlers read', async (t) => {
    const victim = t.spawn(t.responder.language)
    const server = await t.serve({ unreadMax: 100_000 }, victim)
    const connection = await t.connect(server, { rings: { normal: 65_536 } })
    const request = { connection, method: 'unread', up: 5000, timeoutMs: 400 }
    const before = await residentBytes(victim)
    const { ended, failed } = await t.caller.do('streams', { count: 50, request })
    assert.deepEqual({ ended, failed }, { ended: 0, failed: { ERR_TIMEOUT: 50 } })
    const growth = (await residentBytes(victim)) - before
    assert.ok(growth < SLACK, `the server has grown by ${growth} bytes`)
    // Items of the ended streams no longer count against the bound.
    const later = await t.caller.do('stream', { connection, method: 'sum', up: 1000 })
    assert.equal(later.result, 499_500)
  }),
]

/** A server and a client in processes of their own, which can be suspended. */
async function separate(t: Case) {
  const victim = t.spawn(t.responder.language)
  const server = await t.serve({ backlogMax: BACKLOG }, victim)
  const client = t.spawn(t.caller.language)
  const connection = await t.connect(server, {}, client)
  return { victim, server, client, connection }
}
