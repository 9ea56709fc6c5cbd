// Meeting, and everything that can keep two processes from it.

import { chmodSync, chownSync } from 'node:fs'
import { createConnection } from 'node:net'
import { once } from 'node:events'
import type { Agent } from '../agents.mjs'
import { assert, fails, fresh, row, sleep, until, type Cell, type Row } from '../cell.mjs'

const NOBODY = 65_534

/** WELCOMEs with something wrong beside them, by transport. */
const WRONG_WELCOMES = {
  sealed: [
    ...['noDescriptors', 'tooMany', 'farTooMany', 'lateDescriptor', 'noMemory', 'unsealed'],
    ...['otherSize', 'otherVersion', 'unknownFeature', 'noTransport'],
  ],
  portable: [
    ...['tooMany', 'noSegment', 'otherName', 'otherNonce', 'openToAll', 'linked', 'otherSize'],
    ...['unknownFeature', 'noTransport'],
  ],
}
/** What a client may make of them, each with a code of its own. */
const WRONG_WELCOME_CODES = ['ERR_HANDSHAKE', 'ERR_FOREIGN_USER', 'ERR_SYSTEM']

export const meeting: readonly Row[] = [
  row('a name that is in use', async (cell) => {
    await fails(cell.asker.do('listen', { server: cell.main }), 'ERR_NAME_IN_USE')
    await fails(cell.answerer.do('listen', { server: cell.main }), 'ERR_NAME_IN_USE')
    assert.equal(await cell.ask('add', [1, 2]), 3)
  }),
  row('a name that is free again', async (cell) => {
    const server = fresh()
    for (let i = 0; i < 3; i++) {
      await cell.answerer.do('listen', { server })
      await cell.answerer.do('closeServer', { server })
    }
    await cell.serve({}, cell.asker, server)
  }),
  row('no server', async (cell) => {
    await fails(cell.asker.do('connect', { server: 'nobody' }), 'ERR_NO_SERVER')
  }),
  row('a token that is right, wrong, or missing', async (cell) => {
    const server = await cell.serve({ token: 'sesame' })
    const connection = await cell.connect(server, { token: 'sesame' })
    assert.equal(await cell.ask('add', [1, 2], { connection }), 3)
    for (const options of [{ token: 'poppy' }, { token: 'sesame!' }, {}]) {
      await fails(cell.asker.do('connect', { server, options }), 'ERR_TOKEN')
    }
  }),
  row('one connection more than the server takes', async (cell) => {
    const server = await cell.serve({ connectionsMax: 1 })
    const connection = await cell.connect(server)
    await cell.ask('add', [1, 2], { connection })
    await fails(cell.asker.do('connect', { server }), 'ERR_TOO_MANY_CONNECTIONS')
    assert.equal(await cell.ask('add', [1, 2], { connection }), 3)
  }),
  row('more clients at once than the server takes', async (cell) => {
    const server = await cell.serve({ connectionsMax: 5 })
    const attempts = Array.from({ length: 25 }, () => cell.connect(server).catch(({ code }) => code))
    const outcomes = await Promise.all(attempts)
    const let_in = outcomes.filter((outcome) => typeof outcome === 'number')
    assert.equal(let_in.length, 5, String(outcomes))
    const refused = outcomes.filter((outcome) => outcome === 'ERR_TOO_MANY_CONNECTIONS')
    assert.equal(refused.length, 20, String(outcomes))
    for (const connection of let_in) assert.equal(await cell.ask('add', [1, 2], { connection }), 3)
  }),
  row('a wish for more memory than the server gives', async (cell) => {
    const ring = 67_108_864
    const rings = { critical: ring, high: ring, normal: ring, low: ring, control: ring }
    const [lane, control] = cell.isPortable ? [262_144, 16_384] : [4_194_304, 65_536]
    const { connection, peer } = await cell.meet(cell.main, { rings })
    assert.deepEqual(peer.rings, { critical: lane, high: lane, normal: lane, low: lane, control })
    await cell.echo(3_000_000, { connection })
  }),
  row('a directory that is open to others', async (cell) => {
    const directory = cell.scratch()
    chmodSync(directory, 0o755)
    const open = { server: 'any', options: { directory } }
    await fails(cell.asker.do('connect', open), 'ERR_UNSAFE_DIRECTORY')
    await fails(cell.asker.do('listen', open), 'ERR_UNSAFE_DIRECTORY')
  }),
  // Only root can be two users.
  row('a server of another user', foreignServer, undefined, 'root'),
  row('a client of another user', foreignClient, undefined, 'root'),
  row('no common transport', async (cell) => {
    const options = { transport: cell.isPortable ? 'sealed' : 'portable' }
    await fails(cell.asker.do('connect', { server: cell.main, options }), 'ERR_FEATURE')
  }),
  row('a client from the future', async (cell) => {
    await refused(cell, { versions: [7, 9] }, 'ERR_VERSION', /7 to 9.*1 to 1/)
    await refused(cell, { versions: [0, 0] }, 'ERR_VERSION', /0 to 0.*1 to 1/)
  }),
  row('a client that requires what nobody has', async (cell) => {
    await refused(cell, { required: 2 ** 40 }, 'ERR_FEATURE', /0x10000000000/)
  }),
  row('a client that sends descriptors', async (cell) => {
    const holds = await cell.answerer.do('holds', {})
    for (const hello of [
      ...[{ descriptors: 1 }, { descriptors: 4 }, { descriptorsLate: 3 }],
      { descriptorsReady: 1 },
    ]) {
      await hungUpOn(cell, hello)
    }
    await until('nothing is held of them', async () => {
      const now = await cell.answerer.do('holds', {})
      return now.descriptors <= holds.descriptors && now.mappings <= holds.mappings
    })
    assert.equal(await cell.ask('add', [1, 2]), 3)
  }),
  row('a HELLO with an id, options, a codec, or more to come', async (cell) => {
    for (const header of ['id', 'options', 'codec', 'more']) await hungUpOn(cell, { header })
    assert.equal(await cell.ask('add', [1, 2]), 3)
  }),
  row('a READY with what a later version has appended', async (cell) => {
    const { agent, rogue } = await knock(cell, { appended: true })
    assert.equal(await agent.do('rogue', { watch: { rogue, ms: 50 } }), 'open')
  }),
  row('a client that speaks nonsense', async (cell) => {
    await cell.besideTraffic(async () => {
      for (let i = 0; i < 5; i++) {
        const { rejected, closed } = await knock(cell, { garbage: true })
        assert.ok(rejected === 'ERR_HANDSHAKE' || closed, `${rejected}`)
      }
    })
  }),
  row('a server from the future', (cell) => meets(cell, 'version', 'ERR_VERSION')),
  row('a server that requires what nobody has', (cell) => meets(cell, 'feature', 'ERR_FEATURE')),
  row('a server that speaks nonsense or hangs up', async (cell) => {
    await meets(cell, 'garbage', 'ERR_HANDSHAKE')
    await meets(cell, 'goodbye', 'ERR_HANDSHAKE')
  }),
  row('a server that says nothing', async (cell) => {
    await meets(cell, 'silence', 'ERR_TIMEOUT', { connectTimeoutMs: 200 })
  }),
  row('a server that says it is this very process', poses),
  row(
    'connecting that is aborted',
    async (cell) => {
      const server = fresh()
      await rogueServer(cell, server, 'silence')
      const order = { server, options: { transport: cell.transport } }
      const { failure } = await fails(cell.asker.do('abortConnect', order), 'ABORTED')
      assert.equal(failure.name, 'TimeoutError')
    },
    ({ asker }) => asker === 'ts',
  ),
  row('a WELCOME with wrong memory, descriptors or features', async (cell) => {
    const holds = await cell.asker.do('holds', {})
    for (const answer of WRONG_WELCOMES[cell.transport]) {
      await meets(cell, answer, ...WRONG_WELCOME_CODES)
    }
    assert.deepEqual(await cell.asker.do('holds', {}), holds, 'something is left')
  }),
  row('256 connections that never finish the handshake', unfinished),
]

// ---- rogues ----

interface Knocked {
  agent: Agent
  rejected?: string
  reason?: string
  closed?: boolean
  rogue?: number
}

async function knock(cell: Cell, hello: object): Promise<Knocked> {
  const agent = cell.spawn('rust')
  const { transport } = cell
  const connect = { path: cell.path(cell.main), transport, until: 'ready', hello }
  return { agent, ...(await agent.do('rogue', { connect })) }
}

/** The server ends that handshake without a word. */
async function hungUpOn(cell: Cell, hello: object): Promise<void> {
  const { agent, rejected, closed, rogue } = await knock(cell, hello)
  assert.equal(rejected, undefined)
  const isClosed = closed || (await agent.do('rogue', { watch: { rogue, ms: 5000 } })) === 'closed'
  assert.ok(isClosed, JSON.stringify(hello))
}

async function refused(cell: Cell, hello: object, code: string, reason: RegExp): Promise<void> {
  const refusal = await knock(cell, hello)
  assert.equal(refusal.rejected, code)
  assert.match(refusal.reason!, reason)
  assert.equal(await cell.ask('add', [1, 2]), 3)
}

async function rogueServer(cell: Cell, server: string, answer: string): Promise<void> {
  const { transport } = cell
  const serve = { path: cell.path(server), transport, answer }
  await cell.spawn('rust').do('rogue', { serve })
}

/** The asker connects to a rogue. */
async function meets(cell: Cell, answer: string, ...codes: string[]): Promise<void>
async function meets(cell: Cell, answer: string, code: string, options: object): Promise<void>
async function meets(cell: Cell, answer: string, ...rest: (string | object)[]): Promise<void> {
  const codes = rest.filter((code) => typeof code === 'string')
  const [chosen] = rest.filter((options) => typeof options === 'object')
  const server = fresh()
  await rogueServer(cell, server, answer)
  const options = { transport: cell.transport, ...chosen }
  await fails(cell.asker.do('connect', { server, options }), ...codes)
  assert.equal(await cell.ask('add', [1, 2]), 3)
}

/** A session and an engine are only words; the other end is here if it is here. */
async function poses(cell: Cell): Promise<void> {
  const own = await cell.serve({}, cell.asker, fresh())
  const { peer: self } = await cell.meet(own)
  // A client and a server in Rust have an engine each.
  assert.equal(self.isSelf, cell.asker.language === 'ts')
  const impostor = cell.spawn('rust')
  const { transport } = cell
  const connect = { path: cell.path(own), transport, until: 'welcome', hello: {} }
  const { session, engine } = await impostor.do('rogue', { connect })
  const server = fresh()
  const serve = { path: cell.path(server), transport, answer: 'good', session, engine }
  await impostor.do('rogue', { serve })
  const { peer } = await cell.meet(server)
  assert.deepEqual([peer.session, peer.isSelf], [session, false])
}

// ---- other users ----

async function foreignServer(cell: Cell): Promise<void> {
  const { asker, answerer, transport } = cell.column.where
  const directory = cell.scratch()
  chownSync(directory, NOBODY, NOBODY)
  // In a directory of somebody else's nobody is looked for, and nobody listens.
  const theirs = { server: 'any', options: { directory, transport } }
  await fails(cell.asker.do('connect', theirs), 'ERR_FOREIGN_USER')
  await fails(cell.answerer.do('listen', theirs), 'ERR_FOREIGN_USER')
  // Root gets a socket into it all the same.
  const intruder = cell.spawn('rust')
  const serve = { path: `${directory}/any.sock`, transport, answer: 'good' }
  await intruder.do('rogue', { serve })
  const other = cell.spawn(asker, { directory, uid: NOBODY })
  const there = { server: 'any', options: { transport } }
  await fails(other.do('connect', there), 'ERR_FOREIGN_USER')
  // Its owner uses it as ever.
  const owner = cell.spawn(answerer, { directory, uid: NOBODY })
  await owner.do('listen', { server: 'own', options: { transport } })
  const { peer } = await other.do('connect', { server: 'own', options: { transport } })
  assert.equal(peer.uid, NOBODY)
}

async function foreignClient(cell: Cell): Promise<void> {
  const { asker, answerer, transport } = cell.column.where
  const directory = cell.scratch()
  chownSync(directory, NOBODY, NOBODY)
  const how = { directory, uid: NOBODY }
  const [client, server] = [cell.spawn(asker, how), cell.spawn(answerer, how)]
  await server.do('listen', { server: 'own', options: { transport } })
  const order = { server: 'own', options: { transport } }
  const { connection } = await client.do('connect', order)
  // Only root can reach the socket of another user at all.
  const connect = { path: `${directory}/own.sock`, transport, until: 'ready', hello: {} }
  assert.deepEqual(await cell.spawn('rust').do('rogue', { connect }), { closed: true })
  const request = { connection, method: 'add', value: [1, 2] }
  assert.equal(await client.do('request', request), 3)
}

// ---- many ----

async function unfinished(cell: Cell): Promise<void> {
  const path = cell.path(cell.main)
  const crowd = await Promise.all(
    Array.from({ length: 256 }, async (_, i) => {
      const socket = createConnection(path).on('error', () => {})
      await once(socket, 'connect')
      // Every other one says half a word.
      if (i % 2) socket.write('RPST\x01\x05')
      socket.resume()
      return socket
    }),
  )
  const connection = await cell.connect(cell.main)
  assert.equal(await cell.ask('add', [1, 2], { connection }), 3)
  await until('all are hung up on', () => crowd.every((socket) => socket.closed))
  await sleep(0)
  assert.equal(await cell.ask('add', [1, 2], { connection }), 3)
}
