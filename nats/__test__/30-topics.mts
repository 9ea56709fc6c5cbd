// Topics of one machine in another: those that reach who listens, and those that a stream keeps.

import ava from 'ava'
import { createTopic, layout, messagePack, subscribe, text, topic } from 'ringpost'
import type { TopicPublisher, TopicSubscription } from 'ringpost'
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
