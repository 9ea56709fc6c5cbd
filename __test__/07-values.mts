// What is sent is what arrives, or is refused with its place and the reason.

import vm from 'node:vm'
import { isDeepStrictEqual } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import { connect, event, json, messagePack, method, stream, type IpcError } from 'ringpost'
import { Echo, EchoBytes, EchoJson, Tick, Ticks } from './helpers/contracts.mjs'
import { serve, until } from './helpers/program.mjs'
import { eachSeed, type Random } from './helpers/random.mjs'
import { Numbers } from './helpers/streams.mjs'

const server = await serve()
// Some tests take so long at a stretch that a client that comes meanwhile is given up.
const client = await connect(server.name)
test.after.always(() => client.close())
const { encode, decode } = messagePack
const through = (value: unknown) => decode(encode(value)) as unknown

/** Compares what `deepEqual` of ava's takes for the same. */
function same(t: ExecutionContext, found: unknown, expected: unknown, note?: string): void {
  if (isDeepStrictEqual(found, expected)) t.pass()
  else t.deepEqual(found, expected, note)
}

// ---- what has a type of its own ----

const TIMES = [
  ...[0, 1, -1, 999, -999, 1_700_000_000_123, -1_700_000_000_123, 2 ** 32 * 1000 - 1],
  ...[2 ** 32 * 1000, 2 ** 34 * 1000 - 1, 2 ** 34 * 1000, 8.64e15, -8.64e15],
]

test('a Date is echoed to the millisecond', (t) => {
  for (const ms of TIMES) {
    const back = through({ at: new Date(ms) }) as { at: Date }
    t.true(back.at instanceof Date)
    t.is(back.at.getTime(), ms)
  }
  class Due extends Date {}
  same(t, through(new Due(5)), new Date(5))
  t.throws(() => encode({ at: new Date(NaN) }), { message: 'value.at: invalid Date cannot be sent' })
})

test('a timestamp from another language becomes a Date or is rejected', (t) => {
  const read = (...parts: number[]) => decode(Uint8Array.from(parts))
  same(t, read(0xd7, 0xff, 0x00, 0x1e, 0x84, 0x7c, 0, 0, 0, 1), new Date(1000))
  same(t, read(0xc7, 12, 0xff, 0x3b, 0x9a, 0xc9, 0xff, ...new Array<number>(8).fill(0xff)), new Date(-1))
  t.throws(() => read(0xc7, 12, 0xff, 0x3b, 0x9a, 0xca, 0, ...new Array<number>(8).fill(0)), {
    message: /1000000000 nanoseconds/,
  })
  t.throws(() => read(0xc7, 12, 0xff, 0, 0, 0, 0, 0x7f, ...new Array<number>(7).fill(0)), {
    message: /is no Date/,
  })
  t.throws(() => read(0xd5, 0xff, 1, 2), { message: 'a timestamp of 2 bytes' })
})

const ARRAYS: ArrayBufferView[] = [
  Int8Array.of(-128, 0, 127),
  Uint8ClampedArray.of(0, 255),
  Int16Array.of(-32_768, 1, 2, 3),
  Uint16Array.of(65_535),
  Int32Array.of(-1, 2 ** 31 - 1),
  Uint32Array.of(2 ** 32 - 1),
  Float32Array.of(0.5, -0, Infinity, NaN),
  Float64Array.of(0.1, -1e300, Number.MIN_VALUE),
  BigInt64Array.of(-(2n ** 63n), 5n),
  BigUint64Array.of(2n ** 64n - 1n),
  new Float64Array(0),
  new Float64Array(5_000).fill(1.25),
  new Int16Array(50_000).fill(-3),
]

test('typed arrays of every kind are echoed, at any offset', (t) => {
  for (const array of ARRAYS) {
    // In front of it so much that it lies in every place a word can have.
    for (let before = 0; before < 9; before++) {
      const sent = ['x'.repeat(before), array]
      same(t, through(sent), sent, array.constructor.name)
    }
  }
  const part = new Float64Array([1, 2, 3, 4]).subarray(1, 3)
  same(t, through(part), Float64Array.of(2, 3))
  const back = through(part) as Float64Array
  t.is(back.buffer.byteLength, 16, 'nothing but its elements')
})

test('ArrayBuffer, DataView and Buffer are echoed without the memory around them', (t) => {
  const memory = Uint8Array.of(1, 2, 3, 4, 5).buffer
  same(t, through(memory), memory)
  const view = through(new DataView(memory, 1, 3)) as DataView
  t.true(view instanceof DataView)
  same(t, new Uint8Array(view.buffer), Uint8Array.of(2, 3, 4))
  same(t, through(Buffer.from('abc')), new Uint8Array(Buffer.from('abc')))
  same(t, through(new Uint8Array(new SharedArrayBuffer(2))), new Uint8Array(2))
  const wrong = (...parts: number[]) => decode(Uint8Array.from(parts))
  t.throws(() => wrong(0xd4, 0x18, 1), { message: 'a Float64Array of 1 bytes' })
  t.throws(() => wrong(0xc7, 200, 0x18, 1), { message: 'the value ends too early' })
})

test('half-precision arrays are echoed where they exist', (t) => {
  const { Float16Array } = globalThis as { Float16Array?: { of(...of: number[]): unknown } }
  const payload = Uint8Array.of(0xd5, 0x20, 0x00, 0x3c)
  if (Float16Array === undefined) t.throws(() => decode(payload), { message: /no Float16Array/ })
  else same(t, decode(payload), Float16Array.of(1))
})

test('a detached buffer is rejected, not sent as empty', async (t) => {
  const payload = new Uint8Array(8)
  structuredClone(payload.buffer, { transfer: [payload.buffer] })
  t.throws(() => encode({ payload }), { message: /value.payload: ArrayBuffer with transferred memory/ })
  t.throws(() => encode(payload.buffer), { message: /transferred memory/ })
  const refused = { code: 'ERR_INVALID_PAYLOAD', message: /transferred memory/ }
  await t.throwsAsync(client.request(EchoBytes, payload), refused)
  same(t, through(new Uint8Array(0)), new Uint8Array(0))
})

test('a Map with text keys is sent as a record, any other is rejected', (t) => {
  same(t, through(new Map([['a', new Map([['b', 1]])]])), { a: { b: 1 } })
  t.throws(() => encode({ byId: new Map([[1, 'a']]) }), {
    message: `value.byId: ${refusedAs('Map with a key that is no text but number', 'MessagePack')}`,
  })
  t.throws(() => encode(new Map([['a', new Map([['b', new Set()]])]])), {
    message: `value.a.b: ${refusedAs('Set', 'MessagePack')}`,
  })
  const map = new Map<string, unknown>([['a', { toJSON: () => map.set('b', 2) && 1 }]])
  same(t, through(map), { a: 1 }, 'it grew while it was read')
  map.set('a', map)
  t.throws(() => encode(map), { message: `value.a: ${refusedAs('cycle', 'MessagePack')}` })
})

// ---- what cannot be carried ----

class Empty {}
class Hidden {
  #secret = 1
  get secret() {
    return this.#secret
  }
}

const REFUSED: [value: unknown, kind: string][] = [
  [new Set([1]), 'Set'],
  [new WeakMap(), 'WeakMap'],
  [new WeakSet(), 'WeakSet'],
  [new WeakRef({}), 'WeakRef'],
  [Promise.resolve(1), 'Promise'],
  [/x/, 'RegExp'],
  [new Error('e'), 'Error'],
  [Object.assign(new TypeError('e'), { code: 'E' }), 'Error'],
  [new DOMException('e'), 'DOMException'],
  [() => 1, 'function'],
  [class {}, 'function'],
  [Symbol('s'), 'symbol'],
  [new Number(1), 'Number object'],
  [new String('s'), 'String object'],
  [Object(1n), 'BigInt object'],
  [new SharedArrayBuffer(1), 'SharedArrayBuffer'],
  [[1].values(), 'Array Iterator'],
  [new Map().entries(), 'Map Iterator'],
  [(function* () {})(), 'Generator'],
  [new Empty(), 'Empty without fields of its own'],
  [new Hidden(), 'Hidden without fields of its own'],
  [new Proxy(new Map([['a', 1]]), {}), 'Map without fields of its own'],
  [2n ** 64n, 'bigint of more than 64 bits'],
]

/** What the codec structuredClone carries, of these. */
const CLONED = /^(Map( with a key .*)?|Set|RegExp|Error|\w+ object|bigint of .*|cycle)$/

/** The end of an error about a value of this kind. */
function refusedAs(kind: string, format: string): string {
  if (kind.endsWith(' fields of its own')) return `${kind} cannot be sent`
  return `${kind} cannot be sent as ${format}${CLONED.test(kind) ? '; use the codec structuredClone' : ''}`
}

test('an error names the path and the type of a value that cannot be encoded', async (t) => {
  for (const [value, kind] of REFUSED) {
    const message = `params.list[1].tags: ${refusedAs(kind, 'MessagePack')}`
    const error = await t.throwsAsync<IpcError>(
      client.request(Echo, { list: [0, { tags: value }] }),
      { code: 'ERR_INVALID_PAYLOAD', message },
    )
    t.true(error.cause instanceof TypeError)
    t.is((error.cause as TypeError).message, message)
    t.throws(() => encode(value), { message: `value: ${refusedAs(kind, 'MessagePack')}` })
  }
  t.deepEqual(await client.request(Echo, { list: [1] }), { list: [1] })
})

test('a path begins with the kind of message', async (t) => {
  const refused = (message: string) => ({ code: 'ERR_INVALID_PAYLOAD', message })
  const odd = { 'a b': new Set() }
  t.throws(() => client.notify('tick', odd), refused(`payload["a b"]: ${refusedAs('Set', 'MessagePack')}`))
  await t.throwsAsync(client.send('tick', odd), refused(`payload["a b"]: ${refusedAs('Set', 'MessagePack')}`))
  t.throws(() => client.requestSync(Echo, odd), refused(`params["a b"]: ${refusedAs('Set', 'MessagePack')}`))
  const numbers = client.stream(Numbers, ['items', 1])
  t.throws(() => numbers.write(odd as never), refused(`item["a b"]: ${refusedAs('Set', 'MessagePack')}`))
  client.handle('odd', () => odd)
  const back = { name: 'odd', payload: null }
  t.is(await client.request(method<unknown, string>('request-back'), back), 'ERR_INVALID_PAYLOAD')
  await t.throwsAsync(client.request(EchoBytes, odd as never), refused('params: Object is no Uint8Array'))
  const Custom = method('echo', { codec: { name: 'odd', encode: () => 'text' as never, decode } })
  await t.throwsAsync(
    client.request(Custom, 1),
    refused('params: the codec odd returned string instead of a Uint8Array'),
  )
})

test('a long path is shortened in the middle', (t) => {
  let value: unknown = new Set()
  for (let level = 0; level < 60; level++) value = { ['k'.repeat(100)]: [value] }
  const { message } = t.throws(() => encode(value))
  t.true(message.length < 1200, message)
  t.regex(message, /^value\["k{60}…"\]\[0\].*\]…(\["k{60}…"\]\[0\]){2}: Set cannot be sent as/)
})

test('class instances are sent as records of their fields', (t) => {
  class Point {
    x = 1
    y: number | undefined
    #hidden = 3
    get sum() {
      return this.x + this.#hidden
    }
  }
  same(t, through(new Point()), { x: 1 })
  same(t, through(Object.create(null)), {})
  same(t, through(Object.assign(Object.create({ inherited: 1 }) as object, { own: 2 })), { own: 2 })
  same(t, through(new Proxy({ a: 1 }, {})), { a: 1 })
  same(t, through(new Proxy([1, 2], {})), [1, 2])
})

test('toJSON replaces a value, once', (t) => {
  const again = { toJSON: () => ({ toJSON: 1, a: new Date(1) }) }
  same(t, through({ again }), { again: { toJSON: 1, a: new Date(1) } })
  same(t, through(new URL('file:///x')), 'file:///x')
  class Tags extends Set<string> {
    toJSON() {
      return [...this]
    }
  }
  same(t, through(new Tags(['a'])), ['a'])
  const self = { a: 1, toJSON: () => self }
  t.throws(() => encode(self), { message: 'value.toJSON: function cannot be sent as MessagePack' })
})

test('an error names the path of a property that throws', (t) => {
  const failing = {
    get it(): never {
      throw new Error('not now')
    },
  }
  const error = t.throws(() => encode([failing]))
  t.is(error.message, 'value[0].it: reading it failed: not now')
  t.like(error.cause, { message: 'not now' })
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  t.throws(() => encode({ proxy }), { message: /^value\.proxy: reading it failed/ })
  same(t, through({ fine: true }), { fine: true })
})

// ---- text ----

const LONE = ['\ud800', 'a\udc00b', `${'x'.repeat(300)}\ud83e`, `\udd80${'é'.repeat(30)}`]

test('a lone surrogate is rejected in values and in keys', (t) => {
  for (const text of LONE) {
    t.throws(() => encode([text]), { message: 'value[0]: text with a lone surrogate cannot be sent' })
    t.throws(() => encode({ [text]: 1 }), { message: /^value\[".*"\]: text with a lone surrogate/s })
    t.throws(() => encode(new Map([[text, 1]])), { message: /text with a lone surrogate/ })
    t.is(json.decode(json.encode(text)), text, 'JSON has a way to write them')
  }
  for (const text of ['🦀', '\ufffd', `${'🦀'.repeat(40)}`, '\u{10ffff}', 'é\u{800}\u{7ff}\uffff']) {
    t.is(through(text), text)
  }
})

test('names are valid Unicode text', (t) => {
  for (const text of LONE.slice(0, 2)) {
    t.throws(() => method(text), { instanceOf: RangeError, message: /lone surrogate/ })
    t.throws(() => event(text), { instanceOf: RangeError })
    t.throws(() => stream(text), { instanceOf: RangeError })
  }
  for (const control of ['a\nb', '\0', '\x7f', '\x85']) {
    t.throws(() => method(control), { instanceOf: RangeError, message: /control character/ })
  }
  t.is(method('é\u202e🦀').name, 'é\u202e🦀')
})

test('invalid UTF-8 is rejected as text', (t) => {
  const text = (...bytes: number[]) => decode(Uint8Array.of(0xa0 | bytes.length, ...bytes))
  for (const wrong of [[0xff], [0xc3], [0xed, 0xa0, 0x80], [0xc0, 0x80], [0xf4, 0x90, 0x80, 0x80]]) {
    t.throws(() => text(...wrong), { message: 'a text that is no UTF-8' })
  }
  t.is(text(0xef, 0xbf, 0xbd), '\ufffd')
})

// ---- how much ----

test('lists and records decode up to the length that can be encoded', (t) => {
  const list = (length: number) => new Array<number>(length).fill(0)
  const most = Math.floor((1_000_000 + 5 / 8) / (1 - 1 / 8))
  const sent = encode(list(most))
  t.is((decode(sent) as unknown[]).length, most)
  t.throws(() => encode(list(most + 2)), { message: /items and fields cannot be sent/ })
  const claim = Buffer.alloc(5 + most + 2)
  claim[0] = 0xdd
  claim.writeUInt32BE(most + 2, 1)
  t.throws(() => decode(claim), { message: /items and fields in/ })
  const inner = Buffer.concat([Buffer.of(0x92), claim, claim])
  t.throws(() => decode(inner), { message: /items and fields in/ }, 'all lists together')
  t.throws(() => encode(new Array(2 ** 32 - 1)), { message: /items cannot be sent/ })
  t.notThrows(() => encode(new Float64Array(2 ** 21)), 'typed arrays are one value')
})

test('the number of records and doubles is not limited', (t) => {
  const points = Array.from({ length: 400_000 }, (_, x) => ({ x: x + 0.5, y: 0.25 }))
  t.is((through(points) as unknown[]).length, points.length)
  t.is((through(new Array(1_500_000).fill(0.5)) as unknown[]).length, 1_500_000)
})

// ---- reading something that writes ----

test('a getter read while encoding may send messages', async (t) => {
  const tail = 'end'
  const inner = () => {
    client.notify(Tick, ['inner', 1])
    messagePack.encode({ a: 'side trip' })
    json.encode({ a: 'side trip' })
    t.throws(() => messagePack.encode(new Set()))
    return client.requestSync(Echo, { deep: 'x'.repeat(10_000) })
  }
  const sent = {
    ...{ id: 'x'.repeat(30), long: 'y'.repeat(20_000) },
    when: { toJSON: () => (inner(), 'T') },
    get now() {
      inner()
      return 1
    },
    proxy: new Proxy({}, { ownKeys: () => (inner(), []) }),
    tail,
  }
  const expected = { id: sent.id, long: sent.long, when: 'T', now: 1, proxy: {}, tail }
  for (const Contract of [Echo, EchoJson]) {
    t.deepEqual(await client.request(Contract, sent), expected)
    t.deepEqual(client.requestSync(Contract, sent), expected)
  }
  await until('all have come', async () => (await client.request(Ticks, 'inner')).length >= 12)
  const failing = {
    get it(): never {
      inner()
      throw new Error('not now')
    },
  }
  await t.throwsAsync(client.request(Echo, failing), { message: /params\.it: reading it failed/ })
  t.deepEqual(await client.request(Echo, { tail }), { tail })
})

test('an item that ends its stream while it is encoded is not written', async (t) => {
  const items = client.stream(stream<void, any, any, number>('echoed'))
  const last = {
    get x() {
      items.end()
      return 1
    },
  }
  t.throws(() => items.write(last), { code: 'ERR_CANCELLED' })
  t.is(await items.result, 0)
})

test('a getter is read once, and an undefined property leaves no gap', async (t) => {
  for (const Contract of [Echo, EchoJson]) {
    let reads = 0
    const sent = {
      get once() {
        return reads++ === 0 ? 'value' : undefined
      },
      tail: 1,
    }
    t.deepEqual(await client.request(Contract, sent), { once: 'value', tail: 1 })
    t.is(reads, 1)
  }
  for (const length of [15, 16, 17, 300, 70_000]) {
    const sent = Object.fromEntries(
      Array.from({ length }, (_, at) => [`k${at}`, at % 2 ? undefined : at] as const),
    )
    const expected = Object.fromEntries(Object.entries(sent).filter(([, at]) => at !== undefined))
    same(t, through(sent), expected)
    t.is(encode(sent).length, encode(expected).length, 'no longer than need be')
    same(t, json.decode(json.encode(sent)), expected)
  }
})

test('bytes returned by encode() belong to the caller', (t) => {
  for (const codec of [messagePack, json]) {
    const [first, second] = [codec.encode({ a: 1 }), codec.encode({ b: 2 })]
    t.deepEqual(codec.decode(first), { a: 1 })
    t.deepEqual(codec.decode(second), { b: 2 })
    t.is(first.buffer.byteLength, first.length)
  }
})

// ---- JSON ----

/** What MessagePack carries, of what JSON does not. */
const PACKED = /^(Date|bigint|NaN|-Infinity|ArrayBuffer|DataView|\w+Array)$/
const packed = (kind: string) => `${kind} cannot be sent as JSON; use the codec messagePack`

test('an error names the path of a value that JSON cannot represent', async (t) => {
  const views = [new Uint8Array(1), new Float32Array(1), new DataView(new ArrayBuffer(1))]
  const kinds = ['Uint8Array', 'Float32Array', 'DataView']
  const all: [unknown, string][] = [
    ...REFUSED.filter(([, kind]) => !/bigint|without/.test(kind)),
    ...views.map((view, at) => [view, kinds[at]] as [unknown, string]),
    ...([
      [new Map([['a', 1]]), 'Map'],
      [Buffer.from('a'), 'Uint8Array'],
      [new Date(5), 'Date'],
      [new Date(NaN), 'Date'],
      [new ArrayBuffer(1), 'ArrayBuffer'],
      [NaN, 'NaN'],
      [-Infinity, '-Infinity'],
      [5n, 'bigint'],
    ] as [unknown, string][]),
  ]
  for (const [value, kind] of all) {
    await t.throwsAsync(client.request(EchoJson, { list: [0, { it: value }] }), {
      code: 'ERR_INVALID_PAYLOAD',
      message: `params.list[1].it: ${PACKED.test(kind) ? packed(kind) : refusedAs(kind, 'JSON')}`,
    })
  }
  t.throws(() => json.encode({ it: new Empty() }), { message: /value\.it: Empty without fields/ })
  const circle: unknown[] = []
  circle.push(circle)
  t.throws(() => json.encode([{ circle }]), { message: `value[0].circle[0]: ${refusedAs('cycle', 'JSON')}` })
})

test('other values are encoded like JSON.stringify', (t) => {
  const texts = ['', '"', '\\', '\n\0\x1f', 'é漢🦀', '\u2028', 'x'.repeat(100), '\x7f', '/']
  const values = [
    ...[...texts, 0, 1e21, 1e-7, 0.1, 5e-324, -5, 2 ** 53, true, null, [], {}, [[]], [{}]],
    ...[{ a: undefined, b: [undefined] }, { toJSON: 1 }, new URL('file:///x')],
    ...[{ __proto__: null, a: 1 }, { ['__proto__']: 1 }],
    ...[[1, [2, [3]], { a: { b: [] } }], Object.fromEntries(texts.map((text) => [text, text]))],
  ]
  for (const value of values) t.is(Buffer.from(json.encode(value)).toString(), JSON.stringify(value))
  t.is(Buffer.from(json.encode(undefined)).toString(), 'null')
  t.is(json.decode(json.encode(-0)), -0)
})

test('the number of values is limited in JSON too', (t) => {
  const dense = Buffer.from(`[${'0,'.repeat(1_500_000)}0]`)
  t.throws(() => json.decode(dense), { message: /more than .* items and fields/ })
  const text = JSON.stringify(['a,b[{\\"'.repeat(400_000)])
  t.is((json.decode(Buffer.from(text)) as string[]).length, 1)
})

test('what is encoded as JSON has the limits of what is decoded', (t) => {
  const list = (length: number) => new Array<number>(length).fill(0)
  const most = Math.floor((1_000_000 + 1 / 8) / (1 - 2 / 8))
  t.is((json.decode(json.encode(list(most))) as unknown[]).length, most)
  const message = /items and fields cannot be sent/
  t.throws(() => void json.encode(list(most + 2)), { message })
  const fields = Array.from({ length: 300_000 }, () => ({ a: 0, b: [], c: {}, d: undefined }))
  t.is((json.decode(json.encode(fields)) as unknown[]).length, fields.length)
  const empty = Array.from({ length: 800_000 }, () => [])
  t.throws(() => void json.encode(empty), { message })
  t.throws(() => void json.decode(Buffer.from(JSON.stringify(empty))), { message: /items and fields in/ })
  t.throws(() => void json.encode(new Array(2 ** 32 - 1)), { message: /items cannot be sent/ })
})

test('what is decoded from JSON is nested no deeper than what is encoded', (t) => {
  const message = /nested more than 128 deep/
  for (const [open, close] of [['[', ']'], ['{"a":', '}'], ['[0,{"b":0,"a":', '}]']]) {
    const levels = open.startsWith('[0') ? 2 : 1
    const nested = (depth: number) =>
      Buffer.from(`${open.repeat(depth / levels)}0${close.repeat(depth / levels)}`)
    const deepest = json.decode(nested(128))
    t.is(Buffer.from(json.encode(deepest)).toString(), nested(128).toString())
    t.throws(() => void json.decode(nested(130)), { message })
    t.throws(() => void json.decode(nested(100_000)), { message })
  }
  t.throws(() => json.decode(Buffer.from(`${'['.repeat(129)}${']'.repeat(129)}`)), { message })
  t.is((json.decode(Buffer.from(`[${'[],'.repeat(1_000)}"[[["]`)) as unknown[]).length, 1_001)
})

// ---- other realms ----

test('values of another realm are encoded like those of this one', async (t) => {
  const other = vm.createContext({})
  const of = (text: string) => vm.runInContext(text, other) as unknown
  const expected: [string, unknown][] = [
    ['new Map([["a", 1]])', { a: 1 }],
    ['new Uint8Array([1, 2])', Uint8Array.of(1, 2)],
    ['new Uint8Array(0)', new Uint8Array(0)],
    ['new Float64Array([0.5])', Float64Array.of(0.5)],
    ['new DataView(new ArrayBuffer(2))', new DataView(new ArrayBuffer(2))],
    ['new ArrayBuffer(3)', new ArrayBuffer(3)],
    ['new Date(7)', new Date(7)],
    ['[1, { a: [] }]', [1, { a: [] }]],
    ['({})', {}],
    ['Object.create(null)', {}],
    ['new (class A { b = 1 })', { b: 1 }],
  ]
  for (const [text, value] of expected) same(t, await client.request(Echo, of(text)), value, text)
  const kinds = ['Set', 'WeakMap', 'Promise', 'RegExp', 'Error', 'SharedArrayBuffer']
  const makes = ['new Set()', 'new WeakMap()', 'Promise.resolve()', '/a/', 'new Error()']
  for (const [at, text] of [...makes, 'new SharedArrayBuffer(1)'].entries()) {
    t.throws(() => encode(of(text)), { message: `value: ${refusedAs(kinds[at], 'MessagePack')}` })
  }
  const raw = of('new Uint8Array([1, 2])') as Uint8Array
  same(t, await client.request(EchoBytes, raw), Uint8Array.of(1, 2))
  const shared = of('new Uint8Array(new SharedArrayBuffer(100_000)).fill(3)') as Uint8Array
  same(t, await client.request(EchoBytes, shared), new Uint8Array(100_000).fill(3))
  const codec = { name: 'other', encode: () => raw, decode: () => 'read' }
  t.is(await client.request(method<any>('echo-bytes', { codec }), 1).catch((e: Error) => e.message),
    'params: encoded as a custom codec, but the contract\'s codec is bytes')
})

// ---- at random ----

const KINDS = ARRAYS.map((array) => array.constructor as new (of: ArrayBuffer) => ArrayBufferView)

function anyValue(r: Random, depth: number): unknown {
  const special = [
    () => new Date(r.below(2) ? r.pick(TIMES) : (r.next() - 0.5) * 1e14),
    () => {
      const make = r.pick(KINDS)
      return new make(new Uint8Array(r.bytes(8 * r.pick([0, 1, 2, 40]))).buffer)
    },
    () => new Uint8Array(r.bytes(r.below(40))).buffer,
    () => r.bytes(r.below(300)),
    () => r.next() * 10 ** r.below(30) * (r.below(2) || -1),
    () => r.below(2 ** 32) - r.below(2 ** 32),
    () => r.text(r.pick([0, 1, 23, 24, 25, 31, 32, 300])),
    () => r.pick([null, true, false, -0, NaN, Infinity, 2n ** 60n, -(2n ** 61n)]),
  ]
  if (depth > 4 || r.below(3) > 0) return r.pick(special)()
  const length = r.pick([0, 1, 5, 16])
  if (r.below(2)) return Array.from({ length }, () => anyValue(r, depth + 1))
  const entry = (_: unknown, at: number) => [`${at}${r.text(r.below(30))}`, anyValue(r, depth + 1)]
  return Object.fromEntries(Array.from({ length }, entry))
}

test('decoding inverts encoding, also after encoding again', (t) =>
  eachSeed(t, 1000, (r) => {
    const value = anyValue(r, 0)
    const payload = encode(value)
    const back = decode(payload) as unknown
    if (!isDeepStrictEqual(back, value)) t.deepEqual(back, value)
    if (Buffer.compare(encode(back), payload) !== 0) throw new Error('other bytes')
  }))

test('bytes of all kinds are echoed by another process', (t) =>
  eachSeed(t, 100, async (r) => {
    const value = anyValue(r, 0)
    same(t, await client.request(Echo, value), value)
  }))
