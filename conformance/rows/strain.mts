// Peers that do not read, and resources that come to their end.

import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import type { Agent } from '../agents.mjs'
import { UNSHARE, isRoot } from '../needs.mjs'
import { assert, fails, freshStream, row, sleep, until, type Cell, type Row } from '../cell.mjs'

const ENTER = isRoot ? [] : ['--user', '--preserve-credentials']

export const strain: readonly Row[] = [
  row('a peer that stops reading, and goes on', stopsReading),
  row('a full lane that refuses', async (cell) => {
    const victim = cell.spawn(cell.answerer.language)
    const server = await cell.serve({}, victim)
    const connection = await cell.connect(server, { overflow: 'fail' })
    victim.stop()
    const order = { connection, stream: freshStream(), count: 1000, length: 60_000 }
    const { sent, refused } = await cell.asker.do('notify', order)
    assert.equal(refused, 'ERR_FULL')
    const { queuedBytes, isOpen } = await cell.asker.do('stats', { connection })
    assert.deepEqual([queuedBytes, isOpen], [0, true])
    victim.goOn()
    const notes = () => victim.do('notes', { stream: order.stream })
    await until('read', async () => (await notes()).count === sent)
  }),
  row('a peer that is killed while we wait for space', async (cell) => {
    const { victim, connection } = await fill(cell)
    const drained = cell.asker.do('drained', { connection, timeoutMs: 10_000 })
    const asked = cell.ask('add', [1, 2], { connection, lane: 'high' })
    await sleep(20)
    await victim.kill()
    // Rust's own word for whatever cannot be done any more.
    await fails(drained, cell.asker.language === 'rust' ? 'ERR_CLOSED' : 'ERR_PEER_LOST')
    await fails(asked, 'ERR_PEER_LOST')
    assert.equal(await cell.asker.do('closed', { connection }), 'ERR_PEER_LOST')
  }),
  row('an event loop that is blocked for two seconds', blockedLoop),
  row('a full /dev/shm', fullSharedMemory, ({ transport }) => transport === 'portable', 'namespaces'),
  row('a server without descriptors', serverWithoutDescriptors),
  row('a client without descriptors', async (cell) => {
    const client = cell.spawn(cell.asker.language)
    const connection = await cell.connect(cell.main, {}, client)
    const options = { transport: cell.transport }
    const order = { server: cell.main, options }
    // A socket is the first it needs, the memory the second.
    for (const left of [0, 1]) {
      leave(client, left)
      await fails(client.do('connect', order), 'ERR_NO_DESCRIPTORS')
    }
    const request = { connection, method: 'add', value: [1, 2] }
    assert.equal(await client.do('request', request), 3)
    leave(client, 1000)
    await cell.connect(cell.main, {}, client)
  }),
]

/** A peer that was stopped, and a connection on which nothing goes any more. */
async function fill(cell: Cell) {
  const victim = cell.spawn(cell.answerer.language)
  const server = await cell.serve({}, victim)
  const patient = { overflow: { waitMs: 60_000 }, backlogMax: 1 << 20 }
  const connection = await cell.connect(server, patient)
  assert.equal(await cell.ask('add', [1, 2], { connection }), 3)
  victim.stop()
  const order = { connection, stream: freshStream(), count: 10_000, length: 60_000 }
  const { sent, refused } = await cell.asker.do('notify', order)
  assert.equal(refused, 'ERR_FULL')
  return { victim, connection, stream: order.stream, sent }
}

async function stopsReading(cell: Cell): Promise<void> {
  const { victim, connection, stream, sent } = await fill(cell)
  await cell.besideTraffic(async () => {
    await fails(cell.asker.do('drained', { connection, timeoutMs: 50 }), 'ERR_TIMEOUT')
    const long = { connection, codec: 'bytes', length: 1000, timeoutMs: 500 } as const
    await fails(cell.ask('echo bytes', null, long), 'ERR_FULL')
    await fails(cell.ask('add', [1, 2], { connection, lane: 'high', timeoutMs: 50 }), 'ERR_TIMEOUT')
    assert.ok((await cell.asker.do('stats', { connection })).queuedBytes > 0)
  })
  victim.goOn()
  await cell.asker.do('drained', { connection, timeoutMs: 10_000 })
  const notes = () => victim.do('notes', { stream })
  await until('read', async () => (await notes()).count >= sent)
  assert.deepEqual(await notes(), { count: sent, last: sent - 1, inOrder: true })
  assert.equal(await cell.ask('add', [1, 2], { connection }), 3)
}

async function blockedLoop(cell: Cell): Promise<void> {
  const connection = await cell.connect(cell.main)
  await cell.ask('add', [1, 2], { connection })
  const blocked = cell.answerer.do('block', { ms: 2000 })
  await sleep(50)
  const request = { connection, method: 'add', value: [1, 2] }
  const late = cell.asker.do('many', { count: 500, request })
  await fails(cell.ask('add', [1, 2], { connection, timeoutMs: 300 }), 'ERR_TIMEOUT')
  assert.deepEqual(await late, { answered: 500, failed: {} })
  await blocked
  // The other way round: answers wait until there is somebody to take them.
  const slow = { connection, method: 'sleep', value: 100 }
  const pending = cell.asker.do('many', { count: 500, request: slow })
  await cell.asker.do('block', { ms: 2000 })
  assert.deepEqual(await pending, { answered: 500, failed: {} })
}

async function fullSharedMemory(cell: Cell): Promise<void> {
  const { asker, answerer, transport } = cell.column.where
  const mount = 'mount -t tmpfs -o size=256k tmpfs /dev/shm && exec "$0" "$@"'
  const server = cell.spawn(answerer, { prefix: [...UNSHARE, 'sh', '-c', mount] })
  await server.do('listen', { server: 'crowded', options: { transport } })
  const inside = ['nsenter', ...ENTER, '--mount', `--target=${server.pid}`]
  const client = cell.spawn(asker, { prefix: inside })
  const small = { critical: 4096, high: 4096, normal: 4096, low: 4096, control: 4096 }
  const connect = (rings: object) =>
    client.do('connect', { server: 'crowded', options: { transport, rings } })
  const first = await connect(small)
  await fails(connect({ normal: 1 << 20 }), 'ERR_NO_SPACE')
  const request = { connection: first.connection, method: 'add', value: [1, 2] }
  assert.equal(await client.do('request', request), 3)
  // Nothing of the one that failed takes up room.
  await connect(small)
}

async function serverWithoutDescriptors(cell: Cell): Promise<void> {
  const victim = cell.spawn(cell.answerer.language)
  const server = await cell.serve({}, victim)
  const connection = await cell.connect(server)
  await cell.ask('add', [1, 2], { connection })
  leave(victim, 0)
  const options = { transport: cell.transport }
  const attempts = Array.from({ length: 20 }, () => cell.asker.do('connect', { server, options }))
  // All are told, whoever comes first.
  await Promise.all(attempts.map((attempt) => fails(attempt, 'ERR_NO_DESCRIPTORS')))
  assert.equal(await cell.ask('add', [1, 2], { connection }), 3)
  leave(victim, 1000)
  const later = await cell.connect(server)
  assert.equal(await cell.ask('add', [1, 2], { connection: later }), 3)
}

/** Leaves a process so many descriptors it does not have yet. */
function leave({ pid }: Agent, left: number): void {
  const taken = new Set(readdirSync(`/proc/${pid}/fd`).map(Number))
  let limit = 0
  // The limit is one of numbers, and there are gaps in those that are taken.
  for (let free = 0; free < left || taken.has(limit); limit++) free += taken.has(limit) ? 0 : 1
  execFileSync('prlimit', [`--pid=${pid}`, `--nofile=${limit}:`])
}
