// Peers that do not read, and machines that run out of memory or descriptors.

import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import type { TestPeer } from '../test-peers.mjs'
import { UNSHARE, isRoot } from '../needs.mjs'
import { assert, fails, freshStream, row, until, type Case, type Row } from '../case.mjs'

const ENTER = isRoot ? [] : ['--user', '--preserve-credentials']

export const exhaustion: readonly Row[] = [
  row('a peer that stops reading and resumes', peerStopsReading),
  row('a full lane that refuses new messages', async (t) => {
    const victim = t.spawn(t.responder.language)
    const server = await t.serve({}, victim)
    const connection = await t.connect(server, { overflow: 'fail' })
    await victim.stop()
    const order = { connection, stream: freshStream(), count: 1000, length: 60_000 }
    const { sent, refused } = await t.caller.do('notify', order)
    assert.equal(refused, 'ERR_FULL')
    const { queuedBytes, isOpen } = await t.caller.do('stats', { connection })
    assert.deepEqual([queuedBytes, isOpen], [0, true])
    victim.resume()
    const notes = () => victim.do('notes', { stream: order.stream })
    await until('all are read', async () => (await notes()).count === sent)
  }),
  row('a peer that is killed while its sender waits for space', async (t) => {
    const { victim, connection } = await fill(t)
    const drained = t.caller.do('drained', { connection, timeoutMs: 60_000 })
    const pending = t.request('add', [1, 2], { connection, lane: 'high' })
    const stats = () => t.caller.do('stats', { connection })
    await until('the request is pending', async () => (await stats()).pending > 0)
    await victim.kill()
    // In Rust, waiting on a connection that has ended fails with `Closed`.
    await fails(drained, t.caller.language === 'rust' ? 'ERR_CLOSED' : 'ERR_PEER_LOST')
    await fails(pending, 'ERR_PEER_LOST')
    assert.equal(await t.caller.do('closed', { connection }), 'ERR_PEER_LOST')
  }),
  row('an event loop that is blocked for two seconds', blockedLoop),
  row(
    'a full /dev/shm',
    fullSharedMemory,
    ({ transport }) => transport === 'portable',
    'namespaces',
  ),
  row('a server that is out of descriptors', serverWithoutDescriptors),
  row('a client that is out of descriptors', async (t) => {
    const client = t.spawn(t.caller.language)
    const connection = await t.connect(t.main, {}, client)
    const options = { transport: t.transport }
    const order = { server: t.main, options }
    // The first descriptor is for the socket, the second for the memory, where any is shared.
    for (const left of t.transport === 'socket' ? [0] : [0, 1]) {
      leave(client, left)
      await fails(client.do('connect', order), 'ERR_NO_DESCRIPTORS')
    }
    const request = { connection, method: 'add', value: [1, 2] }
    assert.equal(await client.do('request', request), 3)
    leave(client, 1000)
    await t.connect(t.main, {}, client)
  }),
]

/** A suspended peer, and a connection to it whose ring and backlog are full. */
async function fill(t: Case) {
  const victim = t.spawn(t.responder.language)
  const server = await t.serve({}, victim)
  const options = { overflow: { waitMs: 60_000 }, backlogMax: 1 << 20 }
  const connection = await t.connect(server, options)
  assert.equal(await t.request('add', [1, 2], { connection }), 3)
  await victim.stop()
  const order = { connection, stream: freshStream(), count: 10_000, length: 60_000 }
  const { sent, refused } = await t.caller.do('notify', order)
  assert.equal(refused, 'ERR_FULL')
  return { victim, connection, stream: order.stream, sent }
}

async function peerStopsReading(t: Case): Promise<void> {
  const { victim, connection, stream, sent } = await fill(t)
  await t.besideTraffic(async () => {
    await fails(t.caller.do('drained', { connection, timeoutMs: 50 }), 'ERR_TIMEOUT')
    const long = { connection, codec: 'bytes', length: 1000, timeoutMs: 500 } as const
    await fails(t.request('echo bytes', null, long), 'ERR_FULL')
    const short = { connection, lane: 'high', timeoutMs: 50 } as const
    await fails(t.request('add', [1, 2], short), 'ERR_TIMEOUT')
    assert.ok((await t.caller.do('stats', { connection })).queuedBytes > 0)
  })
  victim.resume()
  await t.caller.do('drained', { connection, timeoutMs: 60_000 })
  const notes = () => victim.do('notes', { stream })
  await until('all are read', async () => (await notes()).count >= sent)
  assert.deepEqual(await notes(), { count: sent, last: sent - 1, inOrder: true })
  assert.equal(await t.request('add', [1, 2], { connection }), 3)
}

async function blockedLoop(t: Case): Promise<void> {
  const connection = await t.connect(t.main)
  await t.request('add', [1, 2], { connection })
  const blocked = t.responder.do('block', { ms: 2000 })
  // The loop is blocked once the responder has read the command.
  const short = () => t.request('add', [1, 2], { connection, timeoutMs: 300 })
  const timesOut = () => short().then(() => false, (error) => error.code === 'ERR_TIMEOUT')
  await until('it is blocked', timesOut)
  const request = { connection, method: 'add', value: [1, 2] }
  const late = t.caller.do('many', { count: 500, request })
  assert.deepEqual(await late, { answered: 500, failed: {} })
  await blocked
  // With the roles reversed: answers wait until the caller can read them.
  const slow = { connection, method: 'sleep', value: 100 }
  const pending = t.caller.do('many', { count: 500, request: slow })
  await t.caller.do('block', { ms: 2000 })
  assert.deepEqual(await pending, { answered: 500, failed: {} })
}

async function fullSharedMemory(t: Case): Promise<void> {
  const { caller, responder, transport } = t.column.where
  const mount = 'mount -t tmpfs -o size=256k tmpfs /dev/shm && exec "$0" "$@"'
  const server = t.spawn(responder, { prefix: [...UNSHARE, 'sh', '-c', mount] })
  await server.do('listen', { server: 'full', options: { transport } })
  const inside = ['nsenter', ...ENTER, '--mount', `--target=${server.pid}`]
  const client = t.spawn(caller, { prefix: inside })
  const small = { critical: 4096, high: 4096, normal: 4096, low: 4096, control: 4096 }
  const connect = (rings: object) =>
    client.do('connect', { server: 'full', options: { transport, rings } })
  const first = await connect(small)
  await fails(connect({ normal: 1 << 20 }), 'ERR_NO_SPACE')
  const request = { connection: first.connection, method: 'add', value: [1, 2] }
  assert.equal(await client.do('request', request), 3)
  // The attempt that failed has left nothing behind.
  await connect(small)
}

async function serverWithoutDescriptors(t: Case): Promise<void> {
  const victim = t.spawn(t.responder.language)
  const server = await t.serve({}, victim)
  const connection = await t.connect(server)
  await t.request('add', [1, 2], { connection })
  leave(victim, 0)
  const options = { transport: t.transport }
  const attempts = Array.from({ length: 20 }, () => t.caller.do('connect', { server, options }))
  // All attempts fail with the same code, in whichever order they arrive.
  await Promise.all(attempts.map((attempt) => fails(attempt, 'ERR_NO_DESCRIPTORS')))
  assert.equal(await t.request('add', [1, 2], { connection }), 3)
  leave(victim, 1000)
  const later = await t.connect(server)
  assert.equal(await t.request('add', [1, 2], { connection: later }), 3)
}

/** Limits a process to so many more descriptors than it has open. */
function leave({ pid }: TestPeer, left: number): void {
  const taken = new Set(readdirSync(`/proc/${pid}/fd`).map(Number))
  let limit = 0
  // The limit is a descriptor number, and there may be gaps between those in use.
  for (let free = 0; free < left || taken.has(limit); limit++) free += taken.has(limit) ? 0 : 1
  execFileSync('prlimit', [`--pid=${pid}`, `--nofile=${limit}:`])
}
