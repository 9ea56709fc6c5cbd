// Records as values and as bytes: each member where its layout has placed it, little-endian.
// Nothing is compiled at run time, which many hosts forbid: a layout is a list of members, and this
// walks it.

import { isUtf8 } from 'node:buffer'
import { kindOf } from './kinds.js'
import * as shape from './layout-shape.js'
import type { Member, Type } from './layout-shape.js'
import { Refusal, within } from './refusal.js'

/** Texts up to this long are read and written letter by letter, which beats a native call. */
const SHORT_TEXT = 24

/** Lists that are no arrays and are written like them: views of lists. */
export const LIKE_ARRAY = Symbol('like an array')

// ---- writing ----

/**
 * Writes the members of a record over zeros. `bytes` and `view` are the same memory.
 * @throws Refusal, or what a getter of the value has thrown
 */
export function writeRecord(
  type: Type,
  value: unknown,
  bytes: Uint8Array,
  view: DataView,
  at: number,
): void {
  if (typeof value !== 'object' || value === null) {
    throw new Refusal(value === undefined ? 'missing' : `${kindOf(value)} is no record`)
  }
  const { members } = type
  let index = 0
  try {
    for (; index < members.length; index++) {
      const member = members[index]
      const item = (value as Record<string, unknown>)[member.name]
      if (member.max > 0) writeList(member, item, bytes, view, at)
      else writeItem(member.type, item, bytes, view, at + member.offset)
    }
  } catch (error) {
    throw within(error, members[index].name)
  }
}

function writeList(
  { type, max, offset, start }: Member,
  list: unknown,
  bytes: Uint8Array,
  view: DataView,
  at: number,
): void {
  if (!isList(list)) {
    throw new Refusal(list === undefined ? 'missing' : `${kindOf(list)} is no array`)
  }
  // Of a proxy the length may be anything.
  const length = list.length >>> 0
  if (length > max) throw new Refusal(`${length} items, at most ${max}`)
  view.setUint32(at + offset, length, true)
  let place = at + start
  let index = 0
  try {
    if (Array.isArray(list)) {
      for (; index < length; index++, place += type.size) {
        writeItem(type, list[index], bytes, view, place)
      }
    } else {
      for (; index < length; index++, place += type.size) {
        writeItem(type, list.at(index), bytes, view, place)
      }
    }
  } catch (error) {
    throw within(error, index)
  }
}

function isList(list: unknown): list is { length: number; at(index: number): unknown } {
  return Array.isArray(list) || (typeof list === 'object' && list !== null && LIKE_ARRAY in list)
}

function writeItem(
  type: Type,
  item: unknown,
  bytes: Uint8Array,
  view: DataView,
  at: number,
): void {
  switch (type.kind) {
    case shape.I8:
      return view.setInt8(at, whole(item, -0x80, 0x7f, type))
    case shape.U8:
      return view.setUint8(at, whole(item, 0, 0xff, type))
    case shape.I16:
      return view.setInt16(at, whole(item, -0x8000, 0x7fff, type), true)
    case shape.U16:
      return view.setUint16(at, whole(item, 0, 0xffff, type), true)
    case shape.I32:
      return view.setInt32(at, whole(item, -0x8000_0000, 0x7fff_ffff, type), true)
    case shape.U32:
      return view.setUint32(at, whole(item, 0, 0xffff_ffff, type), true)
    case shape.I64:
    case shape.U64:
      return writeLong(type, item, view, at)
    case shape.F32:
      if (typeof item !== 'number') throw noNumber(item)
      // What is finite must not become infinite.
      if (Number.isFinite(item) && !Number.isFinite(Math.fround(item))) throw beyond(item, type)
      return view.setFloat32(at, item, true)
    case shape.F64:
      if (typeof item !== 'number') throw noNumber(item)
      return view.setFloat64(at, item, true)
    case shape.BOOL:
      if (typeof item !== 'boolean') throw wrong(item, 'boolean')
      return view.setUint8(at, item ? 1 : 0)
    case shape.TEXT:
      return writeText(item, bytes, at, type.size)
    default:
      return writeRecord(type, item, bytes, view, at)
  }
}

function whole(item: unknown, least: number, most: number, type: Type): number {
  if (typeof item !== 'number') throw noNumber(item)
  // The first is false for NaN, too.
  if (item >= least && item <= most && Math.trunc(item) === item) return item
  throw beyond(item, type)
}

function writeLong(type: Type, item: unknown, view: DataView, at: number): void {
  if (typeof item !== 'bigint') throw wrong(item, 'bigint')
  const isSigned = type.kind === shape.I64
  const kept = isSigned ? BigInt.asIntN(64, item) : BigInt.asUintN(64, item)
  if (kept !== item) throw beyond(item, type)
  if (isSigned) view.setBigInt64(at, item, true)
  else view.setBigUint64(at, item, true)
}

function wrong(item: unknown, wanted: string): Refusal {
  return new Refusal(item === undefined ? 'missing' : `${kindOf(item)} is no ${wanted}`)
}

const noNumber = (item: unknown) => wrong(item, 'number')

function beyond(item: number | bigint, type: Type): Refusal {
  return new Refusal(`${item} is no ${type.text}`)
}

function writeText(item: unknown, bytes: Uint8Array, at: number, size: number): void {
  if (typeof item !== 'string') throw wrong(item, 'string')
  const { length } = item
  if (length > SHORT_TEXT || length > size) return writeLongText(item, bytes, at, size)
  for (let index = 0; index < length; index++) {
    const unit = item.charCodeAt(index)
    if (unit - 1 >= 0x7f || unit === 0) return writeLongText(item, bytes, at, size)
    bytes[at + index] = unit
  }
}

function writeLongText(text: string, bytes: Uint8Array, at: number, size: number): void {
  // It is where a text ends that does not fill its place.
  if (text.includes('\0')) throw new Refusal('text with a zero character')
  const length = Buffer.byteLength(text)
  if (length > size) throw new Refusal(`${length} bytes of UTF-8, at most ${size}`)
  if (!text.isWellFormed()) throw new Refusal('text with a lone surrogate')
  Buffer.from(bytes.buffer, bytes.byteOffset + at, size).write(text)
}

// ---- reading ----

/**
 * Reads the first `count` members of a record.
 * @throws Refusal
 */
export function readRecord(
  type: Type,
  count: number,
  bytes: Uint8Array,
  view: DataView,
  at: number,
): Record<string, unknown> {
  const { members } = type
  const record: Record<string, unknown> = {}
  let index = 0
  try {
    for (; index < count; index++) {
      const member = members[index]
      record[member.name] =
        member.max > 0
          ? readList(member, bytes, view, at)
          : readItem(member.type, bytes, view, at + member.offset)
    }
  } catch (error) {
    throw within(error, members[index].name)
  }
  return record
}

function readList(member: Member, bytes: Uint8Array, view: DataView, at: number): unknown[] {
  const { type, start } = member
  const length = readLength(member, view, at)
  const list: unknown[] = new Array(length)
  let index = 0
  try {
    for (let place = at + start; index < length; index++, place += type.size) {
      list[index] = readItem(type, bytes, view, place)
    }
  } catch (error) {
    throw within(error, index)
  }
  return list
}

/** How many items a list has, checked. */
export function readLength({ max, offset }: Member, view: DataView, at: number): number {
  const length = view.getUint32(at + offset, true)
  if (length > max) throw new Refusal(`${length} items, at most ${max}`)
  return length
}

/** Reads what is no list. */
export function readItem(type: Type, bytes: Uint8Array, view: DataView, at: number): unknown {
  switch (type.kind) {
    case shape.I8:
      return view.getInt8(at)
    case shape.U8:
      return bytes[at]
    case shape.I16:
      return view.getInt16(at, true)
    case shape.U16:
      return view.getUint16(at, true)
    case shape.I32:
      return view.getInt32(at, true)
    case shape.U32:
      return view.getUint32(at, true)
    case shape.I64:
      return view.getBigInt64(at, true)
    case shape.U64:
      return view.getBigUint64(at, true)
    case shape.F32:
      return view.getFloat32(at, true)
    case shape.F64:
      return view.getFloat64(at, true)
    case shape.BOOL:
      if (bytes[at] > 1) throw new Refusal(`${bytes[at]} is no bool`)
      return bytes[at] === 1
    case shape.TEXT:
      return readText(bytes, at, type.size)
    default:
      return readRecord(type, type.members.length, bytes, view, at)
  }
}

/** A text ends at its first zero; what is behind that is not looked at. */
function readText(bytes: Uint8Array, at: number, size: number): string {
  const end = at + size
  let text = ''
  for (let index = at; index < end; index++) {
    const unit = bytes[index]
    if (unit === 0) break
    if (unit > 0x7f || index - at === SHORT_TEXT) return readLongText(bytes.subarray(at, end))
    text += String.fromCharCode(unit)
  }
  return text
}

function readLongText(place: Uint8Array): string {
  const zero = place.indexOf(0)
  const used = zero < 0 ? place : place.subarray(0, zero)
  if (!isUtf8(used)) throw new Refusal('text that is no UTF-8')
  return Buffer.from(used.buffer, used.byteOffset, used.length).toString()
}
