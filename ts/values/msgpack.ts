// MessagePack, written out because of its integers: whole numbers travel as integers, so that a
// field of 64 bits in Rust can read what `Date.now()` gives, and come back as numbers where they
// are exact and as bigints where they are not. Libraries do the one or the other.

import { TIMESTAMP, timeBytes, typeOf } from './extensions.js'
import {
  holdsMore,
  isArrayBuffer,
  isDate,
  isDetached,
  isMap,
  isRecord,
  kindOf,
  nameOfView,
  tagOf,
} from './kinds.js'
import { Refusal, tooDeep, tooMany, unsupported, within } from './refusal.js'
import { DEPTH_MAX, LIST_MAX, valuesMax, VALUES_FREE } from './unpack.js'

/** In errors. */
const FORMAT = 'MessagePack'
/** Shorter texts are written character by character, which beats a native call. */
const SHORT_TEXT = 24
/** A buffer that has grown beyond this is not kept. */
const KEPT_MAX = 1 << 20
const BUFFER_BYTES = 8192

let buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES)
let view = new DataView(buffer.buffer)
let at = 0
/** Items and fields so far. */
let values = 0
let isWriting = false
/** How long a value may be; most may be of any length. */
let bytesMax = Infinity

/**
 * Makes bytes of a value. They are valid until the next call, and a call that comes while a value
 * is read (by its `toJSON`, a getter, a proxy) has memory of its own.
 * @throws Refusal
 */
export function encode(value: unknown): Uint8Array {
  if (isWriting) return encodeApart(value, Infinity)
  at = 0
  if (buffer.length > KEPT_MAX) resize(BUFFER_BYTES)
  values = 0
  isWriting = true
  try {
    write(value, 0)
  } finally {
    isWriting = false
  }
  if (values > VALUES_FREE) checkValues()
  return buffer.subarray(0, at)
}

/** The same in memory of its own, of a value that is refused if it has more bytes. */
export function encodeApart(value: unknown, bytes: number): Uint8Array {
  const outer = { buffer, view, at, values, bytesMax, isWriting }
  at = 0
  resize(1024)
  values = 0
  bytesMax = bytes
  isWriting = true
  try {
    write(value, 0)
    if (at > bytesMax) throw new Refusal(`more than ${bytesMax} bytes`)
    checkValues()
    return buffer.subarray(0, at)
  } finally {
    ;({ buffer, view, at, values, bytesMax, isWriting } = outer)
  }
}

function checkValues(): void {
  const most = valuesMax(at)
  if (values > most) throw tooMany(values, most, at, '; typed arrays count as one')
}

// ---- writing ----

function resize(length: number): void {
  const grown = Buffer.allocUnsafeSlow(length)
  buffer.copy(grown, 0, 0, Math.min(at, length))
  buffer = grown
  view = new DataView(buffer.buffer)
}

function grow(length: number): void {
  // Of a text three bytes for each letter are reserved.
  if (at + length > 4 * bytesMax) throw new Refusal(`more than ${bytesMax} bytes`)
  resize(Math.max(buffer.length * 2, at + length))
}

function reserve(length: number): void {
  if (at + length > buffer.length) grow(length)
}

function write(value: unknown, depth: number): void {
  reserve(9)
  switch (typeof value) {
    case 'string':
      return writeText(value)
    case 'number':
      return writeNumber(value)
    case 'boolean':
      buffer[at++] = value ? 0xc3 : 0xc2
      return
    case 'undefined':
      buffer[at++] = 0xc0
      return
    case 'bigint':
      return writeBigInt(value)
    case 'object':
      if (value === null) buffer[at++] = 0xc0
      else writeObject(value, depth)
      return
    default:
      throw unsupported(typeof value, FORMAT)
  }
}

function writeObject(value: object, depth: number): void {
  if (Array.isArray(value)) return writeList(value, depth)
  if (ArrayBuffer.isView(value)) return writeView(value)
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) return writeInstance(value, depth, true)
  const { toJSON } = value as { toJSON?: unknown }
  if (typeof toJSON === 'function') writeReplaced(value, toJSON, depth)
  else writeFields(value as Record<string, unknown>, depth)
}

/** What is no plain object: of a class, of another realm, or something for which there is a
 * type. */
function writeInstance(value: object, depth: number, asks: boolean): void {
  if (ArrayBuffer.isView(value)) return writeView(value)
  // What has no tag of its own is no special thing.
  const isSpecial = tagOf(value) !== 'Object'
  if (isSpecial) {
    if (isDate(value)) return writeDate(value)
    if (isMap(value)) return writeMap(value, depth)
    if (isArrayBuffer(value)) {
      return writeExtension(typeOf('ArrayBuffer')!, bytesOf(value, 0, value.byteLength))
    }
  }
  const { toJSON } = value as { toJSON?: unknown }
  if (asks && typeof toJSON === 'function') return writeReplaced(value, toJSON, depth)
  if (isSpecial && holdsMore(value)) throw unsupported(kindOf(value), FORMAT)
  const count = writeFields(value as Record<string, unknown>, depth)
  if (count === 0 && !isRecord(value)) {
    throw new Refusal(`${kindOf(value)} without fields of its own cannot be sent`)
  }
}

/** What an object says is to be sent in its place. As in JSON, that is not asked again. */
function writeReplaced(value: object, toJSON: unknown, depth: number): void {
  const replaced = (toJSON as (this: object) => unknown).call(value)
  if (typeof replaced !== 'object' || replaced === null) return write(replaced, depth)
  if (Array.isArray(replaced)) writeList(replaced, depth)
  else writeInstance(replaced, depth, false)
}

function enter(depth: number, parts: number): void {
  if (depth >= DEPTH_MAX) throw tooDeep(DEPTH_MAX, FORMAT)
  values += parts
  if (values > LIST_MAX) throw new Refusal(`${parts} items cannot be sent`)
}

function writeList(value: readonly unknown[], depth: number): void {
  // Of a proxy the length may be anything.
  const length = value.length >>> 0
  enter(depth, length)
  writeLength(length, 0x90, 16, 0xdc)
  let index = 0
  try {
    for (; index < length; index++) {
      const item: unknown = value[index]
      if (typeof item !== 'number') {
        write(item, depth + 1)
        continue
      }
      // What long lists are made of.
      reserve(9)
      writeNumber(item)
    }
  } catch (error) {
    throw within(error, index, value)
  }
}

/** Writes own enumerable fields, each read once; returns how many there were. */
function writeFields(value: Record<string, unknown>, depth: number): number {
  const keys = Object.keys(value)
  const { length } = keys
  enter(depth, length)
  const start = at
  writeLength(length, 0x80, 16, 0xde)
  let count = 0
  let index = 0
  try {
    for (; index < length; index++) {
      const key = keys[index]
      const item = value[key]
      if (item === undefined) continue
      writeText(key)
      write(item, depth + 1)
      count++
    }
  } catch (error) {
    throw within(error, keys[index], value)
  }
  if (count !== length) correctLength(start, length, count)
  return length
}

/** Some fields were not there: what was written as the number of a record is made smaller. */
function correctLength(start: number, length: number, count: number): void {
  const bytes = (of: number) => (of < 16 ? 1 : of < 0x10000 ? 3 : 5)
  const end = at
  at = start
  writeLength(count, 0x80, 16, 0xde)
  buffer.copyWithin(at, start + bytes(length), end)
  at += end - start - bytes(length)
}

function writeMap(value: Map<unknown, unknown>, depth: number): void {
  // Taken before anything is read that could change it.
  const entries: [unknown, unknown][] = []
  Map.prototype.forEach.call(value, (item, key) => entries.push([key, item]))
  enter(depth, entries.length)
  writeLength(entries.length, 0x80, 16, 0xde)
  for (const [key, item] of entries) {
    if (typeof key !== 'string') {
      const what = `Map with a key that is no text but ${kindOf(key)}`
      throw unsupported(what, FORMAT, 'structuredClone')
    }
    try {
      reserve(9)
      writeText(key)
      write(item, depth + 1)
    } catch (error) {
      throw within(error, key, value)
    }
  }
}

function writeDate(value: Date): void {
  const ms = Date.prototype.getTime.call(value)
  if (Number.isNaN(ms)) throw new Refusal('invalid Date cannot be sent')
  writeExtension(TIMESTAMP, timeBytes(ms))
}

function writeView(value: ArrayBufferView): void {
  // One that is empty may have been transferred.
  if (value instanceof Uint8Array && value.length > 0) return writeBytes(value)
  const name = nameOfView(value)
  const bytes = bytesOf(value.buffer, value.byteOffset, value.byteLength)
  if (name === 'Uint8Array') return writeBytes(bytes)
  const type = typeOf(name)
  if (type === undefined) throw unsupported(name, FORMAT)
  writeExtension(type, bytes)
}

function bytesOf(buffer: ArrayBufferLike, offset: number, length: number): Uint8Array {
  if (length === 0 && isDetached(buffer)) {
    throw new Refusal('ArrayBuffer with transferred memory cannot be sent')
  }
  return new Uint8Array(buffer, offset, length)
}

/** The tags of those of 1, 2, 4, 8 and 16 bytes follow each other. */
function writeExtension(type: number, bytes: Uint8Array): void {
  const { length } = bytes
  reserve(6 + length)
  const power = Math.log2(length)
  if (length > 0 && length <= 16 && Number.isInteger(power)) {
    buffer[at++] = 0xd4 + power
  } else {
    writeByteLength(length, 0xc7)
  }
  buffer[at++] = type
  buffer.set(bytes, at)
  at += length
}

/** A length of up to `short` in the tag itself, else in the two or four bytes behind `tag`. */
function writeLength(length: number, shortTag: number, short: number, tag: number): void {
  reserve(5)
  if (length < short) {
    buffer[at++] = shortTag | length
  } else if (length < 0x10000) {
    buffer[at] = tag
    view.setUint16(at + 1, length)
    at += 3
  } else {
    buffer[at] = tag + 1
    view.setUint32(at + 1, length)
    at += 5
  }
}

/** A length in the one, two or four bytes behind `tag`, the next or the one after that. */
function writeByteLength(length: number, tag: number): void {
  if (length >= 0x100) return writeLength(length, 0, 0, tag + 1)
  buffer[at] = tag
  buffer[at + 1] = length
  at += 2
}

function writeText(text: string): void {
  const { length } = text
  reserve(5 + length * 3)
  if (length > SHORT_TEXT) return writeLongText(text)
  const start = at + 1
  for (let index = 0; index < length; index++) {
    const unit = text.charCodeAt(index)
    if (unit > 0x7f) return writeWideText(text, index)
    buffer[start + index] = unit
  }
  buffer[at] = 0xa0 | length
  at = start + length
}

/** A short text, the first letters of which are written and are ASCII. */
function writeWideText(text: string, index: number): void {
  const start = at + 1
  let end = start + index
  for (; index < text.length; index++) {
    // Of a pair of surrogates this is the letter, of one alone itself.
    const letter = text.codePointAt(index)!
    if (letter < 0x80) {
      buffer[end++] = letter
      continue
    }
    if (letter < 0x800) {
      buffer[end++] = 0xc0 | (letter >> 6)
    } else {
      if (letter < 0x10000) {
        if ((letter & 0xf800) === 0xd800) throw new Refusal(LONE)
        buffer[end++] = 0xe0 | (letter >> 12)
      } else {
        index++
        buffer[end++] = 0xf0 | (letter >> 18)
        buffer[end++] = 0x80 | ((letter >> 12) & 0x3f)
      }
      buffer[end++] = 0x80 | ((letter >> 6) & 0x3f)
    }
    buffer[end++] = 0x80 | (letter & 0x3f)
  }
  const bytes = end - start
  if (bytes < 32) {
    buffer[at] = 0xa0 | bytes
    at = end
    return
  }
  buffer.copyWithin(start + 1, start, end)
  buffer[at] = 0xd9
  buffer[start] = bytes
  at = end + 1
}

/** Its length is written before it as if all of it were ASCII, and moved if it is not. */
function writeLongText(text: string): void {
  const { length } = text
  const short = textHead(length)
  const bytes = buffer.write(text, at + short, 'utf8')
  if (bytes !== length) {
    if (!text.isWellFormed()) throw new Refusal(LONE)
    const long = textHead(bytes)
    if (long > short) buffer.copyWithin(at + long, at + short, at + short + bytes)
  }
  if (bytes < 32) {
    buffer[at++] = 0xa0 | bytes
  } else {
    writeByteLength(bytes, 0xd9)
  }
  at += bytes
}

/** Bytes of the tag and the length of a text. */
function textHead(bytes: number): number {
  if (bytes < 32) return 1
  return bytes < 0x100 ? 2 : bytes < 0x10000 ? 3 : 5
}
const LONE = 'text with a lone surrogate cannot be sent'

function writeBytes(bytes: Uint8Array): void {
  const { length } = bytes
  reserve(5 + length)
  writeByteLength(length, 0xc4)
  buffer.set(bytes, at)
  at += length
}

function writeNumber(value: number): void {
  if (!Number.isSafeInteger(value) || Object.is(value, -0)) {
    buffer[at] = 0xcb
    view.setFloat64(at + 1, value)
    at += 9
  } else if (value >= 0) {
    writeUnsigned(value)
  } else {
    writeNegative(value)
  }
}

function writeUnsigned(value: number): void {
  if (value < 0x80) {
    buffer[at++] = value
  } else if (value < 0x100) {
    buffer[at] = 0xcc
    buffer[at + 1] = value
    at += 2
  } else if (value < 0x10000) {
    buffer[at] = 0xcd
    view.setUint16(at + 1, value)
    at += 3
  } else if (value < 0x1_0000_0000) {
    buffer[at] = 0xce
    view.setUint32(at + 1, value)
    at += 5
  } else {
    buffer[at] = 0xcf
    view.setUint32(at + 1, Math.floor(value / 0x1_0000_0000))
    view.setUint32(at + 5, value >>> 0)
    at += 9
  }
}

function writeNegative(value: number): void {
  if (value >= -0x20) {
    buffer[at++] = value
  } else if (value >= -0x80) {
    buffer[at] = 0xd0
    view.setInt8(at + 1, value)
    at += 2
  } else if (value >= -0x8000) {
    buffer[at] = 0xd1
    view.setInt16(at + 1, value)
    at += 3
  } else if (value >= -0x8000_0000) {
    buffer[at] = 0xd2
    view.setInt32(at + 1, value)
    at += 5
  } else {
    buffer[at] = 0xd3
    view.setInt32(at + 1, Math.floor(value / 0x1_0000_0000))
    view.setUint32(at + 5, value >>> 0)
    at += 9
  }
}

function writeBigInt(value: bigint): void {
  if (BigInt.asUintN(64, value) === value) {
    buffer[at] = 0xcf
    view.setBigUint64(at + 1, value)
  } else if (BigInt.asIntN(64, value) === value) {
    buffer[at] = 0xd3
    view.setBigInt64(at + 1, value)
  } else {
    throw unsupported('bigint of more than 64 bits', FORMAT)
  }
  at += 9
}
