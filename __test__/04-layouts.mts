// Layouts: records of a fixed size as C has them, and their codecs.

import { execFileSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import vm from 'node:vm'
import test from 'ava'
import { connect, createServer, IpcError, layout, list, method, text } from 'ringpost'
import type { LayoutListView, LayoutValue } from 'ringpost'
import { parse } from '../ts/values/layout-shape.js'
import { readerOf } from '../ts/values/layout.js'
import './helpers/directory.mjs'
import { anyLayout, anyRecord, encodeSlowly } from './helpers/layouts.mjs'
import { eachSeed } from './helpers/random.mjs'

const Camera = layout({ name: text(8), fov: 'f32' })
const Detection = layout({ id: 'u32', x: 'f32', y: 'f32', seen: 'bool', label: text(16) })
const Detections = layout({
  ...{ frameId: 'u64', takenAt: 'f64', camera: Camera },
  ...{ items: list(Detection, 50), tags: list(text(3), 2) },
} as const)
type Detections = LayoutValue<typeof Detections>

const cup = { id: 7, x: 0.5, y: -0.25, seen: true, label: 'cup' }
const full: Detections = {
  ...{ frameId: 2n ** 64n - 1n, takenAt: 1.5, camera: { name: 'größe', fov: 90 } },
  ...{ items: [cup, { ...cup, id: 8, label: '' }], tags: ['abc'] },
}
const bytesOfFull = Detections.encode(full)

// ---- places ----

test('members lie where a C compiler places them', (t) => {
  const each = layout({ a: 'u8', b: 'u64', c: 'bool', d: 'i16', e: text(3), f: list('f64', 2) })
  t.is(
    each.description,
    '{a:u8@0,b:u64@8,c:bool@16,d:i16@18,e:text[3]@20,f:[f64;2]@24/32}48',
  )
  t.deepEqual([each.size, each.align], [48, 8])
  t.is(layout({ name: text(5) }).size, 5)
  t.is(layout({ bytes: list('u8', 3) }).size, 8)
})

test('layouts of the same members are the same, whoever made them', (t) => {
  const again = layout({ name: text(8), fov: 'f32' })
  t.is(again.description, Camera.description)
  t.is(again.hash, Camera.hash)
  t.not(again.hash, Detection.hash)
  t.true(again.hash >= 0n && again.hash < 2n ** 64n)
  const other = { ...Camera, [Symbol.for('ringpost.layout')]: true }
  t.is(layout({ of: other }).description, layout({ of: Camera }).description)
})

test('a layout is frozen', (t) => {
  t.true(Object.isFrozen(Camera))
  t.true(Object.isFrozen(text(1)))
  t.true(Object.isFrozen(list('u8', 1)))
})

const nested = (depth: number) => {
  let made = layout({ of: 'u8' })
  for (let at = 1; at < depth; at++) made = layout({ of: made }) as never
  return made
}

for (const [what, fields, message] of [
  ['no member', {}, /at least one member/],
  ['a numeric name', { 1: 'u8' }, /"1" is no name in C/],
  ['a name with a letter C does not know', { größe: 'u8' }, /is no name in C/],
  ['a word of C', { register: 'u8' }, /"register" is a word of C or C\+\+/],
  ['a word of C++', { class: 'u8' }, /is a word of C/],
  ['a name for compilers', { _Atomic: 'u8' }, /is reserved/],
  ['the name of a prototype', { ['__proto__']: 'u8' }, /is reserved/],
  ['a long name', { ['a'.repeat(64)]: 'u8' }, /has 64 letters, at most 63/],
  ['a name that a list takes', { a_count: 'u8', a: list('u8', 2) }, /two members .* name a_count/],
  ['a record that is too long', { a: list('u64', 2 ** 27) }, /a: a record of more than 1073741824/],
  ['sixteen records in one', { of: nested(16) }, /nested more than 16 deep/],
] as const) {
  test(`${what} is refused`, (t) => {
    t.throws(() => layout(fields as never), { instanceOf: RangeError, message })
  })
}

test('the longest, deepest and widest layouts there can be are made', (t) => {
  t.is(nested(16).size, 1)
  t.is(layout({ ['a'.repeat(63)]: list('u32', 2 ** 28 - 1) }).size, 2 ** 30)
})

test('types that there are not are refused with those that there are', (t) => {
  const wrong = (fields: unknown) => () => layout(fields as never)
  for (const type of ['u33', 'constructor', 5, null, undefined, {}, () => 1, { kind: 'list' }]) {
    t.throws(wrong({ a: type }), { instanceOf: TypeError, message: /^a: .* is no type: .*'u8'/ })
  }
  t.throws(wrong(null), { instanceOf: TypeError })
  t.throws(wrong('u8'), { instanceOf: TypeError })
  t.throws(() => list(list('u8', 2) as never, 2), { instanceOf: TypeError })
  for (const count of [0, -1, 1.5, NaN, 2 ** 31]) {
    t.throws(() => text(count), { instanceOf: RangeError })
    t.throws(() => list('u8', count), { instanceOf: RangeError })
  }
  t.throws(() => text('8' as never), { instanceOf: TypeError })
})

// ---- values ----

test('a record is what it was, and bytes between members are zero', (t) => {
  t.deepEqual(Detections.decode(bytesOfFull), full)
  const buffer = new Uint8Array(Detections.size + 3).fill(0xff)
  Detections.encodeInto(full, buffer)
  t.deepEqual(buffer.subarray(0, Detections.size), bytesOfFull)
  t.deepEqual(buffer.subarray(Detections.size), new Uint8Array(3).fill(0xff))
  t.throws(() => Detections.encodeInto(full, buffer.subarray(4)), {
    ...{ instanceOf: RangeError, message: `a buffer of ${Detections.size - 1} bytes, the layout has ${Detections.size}` },
  })
  t.throws(() => Detections.encodeInto(full, [] as never), { instanceOf: TypeError })
})

test('random records of random layouts: the bytes of a slow twin, and back', async (t) => {
  await eachSeed(t, 400, (r) => {
    const made = anyLayout(r)
    const value = anyRecord(r, made)
    const bytes = made.layout.encode(value)
    if (!encodeSlowly(made, value).equals(bytes)) t.fail(made.layout.description)
    if (!isDeepStrictEqual(made.layout.decode(bytes), value)) t.fail(made.layout.description)
    const viewed = plain(made.layout.view(bytes))
    if (!isDeepStrictEqual(viewed, value)) t.deepEqual(viewed, value)
    if (parse(made.layout.description).text !== made.layout.description) t.fail('not parsed')
    const copy = made.layout.encode(made.layout.view(bytes))
    if (!Buffer.from(copy).equals(bytes)) t.fail('a view is encoded like its value')
  })
})

/** All that a view shows. */
function plain(view: unknown): unknown {
  if (typeof view !== 'object' || view === null) return view
  if (Symbol.iterator in view) return [...(view as Iterable<unknown>)].map(plain)
  const names = Object.keys(Object.getPrototypeOf(view) as object)
  return Object.fromEntries(names.map((name) => [name, plain((view as Record<string, unknown>)[name])]))
}

const Each = layout({
  ...{ i8: 'i8', u8: 'u8', i16: 'i16', u16: 'u16', i32: 'i32', u32: 'u32' },
  ...{ i64: 'i64', u64: 'u64', f32: 'f32', f64: 'f64', truth: 'bool', label: text(4) },
} as const)
const each: LayoutValue<typeof Each> = {
  ...{ i8: -128, u8: 255, i16: -32768, u16: 65535, i32: -(2 ** 31), u32: 2 ** 32 - 1 },
  ...{ i64: -(2n ** 63n), u64: 2n ** 64n - 1n, f32: 1.5, f64: Math.PI, truth: true, label: 'aé' },
}

test('the extremes of each type arrive', (t) => {
  t.deepEqual(Each.decode(Each.encode(each)), each)
  const other = { ...each, i8: 127, i16: 32767, i32: 2 ** 31 - 1, i64: 2n ** 63n - 1n, f32: NaN }
  t.deepEqual(Each.decode(Each.encode(other)), other)
  t.is(Each.decode(Each.encode({ ...each, f32: 0.1 })).f32, Math.fround(0.1))
  t.is(Each.decode(Each.encode({ ...each, f32: -Infinity })).f32, -Infinity)
})

for (const [member, value, reason] of [
  ['i8', 128, '128 is no i8'],
  ['i8', -129, '-129 is no i8'],
  ['u8', 256, '256 is no u8'],
  ['u8', -1, '-1 is no u8'],
  ['i16', 32768, '32768 is no i16'],
  ['u16', 65536, '65536 is no u16'],
  ['i32', 2 ** 31, '2147483648 is no i32'],
  ['u32', 2 ** 32, '4294967296 is no u32'],
  ['u32', 0.5, '0.5 is no u32'],
  ['u32', NaN, 'NaN is no u32'],
  ['u32', 5n, 'bigint is no number'],
  ['u32', '5', 'string is no number'],
  ['u32', undefined, 'missing'],
  ['u32', null, 'null is no number'],
  ['i64', 5, 'number is no bigint'],
  ['i64', 2n ** 63n, '9223372036854775808 is no i64'],
  ['u64', -1n, '-1 is no u64'],
  ['u64', 2n ** 64n, '18446744073709551616 is no u64'],
  ['f32', 1e39, '1e+39 is no f32'],
  ['f64', '1', 'string is no number'],
  ['truth', 1, 'number is no boolean'],
  ['truth', undefined, 'missing'],
  ['label', 'abcde', '5 bytes of UTF-8, at most 4'],
  ['label', '€€', '6 bytes of UTF-8, at most 4'],
  ['label', '\ud800', 'text with a lone surrogate'],
  ['label', 'a\0b', 'text with a zero character'],
  ['label', 5, 'number is no string'],
] as const) {
  test(`${member}: ${JSON.stringify(reason)} for what cannot be encoded`, (t) => {
    const error = t.throws(() => Each.encode({ ...each, [member]: value }), { instanceOf: IpcError })
    t.like(error, { code: 'ERR_INVALID_PAYLOAD', message: `${member}: ${reason}` })
  })
}

test('an error names the way to what cannot be encoded', (t) => {
  const fails = (value: unknown, message: string) => {
    t.throws(() => Detections.encode(value as Detections), { code: 'ERR_INVALID_PAYLOAD', message })
  }
  const long = { ...cup, label: 'x'.repeat(20) }
  fails({ ...full, items: [cup, cup, cup, long] }, 'items[3].label: 20 bytes of UTF-8, at most 16')
  fails({ ...full, items: [cup, { ...cup, x: undefined }] }, 'items[1].x: missing')
  fails({ ...full, items: [cup, undefined] }, 'items[1]: missing')
  fails({ ...full, items: [, cup] }, 'items[0]: missing')
  fails({ ...full, items: new Set() }, 'items: Set is no array')
  fails({ ...full, items: Array.from({ length: 51 }, () => cup) }, 'items: 51 items, at most 50')
  fails({ ...full, tags: ['a', 'long'] }, 'tags[1]: 4 bytes of UTF-8, at most 3')
  fails({ ...full, tags: undefined }, 'tags: missing')
  fails({ ...full, camera: 5 }, 'camera: number is no record')
  fails({ ...full, camera: undefined }, 'camera: missing')
  fails(null, 'null is no record')
  fails(undefined, 'missing')
})

test('values of another realm, of classes and with getters are encoded', (t) => {
  const other = vm.runInNewContext(`({
    frameId: 5n, takenAt: 1, camera: { name: 'a', fov: 1 },
    items: [{ id: 1, x: 1, y: 1, seen: false, label: 'b' }], tags: [],
  })`) as Detections
  t.is(Detections.decode(Detections.encode(other)).items[0].label, 'b')
  class Lens {
    readonly name = 'lens'
    get fov() {
      // A value may be encoded while another one is.
      return Camera.decode(Camera.encode({ name: 'inner', fov: 12 })).fov
    }
  }
  t.deepEqual(Camera.decode(Camera.encode(new Lens())), { name: 'lens', fov: 12 })
  const thrown = new Error('broken')
  const failing = { name: 'a', get fov(): number { throw thrown } }
  const error = t.throws(() => Camera.encode(failing), { code: 'ERR_INVALID_PAYLOAD' })
  t.like(error, { message: 'fov: reading it failed: broken', cause: thrown })
  t.is(Camera.decode(Camera.encode({ name: 'after', fov: 1 })).name, 'after')
})

// ---- bytes ----

test('bytes that are no record are refused with the way to what is wrong', (t) => {
  const broken = (at: number, ...values: number[]) => {
    const bytes = bytesOfFull.slice()
    bytes.set(values, at)
    return bytes
  }
  for (const [bytes, message] of [
    [broken(28, 51), 'items: 51 items, at most 50'],
    [broken(28, 0xff, 0xff, 0xff, 0xff), 'items: 4294967295 items, at most 50'],
    [broken(32 + 32 + 12, 2), 'items[1].seen: 2 is no bool'],
    [broken(32 + 13, 0xff), 'items[0].label: text that is no UTF-8'],
    [broken(16, 0xc3, 0x28), 'camera.name: text that is no UTF-8'],
    [broken(1636, 0xe2, 0x82), 'tags[0]: text that is no UTF-8'],
  ] as const) {
    t.throws(() => Detections.decode(bytes), { instanceOf: IpcError, code: 'ERR_INVALID_PAYLOAD', message })
    const view = Detections.view(bytes)
    t.throws(() => plain(view), { instanceOf: IpcError, code: 'ERR_INVALID_PAYLOAD', message })
    t.is(view.takenAt, 1.5)
  }
  for (const length of [0, Detections.size - 1, Detections.size + 1]) {
    const expected = { code: 'ERR_INVALID_PAYLOAD', message: `${length} bytes, the layout has 1648` }
    t.throws(() => Detections.decode(new Uint8Array(length)), expected)
    t.throws(() => Detections.view(new Uint8Array(length)), expected)
  }
  t.throws(() => Detections.decode([] as never), { instanceOf: TypeError })
})

test('a text ends at its first zero or with its place', (t) => {
  const Label = layout({ label: text(4) })
  const read = (...bytes: number[]) => Label.decode(Uint8Array.from(bytes)).label
  t.is(read(0x61, 0, 0xff, 0x62), 'a')
  t.is(read(0x61, 0, 0x62, 0x63), 'a')
  t.is(read(0x61, 0x62, 0x63, 0x64), 'abcd')
  t.is(read(0xf0, 0x9f, 0xa6, 0x80), '🦀')
  t.is(read(0, 0, 0, 0), '')
  t.is(read(0xef, 0xbb, 0xbf, 0x61), '\ufeffa')
  const Long = layout({ label: text(100) })
  for (const label of ['x'.repeat(24), 'x'.repeat(25), 'x'.repeat(100), 'é'.repeat(50)]) {
    t.is(Long.decode(Long.encode({ label })).label, label)
  }
})

test('a view reads single members, from the bytes as they are', (t) => {
  const bytes = bytesOfFull.slice()
  const view = Detections.view(bytes)
  t.is(view.frameId, 2n ** 64n - 1n)
  t.is(view.camera.fov, 90)
  const { items } = view
  t.is(items.length, 2)
  t.is(items.at(0)!.label, 'cup')
  t.is(items.at(-1)!.id, 8)
  for (const index of [2, -3, 50, Infinity]) t.is(items.at(index), undefined)
  t.is(items.at(NaN)!.id, 7)
  t.deepEqual([...view.tags], ['abc'])
  t.deepEqual([...items].map(({ id }) => id), [7, 8])
  bytes[32] = 9
  t.is(items.at(0)!.id, 9)
  t.throws(() => Object.assign(view, { takenAt: 5 }), { instanceOf: TypeError })
  const more: LayoutListView<string> = view.tags
  t.is(more.at(5), undefined)
})

// ---- layouts that grow ----

test('a reader reads what it shares with an earlier and with a later writer', (t) => {
  const V1 = layout({ id: 'u32', label: text(3) })
  const V2 = layout({ id: 'u32', label: text(3), on: 'bool', items: list(Detection, 2) })
  const older = readerOf(V2, V1.description)
  const bytes = V1.encode({ id: 5, label: 'abc' })
  t.is(older.size, 8)
  const read = older.decode(bytes)
  t.deepEqual(read as unknown, { id: 5, label: 'abc' })
  const view = older.view(bytes)
  t.deepEqual([view.id, view.on, view.items], [5, undefined, undefined] as never)
  t.throws(() => older.decode(new Uint8Array(V2.size)), { code: 'ERR_INVALID_PAYLOAD' })
  const newer = readerOf(V1, V2.description)
  const later = V2.encode({ id: 6, label: 'd', on: true, items: [] })
  t.deepEqual(newer.decode(later), { id: 6, label: 'd' })
  t.is(newer.view(later).label, 'd')
  t.is(readerOf(V1, V1.description).decode(bytes).id, 5)
})

test('a description that is none is refused', (t) => {
  const whole = Detections.description
  for (const wrong of [
    ...['', '{}', '{}0', '{a:u8@0}', '{a:u8@1}1', '{a:u8@0}2', '{a:u8@0}1 ', ' {a:u8@0}1', '{a:u9@0}1'],
    ...['{a:u8@0,}1', '{a:text[0]@0}0', '{a:text[01]@0}1', '{a:[u8;0]@0/4}4', '{a:[u8;1]@0}8'],
    ...['{a:u8@0,a:u8@1}2', '{int:u8@0}1', '{a:[u8;1]@0/4}8x', '{a:text[99999999999]@0}1'],
    ...[`${'{a:'.repeat(17)}u8@0${'}1@0'.repeat(16)}}1`, '{a:u8@0}01', 'toString'],
    whole.slice(0, -1), whole.replace('@28', '@29'), whole.replace('u32@0', 'u32@00'),
  ]) {
    const error = t.throws(() => readerOf(Camera, wrong), { instanceOf: IpcError }, wrong)
    t.like(error, { code: 'ERR_LAYOUT' })
    t.regex(error.message, /^this describes no layout: /)
  }
})

test('random descriptions with one letter changed are refused, or are another layout', async (t) => {
  await eachSeed(t, 200, (r) => {
    const { description } = anyLayout(r).layout
    const at = r.below(description.length)
    const changed = description.slice(0, at) + r.pick([...'{}[]@/:;,019au']) + description.slice(at + 1)
    try {
      if (parse(changed).text !== changed) t.fail(changed)
    } catch (error) {
      if ((error as IpcError).code !== 'ERR_LAYOUT') throw error
    }
  })
})

// ---- as a codec ----

test('a layout is the codec of a method', async (t) => {
  const server = await createServer('layouts')
  const Find = method('find', { codec: Detections })
  server.handle(Find, ({ items, ...rest }) => ({ ...rest, items: items.toReversed() }))
  const client = await connect('layouts')
  try {
    const found = await client.request(Find, full)
    t.deepEqual(found, { ...full, items: full.items.toReversed() })
    const wrong = { ...full, items: [{ ...cup, id: -1 }] }
    const error = await t.throwsAsync(client.request(Find, wrong), { instanceOf: IpcError })
    t.like(error, { code: 'ERR_INVALID_PAYLOAD' })
    t.is(error.message, 'params: cannot be encoded as layout: items[0].id: -1 is no u32')
  } finally {
    await client.close()
    await server.close()
  }
})

test('layouts work where no code may be made at run time', (t) => {
  const program = `
    const { layout, list, text } = require('ringpost')
    const Path = layout({ label: text(3), points: list(layout({ x: 'f64' }), 2) })
    const bytes = Path.encode({ label: 'a', points: [{ x: 1 }, { x: 2 }] })
    let made = true
    try { Function('') } catch { made = false }
    console.log(made, Path.decode(bytes).points[1].x, Path.view(bytes).points.at(0).x)`
  const args = ['--disallow-code-generation-from-strings', '-e', program]
  const cwd = dirname(createRequire(import.meta.url).resolve('ringpost/package.json'))
  t.is(execFileSync(process.execPath, args, { cwd, encoding: 'utf8' }), 'false 2 1\n')
})
