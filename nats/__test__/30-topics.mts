// Topics of one machine in another: those that reach who listens, and those that a stream keeps.

import { Readable } from 'node:stream'
import { jetstreamManager, type JetStreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import ava from 'ava'
import { createTopic, layout, messagePack, subscribe, text, topic } from 'ringpost'
import type { TopicPublisher, TopicSubscription } from 'ringpost'
import { DurableMessages } from '../src/durable.mjs'
import { Flow, Kept, Points, Publish, type Message } from './helpers/contracts.mjs'
import { job, Machine, Nats, scratch, until } from './helpers/machines.mjs'

/** Serial, so that they do not compete for the processors. */
const test = ava.serial

const keeping = (folder: string) => `jetstream { store_dir: "${scratch}/${folder}" }\n`
const nats = await Nats.start(keeping('jetstream'))
const [home, away] = [new Machine('home'), new Machine('away')]
await home.server()
const publisher = await home.client()
test.after.always(() => publisher.close())
const publish = (topic: string, from: number, count: number) =>
  publisher.request(Publish, { topic, from, count }, { timeoutMs: 60_000 })

/** The next so many numbers of a subscription. */
async function numbers(subscription: TopicSubscription<Message>, count: number): Promise<number[]> {
  const found: number[] = []
  await until(`${count} messages have come`, () => {
    while (found.length < count) {
      const item = subscription.take()
      if (item === undefined) return false
      found.push(item.value.number)
    }
    return true
  })
  return found
}

/** Publishes messages of its own in a topic of any machine. */
async function write(publisher: TopicPublisher<Message>, from: number, count: number) {
  for (const number of upTo(from, count)) await publisher.publish({ number, fill: '' })
}

/** Waits until so many messages are delivered to the durable name of a stream and unconfirmed. */
async function pending(stream: string, count: number): Promise<void> {
  await ask(nats, async ({ consumers }) => {
    const isSo = async () => (await consumers.info(stream, 'away')).num_ack_pending === count
    await until(`${count} are delivered`, isSo)
  })
}

/** Waits until a stream has so many messages. */
async function kept(server: Nats, stream: string, count: number): Promise<void> {
  await ask(server, async ({ streams }) => {
    const isSo = async () => (await streams.info(stream)).state.last_seq === count
    await until(`${count} are kept`, isSo)
  })
}

/** Asks JetStream. */
async function ask(server: Nats, work: (manager: JetStreamManager) => Promise<void>) {
  const connection = await connect({ servers: server.url })
  try {
    await work(await jetstreamManager(connection))
  } finally {
    await connection.close()
  }
}

const upTo = (from: number, count: number) => Array.from({ length: count }, (_, at) => from + at)

test('messages of a topic arrive in order, and are counted', async (t) => {
  await away.bridge(job('importTopic', 'Flow', nats))
  const exporter = await home.bridge(job('exportTopic', 'Flow', nats))
  using subscription = subscribe(Flow, { directory: away.directory })
  await publish('flow', 1, 2_000)
  t.deepEqual(await numbers(subscription, 2_000), upTo(1, 2_000))
  t.like(await exporter.stats(), { passed: 2_000, dropped: {} })
})

test('a topic of records keeps its layout, and one of another layout ends the bridge', async (t) => {
  await away.bridge(job('importTopic', 'Points', nats))
  const exporter = await home.bridge(job('exportTopic', 'Points', nats))
  using points = createTopic(Points, { directory: home.directory })
  using subscription = subscribe(Points, { directory: away.directory })
  void points.publish({ x: 0.5, label: 'cup' })
  t.deepEqual((await subscription.next()).value!.value, { x: 0.5, label: 'cup' })
  points.close()
  const Other = topic('points', { codec: layout({ y: 'f64', label: text(8) }) })
  using others = createTopic(Other, { directory: home.directory })
  void others.publish({ y: 1, label: 'tea' })
  t.deepEqual(await exporter.report((report) => report.closed), { closed: 'ERR_LAYOUT' })
})

test('a message above the limit of the NATS server is dropped and told', async (t) => {
  const small = await Nats.start('max_payload: 4096\n')
  const exporter = await home.bridge(job('exportTopic', 'Flow', small))
  await away.bridge(job('importTopic', 'Flow', small, { takeOver: true }))
  using subscription = subscribe(Flow, { directory: away.directory })
  using writer = createTopic(Flow, { directory: home.directory, takeOver: true })
  void writer.publish({ number: 1, fill: 'x'.repeat(5_000) })
  void writer.publish({ number: 2, fill: '' })
  t.deepEqual(await numbers(subscription, 1), [2])
  t.deepEqual((await exporter.stats()).dropped, { tooLarge: 1 })
  await until('it is told', () => exporter.dropped.tooLarge === 1)
})

const stream = { name: 'KEPT', storage: 'file' }

test('a stream keeps what is published while a machine is away, or the server', async (t) => {
  const exporter = await home.bridge(job('exportTopic', 'Kept', nats, { stream }))
  const options = { stream: 'KEPT', durable: 'away', from: 'all' }
  const importer = await away.bridge(job('importTopic', 'Kept', nats, options))
  using subscription = subscribe(Kept, { directory: away.directory })
  await publish('kept', 1, 100)
  t.deepEqual(await numbers(subscription, 100), upTo(1, 100))
  // Of what was read last, it may not be known that it was.
  const { passed } = await importer.stats()
  await importer.kill()
  t.is(passed, 100)
  await publish('kept', 101, 100)
  await until('all are in the stream', async () => (await exporter.stats()).passed === 200)
  // It takes messages that it never confirms.
  nats.signal('SIGSTOP')
  await publish('kept', 201, 100)
  await until('some are on their way', async () => (await exporter.stats()).passed > 250)
  await nats.kill()
  await nats.start()
  await away.bridge(job('importTopic', 'Kept', nats, options))
  const found = new Set<number>()
  while (found.size < 200) {
    const [number] = await numbers(subscription, 1)
    if (number > 100) found.add(number)
  }
  t.deepEqual([...found], upTo(101, 200))
})

test('a machine without a durable name begins with all, or with what is new', async (t) => {
  const [all, recent] = [new Machine('all'), new Machine('recent')]
  const begin = { stream: 'KEPT', from: 'all' }
  using everything = subscribe(Kept, { directory: all.directory })
  await all.bridge(job('importTopic', 'Kept', nats, begin))
  t.deepEqual(await numbers(everything, 300), upTo(1, 300))
  using some = subscribe(Kept, { directory: recent.directory })
  await recent.bridge(job('importTopic', 'Kept', nats, { stream: 'KEPT' }))
  await publish('kept', 301, 50)
  t.deepEqual(await numbers(some, 50), upTo(301, 50))
  t.deepEqual(await numbers(everything, 50), upTo(301, 50))
})

test('a stream that there is not, or that keeps something else, is a typed error', async (t) => {
  const missing = away.bridge(job('importTopic', 'Flow', nats, { stream: 'NONE', takeOver: true }))
  await t.throwsAsync(missing, { code: 'ERR_SYSTEM', message: /^JetStream: / })
  const other = home.bridge(job('exportTopic', 'Flow', nats, { stream }))
  await t.throwsAsync(other, { code: 'ERR_INVALID_ARGUMENT', message: /"KEPT" does not keep/ })
})

test('a message above a limit of the stream is dropped and told, and the others arrive', async (t) => {
  const small = await Nats.start(`max_payload: 4096\n${keeping('small')}`)
  const [home, away] = [new Machine('home'), new Machine('away')]
  const stream = { name: 'SMALL', max_msg_size: 2_000 }
  const exporter = await home.bridge(job('exportTopic', 'Flow', small, { stream }))
  await away.bridge(job('importTopic', 'Flow', small, { stream: 'SMALL' }))
  using subscription = subscribe(Flow, { directory: away.directory })
  using publisher = createTopic(Flow, { directory: home.directory })
  await publisher.publish({ number: 1, fill: 'x'.repeat(3_000) })
  // It would be short enough for the server without the id that the stream knows it by.
  const bare = messagePack.encode({ number: 2, fill: 'x'.repeat(1_000) }).length - 1_000
  await publisher.publish({ number: 2, fill: 'x'.repeat(4_096 - 90 - bare) })
  await publisher.publish({ number: 3, fill: '' })
  t.deepEqual(await numbers(subscription, 1), [3])
  await until('it is counted', async () => (await exporter.stats()).dropped.tooLarge === 2)
  await until('what has arrived is counted', async () => (await exporter.stats()).passed === 1)
})

test('messages stay in order when the NATS server is killed with some on their way', async (t) => {
  const killed = await Nats.start(keeping('killed'))
  const [home, away] = [new Machine('home'), new Machine('away')]
  const stream = { name: 'ORDER', storage: 'file' }
  const exporter = await home.bridge(job('exportTopic', 'Flow', killed, { stream }))
  using publisher = createTopic(Flow, { directory: home.directory })
  killed.signal('SIGSTOP')
  await write(publisher, 1, 10)
  await until('they are on their way', async () => (await exporter.stats()).passed === 10)
  await killed.kill()
  await write(publisher, 11, 10)
  await killed.start()
  using subscription = subscribe(Flow, { directory: away.directory })
  await away.bridge(job('importTopic', 'Flow', killed, { stream: 'ORDER', from: 'all' }))
  t.deepEqual(await numbers(subscription, 10), upTo(1, 10))
  t.deepEqual(await numbers(subscription, 10), upTo(11, 10))
})

test('what arrives at a bridge that has lost its topic is left to the one that has it', async (t) => {
  const prefix = 'taken'
  const [home, away] = [new Machine('home'), new Machine('away')]
  await home.bridge(job('exportTopic', 'Flow', nats, { prefix, stream: { name: 'TAKEN' } }))
  const options = { prefix, stream: 'TAKEN', durable: 'away' }
  const first = await away.bridge(job('importTopic', 'Flow', nats, options))
  using subscription = subscribe(Flow, { directory: away.directory })
  using publisher = createTopic(Flow, { directory: home.directory })
  await write(publisher, 1, 10)
  t.deepEqual(await numbers(subscription, 10), upTo(1, 10))
  await away.bridge(job('importTopic', 'Flow', nats, { ...options, takeOver: true }))
  // One by one, until the first bridge gets one: nothing behind it tells the second that it is missing.
  const isOpen = () => first.reports.every((report) => !('closed' in report))
  for (let number = 11; isOpen() && number < 1_000; number++) {
    await write(publisher, number, 1)
    t.deepEqual(await numbers(subscription, 1), [number])
  }
  t.deepEqual(await first.report((report) => report.closed), { closed: 'ERR_NAME_IN_USE' })
})

test('a durable name goes on where its bridge was killed, before what is newer', async (t) => {
  for (const prefix of ['early', 'late']) {
    const [home, away] = [new Machine('home'), new Machine('away')]
    await home.bridge(job('exportTopic', 'Flow', nats, { prefix, stream: { name: prefix } }))
    using publisher = createTopic(Flow, { directory: home.directory })
    using subscription = subscribe(Flow, { directory: away.directory })
    // It begins with what is new.
    await write(publisher, 1, 10)
    await kept(nats, prefix, 10)
    const options = { prefix, stream: prefix, durable: 'away' }
    const importer = await away.bridge(job('importTopic', 'Flow', nats, options))
    const confirmed = prefix === 'early' ? 0 : 10
    await write(publisher, 11, confirmed)
    t.deepEqual(await numbers(subscription, confirmed), upTo(11, confirmed))
    await pending(prefix, 0)
    importer.signal('SIGSTOP')
    await write(publisher, 11 + confirmed, 20)
    await pending(prefix, 20)
    await importer.kill()
    await write(publisher, 31 + confirmed, 20)
    await kept(nats, prefix, 50 + confirmed)
    await away.bridge(job('importTopic', 'Flow', nats, options))
    t.deepEqual(await numbers(subscription, 40), upTo(11 + confirmed, 40))
  }
})

test('what a durable name misses on the way is read from its stream before what is newer', async (t) => {
  const stream = new Map(upTo(1, 9).map((seq) => [seq, { seq, data: Buffer.of(seq) }]))
  const streams = { getMessage: async (_: string, { seq }: { seq: number }) => stream.get(seq) ?? null }
  const confirmed: number[] = []
  // 3 comes late; behind 7, which is lost, one comes again that is no news.
  const deliveries = [
    ...[[1, 1], [2, 2], [4, 4], [3, 5], [5, 6], [6, 7], [4, 9], [8, 10], [9, 11], [7, 12]],
  ].map(([streamSequence, deliverySequence]) => ({
    info: { streamSequence, deliverySequence },
    data: Buffer.of(streamSequence),
    ack: () => confirmed.push(streamSequence),
  }))
  const none = { stream_seq: 0, consumer_seq: 0 }
  const info = { stream_name: 'S', config: {}, ack_floor: none, delivered: none, num_ack_pending: 0 }
  const source = Object.assign(Readable.from(deliveries), { close: async () => {} })
  const messages = new DurableMessages(streams as never, 's', info as never, source as never)
  const found: number[] = []
  for await (const { data } of messages) found.push(data[0])
  t.deepEqual(found, upTo(1, 9))
  t.deepEqual(confirmed, deliveries.map(({ info }) => info.streamSequence))
  // It can be closed while nobody answers.
  const silent = { getMessage: () => new Promise(() => {}) } as never
  const killed = { ...info, delivered: { stream_seq: 1, consumer_seq: 1 }, num_ack_pending: 1 }
  const waiting = new DurableMessages(silent, 's', killed as never, source as never)
  const next = waiting[Symbol.asyncIterator]().next()
  waiting.close()
  t.true((await next).done)
})

test('a bridge that begins with what is new does so also when the server is restarted', async (t) => {
  const restarted = await Nats.start(keeping('restarted'))
  const [home, away] = [new Machine('home'), new Machine('away')]
  const stream = { name: 'NEW', storage: 'file' }
  const exporter = await home.bridge(job('exportTopic', 'Flow', restarted, { stream }))
  using publisher = createTopic(Flow, { directory: home.directory })
  await write(publisher, 1, 10)
  await kept(restarted, 'NEW', 10)
  using subscription = subscribe(Flow, { directory: away.directory })
  const importer = await away.bridge(job('importTopic', 'Flow', restarted, { stream: 'NEW' }))
  await restarted.kill()
  await restarted.start()
  await write(publisher, 11, 10)
  // Where the stream is not there at once, the client asks again after half a minute or more.
  const isHere = async () => (await importer.stats()).passed >= 10
  const arrived = () => until('all have arrived', isHere)
  await arrived().catch(arrived)
  t.deepEqual(await numbers(subscription, 10), upTo(11, 10))
  t.like(await importer.stats(), { passed: 10, dropped: {} })
  t.like(await exporter.stats(), { passed: 20, dropped: {} })
})
