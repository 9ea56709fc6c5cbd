// Messages from one process to any number of others, with no server between them.

import { chmodSync, existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { createTopic, layout, subscribe, topic, type SubscribeOptions } from 'ringpost'
import type { CreateTopicOptions, Topic, TopicItem } from 'ringpost'
import { directory } from './helpers/directory.mjs'
import { Program, until } from './helpers/program.mjs'
import { isWhole, Raw, whole, Wholes } from './helpers/topics.mjs'
import type { Found, Published, TopicProgram, Whole } from './helpers/topics.mjs'

let topics = 0
const fresh = () => `topic-${++topics}`
const file = (name: string) => `${directory}/${name}.topic`
/** Longer than any test. */
const LONG_MS = 600_000

async function started(settings: TopicProgram) {
  const program = new Program('topic', settings)
  await program.report()
  return Object.assign(program, {
    async publish(count: number) {
      program.send(`${count}`)
      return program.report<Published>()
    },
    async found() {
      program.send('now')
      return program.report<Found>()
    },
  })
}

const publishing = (name: string, settings: Partial<TopicProgram> = {}) =>
  started({ name, publish: 'asked', ...settings })

function subscribed<T>(t: ExecutionContext, to: Topic<T>, options?: SubscribeOptions) {
  const subscription = subscribe(to, options)
  t.teardown(() => subscription.close())
  return subscription
}

function created<T>(t: ExecutionContext, of: Topic<T>, options?: CreateTopicOptions) {
  const publisher = createTopic(of, options)
  t.teardown(() => publisher.close())
  return publisher
}

const seen = ({ value, number, skipped, restarted }: TopicItem<Whole>) => {
  return [value.n, number, skipped, restarted, isWhole(value)]
}

test('who was there first gets everything of a publisher, and of the next when that is killed', async (t) => {
  const name = fresh()
  const subscription = subscribed(t, Wholes(name))
  t.is(subscription.take(), undefined)
  t.false(subscription.hasPublisher)
  const early = subscription.next()
  const first = await publishing(name)
  await first.publish(3)
  t.deepEqual(seen((await early).value!), [1, 1, 0, false, true])
  t.deepEqual(seen((await subscription.next()).value!), [2, 2, 0, false, true])
  t.deepEqual(seen(subscription.take()!), [3, 3, 0, false, true])
  t.is(subscription.take(), undefined)
  t.true(subscription.hasPublisher)
  const late = subscription.next()
  await first.kill()
  t.false(subscription.hasPublisher)
  const second = await publishing(name)
  await second.publish(2)
  const item = (await late).value!
  t.deepEqual(seen(item), [1, 1, 0, true, true])
  t.is(item.generation, 2)
  t.true(item.ageMs >= 0 && item.ageMs < 60_000)
  t.deepEqual(seen((await subscription.next()).value!), [2, 2, 0, false, true])
  t.deepEqual(subscription.stats(), { received: 5, skipped: 0, corrupt: 0, generations: 2 })
  await second.kill()
})

test('a late subscriber starts behind what is there, at the newest or at the oldest', async (t) => {
  const name = fresh()
  const publisher = await publishing(name)
  await publisher.publish(5)
  const first = (options: SubscribeOptions) => subscribed(t, Wholes(name), options).take()?.number
  for (const mode of ['latest', 'lossy', 'lossless'] as const) {
    t.is(first({ mode }), undefined)
    t.is(first({ mode, retained: true }), 5)
  }
  t.is(first({ from: 'oldest' }), 1)
  await publisher.publish(1000)
  const oldest = subscribed(t, Wholes(name), { from: 'oldest' }).take()!
  t.true(oldest.number > 900 && oldest.skipped === 0)
  await publisher.kill()
  t.is(first({ retained: true }), 1005)
})

test('subscribers beside a publisher that never pauses count exactly what they miss', async (t) => {
  const name = fresh()
  const modes = ['latest', 'lossy'] as const
  const subscribers = await Promise.all(
    modes.map((mode) => started({ name, options: { mode }, readTo: 50_000 })),
  )
  const publisher = await started({ name, publish: 'always' })
  for (const subscriber of subscribers) {
    const found = await subscriber.report<Found>()
    t.like(found, { wrong: 0, restarts: 0, ends: [] })
    t.true(found.received + found.skipped >= 50_000)
  }
  await publisher.kill()
})

test('publishers that are killed at any moment leave whole messages, in order', async (t) => {
  const name = fresh()
  const watching = await started({ name, options: { from: 'oldest' } })
  const waited = await started({ name, options: { mode: 'lossless' } })
  for (let round = 0; round < 15; round++) {
    const publisher = await started({ name, publish: 'always' })
    const { received } = await watching.found()
    await until('some were read', async () => (await watching.found()).received > received + 50)
    await setTimeout(Math.random() * 5)
    await publisher.kill()
  }
  for (const subscriber of [watching, waited]) {
    const { wrong, restarts, ends } = await subscriber.found()
    t.deepEqual({ wrong, ends }, { wrong: 0, ends: [] })
    t.true(restarts > 0)
    await subscriber.kill()
  }
})

test('lossless subscribers miss nothing, and the publisher waits for the slowest', async (t) => {
  const name = fresh()
  const settings = { name, options: { mode: 'lossless' as const }, readTo: 20_000 }
  const subscribers = await Promise.all([1, 2, 3].map(() => started(settings)))
  const publisher = await publishing(name, { timeoutMs: LONG_MS })
  const published = await publisher.publish(20_000)
  t.is(published.number, 20_000)
  t.is(published.stats.cutOff, 0)
  for (const subscriber of subscribers) {
    t.like(await subscriber.report<Found>(), { received: 20_000, skipped: 0, wrong: 0, ends: [] })
  }
  await publisher.kill()
})

test('a lossless subscriber misses nothing when its publisher is killed and started again', async (t) => {
  const name = fresh()
  const subscription = subscribed(t, Wholes(name), { mode: 'lossless' })
  const first = await publishing(name)
  await first.publish(3)
  await until('it is there', () => subscription.take()?.number === 1)
  await first.kill()
  const second = await publishing(name, { timeoutMs: LONG_MS })
  const published = second.publish(200)
  const numbers = []
  for await (const { number, skipped } of subscription) {
    t.is(skipped, 0)
    if (numbers.push(number) === 202) break
  }
  const all = Array.from({ length: 200 }, (_, index) => index + 1)
  t.deepEqual(numbers, [2, 3, ...all])
  t.is((await published).stats.cutOff, 0)
  await second.kill()
})

test('a frozen lossless subscriber is cut off after the timeout, and knows it', async (t) => {
  const name = fresh()
  const options = { mode: 'lossless' as const }
  const [frozen, other] = [await started({ name, options }), await started({ name, options })]
  const publisher = await publishing(name, { timeoutMs: 300 })
  await publisher.publish(1)
  await until('both have joined', async () => {
    const found = [await frozen.found(), await other.found()]
    return found.every(({ received }) => received === 1)
  })
  frozen.stop()
  const { stats, tookMs } = await publisher.publish(2000)
  t.like(stats, { published: 2001, cutOff: 1 })
  t.true(tookMs >= 290, `${tookMs} ms`)
  frozen.resume()
  const late = await frozen.report<Found>()
  t.like(late, { wrong: 0, skipped: 0, ends: ['ERR_LAGGED'] })
  await until('the other has all', async () => (await other.found()).received === 2001)
  t.like(await other.found(), { wrong: 0, skipped: 0, ends: [] })
  await Promise.all([publisher.kill(), other.kill()])
})

test('a lossless subscriber that is killed while it is waited for holds nobody up', async (t) => {
  const name = fresh()
  const subscriber = await started({ name, options: { mode: 'lossless' } })
  const publisher = await publishing(name, { timeoutMs: LONG_MS })
  await publisher.publish(1)
  await until('it has joined', async () => (await subscriber.found()).received === 1)
  subscriber.stop()
  const published = publisher.publish(2000)
  const isWaiting = await Promise.race([published, setTimeout(300, 'it waits')])
  t.is(isWaiting, 'it waits')
  await subscriber.kill()
  t.is((await published).number, 2001)
  await publisher.kill()
})

test('a thousand subscribers in four processes each get all there is', async (t) => {
  const name = fresh()
  const subscribers = await Promise.all(
    [1, 2, 3, 4].map(() => started({ name, subscriptions: 250, readTo: 100 })),
  )
  const publisher = await publishing(name, { capacity: 65_536 })
  await publisher.publish(100)
  for (const subscriber of subscribers) {
    const found = await subscriber.report<Found>()
    t.deepEqual(found, { received: 25_000, skipped: 0, wrong: 0, restarts: 0, ends: [] })
  }
  await publisher.kill()
})

test('messages that wait are published in order once there is room', async (t) => {
  const name = fresh()
  const publisher = created(t, Wholes(name), { timeoutMs: LONG_MS })
  const subscription = subscribed(t, Wholes(name), { mode: 'lossless' })
  const published = Array.from({ length: 500 }, (_, index) => publisher.publish(whole(index + 1)))
  t.is(published[0], 1)
  t.true(published[499] instanceof Promise)
  t.true(publisher.number < 200)
  for (let number = 1; number <= 500; number++) {
    t.like((await subscription.next()).value, { number, skipped: 0 })
  }
  t.deepEqual(await Promise.all(published.map(async (number) => number)), Array.from({ length: 500 }, (_, index) => index + 1))
  t.like(publisher.stats(), { published: 500, cutOff: 0 })
})

test('a message that waits has a timeout of its own, and fails when its publisher closes', async (t) => {
  const name = fresh()
  const publisher = created(t, Wholes(name), { timeoutMs: LONG_MS })
  const subscription = subscribed(t, Wholes(name), { mode: 'lossless' })
  let last
  while (typeof (last = publisher.publish(whole(1), { timeoutMs: 50 })) === 'number');
  t.is(await last, publisher.number)
  t.like(publisher.stats(), { cutOff: 1 })
  await t.throwsAsync(async () => subscription.next(), { code: 'ERR_LAGGED' })
  t.like(await subscription.next(), { done: true })
  const slow = subscribed(t, Wholes(name), { mode: 'lossless' })
  while (typeof (last = publisher.publish(whole(1))) === 'number');
  publisher.close()
  publisher.close()
  await t.throwsAsync(last, { code: 'ERR_CLOSED' })
  t.throws(() => publisher.publish(whole(1)), { code: 'ERR_CLOSED' })
  t.is(slow.take()!.value.n, 1)
})

test('a listener gets what there is at once', async (t) => {
  const name = fresh()
  const publisher = created(t, Wholes(name, 1 << 20))
  const subscription = subscribed(t, Wholes(name))
  const batches: number[][] = []
  const over = subscription.batches((items) => batches.push(items.map(({ number }) => number)))
  t.throws(() => subscription.batches(() => {}), { code: 'ERR_INVALID_ARGUMENT' })
  for (let n = 1; n <= 2000; n++) void publisher.publish(whole(n))
  await until('all have come', () => batches.flat().length === 2000)
  t.deepEqual(batches.flat(), Array.from({ length: 2000 }, (_, index) => index + 1))
  t.true(batches.length < 20 && batches.every(({ length }) => length <= 1024))
  subscription.close()
  await over
  await subscription.batches(() => t.fail())
})

test('what the next publisher has published at once is read although it rings for nobody', async (t) => {
  // A look that comes late finds it in any case: so it is tried several times.
  for (let round = 0; round < 20; round++) {
    const name = fresh()
    const first = created(t, Wholes(name))
    const subscription = subscribed(t, Wholes(name))
    const found: number[] = []
    const over = subscription.batches((items) => {
      found.push(...items.map(({ value }) => value.n))
      if (found.length > 1) return
      void first.publish(whole(2))
      first.close({ remove: true })
      void created(t, Wholes(name)).publish(whole(3))
    })
    void first.publish(whole(1))
    await until('all have come', () => found.length === 3)
    t.deepEqual(found, [1, 2, 3])
    subscription.close()
    await over
  }
})

test('a listener ends with its signal, and with what it throws', async (t) => {
  const name = fresh()
  const publisher = created(t, Wholes(name))
  const subscription = subscribed(t, Wholes(name))
  const ending = new AbortController()
  const { signal } = ending
  const first = subscription.batches(() => {}, { signal })
  ending.abort(new Error('enough'))
  await t.throwsAsync(first, { message: 'enough' })
  await t.throwsAsync(subscription.batches(() => {}, { signal }), { message: 'enough' })
  const second = subscription.batches(() => {
    throw new Error('not this one')
  })
  void publisher.publish(whole(1))
  await t.throwsAsync(second, { message: 'not this one' })
  void publisher.publish(whole(2))
  t.is(subscription.take()!.number, 2)
})

test('who asks for the next message beside a listener is refused, and not left without an answer', async (t) => {
  const subscription = subscribed(t, Wholes(fresh()))
  const ending = new AbortController()
  const over = subscription.batches(() => {}, { signal: ending.signal })
  const beside = subscription.next()
  ending.abort(new Error('enough'))
  await t.throwsAsync(over, { message: 'enough' })
  const after = subscription.next()
  subscription.close()
  await t.throwsAsync(beside, { code: 'ERR_INVALID_ARGUMENT' })
  t.like(await after, { done: true })
})

test('a subscription keeps its process alive while somebody waits, and no longer', async (t) => {
  const cases = [[Wholes, whole(1), 1], [Raw, new Uint8Array(3), 'ERR_LAYOUT']] as const
  for (const [publishedAs, message, outcome] of cases) {
    const name = fresh()
    const program = await started({ name, asksOnce: true })
    t.teardown(() => program.kill())
    void created<any>(t, publishedAs(name)).publish(message)
    t.is(await program.report<unknown>(), outcome)
    t.is(await Promise.race([program.end(), setTimeout(60_000, 'it stays')]), 0)
  }
})

test('a loop that is left closes its subscription, and one that is closed ends its loop', async (t) => {
  const name = fresh()
  const publisher = created(t, Wholes(name))
  const left = subscribe(Wholes(name))
  void publisher.publish(whole(1))
  for await (const { number } of left) {
    t.is(number, 1)
    break
  }
  t.throws(() => left.take(), { code: 'ERR_CLOSED' })
  const closed = subscribe(Wholes(name))
  const waiting = [closed.next(), closed.next()]
  closed.close()
  closed.close()
  for (const step of waiting) t.like(await step, { done: true })
})

test('one publisher at a time, unless the next takes over', async (t) => {
  const name = fresh()
  const first = await publishing(name)
  await first.publish(1)
  const error = t.throws(() => createTopic(Wholes(name)), { code: 'ERR_NAME_IN_USE' })
  t.regex(error.message, new RegExp(`process ${first.pid}`))
  const subscription = subscribed(t, Wholes(name), { retained: true })
  const taker = created(t, Wholes(name), { takeOver: true })
  first.send('1')
  t.not(await first.end(), 0)
  t.regex(first.errors, /ERR_NAME_IN_USE/)
  void taker.publish(whole(1))
  t.deepEqual(seen((await subscription.next()).value!), [1, 1, 0, false, true])
  t.deepEqual(seen((await subscription.next()).value!), [1, 1, 0, true, true])
  taker.close({ remove: true })
  t.false(existsSync(file(name)))
})

test('messages are of any length up to a quarter of the ring', (t) => {
  const name = fresh()
  const [publisher, subscription] = [created(t, Raw(name)), subscribed(t, Raw(name))]
  for (const length of [0, 1, 255, 256, 257, 1000, 0]) {
    const value = new Uint8Array(length).fill(length)
    void publisher.publish(value)
    t.deepEqual(subscription.take()!.value, value)
  }
  t.throws(() => publisher.publish(new Uint8Array(1001)), { code: 'ERR_TOO_LARGE' })
  t.throws(() => publisher.publish('text' as any), { code: 'ERR_INVALID_PAYLOAD' })
  t.is(subscription.take(), undefined)
  const files = readdirSync(directory).filter((entry) => entry.includes(`${name}.`))
  t.deepEqual(files.sort(), [`${name}.topic`, `${name}.topic-readers`])
})

test('a topic has at most 64 lossless subscribers, and those that close make room', (t) => {
  const name = fresh()
  created(t, Wholes(name))
  const join = () => subscribed(t, Wholes(name), { mode: 'lossless' })
  const all = Array.from({ length: 64 }, join)
  t.throws(join, { code: 'ERR_FULL' })
  all[10].close()
  t.notThrows(join)
})

test('subscribers and publishers whose layouts differ by appended members understand each other', (t) => {
  const name = fresh()
  const First = layout({ id: 'u32' })
  const Second = layout({ id: 'u32', camera: 'u16' })
  const publisher = created(t, topic(name, { codec: Second }))
  const subscription = subscribed(t, topic(name, { codec: First }))
  const other = subscribed(t, Wholes(name))
  void publisher.publish({ id: 7, camera: 1 })
  t.deepEqual(subscription.take()!.value, { id: 7 })
  t.throws(() => other.take(), { code: 'ERR_LAYOUT' })
})

test('what is no topic is a typed error', (t) => {
  const name = fresh()
  writeFileSync(file(name), 'nothing of ours')
  chmodSync(file(name), 0o600)
  t.throws(() => subscribe(Wholes(name)), { code: 'ERR_CORRUPT' })
  chmodSync(file(name), 0o666)
  t.throws(() => subscribe(Wholes(name)), { code: 'ERR_ACCESS', message: /0666/ })
  const publisher = created(t, Wholes(name))
  const subscription = subscribed(t, Wholes(name))
  void publisher.publish(whole(1))
  publisher.close()
  rmSync(file(name))
  writeFileSync(file(name), '')
  t.is(subscription.take()!.number, 1)
  writeFileSync(`${file(name)}-readers`, 'nothing of ours')
  t.throws(() => createTopic(Wholes(name)), { code: 'ERR_CORRUPT' })
})

test('arguments of the wrong kind are refused', (t) => {
  t.throws(() => subscribe(topic('../x')), { code: 'ERR_INVALID_NAME' })
  t.throws(() => subscribe('name' as any), { instanceOf: TypeError })
  t.throws(() => createTopic({ kind: 'topic' } as any), { instanceOf: TypeError })
  for (const capacity of [0, 1000, 5000, 2 ** 31]) {
    t.throws(() => topic('x', { capacity }), { instanceOf: RangeError })
  }
  t.throws(() => topic('x', { codek: 1 } as any), { message: /did you mean 'codec'/ })
  t.throws(() => subscribe(topic('x'), { mode: 'all' } as any), { instanceOf: RangeError })
  t.throws(() => createTopic(topic('x'), { timeout: 1 } as any), { message: /timeoutMs/ })
  t.throws(() => subscribe(topic('x')).batches(1 as any), { instanceOf: TypeError })
})
