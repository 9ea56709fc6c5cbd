// Reading MessagePack: bytes of a peer, that may be anything, become a value or a RangeError.

import { isUtf8 } from 'node:buffer'
import { fromExtension } from './extensions.js'
import { kindOf } from './kinds.js'

/** Lists and records within each other, in both directions. */
export const DEPTH_MAX = 128
/** Items and fields of one message, however short it is; and how many more for each of its bytes.
 * What decoding costs goes by their number, and a byte can claim one. Lists of floating-point
 * numbers, of 9 bytes each, and of records whose fields have names are never that dense. */
export const VALUES_FREE = 1_000_000
const VALUES_PER_BYTE = 1 / 8
/** Shorter texts are read character by character, which beats a native call. */
const SHORT_TEXT = 24

/** Items and fields a message of so many bytes may have. */
export function valuesMax(bytes: number): number {
  return VALUES_FREE + Math.floor(bytes * VALUES_PER_BYTE)
}

const NOTHING = new Uint8Array(0)

// What is read, how far, and how many parts it may still have. No code but this runs meanwhile.
let bytes: Uint8Array = NOTHING
let at = 0
let partsLeft = 0
/** The same bytes for numbers of many bits, and for long texts, made when there are any. */
let view: DataView | undefined
let buffer: Buffer | undefined

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
    buffer = undefined
  }
}

function read(depth: number): unknown {
  const tag = bytes[skip(1)]
  if (tag < 0x80) return tag
  if (tag < 0x90) return readRecord(tag & 0x0f, depth)
  if (tag < 0xa0) return readList(tag & 0x0f, depth)
  if (tag < 0xc0) return readText(tag & 0x1f)
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
      return readText(readUnsigned(1 << (tag - 0xd9)))
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

function readExtension(length: number): unknown {
  const type = (bytes[skip(1)] << 24) >> 24
  return fromExtension(type, copy(length))
}

function readText(length: number): string {
  const start = skip(length)
  if (length > SHORT_TEXT) return readLongText(start)
  let text = ''
  for (let index = start; index < at; index++) {
    const unit = bytes[index]
    if (unit > 0x7f) return readLongText(start)
    text += String.fromCharCode(unit)
  }
  return text
}

function readLongText(start: number): string {
  buffer ??= Buffer.from(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.length)
  const text = buffer.toString('utf8', start, at)
  // What stands in for bytes that are no UTF-8 may also have been sent.
  if (text.includes('\ufffd') && !isUtf8(bytes.subarray(start, at))) {
    throw new RangeError('a text that is no UTF-8')
  }
  return text
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
  const record: Record<string, unknown> = {}
  for (let index = 0; index < count; index++) {
    const key = readKey()
    const value = read(depth + 1)
    if (key === '__proto__') {
      Object.defineProperty(record, key, {
        value,
        configurable: true,
        enumerable: true,
        writable: true,
      })
    } else {
      record[key] = value
    }
  }
  return record
}

/** Texts are what keys should be; other languages also have numbers there. */
function readKey(): string {
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
