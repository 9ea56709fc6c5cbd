// Processes that end at the worst possible moments, and what they leave behind.

import { existsSync } from 'node:fs'
import type { TestPeer } from '../test-peers.mjs'
import { assert, fails, row, sleep, until, type Case, type Row } from '../case.mjs'

/** Points between any two steps of publishing a message. */
export const POINTS = [
  ...['payload', 'header', 'position', 'count', 'before the bell', 'bell', 'release'],
] as const
/** Past these points the message arrives, although its sender has died. */
const IS_PUBLISHED = {
  shared: ['count', 'before the bell', 'bell'],
  // To ring the bell is to send it.
  socket: ['bell'],
}
const NOT_PUBLISHED = {
  shared: ['payload', 'header'],
  socket: ['payload', 'header', 'position', 'count', 'before the bell'],
}

export const exits: readonly Row[] = [
  row('a client that is killed at any step of the handshake', async (t) => {
    const before = await t.responder.do('resources', {})
    await t.besideTraffic(async () => {
      for (const until of ['connected', 'hello', 'welcome', 'ready']) {
        const client = t.spawn('rust')
        const { transport } = t
        const connect = { path: t.path(t.main), transport, until, hello: {} }
        await client.do('malicious', { connect })
        await client.kill()
      }
    })
    await leavesNothing(t.responder, before)
  }),
  row('a server that is killed before the handshake', async (t) => {
    const victim = t.spawn(t.responder.language)
    const server = await t.serve({}, victim)
    await victim.stop()
    const options = { transport: t.transport }
    const connecting = t.caller.do('connect', { server, options })
    await sleep(50)
    await victim.kill()
    await fails(connecting, 'ERR_HANDSHAKE', 'ERR_NO_SERVER')
  }),
  row(
    'a server that is killed between any two steps of a publish',
    async (t) => {
      for (const point of POINTS) await serverDies(t, point)
    },
    ({ responder }) => responder === 'rust',
  ),
  row(
    'a client that is killed between any two steps of a publish',
    async (t) => {
      for (const point of POINTS) await clientDies(t, point)
    },
    ({ caller }) => caller === 'rust',
  ),
  row('a server that is killed, exits or crashes in mid-traffic', async (t) => {
    for (const way of WAYS) await t.besideTraffic(() => serverEnds(t, way))
  }),
  row('a client that is killed, exits or crashes in mid-traffic', async (t) => {
    for (const way of WAYS) await t.besideTraffic(() => clientEnds(t, way))
  }),
  row(
    'a worker thread that is terminated in mid-traffic',
    async (t) => {
      const server = await t.serve()
      const order = { server, options: { transport: t.transport } }
      const before = await t.responder.do('resources', {})
      await t.besideTraffic(async () => {
        for (const ms of [0, 3, 20]) {
          await t.caller.do('worker', order)
          await sleep(ms)
          await t.caller.do('terminate', {})
        }
      })
      await t.endings(server, 3)
      await leavesNothing(t.responder, before)
    },
    ({ caller }) => caller === 'ts',
  ),
  row('after kill -9 nothing is left and the name is free immediately', async (t) => {
    const before = await t.caller.do('resources', {})
    const victim = t.spawn(t.responder.language)
    const server = await t.serve({}, victim)
    const lost = await t.connect(server)
    await victim.kill()
    const successor = t.spawn(t.responder.language)
    await t.serve({}, successor, server)
    const connection = await t.connect(server)
    assert.equal(await t.request('add', [1, 2], { connection }), 3)
    await t.caller.do('forget', { connection })
    await t.caller.do('forget', { connection: lost })
    await leavesNothing(t.caller, before)
    // With the roles reversed.
    const served = await t.responder.do('resources', {})
    const client = t.spawn(t.caller.language)
    await t.connect(t.main, {}, client)
    await client.kill()
    await leavesNothing(t.responder, served)
  }),
  row(
    'a segment of dead processes is removed by the next start',
    async (t) => {
      const victim = t.spawn(t.responder.language)
      const server = await t.serve({}, victim)
      const client = t.spawn('rust')
      const { transport } = t
      const connect = { path: t.path(server), transport, until: 'welcome', hello: {} }
      // The segment still has its name, because the client has not confirmed that it mapped it.
      const { segment } = await client.do('malicious', { connect })
      assert.ok(segment)
      await victim.stop()
      await Promise.all([victim.kill(), client.kill()])
      await t.serve({}, t.spawn(t.responder.language))
      assert.ok(!existsSync(`/dev/shm/${segment}`))
    },
    ({ transport }) => transport === 'portable',
  ),
]

/** How to end a process, and after how many milliseconds of traffic. */
interface Way {
  how: 'kill' | 'exit' | 'crash'
  after: number
}
const WAYS: readonly Way[] = [
  { how: 'kill', after: 0 },
  { how: 'kill', after: 7 },
  { how: 'exit', after: 3 },
  { how: 'crash', after: 5 },
]

async function end(victim: TestPeer, { how, after }: Way): Promise<void> {
  await sleep(after)
  if (how === 'kill') await victim.kill()
  else if (how === 'exit') void victim.do('exit', { code: 3 }).catch(() => {})
  else void victim.do('crash', {}).catch(() => {})
  const crashed = victim.language === 'rust' ? 101 : 1
  const expected = { kill: 'SIGKILL', exit: 3, crash: crashed }[how]
  assert.equal(await victim.ended, expected, victim.errors)
}

/** Enough traffic to outlast the delay of every way. */
const traffic = (connection: number) => ({
  count: 200,
  request: { connection, method: 'echo bytes', codec: 'bytes', length: 100_000 } as const,
})

async function serverEnds(t: Case, way: Way): Promise<void> {
  const victim = t.spawn(t.responder.language)
  const server = await t.serve({}, victim)
  const connection = await t.connect(server)
  const { outcome } = t.caller.begin('many', traffic(connection))
  const waiting = t.request('never', null, { connection, lane: 'high' })
  await end(victim, way)
  const { answered, failed } = await outcome
  const lost = (failed.ERR_PEER_LOST ?? 0) + (failed.ERR_CLOSED ?? 0)
  assert.equal(answered + lost, 200, JSON.stringify(failed))
  await fails(waiting, 'ERR_PEER_LOST', 'ERR_CLOSED')
  const reason = await t.caller.do('closed', { connection })
  if (way.how === 'kill') assert.equal(reason, 'ERR_PEER_LOST')
}

async function clientEnds(t: Case, way: Way): Promise<void> {
  const victim = t.spawn(t.caller.language)
  const server = await t.serve()
  const connection = await t.connect(server, {}, victim)
  victim.begin('many', traffic(connection))
  await end(victim, way)
  const endings = await t.endings(server)
  if (way.how === 'kill') assert.deepEqual(endings, ['ERR_PEER_LOST'])
}

// ---- between two steps of publishing ----

async function serverDies(t: Case, point: string): Promise<void> {
  const victim = t.spawn('rust')
  const server = await t.serve({}, victim)
  const connection = await t.connect(server)
  await t.request('add', [1, 2], { connection })
  await victim.do('dieAt', { point, passages: 0 })
  let outcome: Promise<unknown>
  do {
    // After 30 ms the caller usually sleeps, so that the responder has to ring the bell.
    outcome = t.request('sleep', 30, { connection })
    await outcome.catch(() => {})
  } while (!(await hasDied(victim)))
  const kind = t.transport === 'socket' ? 'socket' : 'shared'
  if (IS_PUBLISHED[kind].includes(point)) assert.equal(await outcome, 'slept', point)
  else if (NOT_PUBLISHED[kind].includes(point)) await fails(outcome, 'ERR_PEER_LOST')
  else await outcome.catch(() => fails(outcome, 'ERR_PEER_LOST'))
  assert.equal(await t.caller.do('closed', { connection }), 'ERR_PEER_LOST')
  assert.equal(await t.request('add', [1, 2]), 3)
}

/** Whether it has died as ordered. An answer proves that it has not reached that point. */
async function hasDied(victim: TestPeer): Promise<boolean> {
  const isAlive = await victim.do('counted', { what: 'started' }).then(() => true, () => false)
  if (!isAlive) assert.equal(await victim.ended, 'SIGKILL')
  return !isAlive
}

async function clientDies(t: Case, point: string): Promise<void> {
  const victim = t.spawn('rust')
  const server = await t.serve()
  const connection = await t.connect(server, {}, victim)
  const request = { connection, method: 'add', value: [1, 2] }
  await victim.do('request', request)
  await victim.do('dieAt', { point, passages: 0 })
  do {
    // After 30 ms the server usually sleeps, so that the client has to ring the bell.
    await sleep(30)
    victim.begin('request', request)
  } while (!(await hasDied(victim)))
  assert.deepEqual(await t.endings(server), ['ERR_PEER_LOST'], point)
  assert.equal(await t.request('add', [1, 2]), 3)
}

async function leavesNothing(
  testPeer: TestPeer,
  before: { descriptors: number; mappings: number },
): Promise<void> {
  const { descriptors, mappings } = before
  let found = before
  const isSo = async () => {
    found = await testPeer.do('resources', {})
    return found.descriptors <= descriptors && found.mappings <= mappings
  }
  await until(`only ${JSON.stringify(before)} is left`, isSo).catch((error: Error) => {
    throw new Error(`${error.message}, found ${JSON.stringify(found)}`)
  })
}
