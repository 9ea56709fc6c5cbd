// What one peer may have this side do and keep, and that nothing it waits for is held back for it.

import { readFileSync } from 'node:fs'
import type { Agent } from '../agents.mjs'
import { assert, row, sleep, until, type Cell, type Row } from '../cell.mjs'

const MIB = 1 << 20
const BACKLOG = MIB
/** What allocators, garbage and the process itself may add to what is bounded. */
const SLACK = 40 * MIB

export const bounds: readonly Row[] = [
  row('handlers that ask back, more at once than are worked on', async (cell) => {
    for (const options of [{ servingMax: 1 }, { servingMax: 4 }, { servingMaxTotal: 2 }]) {
      const server = await cell.serve(options)
      const connection = await cell.connect(server)
      const value = { method: 'add', value: [1, 2] }
      const request = { connection, method: 'askBack', value, timeoutMs: 10_000 }
      const outcome = await cell.asker.do('many', { count: 20, request })
      assert.deepEqual(outcome, { answered: 20, failed: {} }, JSON.stringify(options))
      // What was set aside came in order, and nothing was forgotten.
      assert.equal(await cell.ask('add', [1, 2], { connection }), 3)
    }
  }),
  row('a peer that has work done and does not read', async (cell) => {
    const { victim, server, client, connection } = await apart(cell)
    const request = { connection, method: 'later', value: [1000, 60_000], timeoutMs: 20_000 }
    const { outcome } = client.begin('many', { count: 300, request })
    outcome.catch(() => {})
    await until('all are worked on', async () => (await victim.do('counted', { what: 'started' })) >= 300)
    client.stop()
    const before = residentBytes(victim)
    await cell.besideTraffic(async () => {
      await until('it is let go', async () => {
        const { ended } = await victim.do('connections', { server })
        return ended.includes('ERR_FULL')
      })
    })
    const growth = residentBytes(victim) - before
    assert.ok(growth < 4 * BACKLOG + SLACK, `the server has grown by ${growth} bytes`)
    await client.kill()
  }),
  row('a peer that asks on and does not read, but reads in the end', async (cell) => {
    const { victim, server, client, connection } = await apart(cell)
    const busy = victim.do('block', { ms: 300 })
    await sleep(50)
    const request = { connection, method: 'text', value: 60_000, timeoutMs: 20_000 }
    const { outcome } = client.begin('many', { count: 1000, request })
    await sleep(100)
    client.stop()
    await busy
    await sleep(200)
    assert.deepEqual((await victim.do('connections', { server })).ended, [])
    client.goOn()
    assert.deepEqual(await outcome, { answered: 1000, failed: {} })
    await client.kill()
  }),
  row('streams that are sent more than their handlers read', async (cell) => {
    const victim = cell.spawn(cell.answerer.language)
    const server = await cell.serve({ unreadMax: 100_000 }, victim)
    const connection = await cell.connect(server, { rings: { normal: 65_536 } })
    const request = { connection, method: 'deaf', up: 5000, timeoutMs: 400 }
    const before = residentBytes(victim)
    const { ended, failed } = await cell.asker.do('streams', { count: 50, request })
    assert.deepEqual({ ended, failed }, { ended: 0, failed: { ERR_TIMEOUT: 50 } })
    const growth = residentBytes(victim) - before
    assert.ok(growth < SLACK, `the server has grown by ${growth} bytes`)
    // What was given up is not waited for any more.
    const later = await cell.asker.do('stream', { connection, method: 'sum', up: 1000 })
    assert.equal(later.result, 499_500)
  }),
]

/** A server and a client that are processes of their own, to be halted at will. */
async function apart(cell: Cell) {
  const victim = cell.spawn(cell.answerer.language)
  const server = await cell.serve({ backlogMax: BACKLOG }, victim)
  const client = cell.spawn(cell.asker.language)
  const connection = await cell.connect(server, {}, client)
  return { victim, server, client, connection }
}

function residentBytes({ pid }: Agent): number {
  return Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]) * 4096
}
