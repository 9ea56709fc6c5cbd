// What happens while something is cut off: a server of NATS is killed, a leaf node loses its hub, a
// subscriber is too slow, a cable is pulled.

import { spawnSync } from 'node:child_process'
import { connect as connectNats } from '@nats-io/transport-node'
import ava, { type ExecutionContext } from 'ava'
import { createServer, createTopic, subscribe, type Client, type IpcError } from 'ringpost'
import { exportService, exportTopic, importService, importTopic } from '../src/index.mjs'
import { Echo, Flow, Note, Mirror, Site, Wait, Waited } from './helpers/contracts.mjs'
import type { Message } from './helpers/contracts.mjs'
import { answered, freePort, isLong, job, listens, Machine, Nats, until } from './helpers/machines.mjs'

/** Serial, so that they do not compete for the processors. */
const test = ava.serial

const isAnswered = (client: Client) => async () =>
  (await client.request(Echo, 'again').catch(() => '')) === 'again'

/** A request and a stream that are under way, and what becomes of them. */
async function underWay(t: ExecutionContext, client: Client, code: string) {
  const lasting = client.request(Wait, { label: t.title, ms: 300_000 }, { timeoutMs: Infinity })
  const stream = client.stream(Mirror, {})
  const outcomes = Promise.all([
    t.throwsAsync(lasting, { code }),
    t.throwsAsync(stream.result, { code }),
  ])
  await until('it has started', () => client.request(Waited, t.title))
  return { outcomes }
}

test('a NATS server is killed: what is under way ends, later calls work again', async (t) => {
  const nats = await Nats.start()
  const [home, away] = [new Machine('home'), new Machine('away')]
  await home.server()
  const exporter = await home.bridge(job('exportService', 'Full', nats))
  const importer = await away.bridge(job('importService', 'Full', nats))
  const client = await away.client()
  const { outcomes } = await underWay(t, client, 'ERR_PEER_LOST')
  await nats.kill()
  await outcomes
  const code = () => client.request(Echo, 1).catch((error: IpcError) => error.code)
  await until('calls fail at once', async () => (await code()) === 'ERR_NO_SERVER')
  client.notify(Note, 'lost')
  await until('it is told', () => importer.dropped.away === 1)
  // The handler is not left to work for nobody.
  const local = await home.client()
  const abandoned = async () => (await local.request(Waited, t.title)) === 'abandoned'
  await until('the handler is cancelled', abandoned)
  await nats.start()
  await until('calls are answered again', isAnswered(client))
  t.like(await exporter.stats(), { calls: 0 })
  t.like(await importer.stats(), { calls: 0 })
  await Promise.all([client.close(), local.close()])
})

test('a NATS server is killed: a stream that was answered before is read to its end', async (t) => {
  const nats = await Nats.start()
  const [home, away] = [new Machine('home'), new Machine('away')]
  await home.server()
  const exporter = await home.bridge(job('exportService', 'Full', nats))
  const importer = await away.bridge(job('importService', 'Full', nats))
  const client = await away.client()
  const stream = await answered(client, exporter)
  // What is answered later arrives later.
  await until('calls are answered', isAnswered(client))
  await nats.kill()
  const code = () => client.request(Echo, 1).catch((error: IpcError) => error.code)
  await until('it is noticed', async () => (await code()) === 'ERR_NO_SERVER')
  const items: number[] = []
  for await (const item of stream) items.push(item[0])
  t.deepEqual(items, Array.from({ length: 12 }, (_, at) => at))
  t.is(await stream.result, 12)
  await until('no call is left', async () => (await importer.stats()).calls === 0)
  await client.close()
})

test('a leaf node is cut off from its hub, and comes back', async (t) => {
  const port = await freePort()
  const hub = await Nats.start(`leafnodes { listen: "127.0.0.1:${port}" }\n`)
  const remote = `{ url: "nats-leaf://127.0.0.1:${port}" }`
  const leaf = await Nats.start(`leafnodes { reconnect: 1, remotes: [ ${remote} ] }\n`)
  await until('the hub listens', () => listens(port))
  const [home, away] = [new Machine('home'), new Machine('away')]
  await home.server()
  await home.bridge(job('exportService', 'Full', hub))
  await away.bridge(job('importService', 'Full', leaf, { heartbeatMs: 500 }))
  const client = await away.client()
  await until('calls are answered', isAnswered(client))
  const { outcomes } = await underWay(t, client, 'ERR_PEER_LOST')
  await hub.kill()
  // The importer's own server is still there: that nobody answers is noticed by the silence.
  await outcomes
  await t.throwsAsync(client.request(Echo, 1), { code: 'ERR_NO_SERVER' })
  await hub.start()
  await until('calls are answered again', isAnswered(client))
  await client.close()
})

test('a subscriber that is too slow holds up nobody, and what it misses is counted', async (t) => {
  const nats = await Nats.start(
    'max_payload: 65536\nmax_pending: 262144\nwrite_deadline: "500ms"\n',
  )
  const [home, away] = [new Machine('home'), new Machine('away')]
  const exporter = await home.bridge(job('exportTopic', 'Flow', nats))
  const importer = await away.bridge(job('importTopic', 'Flow', nats))
  using local = subscribe(Flow, { directory: home.directory })
  using remote = subscribe(Flow, { directory: away.directory })
  using publisher = createTopic(Flow, { directory: home.directory })
  let number = 0
  const next = (): Message => ({ number: ++number, fill: 'x'.repeat(1_000) })
  await publisher.publish(next())
  t.is((await remote.next()).value!.value.number, 1)
  // A local subscriber misses nothing.
  let taken = 0
  const read = () => {
    for (let item = local.take(); item !== undefined; item = local.take()) {
      if (item.value.number !== ++taken) t.fail(`${item.value.number} in place of ${taken}`)
    }
  }
  importer.signal('SIGSTOP')
  const passed = async () => (await exporter.stats()).passed
  // More than the sockets and the server's memory hold.
  const most = isLong ? 500_000 : 20_000
  while (number < most) {
    for (let count = 0; count < 1_000; count++) await publisher.publish(next())
    read()
    await until('the exporter keeps up', async () => (await passed()) === number)
  }
  t.is(taken, number)
  t.deepEqual((await exporter.stats()).dropped, {})
  importer.signal('SIGCONT')
  // Those after it has come back say how many there were before.
  const isBack = async () => {
    await publisher.publish(next())
    return (await importer.stats()).dropped.missed
  }
  const missed = await until('it has counted what it has missed', isBack)
  const stats = await importer.stats()
  t.true(stats.passed + missed <= number, `${stats.passed} + ${missed} of ${number}`)
  let last = 0
  for (let item = remote.take(); item !== undefined; item = remote.take()) {
    t.true(item.value.number > last)
    last = item.value.number
  }
  t.true(last > most)
})

test('what a topic overwrites while there is no NATS server is counted at both ends', async (t) => {
  const nats = await Nats.start()
  const [home, away] = [new Machine('home'), new Machine('away')]
  const exporter = await home.bridge(job('exportTopic', 'Flow', nats))
  const importer = await away.bridge(job('importTopic', 'Flow', nats))
  using remote = subscribe(Flow, { directory: away.directory })
  using publisher = createTopic(Flow, { directory: home.directory })
  await publisher.publish({ number: 1, fill: '' })
  t.is((await remote.next()).value!.value.number, 1)
  await nats.kill()
  // The ring has room for about four thousand.
  const most = 10_000
  for (let number = 2; number <= most; number++) {
    await publisher.publish({ number, fill: 'x'.repeat(1_000) })
  }
  await nats.start()
  let [last, passed] = [1, 1]
  while (last < most) {
    const { value } = (await remote.next()).value!
    t.true(value.number > last)
    last = value.number
    passed++
  }
  const { dropped } = await exporter.stats()
  t.true(dropped.overwritten! > 1_000, `${dropped.overwritten}`)
  // With what the server had taken when it was killed.
  const { missed } = (await importer.stats()).dropped
  t.is(passed + missed!, most)
  t.true(missed! >= dropped.overwritten!, `${missed}`)
})

test('a connection that is closed, or about to be, is refused, and nothing stays open', async (t) => {
  const nats = await Nats.start()
  const { directory } = new Machine('home')
  const connection = () => connectNats({ servers: nats.url })
  const [closed, draining] = [await connection(), await connection()]
  await closed.close()
  const drained = draining.drain()
  const [code, prefix] = ['ERR_NO_SERVER', 'test']
  for (const wrong of [closed, draining]) {
    const client = { directory, connectTimeoutMs: 60_000 }
    await t.throwsAsync(exportService(wrong, Site, { prefix, client }), { code })
    await t.throwsAsync(importService(wrong, Site, { prefix, server: { directory } }), { code })
    await t.throwsAsync(exportTopic(wrong, Flow, { prefix, directory }), { code })
    await t.throwsAsync(importTopic(wrong, Flow, { prefix, directory }), { code })
  }
  await drained
  // It is closed while the server is waited for.
  const late = await connection()
  const client = { directory, connectTimeoutMs: 60_000 }
  const refused = t.throwsAsync(exportService(late, Site, { prefix, client }), { code })
  await late.close()
  const server = await createServer('site', { directory })
  await refused
  const hasLeft = () => server.stats().connectionsTotal === 1 && server.stats().connections === 0
  await until('it has come and left', hasLeft)
  await server.close()
  const open = await connection()
  await using bridge = await importTopic(open, Flow, { prefix, directory })
  t.is(bridge.stats().calls, 0)
  await bridge.close()
  await open.close()
})

// ---- two machines ----

const [HOME, AWAY] = [`rp-home-${process.pid}`, `rp-away-${process.pid}`]
const ip = (...args: string[]) => spawnSync('ip', args, { encoding: 'utf8' }).status === 0
const inside = (name: string) => ['ip', 'netns', 'exec', name]
const remove = () => [HOME, AWAY].forEach((name) => ip('netns', 'del', name))

/** Two namespaces with a cable between them, where that is permitted. */
function wire(): boolean {
  process.on('exit', remove)
  const isThere =
    ip('netns', 'add', HOME) &&
    ip('netns', 'add', AWAY) &&
    ip('link', 'add', 'rp0', 'netns', HOME, 'type', 'veth', 'peer', 'name', 'rp1', 'netns', AWAY)
  const up = (name: string, device: string, address: string) =>
    ip('-n', name, 'addr', 'add', address, 'dev', device) &&
    ['lo', device].every((each) => ip('-n', name, 'link', 'set', each, 'up'))
  return isThere && up(HOME, 'rp0', '10.77.0.1/24') && up(AWAY, 'rp1', '10.77.0.2/24')
}

test('two machines on two networks, and the cable between them is pulled', async (t) => {
  if (!wire()) return t.pass('network namespaces are not permitted here')
  const nats = await Nats.start('', '10.77.0.1', inside(HOME))
  const [home, away] = [new Machine('home', inside(HOME)), new Machine('away', inside(AWAY))]
  await home.server()
  await home.bridge(job('exportService', 'Full', nats))
  await away.bridge(job('importService', 'Full', nats, { heartbeatMs: 500 }))
  const client = await away.client()
  await until('calls are answered', isAnswered(client))
  const { outcomes } = await underWay(t, client, 'ERR_PEER_LOST')
  ip('-n', AWAY, 'link', 'set', 'rp1', 'down')
  // No socket says that the other machine is gone.
  await outcomes
  ip('-n', AWAY, 'link', 'set', 'rp1', 'up')
  await until('calls are answered again', isAnswered(client))
  await client.close()
})
