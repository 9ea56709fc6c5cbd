// What is published in the hands of others: files that are removed and made anew, a kernel without
// room for watches, and codecs and listeners that throw or close what they are called by.

import { chmodSync, mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import {
  createMap,
  createStateFrame,
  createTopic,
  json,
  openMap,
  openStateFrame,
  sharedMap,
  stateFrame,
  subscribe,
  topic,
} from 'ringpost'
import { native } from '../ts/native.js'
import { theRuntime } from '../ts/runtime/runtime.js'
import { attempt, hasUserNamespaces } from './helpers/attempt.mjs'
import { directory } from './helpers/directory.mjs'
import { until } from './helpers/program.mjs'
import { Raw } from './helpers/topics.mjs'

let names = 0
const fresh = () => `attacked-${++names}`

/** Numbers below 256, of which one cannot be decoded. */
const Picky = (wrong: number) => ({
  name: 'picky',
  encode: (value: number) => Uint8Array.of(value),
  decode([value]: Uint8Array) {
    if (value === wrong) throw new Error(`not ${wrong}`)
    return value
  },
})

function closing<T extends { close(): void }>(t: ExecutionContext, opened: T): T {
  t.teardown(() => opened.close())
  return opened
}

// ---- files that are removed and made anew: numbers and generations begin anew ----

test('the first value of a frame that was removed and made anew is another one', async (t) => {
  const Frame = stateFrame<string>(fresh())
  const reader = closing(t, openStateFrame(Frame))
  const first = createStateFrame(Frame)
  first.write('old')
  t.like(reader.read(), { status: 'fresh', value: 'old', number: 1 })
  const changes = reader.changes()
  t.is((await changes.next()).value!.value, 'old')
  first.close({ remove: true })
  t.is((await changes.next()).value!.status, 'stale')
  const second = closing(t, createStateFrame(Frame))
  second.write('new')
  t.like(reader.read(), { status: 'fresh', value: 'new', number: 1 })
  t.is((await changes.next()).value!.value, 'new')
})

test('the first value of a key of a map that was removed and made anew is another one', async (t) => {
  const Flags = sharedMap<string>(fresh())
  const reader = closing(t, openMap(Flags))
  const first = createMap(Flags)
  first.set('key', 'old')
  const changes = reader.watch('key')
  t.is((await changes.next()).value, 'old')
  first.close({ remove: true })
  const second = closing(t, createMap(Flags))
  second.set('key', 'new')
  t.is((await changes.next()).value, 'new')
})

test('messages of a topic that was made anew in another format are not decoded as before', async (t) => {
  const name = fresh()
  const subscription = closing(t, subscribe(topic<string>(name)))
  const first = createTopic(topic<string>(name))
  void first.publish('packed')
  t.is((await subscription.next()).value!.value, 'packed')
  first.close({ remove: true })
  const second = closing(t, createTopic(topic<string>(name, { codec: json })))
  void second.publish('text')
  await t.throwsAsync(subscription.next(), { code: 'ERR_LAYOUT' })
})

// ---- a kernel without room ----

const inUserNamespace = hasUserNamespaces ? test : test.skip

inUserNamespace('without room for watches a wait fails, and one that has begun looks by itself', async (t) => {
  const where = mkdtempSync(join(directory, 'watches-'))
  chmodSync(where, 0o700)
  const what = { verb: 'without watches', name: fresh(), options: { directory: where } }
  const prefix = ['unshare', '--user', '--map-root-user']
  const { refused, found } = await attempt(what, { prefix })
  t.deepEqual(refused, Array(5).fill('ERR_NO_SPACE'))
  t.deepEqual(found, ['frame', 'topic', 'map'])
})

// ---- codecs and listeners ----

test('a codec that throws costs the one message, not those that were read with it', async (t) => {
  const Numbers = topic<number>(fresh(), { codec: Picky(3) })
  const subscription = closing(t, subscribe(Numbers))
  const publisher = closing(t, createTopic(Numbers))
  for (const value of [1, 2, 3, 4]) void publisher.publish(value)
  const got: number[] = []
  const listen = () => subscription.batches((items) => got.push(...items.map((item) => item.value)))
  await t.throwsAsync(listen(), { message: /not 3/ })
  t.deepEqual(got, [1, 2])
  t.is((await subscription.next()).value!.value, 4)
  void publisher.publish(3)
  await t.throwsAsync(subscription.next(), { message: /not 3/ })
  void publisher.publish(5)
  t.is(subscription.take()!.value, 5)
})

test('a message that is too long is refused without those that wait beside it', async (t) => {
  const Bytes = Raw(fresh())
  const publisher = closing(t, createTopic(Bytes, { timeoutMs: 600_000 }))
  const subscription = closing(t, subscribe(Bytes, { mode: 'lossless' }))
  let published
  do published = publisher.publish(new Uint8Array(900))
  while (typeof published === 'number')
  const tooLong = t.throwsAsync(publisher.publish(new Uint8Array(5000)) as Promise<number>, {
    code: 'ERR_TOO_LARGE',
  })
  const last = publisher.publish(new Uint8Array(10))
  await until('all were published', () => {
    while (subscription.take());
    return publisher.number === 6
  })
  t.deepEqual(await Promise.all([published, last]), [5, 6])
  await tooLong
})

// Alone, because others hold references meanwhile.
test.serial('a publisher that finds room as it begins to wait keeps no process alive', async (t) => {
  const Bytes = Raw(fresh())
  const publisher = closing(t, createTopic(Bytes, { timeoutMs: 600_000 }))
  const subscription = closing(t, subscribe(Bytes, { mode: 'lossless' }))
  const { state } = theRuntime()
  const before = state[native.STATE_REFERENCES]
  const { prototype } = native.NativeTopicPublisher
  const { watch } = prototype
  t.teardown(() => (prototype.watch = watch))
  prototype.watch = function (engine) {
    while (subscription.take());
    return watch.call(this, engine)
  }
  let published
  do published = publisher.publish(new Uint8Array(900))
  while (typeof published === 'number')
  t.is(await published, 5)
  t.is(state[native.STATE_REFERENCES], before)
})

test('a listener that closes its reader in the first call is called once', async (t) => {
  const Frame = stateFrame<number>(fresh())
  const writer = closing(t, createStateFrame(Frame))
  writer.write(1)
  const reader = openStateFrame(Frame)
  const other = closing(t, openStateFrame(Frame))
  const calls: number[] = []
  reader.onChange(({ value }) => {
    calls.push(value!)
    reader.close()
  })
  const changes = other.changes()
  for (const value of [1, 2, 3]) {
    if (value > 1) writer.write(value)
    t.is((await changes.next()).value!.value, value)
  }
  t.deepEqual(calls, [1])
  t.throws(() => reader.changes(), { code: 'ERR_CLOSED' })
  t.throws(() => reader.onChange(() => {}), { code: 'ERR_CLOSED' })
  t.throws(() => reader.read(), { code: 'ERR_CLOSED' })
})

test('a key is what it is, whatever it begins with, and half a character is none', (t) => {
  const Flags = sharedMap<number>(fresh())
  const owner = closing(t, createMap(Flags))
  const reader = closing(t, openMap(Flags))
  owner.set('\ufeffkey', 1)
  owner.set('\ufffd', 2)
  t.deepEqual(Object.fromEntries(reader.entries()), { '\ufeffkey': 1, '\ufffd': 2 })
  const refused = { code: 'ERR_INVALID_ARGUMENT', message: /half a character/ }
  const half = '\ud800'
  t.throws(() => owner.delete(half), refused)
  t.throws(() => reader.get(half), refused)
  t.throws(() => reader.watch(half), refused)
  t.is(owner.size, 2)
})
