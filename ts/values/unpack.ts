// Reading MessagePack: bytes of a peer, that may be anything, become a value or a RangeError.

import { fromExtension } from './extensions.js'
import { kindOf } from './kinds.js'
import { readName, readText } from './texts.js'

/** Lists and records within each other, in both directions. */
export const DEPTH_MAX = 128
/** Items and fields of one message, however short it is; and how many more for each of its bytes.
 * What decoding costs goes by their number, and a byte can claim one. Lists of floating-point
 * numbers, of 9 bytes each, and of records whose fields have names are never that dense. */
export const VALUES_FREE = 1_000_000
const VALUES_PER_BYTE = 1 / 8

/** Items and fields a message of so many bytes may have. */
export function valuesMax(bytes: number): number {
  return VALUES_FREE + Math.floor(bytes * VALUES_PER_BYTE)
}

/** A list longer than this cannot be sent, whatever is in it. */
export const LIST_MAX = valuesMax(2 ** 32)

const NOTHING = new Uint8Array(0)

// What is read, how far, and how many parts it may still have. No code but this runs meanwhile.
let bytes: Uint8Array = NOTHING
let at = 0
let partsLeft = 0
/** The same bytes for numbers of many bits, made when there are any. */
let view: DataView | undefined

/** Makes a value of bytes; nothing of them is kept. */
export function decode(payload: Uint8Array): unknown {
  bytes = payload
  at = 0
  partsLeft = valuesMax(payload.length)
  try {
    const value = read(0)
    if (at !== payload.length) {
      throw new RangeError(`${payload.length - at} bytes behind the value`)
    }
    return value
  } finally {
    bytes = NOTHING
    view = undefined
  }
}

function read(depth: number): unknown {
  const tag = bytes[skip(1)]
  if (tag < 0x80) return tag
  if (tag < 0x90) return readRecord(tag & 0x0f, depth)
  if (tag < 0xa0) return readList(tag & 0x0f, depth)
  if (tag < 0xc0) return text(tag & 0x1f)
  if (tag >= 0xe0) return tag - 0x100
  switch (tag) {
    case 0xc0:
      return null
    case 0xc2:
      return false
    case 0xc3:
      return true
    case 0xc4:
    case 0xc5:
    case 0xc6:
      return copy(readUnsigned(1 << (tag - 0xc4)))
    case 0xc7:
    case 0xc8:
    case 0xc9:
      return readExtension(readUnsigned(1 << (tag - 0xc7)))
    case 0xca:
      return numbers().getFloat32(skip(4))
    case 0xcb:
      return numbers().getFloat64(skip(8))
    case 0xcc:
    case 0xcd:
    case 0xce:
      return readUnsigned(1 << (tag - 0xcc))
    case 0xcf:
      return exact(numbers().getBigUint64(skip(8)))
    case 0xd0:
      return (bytes[skip(1)] << 24) >> 24
    case 0xd1:
      return (readUnsigned(2) << 16) >> 16
    case 0xd2:
      return readUnsigned(4) | 0
    case 0xd3:
      return exact(numbers().getBigInt64(skip(8)))
    case 0xd4:
    case 0xd5:
    case 0xd6:
    case 0xd7:
    case 0xd8:
      return readExtension(1 << (tag - 0xd4))
    case 0xd9:
    case 0xda:
    case 0xdb:
      return text(readUnsigned(1 << (tag - 0xd9)))
    case 0xdc:
    case 0xdd:
      return readList(readUnsigned(2 << (tag - 0xdc)), depth)
    case 0xde:
    case 0xdf:
      return readRecord(readUnsigned(2 << (tag - 0xde)), depth)
    default:
      throw new RangeError(`0x${tag.toString(16)} is no type of MessagePack`)
  }
}

function skip(length: number): number {
  const start = at
  if (start + length > bytes.length) throw new RangeError('the value ends too early')
  at = start + length
  return start
}

function numbers(): DataView {
  return (view ??= new DataView(bytes.buffer, bytes.byteOffset, bytes.length))
}

function readUnsigned(width: number): number {
  const start = skip(width)
  if (width === 1) return bytes[start]
  const high = (bytes[start] << 8) | bytes[start + 1]
  if (width === 2) return high
  return ((high << 16) | (bytes[start + 2] << 8) | bytes[start + 3]) >>> 0
}

function copy(length: number): Uint8Array<ArrayBuffer> {
  const start = skip(length)
  return new Uint8Array(bytes.subarray(start, start + length))
}

function text(length: number): string {
  return readText(bytes, skip(length), at)
}

function readExtension(length: number): unknown {
  const type = (bytes[skip(1)] << 24) >> 24
  return fromExtension(type, copy(length))
}

/** A length is a claim until as many bytes are there: every part takes `width` at least. */
function enter(depth: number, parts: number, width: number): void {
  if (depth >= DEPTH_MAX) throw new RangeError(`nested more than ${DEPTH_MAX} deep`)
  if (parts * width > bytes.length - at) throw new RangeError('the value ends too early')
  partsLeft -= parts
  if (partsLeft < 0) {
    const most = valuesMax(bytes.length)
    throw new RangeError(`more than ${most} items and fields in ${bytes.length} bytes`)
  }
}

function readList(length: number, depth: number): unknown[] {
  enter(depth, length, 1)
  const list: unknown[] = new Array(length)
  for (let index = 0; index < length; index++) list[index] = read(depth + 1)
  return list
}

function readRecord(count: number, depth: number): Record<string, unknown> {
  enter(depth, count, 2)
  if (count === 0) return {}
  if (count > SHAPE_MAX) return readFields({}, undefined, count, depth)
  const place = (count * 31 + bytes[at] * 7 + bytes[at + 1]) & (SHAPES - 1)
  const shape = shapes[place]
  if (shape?.template !== undefined && shape.names.length === count) {
    return readShaped(shape.names, shape.template, place, depth)
  }
  const names: string[] = []
  const record = readFields({}, names, count, depth)
  learn(place, names)
  return record
}

/** Reads so many fields into a record, and into `names` what they are called. */
function readFields(
  record: Record<string, unknown>,
  names: string[] | undefined,
  count: number,
  depth: number,
): Record<string, unknown> {
  for (let index = 0; index < count; index++) {
    const name = readKey()
    names?.push(name)
    setField(record, name, read(depth + 1))
  }
  return record
}

function setField(record: Record<string, unknown>, name: string, value: unknown): void {
  if (name !== PROTO) record[name] = value
  else Object.defineProperty(record, name, { value, ...ORDINARY })
}

// ---- shapes ----

// Records with the same names in the same order are copies of one that has all of them. Fields
// that are added one by one to an empty object take several times as long, and many of them make
// it one that takes long to read.

interface Shape {
  readonly names: readonly string[]
  /** What is copied, once they have come twice. */
  template: Record<string, unknown> | undefined
}

const SHAPES = 256
/** Records with more fields are rather tables. */
const SHAPE_MAX = 64
const shapes: (Shape | undefined)[] = new Array(SHAPES).fill(undefined)
const PROTO = '__proto__'
const ORDINARY = { configurable: true, enumerable: true, writable: true }

function learn(place: number, names: string[]): void {
  const shape = shapes[place]
  if (shape === undefined || !isSame(shape.names, names)) {
    shapes[place] = { names, template: undefined }
  } else if (new Set(names).size === names.length && !names.includes(PROTO)) {
    // Parsed, because that makes all fields at once.
    const fields = names.map((name) => `${JSON.stringify(name)}:null`)
    shape.template = JSON.parse(`{${fields.join()}}`) as Record<string, unknown>
  }
}

function isSame(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((name, index) => name === other[index])
}

function readShaped(
  names: readonly string[],
  template: Record<string, unknown>,
  place: number,
  depth: number,
): Record<string, unknown> {
  const record = { ...template }
  for (let index = 0; index < names.length; index++) {
    const name = readKey()
    if (name !== names[index]) return readOther(record, names, index, name, place, depth)
    record[name] = read(depth + 1)
  }
  return record
}

/** Reads on where a record turns out to be of another shape, from its field `index` on. */
function readOther(
  shaped: Record<string, unknown>,
  expected: readonly string[],
  index: number,
  name: string,
  place: number,
  depth: number,
): Record<string, unknown> {
  const names = expected.slice(0, index)
  const record: Record<string, unknown> = {}
  for (const before of names) record[before] = shaped[before]
  names.push(name)
  setField(record, name, read(depth + 1))
  readFields(record, names, expected.length - index - 1, depth)
  learn(place, names)
  return record
}

/** Texts are what keys should be; other languages also have numbers there. */
function readKey(): string {
  const tag = bytes[at]
  if (tag >= 0xa0 && tag < 0xc0) {
    at++
    return readName(bytes, skip(tag & 0x1f), at)
  }
  const key = read(DEPTH_MAX)
  if (typeof key === 'string') return key
  if (typeof key === 'number' || typeof key === 'bigint') return String(key)
  throw new RangeError(`a key that is no text but ${kindOf(key)}`)
}

/** A number where it is exact. */
function exact(value: bigint): number | bigint {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value
}
