// Keys and values of one process, looked up by others in memory, with no server between them.
//
// RINGPOST_RUNS multiplies the number of owners that are killed, of which 100 make the long form:
// RINGPOST_RUNS=100 npx ava dist/__test__/58-map.mjs

import { chmodSync, existsSync, rmSync, writeFileSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { createMap, json, openMap, sharedMap, type MapReader, type SharedMap } from 'ringpost'
import { directory } from './helpers/directory.mjs'
import { isWhole } from './helpers/frames.mjs'
import { GO, Numbers, Raw, STAY, Wholes } from './helpers/maps.mjs'
import { Program, until } from './helpers/program.mjs'

const RUNS = Number(process.env.RINGPOST_RUNS ?? 1)
const KILLS = 10 * RUNS

let maps = 0
const fresh = () => `map-${++maps}`
const file = (name: string) => `${directory}/${name}.map`

async function owning(name: string) {
  const program = new Program('map', { name })
  await program.report()
  const call = async (...call: unknown[]) => (program.send(call as any), program.report<any>())
  return { program, call }
}

function opened<V>(t: ExecutionContext, map: SharedMap<V>, options = {}): MapReader<V> {
  const reader = openMap(map, options)
  t.teardown(() => reader.close())
  return reader
}

function owned<V>(t: ExecutionContext, map: SharedMap<V>, options = {}) {
  const owner = createMap(map, options)
  t.teardown(() => owner.close())
  return owner
}

test('a reader that was there first finds what another process sets, and what follows it', async (t) => {
  const name = fresh()
  const reader = opened(t, Numbers(name))
  t.deepEqual([reader.get('a'), reader.has('a'), reader.entries()], [undefined, false, []])
  t.is(reader.status, 'absent')
  const first = await owning(name)
  t.is(reader.status, 'alive')
  await first.call('set', 'a', 1)
  await first.call('set', 'größe', 2)
  t.deepEqual([reader.get('a'), reader.get('größe'), reader.has('b')], [1, 2, false])
  t.deepEqual(Object.fromEntries(reader.entries()), { a: 1, größe: 2 })
  t.true(await first.call('delete', 'a'))
  t.false(await first.call('delete', 'a'))
  t.is(reader.get('a'), undefined)
  t.like(reader.stats(), { generations: 1, changes: 3, entries: 1, corrupt: 0 })
  await first.program.kill()
  t.is(reader.status, 'gone')
  t.is(reader.get('größe'), 2)
  t.is(opened(t, Numbers(name)).get('größe'), 2)
  const second = await owning(name)
  t.deepEqual([reader.get('größe'), reader.status], [undefined, 'alive'])
  await second.call('set', 'a', 3)
  t.is(reader.get('a'), 3)
  await second.call('clear')
  t.deepEqual(reader.entries(), [])
  t.is(reader.stats().generations, 2)
  await second.program.kill()
})

test('owners that are killed at any moment leave whole values', async (t) => {
  const name = fresh()
  const reader = opened(t, Wholes(name))
  const look = () => {
    for (const key of [...STAY, ...GO]) {
      const value = reader.get(key)
      if (value !== undefined && !isWhole(value)) t.fail(`half a value of ${key}`)
    }
  }
  for (let round = 0; round < KILLS; round++) {
    const first = round * 1_000_000
    const owner = new Program('map', { name, writes: first })
    await owner.report()
    const end = performance.now() + Math.random() * 5
    do look()
    while (performance.now() < end)
    await owner.kill()
    t.is(reader.status, 'gone')
    look()
    const entries = new Map(reader.entries())
    for (const key of STAY) {
      t.true(reader.get(key)!.n >= first, 'it is of this owner')
      t.deepEqual(entries.get(key), reader.get(key))
    }
    t.deepEqual(owner.errors, '')
  }
  t.like(reader.stats(), { corrupt: 0, overtaken: 0, generations: KILLS })
})

test('a value expires for readers without its owner', async (t) => {
  const name = fresh()
  const { program, call } = await owning(name)
  await call('set', 'short', 1, { ttlMs: 2000 })
  await call('set', 'long', 2, { ttlMs: 1e15 })
  const reader = opened(t, Numbers(name))
  const watched = reader.watch('short')
  t.is((await watched.next()).value, 1)
  await program.kill()
  t.deepEqual(await watched.next(), { value: undefined, done: false })
  t.deepEqual([reader.get('short'), reader.has('short')], [undefined, false])
  t.deepEqual(reader.entries(), [['long', 2]])
  await watched.return!()
})

test('a loop over a key sees its changes, the last one always, and those of no other key', async (t) => {
  const name = fresh()
  const reader = opened(t, Numbers(name))
  const values = reader.watch('a')
  const next = async () => (await values.next()).value as number | undefined
  t.is(await next(), undefined, 'what is there at first')
  const { program, call } = await owning(name)
  const first = next()
  await call('set', 'b', 1)
  await call('set', 'a', 1)
  t.is(await first, 1)
  let isWoken = false
  const later = next().then((value) => ((isWoken = true), value))
  for (let n = 0; n < 20; n++) await call('set', 'b', n)
  await setTimeout(20)
  t.false(isWoken)
  await call('set', 'a', 1)
  t.is(await later, 1, 'the same once more is a change')
  const gone = next()
  await call('delete', 'a')
  t.is(await gone, undefined)
  const again = next()
  await call('set', 'a', 2)
  t.is(await again, 2)
  const ended = next()
  await program.kill()
  const second = await owning(name)
  t.is(await ended, undefined, 'the next owner begins empty')
  await second.program.kill()
  await values.return!()
})

test('of a burst of changes the last one is seen, whatever other keys do', async (t) => {
  for (let round = 0; round < 5; round++) {
    const name = fresh()
    const owner = owned(t, Numbers(name))
    const watcher = new Program('map', { name, watches: { key: 'a', until: 5000 } })
    await watcher.report()
    for (let n = 1; n <= 5000; n++) {
      owner.set('b', n)
      owner.set('a', n)
    }
    const seen = await watcher.report<number[]>()
    t.is(seen.at(-1), 5000)
    t.deepEqual(seen, [...seen].sort((a, b) => (a ?? 0) - (b ?? 0)))
    t.is(await watcher.end(), 0)
  }
})

test('a full map says so, and has room again when something expires or is deleted', async (t) => {
  const name = fresh()
  const owner = owned(t, Raw(name))
  const value = Uint8Array.of(1)
  for (const key of ['a', 'b', 'c']) owner.set(key, value)
  owner.set('d', value, { ttlMs: 1000 })
  t.throws(() => owner.set('e', value), { code: 'ERR_FULL', message: /4 entries/ })
  owner.set('a', Uint8Array.of(2))
  t.is(owner.size, 4)
  await until('it has expired', () => owner.size === 3)
  owner.set('e', value)
  t.throws(() => owner.set('f', value), { code: 'ERR_FULL' })
  t.true(owner.delete('a'))
  owner.set('f', value)
  t.deepEqual(opened(t, Raw(name)).entries().map(([key]) => key).sort(), [...'bcef'])
  owner.clear()
  t.is(owner.size, 0)
})

test('what is too long is refused, and what is as long as may be is not', (t) => {
  const name = fresh()
  const [owner, reader] = [owned(t, Raw(name)), opened(t, Raw(name))]
  owner.set('12345678', new Uint8Array(64).fill(7))
  owner.set('ääää', new Uint8Array(0))
  owner.set('', Uint8Array.of(1))
  t.deepEqual(reader.get('12345678'), new Uint8Array(64).fill(7))
  t.deepEqual([reader.get('ääää'), reader.get('')], [new Uint8Array(0), Uint8Array.of(1)])
  t.throws(() => owner.set('123456789', new Uint8Array(1)), { code: 'ERR_TOO_LARGE', message: /9 bytes/ })
  t.throws(() => owner.set('a', new Uint8Array(65)), { code: 'ERR_TOO_LARGE', message: /65 bytes/ })
  t.throws(() => owner.set('a', 'text' as any), { code: 'ERR_INVALID_PAYLOAD' })
  t.throws(() => owner.set('\ud800', Uint8Array.of(1)), { instanceOf: TypeError })
  t.is(reader.get('x'.repeat(5000)), undefined)
  t.is(reader.get('ä'.repeat(513)), undefined)
  t.is(reader.entries().length, 3)
})

test('bytes are read into a buffer, or not at all', (t) => {
  const name = fresh()
  const [owner, reader] = [owned(t, Raw(name)), opened(t, Raw(name))]
  const buffer = new Uint8Array(4).fill(7)
  owner.set('a', Uint8Array.of(1, 2))
  owner.set('b', new Uint8Array(5))
  owner.set('c', new Uint8Array(0))
  t.is(reader.getInto('a', buffer), 2)
  t.deepEqual(buffer, Uint8Array.of(1, 2, 7, 7))
  t.throws(() => reader.getInto('b', buffer), { code: 'ERR_TOO_LARGE', message: /5 bytes .* 4/ })
  t.deepEqual([reader.getInto('c', buffer), reader.getInto('d', buffer)], [0, undefined])
  t.deepEqual(buffer, Uint8Array.of(1, 2, 7, 7))
  t.throws(() => reader.getInto('a', [] as any), { instanceOf: TypeError })
})

test('values that were read are not changed by what is read next', (t) => {
  const name = fresh()
  const map = sharedMap<any>(name, { valueLengthMax: 100_000 })
  const [owner, reader] = [owned(t, map), opened(t, map)]
  const values = { a: { bytes: Uint8Array.of(1, 2, 3) }, b: { bytes: Uint8Array.of(4, 5, 6) } }
  for (const [key, value] of Object.entries(values)) owner.set(key, value)
  const [a, b] = [reader.get('a'), reader.get('b')]
  t.deepEqual({ a, b }, values)
  t.deepEqual(Object.fromEntries(reader.entries()), values)
  const long = 'x'.repeat(90_000)
  owner.set('a', long)
  t.deepEqual([reader.get('a'), owner.get('a'), owner.get('c')], [long, long, undefined])
  t.deepEqual(a, values.a)
  t.is(reader.entries().length, 2)
})

test('one owner at a time, unless the next takes over', async (t) => {
  const name = fresh()
  const { program, call } = await owning(name)
  await call('set', 'a', 1)
  const error = t.throws(() => createMap(Numbers(name)), { code: 'ERR_NAME_IN_USE' })
  t.regex(error.message, new RegExp(`process ${program.pid}`))
  const reader = opened(t, Numbers(name))
  t.is(reader.get('a'), 1)
  const taker = createMap(Numbers(name), { takeOver: true })
  t.is(reader.get('a'), undefined)
  program.send(['set', 'a', 2] as any)
  t.not(await program.end(), 0)
  t.regex(program.errors, /ERR_NAME_IN_USE/)
  taker.set('a', 3)
  taker.close()
  taker.close()
  t.throws(() => taker.set('a', 4), { code: 'ERR_CLOSED' })
  t.deepEqual([reader.get('a'), reader.status], [3, 'gone'])
  createMap(Numbers(name)).close({ remove: true })
  t.false(existsSync(file(name)))
  t.deepEqual([opened(t, Numbers(name)).get('a'), opened(t, Numbers(name)).status], [undefined, 'absent'])
})

test('a loop ends with its signal, and with its reader', async (t) => {
  const name = fresh()
  const reader = openMap(Numbers(name))
  const ending = new AbortController()
  const values = reader.watch('a', { signal: ending.signal })
  t.is((await values.next()).value, undefined)
  const ended = values.next()
  ending.abort(new Error('enough'))
  await t.throwsAsync(ended, { message: 'enough' })
  const others = reader.watch('a')
  t.is((await others.next()).value, undefined)
  const closed = others.next()
  reader.close()
  reader.close()
  t.like(await closed, { done: true })
  t.throws(() => reader.get('a'), { code: 'ERR_CLOSED' })
})

test('what is no map, or written in another format, is a typed error', async (t) => {
  const name = fresh()
  writeFileSync(file(name), 'nothing of ours')
  chmodSync(file(name), 0o600)
  t.throws(() => opened(t, Numbers(name)).get('a'), { code: 'ERR_CORRUPT' })
  await t.throwsAsync(opened(t, Numbers(name)).watch('a').next(), { code: 'ERR_CORRUPT' })
  rmSync(file(name))
  const owner = owned(t, Numbers(name))
  owner.set('a', 1)
  t.is(opened(t, Numbers(name)).get('a'), 1)
  t.throws(() => opened(t, sharedMap(name, { codec: json })).get('a'), { code: 'ERR_LAYOUT' })
})

test('arguments of the wrong kind are refused', (t) => {
  t.throws(() => openMap(sharedMap('../x')), { code: 'ERR_INVALID_NAME' })
  t.throws(() => openMap('name' as any), { instanceOf: TypeError })
  t.throws(() => sharedMap('x', { entriesMax: 0 }), { instanceOf: RangeError })
  t.throws(() => sharedMap('x', { keyLengthMax: 1025 }), { instanceOf: RangeError })
  t.throws(() => sharedMap('x', { entries: 1 } as any), { message: /entriesMax/ })
  const vast = sharedMap('x', { entriesMax: 1_048_576, valueLengthMax: 65_536 })
  t.throws(() => createMap(vast), { code: 'ERR_INVALID_ARGUMENT' })
  const name = fresh()
  const [owner, reader] = [owned(t, Numbers(name)), opened(t, Numbers(name))]
  t.throws(() => owner.set(1 as any, 1), { instanceOf: TypeError })
  t.throws(() => owner.set('a', 1, { ttlMs: -1 }), { instanceOf: RangeError })
  t.throws(() => owner.set('a', 1, { ttl: 1 } as any), { message: /ttlMs/ })
  t.throws(() => reader.get(undefined as any), { instanceOf: TypeError })
  t.throws(() => reader.watch(1 as any), { instanceOf: TypeError })
})
