// All transports, all checksums and rings of any size; and what is left behind when it ends badly.

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import test from 'ava'
import { connect, createServer, type EndpointOptions } from 'ringpost'
import { Echo, EchoBytes } from './helpers/contracts.mjs'
import { directory } from './helpers/directory.mjs'
import { essential } from './helpers/essential.mjs'
import { pair, Program, serve, until } from './helpers/program.mjs'

const SMALL = { critical: 4096, high: 4096, normal: 4096, low: 4096, control: 4096 }

const VARIANTS: Record<string, EndpointOptions> = {
  sealed: { transport: 'sealed' },
  'sealed, no checksum': { transport: 'sealed', crc: 'off' },
  'sealed, full checksum, small rings': { transport: 'sealed', crc: 'full', rings: SMALL },
  portable: { transport: 'portable' },
  'portable, full checksum': { transport: 'portable', crc: 'full' },
  'portable, no checksum, small rings': { transport: 'portable', crc: 'off', rings: SMALL },
  socket: { transport: 'socket' },
  'socket, full checksum, small rings': { transport: 'socket', crc: 'full', rings: SMALL },
}
const TRANSPORTS = ['sealed', 'portable', 'socket'] as const

// A checksum may only be left out where both sides can do without, and named segments are only used
// where the server is asked for them.
for (const [title, client] of Object.entries(VARIANTS)) {
  essential(title, { client, server: { crc: client.crc, transport: client.transport } })
}

test.serial('a server offers named segments only on request', async (t) => {
  const server = await serve()
  t.teardown(() => server.kill())
  const refused = { code: 'ERR_FEATURE', message: /no common transport/ }
  await t.throwsAsync(server.connect(t, { transport: 'portable' }), refused)
  t.is((await server.connect(t)).peer.transport, 'sealed')
})

test.serial('a server accepts the socket from clients that ask for it, unless it is told not to', async (t) => {
  const server = await serve()
  t.teardown(() => server.kill())
  const client = await server.connect(t, { transport: 'socket' })
  t.is(client.peer.transport, 'socket')
  t.is(await client.request(Echo, 1), 1)
  const refused = { code: 'ERR_FEATURE', message: /no common transport/ }
  const strict = await serve({ server: { transport: 'sealed' } })
  t.teardown(() => strict.kill())
  await t.throwsAsync(strict.connect(t, { transport: 'socket' }), refused)
  const bare = await serve({ server: { transport: 'socket' } })
  t.teardown(() => bare.kill())
  await t.throwsAsync(bare.connect(t), refused)
})

test.serial('socket: no memory is shared', async (t) => {
  const { client, server } = await pair(t, { client: { transport: 'socket' } })
  t.is(await client.request(Echo, 1), 1)
  const shared = (pid: number | 'self') =>
    readFileSync(`/proc/${pid}/maps`, 'utf8').match(/memfd:ringpost|\/dev\/shm\/ringpost\S*/g)
  t.is(shared(server.pid), null)
  const other = await server.connect(t)
  t.is(other.peer.transport, 'sealed')
  t.truthy(shared(server.pid), 'and it would be seen')
})

test.serial('socket: two endpoints of one thread', async (t) => {
  const server = await createServer('own-socket')
  server.handle(Echo, (value) => value)
  const client = await connect(server.name, { transport: 'socket' })
  t.like(client.peer, { isSelf: true, transport: 'socket' })
  const asked = Array.from({ length: 1000 }, (_, at) => client.request(Echo, 'x'.repeat(at * 10)))
  t.deepEqual((await Promise.all(asked)).map((answer) => (answer as string).length / 10), [
    ...asked.keys(),
  ])
  await client.close()
  await server.close()
})

for (const transport of TRANSPORTS) {
  test.serial(`${transport}: a side closes in the middle of long messages`, async (t) => {
    const { client, server } = await pair(t, { client: { transport }, server: { transport } })
    const leaving = await server.connect(t, { transport })
    const long = Buffer.alloc(20_000_000, 'long')
    const asked = [leaving.request(EchoBytes, long), leaving.request(EchoBytes, long)]
    const outcomes = Promise.allSettled(asked)
    await client.request(Echo)
    await leaving.close()
    for (const outcome of await outcomes) t.like(outcome, { status: 'rejected' })
    t.is(Buffer.compare(await client.request(EchoBytes, long), long), 0)
  })

  test.serial(`${transport}: the requested transport is used`, async (t) => {
    const server = await serve({ server: { crc: 'off', transport } })
    t.teardown(() => server.kill())
    const { peer: usual } = await server.connect(t, { transport })
    t.is(usual.transport, transport)
    t.is(usual.crc, 'header')
    for (const crc of ['off', 'header', 'full'] as const) {
      t.is((await server.connect(t, { transport, crc })).peer.crc, crc)
    }
    for (const ring of ['critical', 'high', 'normal', 'low', 'control'] as const) {
      const wish = ring === 'control' ? 4096 : 32_768
      const client = await server.connect(t, { transport, rings: { [ring]: wish } })
      t.deepEqual(client.peer.rings, { ...usual.rings, [ring]: wish })
      t.is(await client.request(Echo, ring), ring)
    }
  })

  test.serial(`${transport}: a server may require it`, async (t) => {
    // A client has to ask for the socket.
    const client = transport === 'socket' ? { transport } : {}
    const { client: connected } = await pair(t, { client, server: { transport } })
    t.is(connected.peer.transport, transport)
    t.is(await connected.request(Echo, 1), 1)
  })
}

// ---- leftovers ----

/** Segments that process has mapped and that have a name. */
const namedSegments = (pid: number) => [
  ...new Set(readFileSync(`/proc/${pid}/maps`, 'utf8').match(/\/dev\/shm\/ringpost\S*/g)),
]

for (const transport of ['sealed', 'portable'] as const) {
  test.serial(`${transport}: a killed server leaves nothing behind`, async (t) => {
    const before = readdirSync(directory)
    const { client, server } = await pair(t, { server: { transport } })
    await client.request(Echo)
    const segments = namedSegments(server.pid)
    t.is(segments.length > 0, transport === 'portable')
    await server.kill()
    await client.closed
    await using successor = await createServer(server.name)
    t.is(successor.name, server.name)
    t.deepEqual(segments.filter(existsSync), [])
    await successor.close()
    const left = readdirSync(directory).filter((name) => !before.includes(name))
    t.deepEqual(left, [])
  })

  test.serial(`${transport}: a killed client leaves nothing behind`, async (t) => {
    const own = await createServer(`own-${transport}`, { transport })
    const joined = new Promise((resolve) => own.once('connection', resolve))
    const client = new Program('lifecycle', { verb: 'handled', name: own.name, options: { transport } })
    await client.report()
    await joined
    const segments = namedSegments(client.pid)
    t.is(segments.length > 0, transport === 'portable')
    await client.kill()
    await until('the server knows', () => own.connections.size === 0)
    await own.close()
    const successor = await createServer(own.name)
    t.deepEqual(segments.filter(existsSync), [])
    await successor.close()
  })

  test.serial(`${transport}: both sides killed leave nothing after the next start`, async (t) => {
    const server = await serve({ server: { transport } })
    const run = { verb: 'handled', name: server.name }
    const client = new Program('lifecycle', run)
    await client.report()
    const segments = namedSegments(client.pid)
    server.stop()
    await client.kill()
    await server.kill()
    if (transport === 'sealed') t.deepEqual(segments, [])
    const successor = await createServer(server.name)
    t.deepEqual(segments.filter(existsSync), [])
    const next = await connect(server.name)
    t.true(next.isOpen)
    await next.close()
    await successor.close()
  })
}
