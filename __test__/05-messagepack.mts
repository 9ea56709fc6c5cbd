// Values and bytes: our MessagePack against a library everyone knows, and the other codecs.

import { isDeepStrictEqual } from 'node:util'
import { Decoder, Encoder } from '@msgpack/msgpack'
import ava, { type ExecutionContext } from 'ava'
import { bytes, encoded, json, messagePack, method, type IpcError } from 'ringpost'
import { Echo, EchoJson, RequestBack, Tally, Unchecked } from './helpers/contracts.mjs'
import { serve } from './helpers/program.mjs'
import { eachSeed, type Random } from './helpers/random.mjs'

// One after the other: values in thousands keep the loop from turning, and a handshake has to.
const test = ava.serial
const server = await serve()

const twinEncoder = new Encoder({ useBigInt64: true, ignoreUndefined: true, maxDepth: 1000 })
const twinDecoder = new Decoder({ useBigInt64: true })

const { encode, decode } = messagePack
const encodeCopy = (value: unknown) => new Uint8Array(encode(value))

const EDGES = [
  0, 1, 31, 32, 127, 128, 255, 256, 65_535, 65_536, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32,
  2 ** 53 - 1, 2 ** 53, 2 ** 53 + 2, 2 ** 63, 2 ** 64, 1.5, 0.1, Number.MAX_VALUE,
  Number.MIN_VALUE, Infinity,
].flatMap((value) => [value, -value, -value - 1])
const BIG_EDGES = [0n, 1n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 63n - 1n, 2n ** 64n - 1n, -(2n ** 63n)]

/** What a decoded value is expected to be: whole numbers are numbers where they are exact. */
function plain(value: unknown): unknown {
  if (typeof value === 'bigint') {
    return Number.isSafeInteger(Number(value)) ? Number(value) : value
  }
  if (value instanceof Uint8Array) return new Uint8Array(value)
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]))
}

function agrees(t: ExecutionContext, value: unknown, note: string): void {
  const ours = encodeCopy(value)
  const expected = plain(value)
  const ways = {
    'ours to ours': decode(ours) as unknown,
    'ours to the twin': plain(twinDecoder.decode(ours)),
    'the twin to ours': decode(twinEncoder.encode(value)) as unknown,
  }
  for (const [way, found] of Object.entries(ways)) {
    if (!isDeepStrictEqual(found, expected)) t.deepEqual(found, expected, `${note}: ${way}`)
  }
  t.pass()
}

function anyValue(r: Random, depth: number): unknown {
  const kinds = depth > 4 ? 8 : 11
  switch (r.below(kinds)) {
    case 0:
      return null
    case 1:
      return r.below(2) === 0
    case 2:
      return r.pick(EDGES) || 0
    case 3:
      return r.pick(BIG_EDGES)
    case 4:
      return r.next() * 10 ** r.below(20)
    case 5:
      return Math.round((r.next() - 0.5) * 2 ** r.below(54)) || 0
    case 6:
      return r.text(r.pick([0, 5, 24, 25, 31, 32, 255, 256, 300]))
    case 7:
      return r.bytes(r.pick([0, 1, 255, 256, 1000]))
    case 8:
      return Array.from({ length: r.pick([0, 3, 15, 16, 20]) }, () => anyValue(r, depth + 1))
    default: {
      const length = r.pick([0, 2, 15, 16])
      const entry = (_: unknown, at: number) => [`${at}${r.text(4)}`, anyValue(r, depth + 1)]
      return Object.fromEntries(Array.from({ length }, entry))
    }
  }
}

test('numbers at every boundary are encoded as by the reference', (t) => {
  // The twin sends -0 as 0; ours keeps its sign.
  for (const value of EDGES) if (!Object.is(value, -0)) agrees(t, value, String(value))
  for (const value of BIG_EDGES) agrees(t, value, `${value}n`)
  t.is(decode(encode(-0)), -0)
  t.is(decode(encode(NaN)), NaN)
})

test('texts, bytes and lists at every boundary are encoded as by the reference', (t) => {
  for (const length of [0, 15, 16, 23, 24, 25, 31, 32, 255, 256, 65_535, 65_536]) {
    agrees(t, 'a'.repeat(length), `text of ${length}`)
    agrees(t, 'é'.repeat(length), `wide text of ${length}`)
    agrees(t, new Uint8Array(length).fill(7), `bytes of ${length}`)
    agrees(t, new Array(length).fill(1), `list of ${length}`)
    const entries = Array.from({ length }, (_, at) => [`k${at}`, at])
    agrees(t, Object.fromEntries(entries), `object of ${length}`)
  }
})

test('random values are encoded as by the reference', async (t) => {
  await eachSeed(t, 500, (r) => agrees(t, anyValue(r, 0), 'any value'))
})

test('records that come again have their own values, whatever was like them before', async (t) => {
  const names = [
    ...['a', 'b', 'ab', 'ba', '', '1', '0', 'length', 'toString', '__proto__', 'constructor', 'é'],
    ...['x'.repeat(31), 'x'.repeat(32), 'y'.repeat(40), `${'x'.repeat(30)}é`, 'x1', 'x2', '\u{1f600}'],
  ]
  await eachSeed(t, 20, (r) => {
    const shapes = Array.from({ length: 12 }, () =>
      Array.from({ length: r.below(30) }, () => names[r.below(names.length)]),
    )
    for (let round = 0; round < 200; round++) {
      // Duplicates as well: the last one counts.
      const fields = shapes[r.below(shapes.length)].map((name) => [name, r.below(1000)] as const)
      const differs = r.below(4) === 0 && fields.length > 0
      if (differs) fields[r.below(fields.length)] = ['other', { a: 1, b: [{ a: 2, b: 3 }] } as never]
      const found = decode(recordOf(fields)) as Record<string, unknown>
      const expected = Object.create(null) as Record<string, unknown>
      for (const [name, value] of fields) expected[name] = value
      t.deepEqual(Object.entries(found), Object.entries(expected))
      t.is(Object.getPrototypeOf(found), Object.prototype)
      for (const name of Object.keys(found)) found[name] = 'changed by its owner'
    }
  })
  const invalid = Uint8Array.of(0x81, 0xa2, 0xc3, 0x28, 0x01)
  for (let turn = 0; turn < 3; turn++) t.throws(() => decode(invalid), { message: /no UTF-8/ })
})

/** A record with these fields, in this order, even those of the same name. */
function recordOf(fields: (readonly [string, unknown])[]): Uint8Array {
  const parts = fields.flatMap(([name, value]) => [encodeCopy(name), encodeCopy(value)])
  return Buffer.concat([Uint8Array.of(0xde, fields.length >> 8, fields.length), ...parts])
}

test('values without a form of their own are encoded in the closest one', (t) => {
  const through = (value: unknown) => decode(encode(value)) as unknown
  t.is(through(undefined), null)
  t.deepEqual(through({ a: undefined, b: 1 }), { b: 1 })
  t.deepEqual(through([undefined]), [null])
  t.deepEqual(through([, 1]), [null, 1])
  t.deepEqual(through(new Map([['a', 1]])), { a: 1 })
  const prototype = through(JSON.parse('{"__proto__": {"evil": true}}')) as object
  t.is(Object.getPrototypeOf(prototype), Object.prototype)
  t.deepEqual(Object.keys(prototype), ['__proto__'])
})

test('values that cannot be encoded are rejected', (t) => {
  const circle: unknown[] = []
  circle.push(circle)
  t.throws(() => encode(circle), { message: /^value\[0\]: cycle cannot be sent/ })
  let deep: unknown[] = []
  for (let level = 0; level < 200; level++) deep = [deep]
  t.throws(() => encode(deep), { message: /: nested more than 128 deep$/ })
  t.throws(() => encode(Symbol('s')), { message: 'value: symbol cannot be sent as MessagePack' })
  t.throws(() => encode(() => 1), { message: 'value: function cannot be sent as MessagePack' })
  t.throws(() => encode(2n ** 64n), { message: /more than 64 bits/ })
  t.throws(() => encode(-(2n ** 63n) - 1n), { message: /more than 64 bits/ })
})

test('values are nested 128 levels deep at most', (t) => {
  const nested = (levels: number) => Uint8Array.of(...new Array<number>(levels).fill(0x91), 0x01)
  let value: unknown = 1
  for (let level = 0; level < 128; level++) value = [value]
  t.deepEqual(decode(nested(128)), value)
  t.deepEqual(encodeCopy(value), nested(128))
  t.throws(() => encode([value]), { message: /nested more than 128/ })
  t.throws(() => decode(nested(129)), { message: /nested more than 128/ })
  t.throws(() => decode(nested(100_000)), { message: /nested more than 128/ })
  let empty: unknown = {}
  for (let level = 1; level < 128; level++) empty = { a: empty }
  t.deepEqual(decode(encode(empty)), empty)
  t.throws(() => encode({ a: empty }), { message: /nested more than 128/ })
})

test('hostile bytes decode to a value or an error, in memory proportional to their length', async (t) => {
  await eachSeed(t, 2000, (r) => {
    const bytes = r.below(2) ? r.bytes(1 + r.below(40)) : encodeCopy(anyValue(r, 2))
    if (bytes.length > 0) bytes[r.below(bytes.length)] = r.below(256)
    const cut = bytes.subarray(0, r.below(bytes.length + 1))
    for (const hostile of [bytes, cut]) {
      try {
        decode(hostile)
      } catch (error) {
        if (!(error instanceof RangeError)) t.fail(String(error))
      }
    }
  })
  // A list, an object, a text and bytes that claim four thousand million parts.
  for (const tag of [0xdd, 0xdf, 0xdb, 0xc6]) {
    t.throws(() => decode(Uint8Array.of(tag, 255, 255, 255, 255, 1)), { instanceOf: RangeError })
  }
  t.throws(() => decode(new Uint8Array(0)), { instanceOf: RangeError })
  t.throws(() => decode(Uint8Array.of(1, 2)), { message: '1 bytes behind the value' })
  t.throws(() => decode(Uint8Array.of(0xc1)), { message: /no type of MessagePack/ })
  t.throws(() => decode(Uint8Array.of(0xd4, 1, 1)), { message: /extension type 1 is not known/ })
})

test('a bigint is echoed by another process', async (t) => {
  const client = await server.connect(t)
  for (const value of [2n ** 64n - 1n, -(2n ** 63n), 2n ** 53n]) {
    t.is(await client.request(Echo, value), value)
  }
  t.is(await client.request(Echo, 5n), 5)
})

test('JSON is echoed, and invalid JSON is rejected', async (t) => {
  const client = await server.connect(t)
  const value = { text: 'grüße', list: [1, null, { deep: true }] }
  t.deepEqual(await client.request(EchoJson, value), value)
  t.is(await client.request(EchoJson), null)
  const refused = { code: 'ERR_INVALID_PAYLOAD' }
  await t.throwsAsync(async () => client.request(EchoJson, 5n), refused)
  await t.throwsAsync(async () => client.request(EchoJson, () => 1), refused)
})

test("a codec other than the contract's is rejected by the peer", async (t) => {
  const client = await server.connect(t)
  const Mistaken = method('echo', { codec: json })
  const error = await t.throwsAsync(client.request(Mistaken, 1), { code: 'ERR_INVALID_PAYLOAD' })
  t.regex(error.message, /^params: encoded as json, but the contract's codec is messagePack$/)
})

test('a custom codec works in both directions, and its errors become causes', async (t) => {
  const client = await server.connect(t)
  t.is(await client.request(Tally, 4), 8)
  const refused = { code: 'ERR_INVALID_PAYLOAD' }
  const local = await t.throwsAsync(async () => client.request(Tally, 13), refused)
  t.like(local.cause, { message: 'unlucky' })
  const remote = await t.throwsAsync(client.request(Tally, 6.5), refused)
  t.like(remote.cause, { message: 'unlucky' })
  await t.throwsAsync(client.request(Tally, 14), { ...refused, message: /cannot be decoded/ })
  const answer = await t.throwsAsync(client.request(Tally, 7), refused)
  t.like(answer.cause, { message: 'illegible' })
  t.is(await client.request(Tally, 5), 10)
})

test('hostile bytes from another process fail only their own request', async (t) => {
  const client = await server.connect(t)
  await eachSeed(t, 5, async (r) => {
    const hostile = Array.from({ length: 100 }, () => r.bytes(r.below(30)))
    const answers = hostile.map(async (bytes) => {
      const found = await client.request(Unchecked, bytes).catch((error: IpcError) => error.code)
      let expected
      try {
        expected = decode(bytes)
      } catch {
        expected = 'ERR_INVALID_PAYLOAD'
      }
      t.deepEqual(found, expected)
    })
    await Promise.all(answers)
  })
  t.is(await client.request(Echo, 'alive'), 'alive')
})

test('what another codec has encoded is passed on as it is', async (t) => {
  const client = await server.connect(t)
  const Passed = method<Uint8Array, Uint8Array>('echo', { codec: encoded(messagePack) })
  // More than one way to write a number: nothing is decoded and encoded again on this side.
  const payload = Uint8Array.of(0xcd, 0, 1)
  t.deepEqual(await client.request(Passed, payload), messagePack.encode(1))
  const Front = method<Uint8Array, Uint8Array>('front', { codec: encoded(messagePack) })
  const seen: Uint8Array[] = []
  const registration = client.handle(Front, (params) => {
    seen.push(params)
    return params
  })
  const back = { name: 'front', payload: { text: 'x'.repeat(100) } }
  t.deepEqual(await client.request(RequestBack, back), back.payload)
  t.deepEqual(await client.request(RequestBack, { name: 'front', payload: 7 }), 7)
  t.deepEqual(seen, [messagePack.encode(back.payload), messagePack.encode(7)])
  registration.dispose()
  const PassedTally = method('tally', { codec: encoded(Tally.options.codec!) })
  t.deepEqual(await client.request(PassedTally, Buffer.from('4')), Uint8Array.from(Buffer.from('8')))
  t.is(encoded(bytes), bytes)
})

test('only bytes are passed on, and only to what has the same codec', async (t) => {
  const client = await server.connect(t)
  const Passed = method<any, any>('echo', { codec: encoded(messagePack) })
  await t.throwsAsync(client.request(Passed, { a: 1 }), {
    code: 'ERR_INVALID_PAYLOAD',
    message: 'params: cannot be encoded as messagePack: Object is no Uint8Array',
  })
  const Other = method('echo', { codec: encoded(json) })
  await t.throwsAsync(client.request(Other, Buffer.from('1')), { code: 'ERR_INVALID_PAYLOAD' })
})
