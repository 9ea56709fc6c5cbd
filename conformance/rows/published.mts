// State frames, topics and maps: what the responder publishes, the caller reads, without a
// connection. They know no transports, so one column of each pair is enough.

import { assert, fails, fresh, has, row, type Case, type Row } from '../case.mjs'
import type { TestPeer } from '../test-peers.mjs'
import type { Published } from '../wire.mjs'

/** Of frames and rings, in bytes. */
const SMALL = 4096
/** Longer than any row. */
const LONG_MS = 600_000

type Order<K extends keyof Published> = Parameters<Published[K]>[0]
type Found<K extends keyof Published> = ReturnType<Published[K]>

const ask = <K extends keyof Published>(peer: TestPeer, name: K, order: Order<K>) =>
  peer.do('published', { [name]: order }) as Promise<Found<K>>

const once = (name: string, run: Row['run']): Row =>
  row(name, run, ({ transport }) => transport === 'sealed')

export const published: readonly Row[] = [
  once('a state frame is read before, while and after it is written', async (t) => {
    const name = fresh()
    const reader = await ask(t.caller, 'openFrame', { name })
    const read = () => ask(t.caller, 'readFrame', { of: reader })
    has(await read(), { status: 'empty', number: 0, value: null })
    const { of } = await ask(t.responder, 'frame', { name, capacity: SMALL })
    assert.equal((await read()).status, 'empty')
    const value = { text: 'größer', list: [1, -2.5, null], is: true }
    assert.equal(await ask(t.responder, 'write', { of, value }), 1)
    const first = await read()
    has(first, { status: 'fresh', number: 1 })
    assert.deepEqual(first.value, value)
    assert.ok(first.ageMs >= 0 && first.ageMs < 60_000, `${first.ageMs} ms`)
    has(await read(), { status: 'same', number: 1 })
    for (const next of [2, 3]) await ask(t.responder, 'write', { of, value: next })
    has(await read(), { status: 'fresh', number: 3, value: 3 })
    await ask(t.responder, 'unpublish', { of })
    has(await read(), { status: 'stale', number: 3, value: 3, generations: 1 })
  }),
  once('the writer of a state frame is killed, and another one goes on', async (t) => {
    const name = fresh()
    const reader = await ask(t.caller, 'openFrame', { name })
    const read = () => ask(t.caller, 'readFrame', { of: reader })
    const first = await spawn(t, 'frame', { name, capacity: SMALL })
    await ask(first.peer, 'write', { of: first.made.of, value: 'first' })
    has(await read(), { status: 'fresh', number: 1, value: 'first' })
    const gone = ask(t.caller, 'awaitFrame', { name, number: 1, isStale: true })
    await first.peer.kill()
    assert.deepEqual(await gone, { status: 'stale', number: 1 })
    has(await read(), { status: 'stale', number: 1, value: 'first' })
    const more = ask(t.caller, 'awaitFrame', { name, number: 2, isStale: false })
    const { of, number } = await ask(t.responder, 'frame', { name, capacity: SMALL })
    assert.equal(number, 1)
    assert.equal(await ask(t.responder, 'write', { of, value: 'second' }), 2)
    assert.deepEqual(await more, { status: 'fresh', number: 2 })
    has(await read(), { status: 'fresh', number: 2, value: 'second', generations: 2 })
    await ask(t.responder, 'unpublish', { of, remove: true })
  }),
  once('the values of a state frame grow beyond its capacity', async (t) => {
    const name = fresh()
    const { of } = await ask(t.responder, 'frame', { name, capacity: 8 })
    const reader = await ask(t.caller, 'openFrame', { name })
    for (const [index, length] of [1, 100, 10_000, 1_000_000, 1].entries()) {
      const value = 'x'.repeat(length)
      await ask(t.responder, 'write', { of, value })
      const read = await ask(t.caller, 'readFrame', { of: reader })
      has(read, { status: 'fresh', number: index + 1, value })
    }
    await ask(t.responder, 'unpublish', { of })
  }),
  once('layouts that differ by an appended member, and one that is another', async (t) => {
    const name = fresh()
    const known = { id: 7, label: 'größer' }
    const value = { ...known, camera: 3 }
    const readBy = async (codec: 'first' | 'second' | 'other') => {
      const reader = await ask(t.caller, 'openFrame', { name, codec })
      return async () => (await ask(t.caller, 'readFrame', { of: reader })).value as unknown
    }
    const [first, second] = [await readBy('first'), await readBy('second')]
    const other = await readBy('other')
    for (const codec of ['first', 'second'] as const) {
      const { of } = await ask(t.responder, 'frame', { name, codec, capacity: SMALL })
      await ask(t.responder, 'write', { of, value: codec === 'first' ? known : value })
      assert.deepEqual(await first(), known)
      assert.deepEqual(await second(), codec === 'first' ? known : value)
      await fails(other(), 'ERR_LAYOUT')
      await ask(t.responder, 'unpublish', { of })
    }
    const { of } = await ask(t.responder, 'frame', { name, capacity: SMALL })
    await ask(t.responder, 'write', { of, value })
    await fails(first(), 'ERR_LAYOUT')
    await ask(t.responder, 'unpublish', { of })
  }),
  once('a name has one writer, until another takes over', async (t) => {
    const [name, capacity] = [fresh(), SMALL]
    const old = await ask(t.responder, 'frame', { name, capacity })
    await ask(t.responder, 'write', { of: old.of, value: 'old' })
    await fails(ask(t.caller, 'frame', { name, capacity }), 'ERR_NAME_IN_USE')
    const reader = await ask(t.caller, 'openFrame', { name })
    const taken = await ask(t.caller, 'frame', { name, capacity, takeOver: true })
    assert.equal(taken.number, 1)
    await ask(t.caller, 'write', { of: taken.of, value: 'new' })
    await fails(ask(t.responder, 'write', { of: old.of, value: 'lost' }), 'ERR_NAME_IN_USE')
    has(await ask(t.caller, 'readFrame', { of: reader }), { status: 'fresh', value: 'new' })
    await ask(t.responder, 'unpublish', { of: old.of })
    assert.equal((await ask(t.caller, 'readFrame', { of: reader })).status, 'same')
    await ask(t.caller, 'unpublish', { of: taken.of })
  }),
  once('subscribers that are slow count exactly what they miss', async (t) => {
    const [name, count] = [fresh(), 10_000]
    const early = await subscribed(t, name, 'lossy')
    const of = await ask(t.responder, 'topic', { name, capacity: SMALL, timeoutMs: LONG_MS })
    await ask(t.responder, 'publish', { of, count: 3 })
    assert.deepEqual(await early(3), { ...NONE, received: 3, last: 3 })
    const newest = await subscribed(t, name, 'latest')
    const retained = await subscribed(t, name, 'lossy', 'newest')
    const oldest = await subscribed(t, name, 'lossy', 'oldest')
    assert.deepEqual(await retained(1), { ...NONE, received: 1, last: 3 })
    assert.deepEqual(await oldest(3), { ...NONE, received: 3, last: 3 })
    await ask(t.responder, 'publish', { of, count })
    for (const read of [early, oldest]) {
      const found = await read(count + 3)
      has(found, { restarts: 0, wrong: 0, last: count + 3 })
      assert.equal(found.received + found.skipped, count + 3)
      assert.ok(found.skipped > count / 2, `${found.skipped} were missed`)
    }
    const found = await newest(count)
    assert.deepEqual(found, { ...NONE, received: 1, skipped: count - 1, last: count + 3 })
    await ask(t.responder, 'unpublish', { of })
  }),
  once('lossless subscribers miss nothing, and are waited for', async (t) => {
    const [name, count] = [fresh(), 5_000]
    const of = await ask(t.responder, 'topic', { name, capacity: SMALL, timeoutMs: LONG_MS })
    const all = [await subscribed(t, name, 'lossless'), await subscribed(t, name, 'lossless')]
    const received = all.map((read) => read(count))
    const { number, waits, cutOff } = await ask(t.responder, 'publish', { of, count })
    assert.deepEqual([number, cutOff], [count, 0])
    assert.ok(waits > 0, 'it had to wait')
    for (const found of await Promise.all(received)) {
      assert.deepEqual(found, { ...NONE, received: count, last: count })
    }
    await ask(t.responder, 'unpublish', { of })
  }),
  once('a lossless subscriber that does not read is cut off, and knows it', async (t) => {
    const [name, count] = [fresh(), 1_000]
    const of = await ask(t.responder, 'topic', { name, capacity: SMALL, timeoutMs: 200 })
    const late = await subscribed(t, name, 'lossless')
    const lossy = await subscribed(t, name, 'lossy')
    await ask(t.responder, 'publish', { of, count: 1 })
    assert.deepEqual(await late(1), { ...NONE, received: 1, last: 1 })
    const { number, cutOff } = await ask(t.responder, 'publish', { of, count })
    assert.deepEqual([number, cutOff], [count + 1, 1])
    await fails(late(count + 1), 'ERR_LAGGED')
    has(await lossy(count + 1), { restarts: 0, wrong: 0, last: count + 1 })
    await ask(t.responder, 'unpublish', { of })
  }),
  once('a publisher is killed, and another one begins', async (t) => {
    const [name, timeoutMs] = [fresh(), LONG_MS]
    const readers = [await subscribed(t, name, 'lossless'), await subscribed(t, name, 'lossy')]
    const first = await spawn(t, 'topic', { name, capacity: SMALL, timeoutMs })
    await ask(first.peer, 'publish', { of: first.made, count: 5 })
    for (const read of readers) assert.deepEqual(await read(2), { ...NONE, received: 2, last: 2 })
    await first.peer.kill()
    const of = await ask(t.responder, 'topic', { name, capacity: SMALL, timeoutMs })
    await ask(t.responder, 'publish', { of, count: 4 })
    for (const read of readers) {
      // What the first one has left, and then what the second one has published.
      assert.deepEqual(await read(5), { ...NONE, received: 5, last: 5 })
      assert.deepEqual(await read(9), { ...NONE, received: 9, last: 4, restarts: 1 })
    }
    await ask(t.responder, 'unpublish', { of })
  }),
  once('keys are set, replaced and deleted, until a map is full', async (t) => {
    const name = fresh()
    const reader = await ask(t.caller, 'openMap', { name })
    const lookUp = (key: string) => ask(t.caller, 'lookUp', { of: reader, key })
    assert.deepEqual(await lookUp('a'), { value: null, has: false, keys: [], status: 'absent' })
    const of = await ask(t.responder, 'map', { name, entriesMax: 3 })
    const set = (key: string, value: unknown) => ask(t.responder, 'set', { of, key, value })
    const seen = ask(t.caller, 'awaitKey', { name, key: 'größe', value: 'the last' })
    for (const [index, key] of ['a', 'größe', ''].entries()) await set(key, [index])
    for (const [index, key] of ['a', 'größe', ''].entries()) {
      const { value, ...rest } = await lookUp(key)
      assert.deepEqual(value, [index])
      assert.deepEqual(rest, { has: true, keys: ['', 'a', 'größe'], status: 'alive' })
    }
    await fails(set('more', 1), 'ERR_FULL')
    assert.equal(await ask(t.responder, 'delete', { of, key: 'a' }), true)
    assert.equal(await ask(t.responder, 'delete', { of, key: 'a' }), false)
    await set('more', 1)
    await set('größe', 'the last')
    assert.equal((await seen).at(-1), 'the last')
    has(await lookUp('a'), { value: null, has: false })
    assert.deepEqual((await lookUp('more')).keys, ['', 'größe', 'more'])
    await fails(set('x'.repeat(65), 1), 'ERR_TOO_LARGE')
    await ask(t.responder, 'unpublish', { of })
  }),
  once('a value expires without its owner', async (t) => {
    const name = fresh()
    const { peer, made: of } = await spawn(t, 'map', { name, entriesMax: 8 })
    await ask(peer, 'set', { of, key: 'short', value: 1, ttlMs: 1_000 })
    await ask(peer, 'set', { of, key: 'long', value: 2, ttlMs: 3_600_000 })
    const reader = await ask(t.caller, 'openMap', { name })
    const expired = ask(t.caller, 'awaitKey', { name, key: 'short', value: null })
    await peer.kill()
    assert.equal((await expired).at(-1), null)
    const short = await ask(t.caller, 'lookUp', { of: reader, key: 'short' })
    assert.deepEqual(short, { value: null, has: false, keys: ['long'], status: 'gone' })
    has(await ask(t.caller, 'lookUp', { of: reader, key: 'long' }), { value: 2 })
  }),
  once('the next owner of a map begins with nothing', async (t) => {
    const [name, entriesMax] = [fresh(), 8]
    const old = await ask(t.responder, 'map', { name, entriesMax })
    await ask(t.responder, 'set', { of: old, key: 'a', value: 1 })
    const reader = await ask(t.caller, 'openMap', { name })
    const lookUp = (key: string) => ask(t.caller, 'lookUp', { of: reader, key })
    has(await lookUp('a'), { value: 1 })
    const seen = ask(t.caller, 'awaitKey', { name, key: 'a', value: null })
    const { peer, made } = await spawn(t, 'map', { name, entriesMax: 16, takeOver: true })
    assert.equal((await seen).at(-1), null)
    await fails(ask(t.responder, 'set', { of: old, key: 'b', value: 1 }), 'ERR_NAME_IN_USE')
    await fails(ask(t.responder, 'map', { name, entriesMax }), 'ERR_NAME_IN_USE')
    await ask(peer, 'set', { of: made, key: 'b', value: 2 })
    assert.deepEqual(await lookUp('b'), { value: 2, has: true, keys: ['b'], status: 'alive' })
    has(await lookUp('a'), { value: null, has: false })
    await ask(t.responder, 'unpublish', { of: old })
  }),
]

const NONE = { received: 0, skipped: 0, restarts: 0, last: 0, wrong: 0 }

/** A process that is published by, for this row only. */
async function spawn<K extends 'frame' | 'topic' | 'map'>(t: Case, name: K, order: Order<K>) {
  const peer = t.spawn(t.responder.language)
  return { peer, made: await ask(peer, name, order) }
}

/** A subscription of the caller. Returns what reads until so many messages have come. */
async function subscribed(
  t: Case,
  name: string,
  mode: Order<'subscribe'>['mode'],
  start: Order<'subscribe'>['start'] = 'next',
) {
  const of = await ask(t.caller, 'subscribe', { name, mode, start })
  return (until: number) => ask(t.caller, 'receive', { of, until })
}
