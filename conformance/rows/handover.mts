// Names that are handed over: the caller's language takes over from the responder's.

import { existsSync } from 'node:fs'
import type { TestPeer } from '../test-peers.mjs'
import { assert, CONDITION_MS, fails, fresh, row, until, type Case, type Row } from '../case.mjs'

const HANDOVERS = 5
/** Connections each server accepts at least before the next takes over. */
const CONNECTIONS_MIN = 20
/** What a new server may be sent by one that is none. */
const WRONG_HANDOVERS = [
  ...['tooFew', 'tooMany', 'pipe', 'noLock', 'swapped', 'elsewhere', 'otherVersion', 'nothing'],
]

export const handover: readonly Row[] = [
  row('five handovers under clients that connect again and again', passesOn),
  row('a server that takes over a name no server has', async (t) => {
    const server = await t.serve({ takeOver: true }, t.caller)
    const connection = await t.connect(server)
    assert.equal(await t.request('add', [1, 2], { connection }), 3)
  }),
  row('connections stay with the server that has handed its name over', async (t) => {
    const { server, old } = await begin(t)
    const early = await t.connect(server)
    const young = await takesOver(t, server, old)
    assert.equal(await t.request('add', [1, 2], { connection: early }), 3)
    await isServedBy(t, server, young)
    assert.equal(await t.request('add', [1, 2], { connection: early }), 3)
  }),
  row('files stay when the old server closes, and go with the new one', async (t) => {
    const { server, old } = await begin(t)
    const young = await takesOver(t, server, old)
    const files = [t.path(server), t.path(server).replace(/sock$/, 'lock')]
    await old.do('closeServer', { server })
    assert.ok(files.every(existsSync))
    await isServedBy(t, server, young)
    await young.do('closeServer', { server })
    assert.ok(!files.some(existsSync))
  }),
  row('a new server with a token that is wrong or missing', async (t) => {
    const { server, old } = await begin(t, { token: 'sesame' })
    for (const token of ['poppy', 'sesame!', undefined]) {
      const options = { ...(token && { token }), takeOver: true }
      await fails(t.caller.do('listen', { server, options }), 'ERR_TOKEN')
    }
    await isServedBy(t, server, old, { token: 'sesame' })
    await takesOver(t, server, old, { token: 'sesame' })
  }),
  row('an old server that is killed before it answers', async (t) => {
    const { server, old } = await begin(t)
    await old.stop()
    const young = t.spawn(t.caller.language)
    const taking = young.do('listen', { server, options: options(t) })
    await old.kill()
    await taking
    await isServedBy(t, server, young)
  }),
  row(
    'an old server that is killed at any step of a handover',
    async (t) => {
      for (const point of ['lent', 'confirmed']) {
        const { server, old } = await begin(t)
        await old.do('dieAt', { point, passages: 0 })
        const young = t.spawn(t.caller.language)
        await young.do('listen', { server, options: options(t) })
        assert.equal(await old.ended, 'SIGKILL', point)
        await isServedBy(t, server, young)
      }
    },
    ({ responder }) => responder === 'rust',
  ),
  row(
    'a new server that is killed at any step of a handover',
    async (t) => {
      for (const point of ['asked', 'adopted', 'taken']) await youngDies(t, point)
    },
    ({ caller }) => caller === 'rust',
  ),
  row('a new server that is killed while it waits', async (t) => {
    const { server, old } = await begin(t)
    await old.stop()
    const young = t.spawn(t.caller.language)
    young.begin('listen', { server, options: options(t) })
    // It has asked, or not yet: the old server bears either.
    await until('it runs', () => young.do('resources', {}).then(() => true))
    await young.kill()
    old.resume()
    await isServedBy(t, server, old)
    await takesOver(t, server, old)
  }),
  row('several servers that take a name over at once', async (t) => {
    const { server, old } = await begin(t)
    const young = [t.caller, t.responder, t.caller].map(({ language }) => t.spawn(language))
    await Promise.all(young.map((one) => one.do('listen', { server, options: options(t) })))
    const peers = [old, ...young]
    const having = async () => {
      const all = await Promise.all(peers.map((one) => one.do('connections', { server })))
      return peers.filter((_, at) => !all[at].takenOver)
    }
    await until('one has it', async () => (await having()).length === 1)
    const [last] = await having()
    await isServedBy(t, server, last)
  }),
  row('a new server that sends garbage, descriptors, or asks twice', async (t) => {
    const answers = {
      garbage: { rejected: 'ERR_HANDSHAKE' },
      descriptors: { closed: true },
      twice: 'closed',
      confirmWithDescriptors: 'closed',
    }
    await t.besideTraffic(async () => {
      for (const [how, expected] of Object.entries(answers)) {
        const testPeer = t.spawn('rust')
        const found = await testPeer.do('malicious', { takeOver: { path: t.path(t.main), how } })
        if (typeof expected !== 'string') assert.deepEqual(found, expected, how)
        else {
          assert.equal(found.descriptors, 2)
          const watch = { peer: found.peer, ms: CONDITION_MS }
          assert.equal(await testPeer.do('malicious', { watch }), expected, how)
        }
      }
    })
    assert.equal((await t.responder.do('connections', { server: t.main })).takenOver, false)
  }),
  row('a new server that never confirms', async (t) => {
    const { server, old } = await begin(t)
    const lazy = t.spawn('rust')
    const ask = { takeOver: { path: t.path(server), how: 'fine' } }
    assert.equal((await lazy.do('malicious', ask)).descriptors, 2)
    await isServedBy(t, server, old)
    assert.deepEqual(await lazy.do('malicious', ask), { rejected: 'ERR_NAME_IN_USE' })
    const taking = t.spawn(t.caller.language).do('listen', { server, options: options(t) })
    await lazy.kill()
    await taking
    await isTakenOver(server, old)
  }),
  row('a HANDOVER with wrong descriptors', async (t) => {
    const before = await t.caller.do('resources', {})
    for (const answer of WRONG_HANDOVERS) {
      const server = fresh()
      const { transport } = t
      const serve = { path: t.path(server), transport, answer }
      await t.spawn('rust').do('malicious', { serve })
      await fails(t.caller.do('listen', { server, options: options(t) }), 'ERR_HANDSHAKE')
      assert.ok(existsSync(t.path(server)), 'files of another are left alone')
    }
    assert.deepEqual(await t.caller.do('resources', {}), before, 'something is left')
  }),
]

const options = ({ transport }: Case, more: object = {}) => ({ transport, takeOver: true, ...more })

/** A server in a process of its own. */
async function begin(t: Case, chosen: object = {}): Promise<{ server: string; old: TestPeer }> {
  const old = t.spawn(t.responder.language)
  return { server: await t.serve(chosen, old), old }
}

/** A server in another process takes over. */
async function takesOver(
  t: Case,
  server: string,
  old: TestPeer,
  more: object = {},
  language = t.caller.language,
): Promise<TestPeer> {
  const young = t.spawn(language)
  await young.do('listen', { server, options: options(t, more) })
  await isTakenOver(server, old)
  return young
}

async function isTakenOver(server: string, old: TestPeer): Promise<void> {
  const isSo = async () => (await old.do('connections', { server })).takenOver
  await until('the old server has let go', isSo)
}

/** New clients reach this process. */
async function isServedBy(
  t: Case,
  server: string,
  serving: TestPeer,
  more: object = {},
): Promise<void> {
  const { connection, peer } = await t.connectTo(server, more)
  assert.equal(peer.pid, serving.pid)
  assert.equal(await t.request('add', [1, 2], { connection }), 3)
  await t.caller.do('forget', { connection })
}

/** Nothing is refused, lost or done twice. */
async function passesOn(t: Case): Promise<void> {
  const { server, old } = await begin(t)
  let [serving, requests, isDone] = [old, 0, false]
  const client = async () => {
    while (!isDone) {
      const { connection } = await t.connectTo(server)
      await t.request('sleep', 0, { connection })
      requests++
      await t.caller.do('forget', { connection })
    }
  }
  const clients = Promise.all([client(), client(), client()])
  const servers = [old]
  const isBusy = () =>
    until('it has clients', async () => {
      return (await serving.do('connections', { server })).accepted >= CONNECTIONS_MIN
    })
  for (let handover = 0; handover < HANDOVERS; handover++) {
    await Promise.race([isBusy(), clients])
    const { language } = handover % 2 === 0 ? t.caller : t.responder
    serving = await takesOver(t, server, serving, {}, language)
    servers.push(serving)
  }
  await Promise.race([isBusy(), clients])
  isDone = true
  await clients
  const counts = await Promise.all(servers.map((one) => one.do('counted', { what: 'started' })))
  assert.equal(counts.reduce((sum, count) => sum + count), requests, String(counts))
}

async function youngDies(t: Case, point: string): Promise<void> {
  const { server, old } = await begin(t)
  const young = t.spawn('rust')
  await young.do('dieAt', { point, passages: 0 })
  young.begin('listen', { server, options: options(t) })
  assert.equal(await young.ended, 'SIGKILL', point)
  if (point === 'taken') {
    // It had the name when it died.
    await isTakenOver(server, old)
    const next = t.spawn(t.caller.language)
    await next.do('listen', { server, options: { transport: t.transport } })
    await isServedBy(t, server, next)
  } else {
    await isServedBy(t, server, old)
    await takesOver(t, server, old)
  }
}
