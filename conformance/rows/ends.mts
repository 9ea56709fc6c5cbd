// Processes that end, at the worst of moments, and what is left of them.

import { existsSync } from 'node:fs'
import type { Agent } from '../agents.mjs'
import { assert, fails, row, sleep, until, type Cell, type Row } from '../cell.mjs'

/** Between any two steps by which an answer or a request reaches the other side. */
export const POINTS = [
  ...['payload', 'header', 'position', 'count', 'before the bell', 'bell', 'release'],
] as const
/** Behind these the message is there, although its author is not. */
const IS_PUBLISHED = ['count', 'before the bell', 'bell']
const NOT_PUBLISHED = ['payload', 'header']

export const ends: readonly Row[] = [
  row('a client that is killed at any step of the handshake', async (cell) => {
    const holds = await cell.answerer.do('holds', {})
    await cell.besideTraffic(async () => {
      for (const until of ['connected', 'hello', 'welcome', 'ready']) {
        const rogue = cell.spawn('rust')
        const { transport } = cell
        const connect = { path: cell.path(cell.main), transport, until, hello: {} }
        await rogue.do('rogue', { connect })
        await rogue.kill()
      }
    })
    await leavesNothing(cell.answerer, holds)
  }),
  row('a server that is killed before the handshake', async (cell) => {
    const victim = cell.spawn(cell.answerer.language)
    const server = await cell.serve({}, victim)
    victim.stop()
    const options = { transport: cell.transport }
    const connecting = cell.asker.do('connect', { server, options })
    await sleep(50)
    await victim.kill()
    await fails(connecting, 'ERR_HANDSHAKE', 'ERR_NO_SERVER')
  }),
  row(
    'a server that is killed between any two steps of a publish',
    async (cell) => {
      for (const point of POINTS) await serverDies(cell, point)
    },
    ({ answerer }) => answerer === 'rust',
  ),
  row(
    'a client that is killed between any two steps of a publish',
    async (cell) => {
      for (const point of POINTS) await clientDies(cell, point)
    },
    ({ asker }) => asker === 'rust',
  ),
  row('a server that is killed, exits or crashes in mid-traffic', async (cell) => {
    for (const way of WAYS) await cell.besideTraffic(() => serverEnds(cell, way))
  }),
  row('a client that is killed, exits or crashes in mid-traffic', async (cell) => {
    for (const way of WAYS) await cell.besideTraffic(() => clientEnds(cell, way))
  }),
  row(
    'a worker thread that is terminated in mid-traffic',
    async (cell) => {
      const server = await cell.serve()
      const order = { server, options: { transport: cell.transport } }
      const before = await cell.answerer.do('holds', {})
      await cell.besideTraffic(async () => {
        for (const ms of [0, 3, 20]) {
          await cell.asker.do('worker', order)
          await sleep(ms)
          await cell.asker.do('terminate', {})
        }
      })
      await cell.endings(server, 3)
      await leavesNothing(cell.answerer, before)
    },
    ({ asker }) => asker === 'ts',
  ),
  row('after kill -9 nothing is left and the name is free at once', async (cell) => {
    const before = await cell.asker.do('holds', {})
    const victim = cell.spawn(cell.answerer.language)
    const server = await cell.serve({}, victim)
    const lost = await cell.connect(server)
    await victim.kill()
    const heir = cell.spawn(cell.answerer.language)
    await cell.serve({}, heir, server)
    const connection = await cell.connect(server)
    assert.equal(await cell.ask('add', [1, 2], { connection }), 3)
    await cell.asker.do('forget', { connection })
    await cell.asker.do('forget', { connection: lost })
    await leavesNothing(cell.asker, before)
    // The other way round.
    const served = await cell.answerer.do('holds', {})
    const client = cell.spawn(cell.asker.language)
    await cell.connect(cell.main, {}, client)
    await client.kill()
    await leavesNothing(cell.answerer, served)
  }),
  row(
    'a segment of the dead is gone after the next start',
    async (cell) => {
      const victim = cell.spawn(cell.answerer.language)
      const server = await cell.serve({}, victim)
      const rogue = cell.spawn('rust')
      const { transport } = cell
      const connect = { path: cell.path(server), transport, until: 'welcome', hello: {} }
      // It has a name, because the client has not said that it holds it.
      const { segment } = await rogue.do('rogue', { connect })
      assert.ok(segment)
      victim.stop()
      await Promise.all([victim.kill(), rogue.kill()])
      await cell.serve({}, cell.spawn(cell.answerer.language))
      assert.ok(!existsSync(`/dev/shm/${segment}`))
    },
    ({ transport }) => transport === 'portable',
  ),
]

/** How many milliseconds into the traffic, and how. */
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

async function end(victim: Agent, { how, after }: Way): Promise<void> {
  await sleep(after)
  if (how === 'kill') await victim.kill()
  else if (how === 'exit') void victim.do('exit', { code: 3 }).catch(() => {})
  else void victim.do('crash', {}).catch(() => {})
  const crashed = victim.language === 'rust' ? 101 : 1
  const expected = { kill: 'SIGKILL', exit: 3, crash: crashed }[how]
  assert.equal(await victim.ended, expected, victim.errors)
}

/** So much at once that it takes longer than any of the ways. */
const traffic = (connection: number) => ({
  count: 200,
  request: { connection, method: 'echo bytes', codec: 'bytes', length: 100_000 } as const,
})

async function serverEnds(cell: Cell, way: Way): Promise<void> {
  const victim = cell.spawn(cell.answerer.language)
  const server = await cell.serve({}, victim)
  const connection = await cell.connect(server)
  const { outcome } = cell.asker.begin('many', traffic(connection))
  const waiting = cell.ask('never', null, { connection, lane: 'high' })
  await end(victim, way)
  const { answered, failed } = await outcome
  const lost = (failed.ERR_PEER_LOST ?? 0) + (failed.ERR_CLOSED ?? 0)
  assert.equal(answered + lost, 200, JSON.stringify(failed))
  await fails(waiting, 'ERR_PEER_LOST', 'ERR_CLOSED')
  const reason = await cell.asker.do('closed', { connection })
  if (way.how === 'kill') assert.equal(reason, 'ERR_PEER_LOST')
}

async function clientEnds(cell: Cell, way: Way): Promise<void> {
  const victim = cell.spawn(cell.asker.language)
  const server = await cell.serve()
  const connection = await cell.connect(server, {}, victim)
  victim.begin('many', traffic(connection))
  await end(victim, way)
  const endings = await cell.endings(server)
  if (way.how === 'kill') assert.deepEqual(endings, ['ERR_PEER_LOST'])
}

// ---- between two steps ----

async function serverDies(cell: Cell, point: string): Promise<void> {
  const victim = cell.spawn('rust')
  const server = await cell.serve({}, victim)
  const connection = await cell.connect(server)
  await cell.ask('add', [1, 2], { connection })
  await victim.do('dieAt', { point, passages: 0 })
  let outcome: Promise<unknown>
  do {
    // Whoever asks is asleep when the answer comes, so that there is a bell to ring: mostly.
    outcome = cell.ask('sleep', 30, { connection })
    await outcome.catch(() => {})
  } while (!(await hasDied(victim)))
  if (IS_PUBLISHED.includes(point)) assert.equal(await outcome, 'slept', point)
  else if (NOT_PUBLISHED.includes(point)) await fails(outcome, 'ERR_PEER_LOST')
  else await outcome.catch(() => fails(outcome, 'ERR_PEER_LOST'))
  assert.equal(await cell.asker.do('closed', { connection }), 'ERR_PEER_LOST')
  assert.equal(await cell.ask('add', [1, 2]), 3)
}

/** Whether it dies as it was told to, which takes no time when it has come to that point. */
async function hasDied(victim: Agent): Promise<boolean> {
  const how = await Promise.race([victim.ended, sleep(1000)])
  if (how !== undefined) assert.equal(how, 'SIGKILL')
  return how !== undefined
}

async function clientDies(cell: Cell, point: string): Promise<void> {
  const victim = cell.spawn('rust')
  const server = await cell.serve()
  const connection = await cell.connect(server, {}, victim)
  const request = { connection, method: 'add', value: [1, 2] }
  await victim.do('request', request)
  await victim.do('dieAt', { point, passages: 0 })
  do {
    // The server is asleep by then, so that there is a bell to ring: mostly.
    await sleep(30)
    victim.begin('request', request)
  } while (!(await hasDied(victim)))
  assert.deepEqual(await cell.endings(server), ['ERR_PEER_LOST'], point)
  assert.equal(await cell.ask('add', [1, 2]), 3)
}

async function leavesNothing(
  agent: Agent,
  before: { descriptors: number; mappings: number },
): Promise<void> {
  const { descriptors, mappings } = before
  let found = before
  const isSo = async () => {
    found = await agent.do('holds', {})
    return found.descriptors <= descriptors && found.mappings <= mappings
  }
  await until(`only ${JSON.stringify(before)} is held`, isSo).catch((error: Error) => {
    throw new Error(`${error.message}, but ${JSON.stringify(found)}`)
  })
}
