// Connecting, and everything that can prevent it.

import { chmodSync, chownSync } from 'node:fs'
import { createConnection } from 'node:net'
import { once } from 'node:events'
import type { TestPeer } from '../test-peers.mjs'
import { assert, CONDITION_MS, fails, fresh, row, sleep, until } from '../case.mjs'
import type { Case, Row } from '../case.mjs'

/** The user `nobody`. */
const OTHER_UID = 65_534

/** Invalid WELCOMEs, by transport. */
const WRONG_WELCOMES = {
  sealed: [
    ...['noDescriptors', 'tooMany', 'farTooMany', 'lateDescriptor', 'noMemory', 'unsealed'],
    ...['otherSize', 'otherVersion', 'unknownFeature', 'noTransport'],
  ],
  portable: [
    ...['tooMany', 'noSegment', 'otherName', 'otherNonce', 'openToAll', 'linked', 'otherSize'],
    ...['unknownFeature', 'noTransport'],
  ],
  socket: ['tooMany', 'otherVersion', 'unknownFeature', 'noTransport'],
}
/** Codes with which a client may reject them. */
const WRONG_WELCOME_CODES = ['ERR_HANDSHAKE', 'ERR_FOREIGN_USER', 'ERR_SYSTEM']

export const connecting: readonly Row[] = [
  row('a server name that is in use', async (t) => {
    await fails(t.caller.do('listen', { server: t.main }), 'ERR_NAME_IN_USE')
    await fails(t.responder.do('listen', { server: t.main }), 'ERR_NAME_IN_USE')
    assert.equal(await t.request('add', [1, 2]), 3)
  }),
  row('a server name that is reused after closing', async (t) => {
    const server = fresh()
    for (let i = 0; i < 3; i++) {
      await t.responder.do('listen', { server })
      await t.responder.do('closeServer', { server })
    }
    await t.serve({}, t.caller, server)
  }),
  row('a server that does not exist', async (t) => {
    await fails(t.caller.do('connect', { server: 'absent' }), 'ERR_NO_SERVER')
  }),
  row('a token that is correct, wrong, or missing', async (t) => {
    const server = await t.serve({ token: 'sesame' })
    const connection = await t.connect(server, { token: 'sesame' })
    assert.equal(await t.request('add', [1, 2], { connection }), 3)
    for (const options of [{ token: 'poppy' }, { token: 'sesame!' }, {}]) {
      await fails(t.caller.do('connect', { server, options }), 'ERR_TOKEN')
    }
  }),
  row('one connection more than the server accepts', async (t) => {
    const server = await t.serve({ connectionsMax: 1 })
    const connection = await t.connect(server)
    await t.request('add', [1, 2], { connection })
    const options = { transport: t.transport }
    await fails(t.caller.do('connect', { server, options }), 'ERR_TOO_MANY_CONNECTIONS')
    assert.equal(await t.request('add', [1, 2], { connection }), 3)
  }),
  row('more simultaneous connections than the server accepts', async (t) => {
    const server = await t.serve({ connectionsMax: 5 })
    const attempts = Array.from({ length: 25 }, () => t.connect(server).catch(({ code }) => code))
    const outcomes = await Promise.all(attempts)
    const accepted = outcomes.filter((outcome) => typeof outcome === 'number')
    assert.equal(accepted.length, 5, String(outcomes))
    const refused = outcomes.filter((outcome) => outcome === 'ERR_TOO_MANY_CONNECTIONS')
    assert.equal(refused.length, 20, String(outcomes))
    for (const connection of accepted) {
      assert.equal(await t.request('add', [1, 2], { connection }), 3)
    }
  }),
  row('a request for more memory than the server grants', async (t) => {
    const ring = 67_108_864
    const rings = { critical: ring, high: ring, normal: ring, low: ring, control: ring }
    const [lane, control] = t.ringsMax
    const { connection, peer } = await t.connectTo(t.main, { rings })
    assert.deepEqual(peer.rings, { critical: lane, high: lane, normal: lane, low: lane, control })
    await t.echo(3_000_000, { connection })
  }),
  row('a directory that other users can access', async (t) => {
    const directory = t.scratch()
    chmodSync(directory, 0o755)
    const open = { server: 'any', options: { directory } }
    await fails(t.caller.do('connect', open), 'ERR_UNSAFE_DIRECTORY')
    await fails(t.caller.do('listen', open), 'ERR_UNSAFE_DIRECTORY')
  }),
  // Only root can run processes as two users.
  row('a server of another user', foreignServer, undefined, 'root'),
  row('a client of another user', foreignClient, undefined, 'root'),
  row('no common transport', async (t) => {
    const options = { transport: t.isSealed ? 'portable' : 'sealed' }
    await fails(t.caller.do('connect', { server: t.main, options }), 'ERR_FEATURE')
  }),
  row('a client with an unknown protocol version', async (t) => {
    await refused(t, { versions: [7, 9] }, 'ERR_VERSION', /7 to 9.*1 to 1/)
    await refused(t, { versions: [0, 0] }, 'ERR_VERSION', /0 to 0.*1 to 1/)
  }),
  row('a client that requires an unknown feature', async (t) => {
    await refused(t, { required: 2 ** 40 }, 'ERR_FEATURE', /0x10000000000/)
  }),
  row('a client that sends descriptors', async (t) => {
    const before = await t.responder.do('resources', {})
    for (const hello of [
      ...[{ descriptors: 1 }, { descriptors: 4 }, { descriptorsLate: 3 }],
      { descriptorsReady: 1 },
    ]) {
      await isHungUpOn(t, hello)
    }
    await until('the descriptors are closed', async () => {
      const now = await t.responder.do('resources', {})
      return now.descriptors <= before.descriptors && now.mappings <= before.mappings
    })
    assert.equal(await t.request('add', [1, 2]), 3)
  }),
  row('a HELLO with an id, options, a codec, or more to come', async (t) => {
    for (const header of ['id', 'options', 'codec', 'more']) await isHungUpOn(t, { header })
    assert.equal(await t.request('add', [1, 2]), 3)
  }),
  row('a READY with fields appended by a later version', async (t) => {
    const { testPeer, peer } = await connectMalicious(t, { appended: true })
    assert.equal(await testPeer.do('malicious', { watch: { peer, ms: 50 } }), 'open')
  }),
  row('a client that sends garbage', async (t) => {
    await t.besideTraffic(async () => {
      for (let i = 0; i < 5; i++) {
        const { rejected, closed } = await connectMalicious(t, { garbage: true })
        assert.ok(rejected === 'ERR_HANDSHAKE' || closed, `${rejected}`)
      }
    })
  }),
  row('a server with an unknown protocol version', (t) => failsWith(t, 'version', 'ERR_VERSION')),
  row('a server that requires an unknown feature', (t) => failsWith(t, 'feature', 'ERR_FEATURE')),
  row('a server that sends garbage or hangs up', async (t) => {
    await failsWith(t, 'garbage', 'ERR_HANDSHAKE')
    await failsWith(t, 'hangUp', 'ERR_HANDSHAKE')
  }),
  row('a server that never answers', async (t) => {
    await failsWith(t, 'silence', 'ERR_TIMEOUT', { connectTimeoutMs: 200 })
  }),
  row('a server that claims to be the same process', impersonates),
  row(
    'connecting aborted by a signal',
    async (t) => {
      const server = fresh()
      await startMaliciousServer(t, server, 'silence')
      const order = { server, options: { transport: t.transport } }
      const { failure } = await fails(t.caller.do('abortConnect', order), 'ABORTED')
      assert.equal(failure.name, 'TimeoutError')
    },
    ({ caller }) => caller === 'ts',
  ),
  row('a WELCOME with wrong memory, descriptors or features', async (t) => {
    const before = await t.caller.do('resources', {})
    for (const answer of WRONG_WELCOMES[t.transport]) {
      await failsWith(t, answer, ...WRONG_WELCOME_CODES)
    }
    assert.deepEqual(await t.caller.do('resources', {}), before, 'something is left')
  }),
  row('256 connections that never finish the handshake', unfinished),
]

// ---- malicious peers ----

interface Attempt {
  testPeer: TestPeer
  rejected?: string
  reason?: string
  closed?: boolean
  peer?: number
}

async function connectMalicious(t: Case, hello: object): Promise<Attempt> {
  const testPeer = t.spawn('rust')
  const { transport } = t
  const connect = { path: t.path(t.main), transport, until: 'ready', hello }
  return { testPeer, ...(await testPeer.do('malicious', { connect })) }
}

/** The server ends this handshake without an answer. */
async function isHungUpOn(t: Case, hello: object): Promise<void> {
  const { testPeer, rejected, closed, peer } = await connectMalicious(t, hello)
  assert.equal(rejected, undefined)
  const watch = { peer, ms: CONDITION_MS }
  const isClosed = closed || (await testPeer.do('malicious', { watch })) === 'closed'
  assert.ok(isClosed, JSON.stringify(hello))
}

async function refused(t: Case, hello: object, code: string, reason: RegExp): Promise<void> {
  const refusal = await connectMalicious(t, hello)
  assert.equal(refusal.rejected, code)
  assert.match(refusal.reason!, reason)
  assert.equal(await t.request('add', [1, 2]), 3)
}

async function startMaliciousServer(t: Case, server: string, answer: string): Promise<void> {
  const { transport } = t
  const serve = { path: t.path(server), transport, answer }
  await t.spawn('rust').do('malicious', { serve })
}

/** The caller connects to a malicious server and fails with one of these codes. */
async function failsWith(t: Case, answer: string, ...codes: string[]): Promise<void>
async function failsWith(t: Case, answer: string, code: string, options: object): Promise<void>
async function failsWith(t: Case, answer: string, ...rest: (string | object)[]): Promise<void> {
  const codes = rest.filter((code) => typeof code === 'string')
  const [chosen] = rest.filter((options) => typeof options === 'object')
  const server = fresh()
  await startMaliciousServer(t, server, answer)
  const options = { transport: t.transport, ...chosen }
  await fails(t.caller.do('connect', { server, options }), ...codes)
  assert.equal(await t.request('add', [1, 2]), 3)
}

/** A copied session and engine id do not make a server count as part of this process. */
async function impersonates(t: Case): Promise<void> {
  const own = await t.serve({}, t.caller, fresh())
  const { peer: self } = await t.connectTo(own)
  // In Rust a client and a server have separate engines.
  assert.equal(self.isSelf, t.caller.language === 'ts')
  const impostor = t.spawn('rust')
  const { transport } = t
  const connect = { path: t.path(own), transport, until: 'welcome', hello: {} }
  const { session, engine } = await impostor.do('malicious', { connect })
  const server = fresh()
  const serve = { path: t.path(server), transport, answer: 'good', session, engine }
  await impostor.do('malicious', { serve })
  const { peer } = await t.connectTo(server)
  assert.deepEqual([peer.session, peer.isSelf], [session, false])
}

// ---- other users ----

async function foreignServer(t: Case): Promise<void> {
  const { caller, responder, transport } = t.column.where
  const directory = t.scratch()
  chownSync(directory, OTHER_UID, OTHER_UID)
  // Neither connecting nor listening is allowed in a directory of another user.
  const theirs = { server: 'any', options: { directory, transport } }
  await fails(t.caller.do('connect', theirs), 'ERR_FOREIGN_USER')
  await fails(t.responder.do('listen', theirs), 'ERR_FOREIGN_USER')
  // Root can create a socket there nevertheless.
  const intruder = t.spawn('rust')
  const serve = { path: `${directory}/any.sock`, transport, answer: 'good' }
  await intruder.do('malicious', { serve })
  const other = t.spawn(caller, { directory, uid: OTHER_UID })
  const there = { server: 'any', options: { transport } }
  await fails(other.do('connect', there), 'ERR_FOREIGN_USER')
  // Its owner can use it.
  const owner = t.spawn(responder, { directory, uid: OTHER_UID })
  await owner.do('listen', { server: 'own', options: { transport } })
  const { peer } = await other.do('connect', { server: 'own', options: { transport } })
  assert.equal(peer.uid, OTHER_UID)
}

async function foreignClient(t: Case): Promise<void> {
  const { caller, responder, transport } = t.column.where
  const directory = t.scratch()
  chownSync(directory, OTHER_UID, OTHER_UID)
  const how = { directory, uid: OTHER_UID }
  const [client, server] = [t.spawn(caller, how), t.spawn(responder, how)]
  await server.do('listen', { server: 'own', options: { transport } })
  const order = { server: 'own', options: { transport } }
  const { connection } = await client.do('connect', order)
  // Only root can reach another user's socket.
  const connect = { path: `${directory}/own.sock`, transport, until: 'ready', hello: {} }
  assert.deepEqual(await t.spawn('rust').do('malicious', { connect }), { closed: true })
  const request = { connection, method: 'add', value: [1, 2] }
  assert.equal(await client.do('request', request), 3)
}

// ---- unfinished handshakes ----

async function unfinished(t: Case): Promise<void> {
  const address = t.address(t.main)
  const sockets = await Promise.all(
    Array.from({ length: 256 }, async (_, i) => {
      const socket = createConnection(address).on('error', () => {})
      await once(socket, 'connect')
      // Half of them send the beginning of a HELLO.
      if (i % 2) socket.write('RPST\x01\x05')
      socket.resume()
      return socket
    }),
  )
  const connection = await t.connect(t.main)
  assert.equal(await t.request('add', [1, 2], { connection }), 3)
  await until('all are disconnected', () => sockets.every((socket) => socket.closed))
  await sleep(0)
  assert.equal(await t.request('add', [1, 2], { connection }), 3)
}
