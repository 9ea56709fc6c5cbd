// PROTOCOL.md's test vectors, read from the document itself: what TypeScript writes and reads, and
// a second reader of frames that knows nothing but the document.

import { readFileSync } from 'node:fs'
import { connect as connectSocket } from 'node:net'
import { join } from 'node:path'
import test from 'ava'
import { bytes as raw, createServer, json, layout, list, messagePack, text } from 'ringpost'
import type { Codec, Layout, LayoutField, LayoutItem } from 'ringpost'
import { readerOf } from '../ts/values/layout.js'
import { parse as parseLayout, shared, type Type } from '../ts/values/layout-shape.js'
import { decodeError, encodeError } from '../ts/values/remote-error.js'
import { encode } from '../ts/values/msgpack.js'
import { decode } from '../ts/values/unpack.js'
import { traceBytes, traceText } from '../ts/values/trace.js'
import { directory } from './helpers/directory.mjs'

interface Vector {
  fields: Record<string, string>
  bytes: Buffer
}

const protocol = readFileSync(new URL('../../PROTOCOL.md', import.meta.url), 'utf8')
const vectors = [...protocol.matchAll(/```golden\n(.*?)```/gs)].map(([, block]) => parse(block))

function parse(block: string): Vector {
  const fields: Record<string, string> = {}
  let digits = ''
  for (const line of block.trimEnd().split('\n')) {
    const end = line.indexOf(' ')
    const [key, value] = [line.slice(0, end), line.slice(end + 1)]
    if (key === 'hex') digits += value.replaceAll(' ', '')
    else fields[key] = value
  }
  return { fields, bytes: Buffer.from(digits, 'hex') }
}

function ofType(...types: string[]): Vector[] {
  const found = vectors.filter(({ fields }) => types.includes(fields.type))
  if (found.length < types.length) throw new Error(`no vectors of the types ${types.join(', ')}`)
  return found
}

// ---- what TypeScript writes and reads ----

for (const { fields, bytes } of ofType('msgpack')) {
  test(`MessagePack: ${fields.name}`, (t) => {
    const value: unknown = JSON.parse(fields.json, (_, item: unknown) => revive(item))
    t.deepEqual(decode(bytes), value)
    t.is(Buffer.from(encode(value)).toString('hex'), bytes.toString('hex'))
  })
}

/** Values JSON has no words for: records with one key, which says what they are. */
function revive(item: unknown): unknown {
  const [[key, value] = ['', undefined]] = Object.entries<any>(item ?? {})
  if (typeof item === 'string' || !key.startsWith('$')) return item
  const kind = key.slice(1)
  if (kind === 'bytes') return new Uint8Array(Buffer.from(value, 'hex'))
  if (kind === 'bigint') return BigInt(value)
  if (kind === 'date') return new Date(value)
  if (kind === 'ArrayBuffer') return Uint8Array.from(value).buffer
  if (kind === 'DataView') return new DataView(Uint8Array.from(value).buffer)
  const array = (globalThis as unknown as Record<string, { from(values: unknown[]): unknown }>)[kind]
  return array.from(kind.startsWith('Big') ? (value as string[]).map(BigInt) : value)
}

for (const { fields, bytes } of ofType('frame')) {
  if (!fields.name.startsWith('a request without parameters')) continue
  test(`nothing: ${fields.name}`, (t) => {
    const codec = { bytes: raw, messagepack: messagePack, json }[fields.codec] as Codec<any>
    const payload = bytes.subarray(24)
    t.is(Buffer.from(codec.encode(undefined)).toString('hex'), payload.toString('hex'))
    t.deepEqual(codec.decode(payload), fields.codec === 'bytes' ? payload : null)
    if (codec !== raw) t.throws(() => codec.decode(new Uint8Array(0)))
  })
}

for (const { fields, bytes } of ofType('error')) {
  test(`errors: ${fields.name}`, (t) => {
    const error = decodeError(bytes)
    t.is(error.name, fields.error_name)
    t.is(error.message, fields.message)
    const { code = fields.code, ...properties } = JSON.parse(fields.properties ?? '{}') as Shown
    t.like({ ...error }, { ...properties, code })
    t.true(error.isRemote)
    if (fields.cause_value === undefined) {
      const cause = error.cause as Error & { code: string }
      t.is(cause.name, fields.cause_name)
      t.is(cause.message, fields.cause_message)
      t.is(cause.code, fields.cause_code ?? 'ERR_HANDLER')
    } else {
      t.deepEqual(error.cause, JSON.parse(fields.cause_value))
    }
    const errors = fields.errors && (JSON.parse(fields.errors) as Shown[])
    for (const [at, one] of (errors || []).entries()) {
      if ('value' in one) t.is(error.errors![at], one.value)
      else t.like(error.errors![at], one)
    }
    if (fields.writer !== 'typescript') return
    const inner =
      fields.cause_value === undefined
        ? Object.assign(new Error(fields.cause_message), { stack: undefined })
        : (JSON.parse(fields.cause_value) as unknown)
    const written = Object.assign(new Error(fields.message, { cause: inner }), {
      ...{ name: fields.error_name, stack: fields.stack, ...properties, code },
      ...(errors && { errors: errors.map(thrown) }),
    })
    t.is(Buffer.from(encodeError(written)).toString('hex'), bytes.toString('hex'))
  })
}

interface Shown {
  [part: string]: unknown
}

/** One of several errors, as it was before it was written. */
function thrown({ value, message, ...parts }: Shown): unknown {
  if (value !== undefined) return value
  return Object.assign(new Error(message as string), parts, { stack: undefined })
}

for (const { fields, bytes } of ofType('trace')) {
  test(`trace context: ${fields.name}`, (t) => {
    t.deepEqual(Buffer.from(traceBytes(fields.text)), bytes)
    t.is(traceText(bytes), fields.text)
  })
}

for (const { fields, bytes } of ofType('topic-record')) {
  test(`topics: ${fields.name}`, (t) => {
    const length = bytes.readUInt32LE(0)
    const payload = bytes.subarray(24, 24 + length)
    t.is(payload.toString('hex') || '-', fields.payload)
    t.is(bytes.length, Math.ceil((24 + length) / 8) * 8)
    t.is(bytes.readBigUInt64LE(8), BigInt(fields.number))
    t.is(bytes.readBigUInt64LE(16), BigInt(fields.written_at))
    const covered = [bytes.subarray(8, 24), bytes.subarray(0, 4), payload]
    t.is(bytes.readUInt32LE(4), crc32c(Buffer.concat(covered)))
  })
}

for (const { fields, bytes } of ofType('record')) {
  test(`layouts: ${fields.name}`, (t) => {
    const value: unknown = JSON.parse(fields.json, (_, item: unknown) => revive(item))
    const layout = made(parseLayout(fields.description))
    t.is(layout.description, fields.description)
    t.is(layout.hash, BigInt(fields.hash))
    t.deepEqual(layout.decode(bytes), value)
    t.is(Buffer.from(layout.encode(value)).toString('hex'), bytes.toString('hex'))
  })
}

for (const { fields } of ofType('layouts')) {
  test(`layouts that differ: ${fields.name}`, (t) => {
    const [reader, writer] = [parseLayout(fields.reader), parseLayout(fields.writer)]
    if (fields.error === undefined) {
      t.is(shared(writer, reader), Number(fields.known))
      return
    }
    const expected = { code: 'ERR_LAYOUT', message: fields.error }
    t.throws(() => shared(writer, reader), expected)
    t.throws(() => readerOf(made(reader), fields.writer), expected)
  })
}

/** A layout with these members, as a program makes it. */
function made({ members }: Type): Layout<any> {
  const item = ({ text: name, size, members }: Type): LayoutItem => {
    if (members.length > 0) return made({ members } as Type)
    return name.startsWith('text') ? text(size) : (name as LayoutItem)
  }
  const entries = members.map(({ name, type, max }): [string, LayoutField] => {
    return [name, max > 0 ? list(item(type), max) : item(type)]
  })
  return layout(Object.fromEntries(entries))
}

// ---- a second reader of frames ----

const KINDS = [
  ...['', 'request', 'reply', 'error', 'one-way', 'control'],
  ...['request-item', 'reply-item'],
]
const CODECS = ['bytes', 'messagepack', 'json', 'custom']
const MODES = ['off', 'header', 'full']
const NONE = Buffer.alloc(0)

/** CRC-32C, one bit at a time, going on from `crc`. */
function crc32c(bytes: Uint8Array): number {
  let crc = ~0
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  }
  return ~crc >>> 0
}

/** The fields of a frame, in the words of a block. */
function readFrame(bytes: Buffer, mode: string): { fields: Record<string, string>; body: Buffer } {
  if (bytes.toString('latin1', 0, 4) !== 'RPST') throw new Error('no magic')
  if (bytes[4] !== 1) throw new Error(`header version ${bytes[4]}`)
  const flags = bytes[5]
  const length = bytes.readUInt32LE(16)
  let body = bytes.subarray(24, 24 + length)
  const covered = { off: undefined, header: NONE, full: body }[mode]
  const head = bytes.subarray(0, 20)
  const crc = covered === undefined ? 0 : crc32c(Buffer.concat([head, covered]))
  if (crc !== bytes.readUInt32LE(20)) throw new Error(`checksum ${crc} computed`)
  const fields: Record<string, string> = {
    kind: KINDS[flags & 0x0f],
    codec: CODECS[(flags >> 5) & 3],
    more: flags & 0x10 ? 'yes' : 'no',
    code: String(bytes.readUInt16LE(6)),
    id: String(bytes.readBigUInt64LE(8)),
  }
  if (flags & 0x80) {
    const end = body.readUInt16LE(0)
    if (end % 8 !== 0 || end > 128) throw new Error(`an option block of ${end} bytes`)
    for (let at = 2; at < end; ) {
      const [type, size] = [body[at], body[at + 1]]
      const value = body.subarray(at + 2, at + 2 + size)
      if (type === 1) fields.budget_us = String(value.readBigUInt64LE())
      if (type === 2) fields.total_len = String(value.readBigUInt64LE())
      if (type === 3) fields.trace = value.toString('hex')
      if (type === 4) fields.replayed = String(value.readBigUInt64LE())
      if (type === 0x81) fields.window = String(value.readUInt32LE())
      if (type === 0x82) fields.unpacked_len = String(value.readUInt32LE())
      at = type === 0 ? at + 1 : at + 2 + size
    }
    body = body.subarray(end)
  }
  fields.payload = body.toString('hex') || '-'
  return { fields, body }
}

for (const { fields, bytes } of ofType('frame')) {
  test(`frames: ${fields.name}`, (t) => {
    const expected = decoded(fields, 'crc')
    expected.id = String(BigInt(expected.id))
    t.deepEqual(readFrame(bytes, fields.crc).fields, expected)
  })
}

const HANDSHAKE: Record<string, string> = {
  ...{ hello: '16', welcome: '17', reject: '18', ready: '19', 'take-over': '20', handover: '21' },
}

for (const { fields, bytes } of ofType(...Object.keys(HANDSHAKE))) {
  test(`handshake: ${fields.name}`, (t) => {
    const frame = readFrame(bytes, 'full')
    t.is(frame.fields.kind, 'control')
    t.is(frame.fields.code, HANDSHAKE[fields.type])
    t.is(frame.fields.id, '0')
    t.is(24 + frame.body.length, bytes.length)
    if (fields.type === 'hello') t.deepEqual(readHello(frame.body), decoded(fields))
    if (fields.type === 'welcome') t.deepEqual(readWelcome(frame.body), decoded(fields))
    if (fields.type === 'reject') t.deepEqual(readReject(frame.body), decoded(fields))
    if (fields.type === 'take-over') t.deepEqual(readTakeOver(frame.body), decoded(fields))
    if (fields.type === 'handover') t.is(String(frame.body.readUInt16LE(0)), fields.version)
  })
}

/** The fields that stand in the bytes. */
function decoded(fields: Record<string, string>, ...others: string[]): Record<string, string> {
  const about = ['name', 'type', ...others]
  return Object.fromEntries(Object.entries(fields).filter(([key]) => !about.includes(key)))
}

const rings = (body: Buffer, at: number) =>
  [0, 4, 8, 12, 16].map((offset) => body.readUInt32LE(at + offset)).join(' ')

const limits = (body: Buffer, at: number) => ({
  pending_max: String(body.readUInt32LE(at)),
  message_len_max: String(body.readBigUInt64LE(at + 4)),
  names_max: String(body.readUInt16LE(at + 12)),
})

/** A text or token behind its length. */
const behind = (body: Buffer, at: number, encoding: BufferEncoding) =>
  body.toString(encoding, at + 2, at + 2 + body.readUInt16LE(at)) || '-'

function readHello(body: Buffer): Record<string, string> {
  return {
    versions: `${body.readUInt16LE(0)} ${body.readUInt16LE(2)}`,
    crc: MODES[body[4]],
    offered: `0x${body.readBigUInt64LE(8).toString(16)}`,
    required: `0x${body.readBigUInt64LE(16).toString(16)}`,
    rings: rings(body, 24),
    ...limits(body, 44),
    engine: body.toString('hex', 58, 74),
    token: behind(body, 74, 'hex'),
  }
}

function readWelcome(body: Buffer): Record<string, string> {
  return {
    version: String(body.readUInt16LE(0)),
    transport: ['sealed', 'portable', 'socket'][body[2]],
    crc: MODES[body[3]],
    features: `0x${body.readBigUInt64LE(8).toString(16)}`,
    rings: rings(body, 16),
    ...limits(body, 36),
    session: body.toString('hex', 50, 66),
    engine: body.toString('hex', 66, 82),
    nonce: body.toString('hex', 82, 98),
    segment: behind(body, 98, 'utf8'),
  }
}

function readReject(body: Buffer): Record<string, string> {
  return {
    reason: String(body.readUInt16LE(0)),
    versions: `${body.readUInt16LE(2)} ${body.readUInt16LE(4)}`,
    text: behind(body, 6, 'utf8'),
  }
}

function readTakeOver(body: Buffer): Record<string, string> {
  return {
    versions: `${body.readUInt16LE(0)} ${body.readUInt16LE(2)}`,
    token: behind(body, 4, 'hex'),
  }
}

for (const { fields, bytes } of ofType('crc', 'pad', 'arming', 'id')) {
  test(`numbers: ${fields.name}`, (t) => {
    const found = {
      crc: () => t.is(crc32c(Buffer.from(fields.input, 'hex')), bytes.readUInt32LE()),
      pad: () => {
        t.is(bytes.toString('latin1', 0, 4), 'RPAD')
        t.is(bytes.readUInt32LE(4), Number(fields.len))
      },
      arming: () => {
        const word = BigInt(fields.number) * 4n + BigInt(fields.interest)
        t.is(word, bytes.readBigUInt64LE())
      },
      id: () => {
        t.is(Number(fields.slot), bytes.readUInt32LE(0))
        t.is(Number(fields.generation), bytes.readUInt32LE(4))
      },
    }
    found[fields.type as keyof typeof found]()
  })
}

for (const { fields } of ofType('layout')) {
  test(`segment: ${fields.name}`, (t) => {
    const capacities = fields.rings.split(' ').map(Number)
    const words = (start: number) => capacities.map((_, ring) => start + ring * 8).join(' ')
    let end = 4096
    const starts = () => capacities.map((capacity) => (end += capacity) - capacity).join(' ')
    for (const [side, base] of [['server', 1024], ['client', 2048]] as const) {
      t.is(fields[`${side}_published`], String(base))
      t.is(fields[`${side}_write`], words(base + 8))
      t.is(fields[`${side}_sync_wait`], String(base + 48))
      t.is(fields[`${side}_read`], words(base + 128))
      t.is(fields[`${side}_armed`], String(base + 256))
      const dropped = [0, 8, 16, 24].map((lane) => base + 384 + lane)
      t.is(fields[`${side}_dropped`], dropped.join(' '))
      t.is(fields[`${side}_rings`], starts())
    }
    t.is(fields.segment, String(end))
  })
}

for (const { fields, bytes } of ofType('socket-record')) {
  test(`socket: ${fields.name}`, (t) => {
    t.is(bytes[0], Number(fields.what))
    t.is(bytes[1], Number(fields.flags))
    t.is(bytes.readUInt16LE(2), 0)
    t.is(bytes.readUInt32LE(4), bytes.length - 8)
    t.is(bytes.toString('hex', 8), fields.body)
  })
}

// ---- the vectors and a living server ----

test('the golden HELLOs are answered with a WELCOME and the golden REJECT', async (t) => {
  const server = await createServer('golden', { token: 'secret', transport: 'portable' })
  try {
    const [client, future] = ofType('hello')
    const socket = join(directory, 'golden.sock')
    const welcome = readFrame(await firstAnswer(socket, client.bytes), 'full')
    t.is(welcome.fields.code, HANDSHAKE.welcome)
    const { transport, rings, pending_max, segment } = readWelcome(welcome.body)
    t.is(transport, 'portable')
    t.is(rings.split(' ')[2], client.fields.rings.split(' ')[2], 'the wish of the client holds')
    t.is(pending_max, client.fields.pending_max)
    t.regex(segment, /^ringpost\.[a-z2-7]{20}$/)
    const refusal = await firstAnswer(socket, future.bytes)
    t.is(refusal.toString('hex'), ofType('reject')[0].bytes.toString('hex'))
  } finally {
    await server.close()
  }
})

/** Says `hello`, and what comes back first. */
function firstAnswer(path: string, hello: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = connectSocket(path, () => socket.write(hello))
    socket.once('error', reject)
    socket.once('data', (data) => {
      socket.destroy()
      resolve(data)
    })
  })
}

// ---- maps, by the document alone ----

const WORD = (1n << 64n) - 1n

function mapHash(seed: bigint, key: Uint8Array): bigint {
  let hash = 0xcbf29ce484222325n ^ seed
  for (const byte of key) hash = ((hash ^ BigInt(byte)) * 0x100000001b3n) & WORD
  hash = ((hash ^ (hash >> 33n)) * 0xff51afd7ed558ccdn) & WORD
  hash = ((hash ^ (hash >> 33n)) * 0xc4ceb9fe1a85ec53n) & WORD
  return hash ^ (hash >> 33n)
}

for (const { fields, bytes } of ofType('map-entry')) {
  test(`map: ${fields.name}`, (t) => {
    const number = (key: string) => BigInt(fields[key])
    const hex = (key: string) => Buffer.from(fields[key].replace('-', ''), 'hex')
    const hash = mapHash(number('seed'), hex('key'))
    t.is(hash, number('hash'))
    t.is(hash % number('buckets'), number('first'))
    t.is((hash >> 32n) % number('buckets'), number('second'))
    t.is(((hash >> 32n) << 32n) + number('entry') + 1n, number('tag'))
    t.is(bytes.readBigUInt64LE(0), number('expires'))
    const middle = 16 + bytes.readUInt32LE(8)
    t.deepEqual(bytes.subarray(16, middle), hex('key'))
    t.deepEqual(bytes.subarray(middle, middle + bytes.readUInt32LE(12)), hex('value'))
  })
}

for (const { fields } of ofType('map-layout')) {
  test(`map: ${fields.name}`, (t) => {
    const number = (key: string) => Number(fields[key])
    const buckets = 2 ** Math.ceil(Math.log2((4 * number('entries_max')) / 8))
    t.is(Math.max(buckets, 1), number('buckets'))
    const longest = 16 + number('key_len_max') + number('value_len_max')
    t.is(64 + 64 * Math.ceil(longest / 64), number('slot_len'))
    t.is(number('buckets') * 64, number('entries_at'))
    const entries = 2 * number('slot_len') * number('entries_max')
    t.is(number('entries_at') + entries, number('data_len'))
  })
}
