// Events: any number of handlers, which come and go, and none of which hurts another.

import ava from 'ava'
import { setTimeout } from 'node:timers/promises'
import { bytes, connect, createServer, event, type Connection, type Context } from 'ringpost'
import { SendTicks, Tick } from './helpers/contracts.mjs'
import { serve, until } from './helpers/program.mjs'

const test = ava.serial
const server = await serve()

test('all handlers of an event are called in the order of their registration', async (t) => {
  const client = await server.connect(t)
  const heard: string[] = []
  client.on(Tick, ([label]) => heard.push(`first ${label}`))
  client.handle(Tick, ([label]) => heard.push(`second ${label}`))
  client.once(Tick, ([label]) => heard.push(`once ${label}`))
  await client.request(SendTicks, { label: 'a', count: 2 })
  t.deepEqual(heard, ['first a', 'second a', 'once a', 'first a', 'second a'])
})

test('a handler that throws is reported and does not affect others', async (t) => {
  const client = await server.connect(t)
  const errors: Error[] = []
  client.on('error', (error) => errors.push(error))
  const heard: number[] = []
  client.on(Tick, () => {
    throw new Error('mine')
  })
  client.on(Tick, async () => {
    throw new Error('later')
  })
  client.on(Tick, ([, step]) => heard.push(step))
  await client.request(SendTicks, { label: 'b', count: 2 })
  await until('all are reported', () => errors.length === 4)
  t.deepEqual(heard, [0, 1])
  t.deepEqual(errors.map(({ message }) => message).sort(), ['later', 'later', 'mine', 'mine'])
})

test('handlers are added and removed during delivery', async (t) => {
  const client = await server.connect(t)
  const heard: string[] = []
  const first = client.on(Tick, ([, step]) => {
    heard.push(`first ${step}`)
    second.dispose()
    client.on(Tick, ([, late]) => heard.push(`late ${late}`), { once: true })
    first.dispose()
  })
  const second = client.on(Tick, ([, step]) => heard.push(`second ${step}`))
  await client.request(SendTicks, { label: 'c', count: 3 })
  // Who was taken back hears nothing any more, and who came hears from the next one on.
  t.deepEqual(heard, ['first 0', 'late 1'])
  first.dispose()
  t.is(client.stats().unhandled, 1)
})

test('the signal of an event says that the connection has ended, whenever it is asked for', async (t) => {
  for (const when of ['before', 'after']) {
    const client = await server.connect(t)
    let context!: Context
    client.on(Tick, (_, ofTick) => (context = ofTick))
    await client.request(SendTicks, { label: when, count: 1 })
    if (when === 'before') t.false(context.signal.aborted)
    await client.close()
    t.true(context.signal.aborted, when)
    t.like(context.signal.reason, { code: 'ERR_CLOSED' })
  }
})

test('a signal removes a handler', async (t) => {
  const client = await server.connect(t)
  const controller = new AbortController()
  const heard: number[] = []
  client.on(Tick, ([, step]) => heard.push(step), { signal: controller.signal })
  await client.request(SendTicks, { label: 'd', count: 1 })
  controller.abort()
  client.on(Tick, () => heard.push(NaN), { signal: controller.signal })
  await client.request(SendTicks, { label: 'd', count: 1 })
  t.deepEqual(heard, [0])
})

test('an event and a method can have the same name', async (t) => {
  const client = await server.connect(t)
  const heard: number[] = []
  client.on(Tick, ([, step]) => heard.push(step))
  client.handle('tick', () => 'asked')
  await client.request(SendTicks, { label: 'e', count: 1 })
  t.deepEqual(heard, [0])
})

test('a loop receives events one by one until it is left', async (t) => {
  const client = await server.connect(t)
  const events = client.events(Tick)
  await client.request(SendTicks, { label: 'f', count: 5 })
  const heard: number[] = []
  for await (const [, step] of events) {
    heard.push(step)
    if (step === 3) break
  }
  t.deepEqual(heard, [0, 1, 2, 3])
  t.deepEqual(await events.next(), { value: undefined, done: true })
  const before = client.stats().unhandled
  await client.request(SendTicks, { label: 'f', count: 1 })
  t.is(client.stats().unhandled, before + 1)
})

test('a loop ends with its signal, with too many events, and with its connection', async (t) => {
  const client = await server.connect(t)
  const reason = new Error('enough')
  const controller = new AbortController()
  const stopped = client.events(Tick, { signal: controller.signal })
  await client.request(SendTicks, { label: 'g', count: 1 })
  controller.abort(reason)
  t.deepEqual((await stopped.next()).value, ['g', 0])
  t.is(await t.throwsAsync(stopped.next()), reason)
  t.true((await stopped.next()).done)

  const crowded = client.events(Tick, { waitingMax: 2 })
  await client.request(SendTicks, { label: 'g', count: 3 })
  t.deepEqual([(await crowded.next()).value, (await crowded.next()).value], [['g', 0], ['g', 1]])
  await t.throwsAsync(crowded.next(), { code: 'ERR_FULL', message: /2 events "tick" are queued/ })

  const ended = client.events(Tick)
  const waiting = ended.next()
  await client.close()
  t.deepEqual(await waiting, { value: undefined, done: true })
})

test('a server sends an event to one, some or all of its clients', async (t) => {
  const name = `events-${process.pid}`
  const own = await createServer(name)
  t.teardown(() => own.close())
  const News = event<Uint8Array>('news', { codec: bytes })
  const heard: string[][] = [[], [], []]
  const clients = await Promise.all(heard.map(() => connect(name, { reconnect: false })))
  clients.forEach((client, at) => client.on(News, (news) => heard[at].push(Buffer.from(news).toString())))
  await until('all have come', () => own.connections.size === 3)
  const connections: Connection[] = [...own.connections]
  t.deepEqual(own.notify(News, Buffer.from('all')), [])
  t.deepEqual(own.notify(News, Buffer.from('one'), { to: [connections[0]] }), [])
  await until('all have heard', () => heard.flat().length === 4)
  t.is(heard.filter((news) => news.includes('one')).length, 1)
  await clients[1].close()
  await until('it is gone', () => own.connections.size === 2)
  const gone = connections.filter((connection) => !own.connections.has(connection))
  t.deepEqual(own.notify(News, Buffer.from('some'), { to: connections }), gone)
  // What the server hears from any of them.
  const all: number[] = []
  own.on(Tick, ([, step]) => all.push(step))
  const loop = own.events(Tick)
  clients[0].notify(Tick, ['h', 1])
  clients[2].notify(Tick, ['h', 2])
  await until('the server has heard', () => all.length === 2)
  t.is((await loop.next()).value[0], 'h')
  await setTimeout(0)
  t.throws(() => own.notify(News, 'text' as never), { code: 'ERR_INVALID_PAYLOAD' })
  t.throws(() => own.notify(News, Uint8Array.of(1), { to: 7 as never }), { code: 'ERR_INVALID_ARGUMENT' })
})

test('an event that is too long for all is refused, one that is so for some leaves those', async (t) => {
  const name = `lengths-${process.pid}`
  const own = await createServer(name, { messageLenMax: 1000 })
  t.teardown(() => own.close())
  const News = event<Uint8Array>('news', { codec: bytes })
  const clients = [await connect(name), await connect(name, { messageLenMax: 100 })]
  t.teardown(() => Promise.all(clients.map((client) => client.close())))
  const heard: number[] = []
  for (const client of clients) client.on(News, ({ length }) => heard.push(length))
  await until('all have come', () => own.connections.size === 2)
  const modest = [...own.connections].filter(({ peer }) => peer.messageLenMax === 100)
  t.throws(() => own.notify(News, new Uint8Array(1001)), { code: 'ERR_TOO_LARGE', message: /1001.*1000/ })
  t.deepEqual(own.notify(News, new Uint8Array(1000)), modest)
  t.deepEqual(own.notify(News, new Uint8Array(1)), [])
  await until('they have heard', () => heard.length === 3)
  t.deepEqual(heard.sort(), [1, 1, 1000])
})
