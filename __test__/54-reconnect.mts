// A client outlives its sessions: servers are killed, and started again, while it is used.

import { existsSync, readdirSync, rmSync } from 'node:fs'
import { once } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import {
  connect,
  createServer,
  method,
  stream,
  type Client,
  type ClientOptions,
  type Disconnect,
  type IpcError,
  type Reconnect,
} from 'ringpost'
import { directory } from './helpers/directory.mjs'
import { Program, until } from './helpers/program.mjs'

const Once = method<string, { replayed: boolean; pid: number }>('once', { idempotent: true })
const Count = stream<number, number>('count', { resumable: true })

let servers = 0

/** Starts a server that can be killed and started again. */
async function serving(options = {}) {
  const name = `lasting-${++servers}`
  const start = async (others = {}) => {
    const program = new Program('echo-server', { name, options: { ...options, ...others } })
    await program.report()
    return program
  }
  return { name, start, program: await start() }
}

async function joined(t: ExecutionContext, name: string, options: ClientOptions = {}) {
  const client = await connect(name, options)
  t.teardown(() => client.close())
  return client
}

const next = async <Event extends 'disconnect' | 'reconnect'>(client: Client, name: Event) =>
  ((await once(client, name)) as [Event extends 'disconnect' ? Disconnect : Reconnect])[0]

test('a client goes on with the server that takes the place of one that was killed', async (t) => {
  const { name, start, program } = await serving()
  const client = await joined(t, name)
  t.is(client.state, 'open')
  const [disconnect] = await Promise.all([next(client, 'disconnect'), program.kill()])
  t.is(disconnect.reason?.code, 'ERR_PEER_LOST')
  t.deepEqual([client.state, client.isOpen], ['reconnecting', false])
  const reconnected = next(client, 'reconnect')
  const successor = await start()
  const { peer, awayMs } = await reconnected
  t.is(peer.pid, successor.pid)
  t.true(awayMs > 0)
  t.deepEqual([client.state, client.peer.pid], ['open', successor.pid])
  t.is(await client.request('pid'), successor.pid)
  t.is(client.stats().reconnects, 1)
})

test('what is asked and sent while away goes to the next session, in order', async (t) => {
  const { name, start, program } = await serving()
  const client = await joined(t, name)
  await Promise.all([next(client, 'disconnect'), program.kill()])
  t.false(client.notify('say', 'first'))
  const second = client.send('say', 'second')
  const asked = client.request('heard')
  const empty = client.request('echo', '')
  const huge = 'x'.repeat(1_000_000)
  const large = client.request('echo', huge)
  t.is(client.stats().waiting, 5)
  await start()
  await second
  t.deepEqual(await asked, ['first', 'second'])
  t.deepEqual([await empty, await large], ['', huge])
  t.is(client.stats().waiting, 0)
})

test('requests in flight are lost, those of idempotent methods are asked again', async (t) => {
  const { name, start, program } = await serving()
  const client = await joined(t, name)
  const lost = client.request('never')
  const repeated = client.request(Once, 'x')
  await client.request('echo')
  await Promise.all([
    program.kill(),
    t.throwsAsync(lost, { code: 'ERR_PEER_LOST' }),
    next(client, 'disconnect'),
  ])
  const successor = await start()
  t.deepEqual(await repeated, { replayed: true, pid: successor.pid })
})

test('a repeated request has the time it was given in all', async (t) => {
  const { name, program } = await serving()
  const client = await joined(t, name)
  const repeated = client.request(Once, 'x', { timeoutMs: 500 })
  await client.request('echo')
  await program.kill()
  await t.throwsAsync(repeated, { code: 'ERR_TIMEOUT' })
})

test('a resumable stream goes on behind the items that have come', async (t) => {
  const { name, start, program } = await serving()
  const client = await joined(t, name)
  const items: number[] = []
  let server = program
  for await (const item of client.stream(Count, 30)) {
    items.push(item)
    if (item % 10 === 9 && item < 29) {
      await server.kill()
      server = await start()
    }
  }
  t.deepEqual(items, Array.from({ length: 30 }, (_, at) => at))
})

test('another stream ends with its session', async (t) => {
  const { name, program } = await serving()
  const client = await joined(t, name)
  const items = client.stream(stream<number, number>('count'), 30)
  const read = (async () => {
    for await (const item of items) if (item === 9) await program.kill()
  })()
  await t.throwsAsync(read, { code: 'ERR_PEER_LOST' })
  await t.throwsAsync(items.result, { code: 'ERR_PEER_LOST' })
})

test('a stream that is asked for while away takes what is written to it', async (t) => {
  const { name, start, program } = await serving()
  const client = await joined(t, name)
  await Promise.all([next(client, 'disconnect'), program.kill()])
  const items = client.stream(stream<number, number, string>('count'), 3)
  t.false(items.write('early'))
  t.throws(() => items.write('too early'), { code: 'ERR_FULL' })
  const ready = items.ready()
  await start()
  await ready
  const read: number[] = []
  await items.forEach((some) => void read.push(...some))
  t.deepEqual(read, [0, 1, 2])
})

test('handlers, listeners and loops stay', async (t) => {
  const { name, start, program } = await serving()
  const welcomed: number[] = []
  const client = await connect(name, {
    handlers: (it) => it.on('welcome', (pid: number) => welcomed.push(pid)),
  })
  t.teardown(() => client.close())
  const loop = client.events<number>('welcome')
  await until('it is welcome', () => welcomed.length === 1)
  await program.kill()
  const successor = await start()
  await until('it is welcome again', () => welcomed.length === 2)
  t.deepEqual(welcomed, [program.pid, successor.pid])
  // The loop began when the first had come already, or before that.
  let heard = (await loop.next()).value
  if (heard === program.pid) heard = (await loop.next()).value
  t.is(heard, successor.pid)
})

test('`whileAway: fail` refuses at once, and so does a synchronous request', async (t) => {
  const { name, start, program } = await serving()
  const client = await joined(t, name, { whileAway: 'fail' })
  const waiting = await joined(t, name)
  const gone = [client, waiting].map((one) => next(one, 'disconnect'))
  await Promise.all([...gone, program.kill()])
  const refused = { code: 'ERR_NO_SERVER' }
  await t.throwsAsync(client.request('echo'), refused)
  t.throws(() => client.notify('say'), refused)
  await t.throwsAsync(client.send('say'), refused)
  t.throws(() => client.stream(Count, 1), refused)
  for (const one of [client, waiting]) t.throws(() => one.requestSync('echo'), refused)
  await Promise.all([next(client, 'reconnect'), start()])
  t.is(await client.request('echo', 1), 1)
})

test('waiting while away ends with a timeout, a signal, and the client', async (t) => {
  const { name, program } = await serving()
  const client = await connect(name)
  await Promise.all([next(client, 'disconnect'), program.kill()])
  const controller = new AbortController()
  const { signal } = controller
  await t.throwsAsync(client.request('echo', 1, { timeoutMs: 20 }), {
    code: 'ERR_TIMEOUT',
    message: 'no answer to "echo" within 20 ms',
  })
  await t.throwsAsync(client.drained({ timeoutMs: 20 }), { code: 'ERR_TIMEOUT' })
  const aborted = client.request('echo', 1, { signal })
  const stopped = client.stream(Count, 1, { signal })
  const cancelled = client.stream(Count, 1)
  controller.abort(new Error('enough'))
  await t.throwsAsync(aborted, { message: 'enough' })
  await t.throwsAsync(stopped.result, { message: 'enough' })
  await t.throwsAsync(cancelled.ready({ signal }), { message: 'enough' })
  cancelled.cancel()
  await t.throwsAsync(cancelled.result, { code: 'ERR_CANCELLED' })
  const closed = client.request('echo')
  const dropped = once(client, 'drop')
  client.notify('say', 'lost')
  await Promise.all([client.close(), t.throwsAsync(closed, { code: 'ERR_CLOSED' })])
  t.deepEqual(await dropped, [{ lane: 'normal', count: 1 }])
  t.is(client.state, 'closed')
  t.is(await client.closed, null)
})

test('what waits while away is bounded, and each lane does what it does when full', async (t) => {
  const { name, start, program } = await serving()
  const client = await joined(t, name, {
    backlogMax: 100_000,
    rings: { low: 4096 },
    overflow: { critical: 'fail', high: { waitMs: 10 }, low: 'dropOldest' },
  })
  await Promise.all([next(client, 'disconnect'), program.kill()])
  const full = { code: 'ERR_FULL' }
  t.throws(() => client.notify('say', 1, { lane: 'critical' }), full)
  const late = t.throwsAsync(client.send('say', 'high', { lane: 'high' }), { code: 'ERR_TIMEOUT' })
  for (let at = 0; at < 3; at++) client.notify('say', `${at}`.repeat(3000), { lane: 'low' })
  await late
  t.deepEqual(client.stats().dropped, { critical: 0, high: 1, normal: 0, low: 2 })
  client.notify('say', 'x'.repeat(90_000))
  t.throws(() => client.notify('say', 'x'.repeat(90_000)), full)
  await t.throwsAsync(client.request('echo', 'x'.repeat(90_000)), full)
  await Promise.all([next(client, 'reconnect'), start()])
  const heard = await client.request<undefined, string[]>('heard')
  t.deepEqual(heard.map((word) => word.slice(0, 2)).sort(), ['22', 'xx'])
})

test('`reconnect: false` and `giveUpAfterMs` end the client', async (t) => {
  const { name, program } = await serving()
  const single = await connect(name, { reconnect: false })
  const given = await connect(name, { reconnect: { giveUpAfterMs: 50 } })
  const waiting = given.request(Once, 'x')
  await Promise.all([next(given, 'disconnect'), program.kill()])
  t.is((await single.closed)?.code, 'ERR_PEER_LOST')
  t.is(single.state, 'closed')
  await t.throwsAsync(single.request('echo'), { code: 'ERR_PEER_LOST' })
  // A server that is killed may still have let it in, and the time be over before that has failed.
  const reason = await given.closed
  t.regex(`${reason?.code}`, /^ERR_(NO_SERVER|HANDSHAKE|TIMEOUT)$/)
  t.regex(`${reason?.message}`, /(tried for|no connection within) \d+ ms/)
  t.is(await t.throwsAsync(waiting), reason!)
  t.is(given.state, 'closed')
})

test('a server that closes one connection ends its client, and no other', async (t) => {
  const { name, program } = await serving()
  const [client, other] = [await joined(t, name), await joined(t, name)]
  client.on('disconnect', () => t.fail('it is not lost'))
  const lost = t.throwsAsync(client.request('never'), { code: 'ERR_PEER_LOST' })
  const repeated = t.throwsAsync(client.request(Once, 'x'), { code: 'ERR_CLOSED' })
  const dismissed = t.throwsAsync(client.request('dismiss'), { code: 'ERR_PEER_LOST' })
  t.is(await client.closed, null)
  await Promise.all([lost, repeated, dismissed])
  t.deepEqual([client.state, other.state], ['closed', 'open'])
  await t.throwsAsync(client.request('echo'), { code: 'ERR_CLOSED' })
  t.is(await other.request('echo', 1), 1)
  const outside = new Program('dismissed', { name })
  t.deepEqual(await outside.report(), { reason: null, state: 'closed' })
  t.is(await outside.end(), 0)
  await program.kill()
})

test('a server that closes is one to be replaced, also if it does not wait', async (t) => {
  const name = `replaced-${process.pid}`
  const server = await createServer(name)
  server.handle('never', () => new Promise(() => {}))
  const client = await joined(t, name)
  const single = await joined(t, name, { reconnect: false })
  const left = t.throwsAsync(client.request('never'), { code: 'ERR_PEER_LOST' })
  await Promise.all([client.ping(), single.ping()])
  const disconnected = next(client, 'disconnect')
  await server.close()
  t.is((await disconnected).reason, null)
  await left
  t.is(await single.closed, null)
  const reconnected = next(client, 'reconnect')
  await using successor = await createServer(name)
  successor.handle('echo', (value) => value)
  await reconnected
  t.is(await client.request('echo', 1), 1)
})

test('a refusal that will not change ends the client', async (t) => {
  const { name, start, program } = await serving({ token: 'old' })
  const client = await connect(name, { token: 'old' })
  const waiting = client.request(Once, 'x').catch((error: IpcError) => error.code)
  await Promise.all([next(client, 'disconnect'), program.kill()])
  await start({ token: 'new' })
  t.is((await client.closed)?.code, 'ERR_TOKEN')
  t.is(await waiting, 'ERR_TOKEN')
})

test('connecting waits for a server if it is given time', async (t) => {
  const name = `awaited-${process.pid}`
  await t.throwsAsync(connect(name), { code: 'ERR_NO_SERVER' })
  await t.throwsAsync(connect(name, { connectTimeoutMs: 30 }), { code: 'ERR_NO_SERVER' })
  const controller = new AbortController()
  const aborted = connect(name, { connectTimeoutMs: 60_000, signal: controller.signal })
  controller.abort(new Error('enough'))
  await t.throwsAsync(aborted, { message: 'enough' })
  const connecting = connect(name, { connectTimeoutMs: 60_000 })
  await using server = await createServer(name)
  server.handle('echo', (value) => value)
  const client = await connecting
  t.is(await client.request('echo', 1), 1)
  await client.close()
})

test('a directory that is removed, and made again by the next server', async (t) => {
  const apart = `${directory}/apart`
  const { name, start, program } = await serving({ directory: apart })
  const client = await joined(t, name, { directory: apart })
  await Promise.all([next(client, 'disconnect'), program.kill()])
  rmSync(apart, { recursive: true })
  await setTimeout(20)
  t.false(existsSync(apart))
  await Promise.all([next(client, 'reconnect'), start({ directory: apart })])
  t.is(await client.request('echo', 1), 1)
})

test('a client that is closed in its own `disconnect`, or while it connects again', async (t) => {
  const { name, start, program } = await serving()
  const [inside, meanwhile] = [await connect(name), await connect(name)]
  inside.on('disconnect', () => inside.close())
  const gone = [inside, meanwhile].map((one) => next(one, 'disconnect'))
  await Promise.all([...gone, program.kill()])
  const successor = start()
  await meanwhile.close()
  for (const one of [inside, meanwhile]) {
    t.is(await one.closed, null)
    t.is(one.state, 'closed')
    await t.throwsAsync(one.request('echo'), { code: 'ERR_CLOSED' })
  }
  await successor
})

test.serial('a server that is killed again and again, under load', async (t) => {
  const { name, start, program } = await serving()
  const clients = await Promise.all(Array.from({ length: 20 }, () => joined(t, name)))
  const before = readdirSync('/proc/self/fd').length
  const outcomes = { answered: 0, lost: 0 }
  let isOver = false
  const asking = clients.map(async (client) => {
    while (!isOver) {
      const asked = Array.from({ length: 50 }, (_, at) => client.request('echo', at))
      for (const [at, outcome] of (await Promise.allSettled(asked)).entries()) {
        if (outcome.status === 'fulfilled') {
          outcomes.answered++
          if (outcome.value !== at) throw new Error(`${at} was answered with ${outcome.value}`)
        } else {
          outcomes.lost++
          t.true(['ERR_PEER_LOST', 'ERR_CLOSED'].includes(outcome.reason.code), `${outcome.reason}`)
        }
      }
    }
  })
  let server = program
  for (let round = 0; round < 10; round++) {
    await server.kill()
    server = await start()
    await until('all are back', () => clients.every((client) => client.state === 'open'))
  }
  isOver = true
  await Promise.all(asking)
  t.true(outcomes.answered > 0)
  for (const client of clients) t.is(client.stats().pending, 0)
  t.is(readdirSync('/proc/self/fd').length, before)
})

/** Sends requests through clients while `change` is at work. Returns how many were answered. */
async function asking(t: ExecutionContext, name: string, change: () => Promise<void>) {
  const clients = await Promise.all(Array.from({ length: 10 }, () => joined(t, name)))
  let isOver = false
  const counts = clients.map(async (client, at) => {
    let count = 0
    for (; !isOver; count++) t.is(await client.request('echo', `${at}-${count}`), `${at}-${count}`)
    return count
  })
  await change()
  isOver = true
  const sum = (await Promise.all(counts)).reduce((some, count) => some + count)
  t.true(sum > 0)
  for (const client of clients) t.true(client.stats().reconnects > 0)
}

test.serial('no request fails while servers hand their name over and drain', async (t) => {
  const { name, start, program } = await serving()
  let server = program
  await asking(t, name, async () => {
    for (let round = 0; round < 5; round++) {
      const next = await start({ takeOver: true })
      t.is(await server.end(), 0)
      server = next
    }
  })
})

test.serial('no request fails while a server drains and the next one starts', async (t) => {
  const { name, start, program } = await serving()
  let server = program
  await asking(t, name, async () => {
    for (let round = 0; round < 3; round++) {
      await Promise.all([server.kill('SIGTERM'), setTimeout(10)])
      server = await start()
    }
  })
})

test.serial('a server is killed while it drains, and in the middle of a handover', async (t) => {
  const { name, start, program } = await serving()
  const client = await joined(t, name)
  const stuck = client.request('never')
  process.kill(program.pid, 'SIGTERM')
  await until('it leaves', () => client.state === 'reconnecting')
  await Promise.all([program.kill(), t.throwsAsync(stuck, { code: 'ERR_PEER_LOST' })])
  const server = await start()
  t.is(await client.request('pid'), server.pid)
  const next = start({ takeOver: true })
  await server.kill()
  const successor = await next
  await until('it is there', async () => (await client.request('pid')) === successor.pid)
})

test.serial('a client of a server that is stopped for a while loses nothing', async (t) => {
  const { name, program } = await serving()
  const client = await joined(t, name)
  program.stop()
  const asked = client.request('echo', 1)
  await setTimeout(200)
  t.is(client.state, 'open')
  program.resume()
  t.is(await asked, 1)
  t.is(client.stats().reconnects, 0)
})

test('two new servers race for the name, and clients go on with the one that has it', async (t) => {
  const { name, start, program } = await serving()
  const client = await joined(t, name)
  await Promise.all([next(client, 'disconnect'), program.kill()])
  const back = next(client, 'reconnect')
  const started = await Promise.allSettled([start(), start()])
  t.is(started.filter(({ status }) => status === 'fulfilled').length, 1)
  const { peer } = await back
  t.is(await client.request('pid'), peer.pid)
})

test('a process that has only clients that are away ends by itself', async (t) => {
  const { name, program } = await serving()
  const away = new Program('away', { name })
  await away.report()
  await program.kill()
  t.is(await away.end(), 0)
})

test('so does one whose streams are to keep nothing alive', async (t) => {
  const { name, program } = await serving()
  const away = new Program('away', { name, streams: true })
  t.teardown(() => away.kill())
  await away.report()
  await program.kill()
  const stays = setTimeout(60_000, 'it stays', { ref: false })
  t.is(await Promise.race([away.end(), stays]), 0)
})
