// A named latest value: written by one process, read by others, with no server between them.

import { chmodSync, existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import {
  createStateFrame,
  openStateFrame,
  stateFrame,
  type FrameReading,
  type StateFrame,
  type StateFrameReader,
} from 'ringpost'
import { directory } from './helpers/directory.mjs'
import { Detections, First, isWhole, Other, Raw, Second, whole, Wholes } from './helpers/frames.mjs'
import type { Whole } from './helpers/frames.mjs'
import { Program, until } from './helpers/program.mjs'

let frames = 0
const fresh = () => `frame-${++frames}`
const file = (name: string) => `${directory}/${name}.frame`

async function writing(name: string, settings = {}) {
  const program = new Program('state-frame', { name, ...settings })
  const number = await program.report<number>()
  return { program, number, write: async (length = 100) => (program.send(`${length}`), program.report<number>()) }
}

function opened<T>(t: ExecutionContext, frame: StateFrame<T>, options = {}): StateFrameReader<T> {
  const reader = openStateFrame(frame, options)
  t.teardown(() => reader.close())
  return reader
}

test('a reader that was there first reads what another process writes, and what follows it', async (t) => {
  const name = fresh()
  const reader = opened(t, Wholes(name))
  t.like(reader.read(), { status: 'empty', value: undefined, number: 0, isTooOld: true })
  const first = await writing(name)
  t.is(first.number, 0)
  t.is(reader.read().status, 'empty')
  t.is(await first.write(), 1)
  const read = reader.read()
  t.deepEqual([read.status, read.number, read.value], ['fresh', 1, whole(1)])
  t.true(Math.abs(read.writtenAt - Date.now()) < 60_000 && read.ageMs >= 0)
  t.is(reader.read().status, 'same')
  t.is(reader.read().value, read.value)
  await first.program.kill()
  t.like(reader.read(), { status: 'stale', number: 1, value: whole(1) })
  const second = await writing(name)
  t.is(second.number, 1)
  t.is(reader.read().status, 'stale')
  t.is(await second.write(), 2)
  t.like(reader.read(), { status: 'fresh', number: 2, value: whole(2) })
  t.like(reader.stats(), { fresh: 2, skipped: 0, corrupt: 0, generations: 2 })
  await second.program.kill()
})

test('a reader beside a writer that never pauses reads whole values only', async (t) => {
  const name = fresh()
  const writer = new Program('state-frame', { name, writes: 1 })
  await writer.report()
  const readers = [1, 2].map(() => new Program('state-frame', { name, readsTo: 20_000 }))
  for (const reader of readers) {
    const { torn, backwards, stats } = await reader.report<any>()
    t.deepEqual([torn, backwards, stats.corrupt], [0, 0, 0])
  }
  await writer.kill()
})

test('a value that grows while it is read is read whole', async (t) => {
  const name = fresh()
  const writer = new Program('state-frame', { name, lengths: [10, 10_000] })
  await writer.report()
  const found = new Map<number, number>()
  // The memory of a reader grows once only.
  for (let count = 0; count < 20_000; count++) {
    const reader = openStateFrame(Raw(name))
    const value = reader.read().value!
    reader.close()
    const isAsWritten = value.every((byte) => byte === (value.length & 0xff))
    const length = isAsWritten ? value.length : NaN
    found.set(length, (found.get(length) ?? 0) + 1)
  }
  await writer.kill()
  t.deepEqual([...found.keys()].sort((one, other) => one - other), [10, 10_000])
})

test('writers that are killed at any moment leave whole values', async (t) => {
  const name = fresh()
  const reader = opened(t, Wholes(name))
  for (let round = 0; round < 20; round++) {
    const writer = new Program('state-frame', { name, writes: round * 1_000_000 + 1 })
    await writer.report()
    await until('it has written', () => (reader.read().value?.n ?? 0) > round * 1_000_000)
    await setTimeout(Math.random() * 5)
    await writer.kill()
    const last = reader.read()
    t.true(isWhole(last.value!))
    await until('its writer is gone', () => reader.read().status === 'stale')
    t.true(isWhole(reader.read().value!))
  }
  t.is(reader.stats().corrupt, 0)
})

test('changes are awaited, newest first, until the writer is gone and on to the next', async (t) => {
  const name = fresh()
  const reader = opened(t, Wholes(name))
  const changes = reader.changes()
  const next = async () => (await changes.next()).value as FrameReading<Whole>
  const early = next()
  const first = await writing(name)
  await first.write()
  t.like(await early, { status: 'fresh', number: 1, value: whole(1) })
  const later = next()
  await first.write()
  t.like(await later, { status: 'fresh', number: 2 })
  // While nothing asks, values replace each other.
  for (let count = 0; count < 5; count++) await first.write()
  const seen = [await next()]
  while (seen.at(-1)!.number < 7) seen.push(await next())
  t.true(seen.length <= 5)
  const gone = next()
  await first.program.kill()
  t.like(await gone, { status: 'stale', number: 7 })
  const again = next()
  const second = await writing(name)
  await second.write(10_000)
  t.like(await again, { status: 'fresh', number: 8, value: whole(8, 10_000) })
  await changes.return!()
  t.like(await changes.next(), { done: true })
  await second.program.kill()
})

test('the value of a writer that begins again is another, also under the same number', async (t) => {
  const name = fresh()
  const reader = opened(t, Wholes(name))
  const heard: number[] = []
  reader.onChange(({ status, value }) => status !== 'stale' && heard.push(value!.n))
  for (const n of [1, 2, 3]) {
    const writer = createStateFrame(Wholes(name))
    t.is(writer.write(whole(n)), 1)
    await until('it was heard', () => heard.at(-1) === n)
    t.like(reader.read(), { number: 1, value: whole(n) })
    writer.close({ remove: true })
  }
  t.deepEqual(heard, [1, 2, 3])
})

test('a loop ends with its signal, and with its reader', async (t) => {
  const name = fresh()
  const reader = openStateFrame(Wholes(name))
  const ending = new AbortController()
  const ended = reader.changes({ signal: ending.signal }).next()
  ending.abort(new Error('enough'))
  await t.throwsAsync(ended, { message: 'enough' })
  await t.throwsAsync(reader.changes({ signal: ending.signal }).next(), { message: 'enough' })
  const closed = reader.changes().next()
  reader.close()
  reader.close()
  t.like(await closed, { done: true })
  t.throws(() => reader.read(), { code: 'ERR_CLOSED' })
})

test('a listener that throws is reported, and hears the next value', async (t) => {
  const name = fresh()
  const warned = new Promise<Error>((resolve) => process.once('warning', resolve))
  const reader = opened(t, Wholes(name))
  const numbers: number[] = []
  const registration = reader.onChange(({ number }) => {
    numbers.push(number)
    if (number === 1) throw new Error('not this one')
  })
  const writer = createStateFrame(Wholes(name))
  t.teardown(() => writer.close())
  writer.write(whole(1))
  t.regex((await warned).message, /listener of the state frame .* not this one/)
  writer.write(whole(2))
  await until('it was heard', () => numbers.at(-1) === 2)
  registration.dispose()
  writer.write(whole(3))
  await setTimeout(20)
  t.deepEqual(numbers, [1, 2])
})

test('one writer at a time, unless the next takes over', async (t) => {
  const name = fresh()
  const { program, write } = await writing(name)
  await write()
  const error = t.throws(() => createStateFrame(Wholes(name)), { code: 'ERR_NAME_IN_USE' })
  t.regex(error.message, new RegExp(`process ${program.pid}`))
  const reader = opened(t, Wholes(name))
  const taker = createStateFrame(Wholes(name), { takeOver: true })
  t.is(taker.number, 1)
  program.send('1')
  t.not(await program.end(), 0)
  await until('it has said why', () => program.errors.includes('ERR_NAME_IN_USE'))
  taker.write(whole(2))
  t.like(reader.read(), { status: 'fresh', number: 2 })
  taker.close()
  taker.close()
  t.throws(() => taker.write(whole(3)), { code: 'ERR_CLOSED' })
  t.is(reader.read().status, 'stale')
  createStateFrame(Wholes(name)).close({ remove: true })
  t.false(existsSync(file(name)))
  t.is(opened(t, Wholes(name)).read().status, 'empty')
})

test('a value grows, and is empty', (t) => {
  const name = fresh()
  const [writer, reader] = [createStateFrame(Raw(name)), opened(t, Raw(name))]
  t.teardown(() => writer.close())
  for (const length of [0, 1, 4096, 4097, 1_000_000, 0]) {
    const value = new Uint8Array(length).fill(length)
    writer.write(value)
    const read = reader.read()
    t.is(read.status, 'fresh')
    t.deepEqual(read.value, value)
  }
  t.throws(() => writer.write(new Uint8Array(67_108_865)), { code: 'ERR_TOO_LARGE' })
  t.throws(() => writer.write('text' as any), { code: 'ERR_INVALID_PAYLOAD' })
  t.is(reader.read().status, 'same')
  t.deepEqual(readdirSync(directory).filter((entry) => entry.includes(name)), [`${name}.frame`])
})

test('bytes are read into a buffer, or not at all', (t) => {
  const name = fresh()
  const [writer, reader] = [createStateFrame(Raw(name)), opened(t, Raw(name))]
  t.teardown(() => writer.close())
  const buffer = new Uint8Array(4).fill(7)
  t.like(reader.readInto(buffer), { status: 'empty', length: 0 })
  writer.write(Uint8Array.of(1, 2))
  t.like(reader.readInto(buffer), { status: 'fresh', number: 1, length: 2 })
  t.deepEqual(buffer, Uint8Array.of(1, 2, 7, 7))
  writer.write(new Uint8Array(5))
  t.throws(() => reader.readInto(buffer), { code: 'ERR_TOO_LARGE', message: /5 bytes .* 4/ })
  t.deepEqual(buffer, Uint8Array.of(1, 2, 7, 7))
  t.throws(() => reader.readInto([] as any), { instanceOf: TypeError })
})

test('readers and writers whose layouts differ by appended members understand each other', (t) => {
  const objects = [{ id: 1, x: 0.5, label: 'person' }]
  const [older, newer] = [fresh(), fresh()]
  const writers = [createStateFrame(Detections(older, First)), createStateFrame(Detections(newer, Second))]
  t.teardown(() => writers.forEach((writer) => writer.close()))
  writers[0].write({ frameId: 1n, objects })
  writers[1].write({ frameId: 2n, objects, camera: 3 })
  const read = (name: string, codec: typeof First | typeof Second | typeof Other) =>
    opened(t, Detections(name, codec)).read().value
  t.deepEqual(read(older, Second), { frameId: 1n, objects })
  t.deepEqual(read(newer, First), { frameId: 2n, objects })
  const error = t.throws(() => read(newer, Other), { code: 'ERR_LAYOUT' })
  t.regex(error.message, /frameId/)
  t.throws(() => opened(t, Wholes(newer)).read(), { code: 'ERR_LAYOUT' })
})

test('a single member is read without decoding the others', (t) => {
  const name = fresh()
  const writer = createStateFrame(Detections(name, First))
  t.teardown(() => writer.close())
  writer.write({ frameId: 9n, objects: [{ id: 4, x: 1, label: 'a' }] })
  const buffer = new Uint8Array(First.size)
  opened(t, Detections(name, First)).readInto(buffer)
  const view = First.view(buffer)
  t.deepEqual([view.frameId, view.objects.length, view.objects.at(0)!.id], [9n, 1, 4])
})

test('the age of a value says whether it is too old', async (t) => {
  const name = fresh()
  const [writer, reader] = [createStateFrame(Wholes(name)), opened(t, Wholes(name), { maxAgeMs: 30 })]
  t.teardown(() => writer.close())
  writer.write(whole(1))
  await until('it is too old', () => reader.read().isTooOld)
  t.true(reader.read().ageMs > 30)
  t.is(reader.read().status, 'same')
})

test('what is no state frame is a typed error, and the last good value stays', async (t) => {
  const name = fresh()
  writeFileSync(file(name), 'nothing of ours')
  chmodSync(file(name), 0o600)
  t.throws(() => opened(t, Wholes(name)).read(), { code: 'ERR_CORRUPT' })
  chmodSync(file(name), 0o666)
  t.throws(() => opened(t, Wholes(name)).read(), { code: 'ERR_ACCESS', message: /0666/ })
  const writer = createStateFrame(Wholes(name))
  writer.write(whole(1))
  const reader = opened(t, Wholes(name))
  t.is(reader.read().status, 'fresh')
  writer.close()
  rmSync(file(name))
  writeFileSync(file(name), '')
  t.like(reader.read(), { status: 'stale', value: whole(1) })
  t.true(reader.stats().corrupt > 0)
})

test('arguments of the wrong kind are refused', (t) => {
  t.throws(() => openStateFrame(stateFrame('../x')), { code: 'ERR_INVALID_NAME' })
  t.throws(() => openStateFrame('name' as any), { instanceOf: TypeError })
  t.throws(() => stateFrame('x', { capacity: 0 }), { instanceOf: RangeError })
  t.throws(() => stateFrame('x', { codek: 1 } as any), { message: /did you mean 'codec'/ })
  t.throws(() => openStateFrame(stateFrame('x'), { maxAge: 1 } as any), { message: /maxAgeMs/ })
})

test('a writer that nobody holds goes on until it is closed', async (t) => {
  const name = fresh()
  const program = new Program('state-frame', { name, isForgotten: true }, ['--expose-gc'])
  await program.report()
  const reader = opened(t, Wholes(name))
  t.like(reader.read(), { number: 1, value: whole(1) })
  t.not(reader.read().status, 'stale')
  await program.kill()
  t.is(reader.read().status, 'stale')
})
