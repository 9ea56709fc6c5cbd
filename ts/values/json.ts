// JSON, written out because of what `JSON.stringify` changes without a word: functions, the entries
// of a Map, times, the numbers JSON has no form for. Here each is refused, and everything is read
// once.

import { isUtf8 } from 'node:buffer'
import {
  isArrayBuffer,
  isDate,
  isRecord,
  holdsMore,
  kindOf,
  tagOf,
} from './kinds.js'
import { Refusal, tooDeep, tooMany, unsupported, within } from './refusal.js'
import { DEPTH_MAX, LIST_MAX, valuesMax, VALUES_FREE } from './unpack.js'

/** In errors. */
const FORMAT = 'JSON'
/** Shorter texts are written letter by letter, if there is nothing to escape in them. */
const SHORT_TEXT = 64
/** A buffer that has grown beyond this is not kept. */
const KEPT_MAX = 1 << 20
const BUFFER_BYTES = 8192

let buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES)
let at = 0
/** Items and fields so far, as `checkValues` counts them. */
let values = 0
let isWriting = false

/**
 * Makes bytes of a value. They are valid until the next call, and a call that comes while a value
 * is read has memory of its own.
 * @throws Refusal
 */
export function encode(value: unknown): Uint8Array {
  const outer = isWriting ? { buffer, at, values } : undefined
  at = 0
  values = 0
  if (isWriting || buffer.length > KEPT_MAX) resize(isWriting ? 1024 : BUFFER_BYTES)
  isWriting = true
  try {
    write(value, 0)
    // What is refused where it arrives is not sent.
    if (values > valuesMax(at)) throw tooMany(values, valuesMax(at), at)
    return buffer.subarray(0, at)
  } finally {
    isWriting = outer !== undefined
    if (outer !== undefined) ({ buffer, at, values } = outer)
  }
}

function resize(length: number): void {
  const grown = Buffer.allocUnsafeSlow(length)
  buffer.copy(grown, 0, 0, Math.min(at, length))
  buffer = grown
}

function reserve(length: number): void {
  if (at + length > buffer.length) resize(Math.max(buffer.length * 2, at + length))
}

function write(value: unknown, depth: number): void {
  switch (typeof value) {
    case 'string':
      return writeText(value)
    case 'number':
      if (!Number.isFinite(value)) throw packed(String(value))
      return writeAscii(Object.is(value, -0) ? '-0' : String(value))
    case 'boolean':
      return writeAscii(value ? 'true' : 'false')
    case 'undefined':
      return writeAscii('null')
    case 'object':
      return value === null ? writeAscii('null') : writeObject(value, depth, true)
    case 'bigint':
      throw packed('bigint')
    default:
      throw unsupported(typeof value, FORMAT)
  }
}

function writeObject(value: object, depth: number, asks: boolean): void {
  const { toJSON } = value as { toJSON?: unknown }
  if (asks && typeof toJSON === 'function') return writeReplaced(value, toJSON, depth)
  if (Array.isArray(value)) return writeList(value, depth)
  if (Object.getPrototypeOf(value) !== Object.prototype) {
    checkFields(value)
  }
  writeFields(value as Record<string, unknown>, depth)
}

/** What an object says is to be sent in its place; that is not asked again. */
function writeReplaced(value: object, toJSON: unknown, depth: number): void {
  // These have one of their own, and would come back as something else.
  if (isDate(value) || ArrayBuffer.isView(value)) throw packed(kindOf(value))
  const replaced = (toJSON as (this: object) => unknown).call(value)
  if (typeof replaced === 'object' && replaced !== null) writeObject(replaced, depth, false)
  else write(replaced, depth)
}

/** Refuses what MessagePack would carry. */
function packed(what: string): Refusal {
  return unsupported(what, FORMAT, 'messagePack')
}

/** What holds something that is no field is no record. */
function checkFields(value: object): void {
  const isSpecial = tagOf(value) !== 'Object'
  if (ArrayBuffer.isView(value) || (isSpecial && (isDate(value) || isArrayBuffer(value)))) {
    throw packed(kindOf(value))
  }
  if (isSpecial && holdsMore(value)) throw unsupported(kindOf(value), FORMAT)
  if (!isRecord(value) && Object.keys(value).length === 0) {
    throw new Refusal(`${kindOf(value)} without fields of its own cannot be sent`)
  }
}

function writeList(value: readonly unknown[], depth: number): void {
  enter(depth)
  const length = value.length >>> 0
  values += Math.max(length, 1)
  if (values > LIST_MAX) throw new Refusal(`${length} items cannot be sent`)
  let index = 0
  try {
    for (; index < length; index++) {
      writeByte(index === 0 ? OPEN_LIST : COMMA)
      write(value[index], depth + 1)
    }
  } catch (error) {
    throw within(error, index, value)
  }
  if (length === 0) writeByte(OPEN_LIST)
  writeByte(CLOSE_LIST)
}

function writeFields(value: Record<string, unknown>, depth: number): void {
  enter(depth)
  const keys = Object.keys(value)
  let first = true
  let index = 0
  try {
    for (; index < keys.length; index++) {
      const item = value[keys[index]]
      if (item === undefined) continue
      writeByte(first ? OPEN_RECORD : COMMA)
      first = false
      values++
      writeText(keys[index])
      writeByte(COLON)
      write(item, depth + 1)
    }
  } catch (error) {
    throw within(error, keys[index], value)
  }
  if (first) {
    writeByte(OPEN_RECORD)
    values++
  }
  writeByte(CLOSE_RECORD)
}

function enter(depth: number): void {
  if (depth >= DEPTH_MAX) throw tooDeep(DEPTH_MAX, FORMAT)
}

const [QUOTE, BACKSLASH, COMMA, COLON] = Buffer.from('"\\,:')
const [OPEN_LIST, CLOSE_LIST, OPEN_RECORD, CLOSE_RECORD] = Buffer.from('[]{}')

function writeByte(byte: number): void {
  reserve(1)
  buffer[at++] = byte
}

function writeAscii(text: string): void {
  const { length } = text
  reserve(length)
  for (let index = 0; index < length; index++) buffer[at + index] = text.charCodeAt(index)
  at += length
}

function writeText(text: string): void {
  const { length } = text
  if (length > SHORT_TEXT) return writeEscaped(text)
  reserve(length + 2)
  const start = at + 1
  for (let index = 0; index < length; index++) {
    const unit = text.charCodeAt(index)
    const isPlain = unit >= 0x20 && unit <= 0x7f && unit !== QUOTE && unit !== BACKSLASH
    if (!isPlain) return writeEscaped(text)
    buffer[start + index] = unit
  }
  buffer[at] = QUOTE
  buffer[start + length] = QUOTE
  at = start + length + 1
}

/** Half of a pair of surrogates is escaped, and comes out as what it was. */
function writeEscaped(text: string): void {
  const escaped = JSON.stringify(text)
  reserve(escaped.length * 3)
  at += buffer.write(escaped, at, 'utf8')
}

/** Makes a value of bytes. */
export function decode(bytes: Uint8Array): unknown {
  if (!isUtf8(bytes)) throw new RangeError('a text that is no UTF-8')
  if (bytes.length > VALUES_FREE) checkValues(bytes)
  const { buffer, byteOffset, length } = bytes
  const text = Buffer.from(buffer as ArrayBuffer, byteOffset, length).toString('utf8')
  // A mark some put in front of any text.
  const marked = text.startsWith('\ufeff')
  const value = parse(marked ? text.slice(1) : text)
  if (opensMany(text)) checkDepth(value, 0)
  return value
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    // What the engine says of it quotes the text, which is nothing to be told in an error.
    const [at] = /at position \d+/.exec((error as Error).message) ?? ['']
    throw new SyntaxError(`a text that is no JSON ${at}`.trimEnd())
  }
}

/** Whether more lists and records begin in it, those in texts included, than may be within each
 * other. Most values have few, and are not walked through. */
function opensMany(text: string): boolean {
  let count = 0
  for (const opening of '[{') {
    for (let at = text.indexOf(opening); at !== -1; at = text.indexOf(opening, at + 1)) {
      if (++count > DEPTH_MAX) return true
    }
  }
  return false
}

/** What would not be sent is not taken: programs walk through it by functions that call
 * themselves. */
function checkDepth(value: unknown, depth: number): void {
  if (typeof value !== 'object' || value === null) return
  if (depth >= DEPTH_MAX) throw new RangeError(`nested more than ${DEPTH_MAX} deep`)
  const items = Array.isArray(value) ? value : Object.values(value)
  for (const item of items) checkDepth(item, depth + 1)
}

/** What is as dense as no text of people's is not made into values: see `valuesMax`. */
function checkValues(bytes: Uint8Array): void {
  const most = valuesMax(bytes.length)
  let values = 0
  let inText = false
  for (let index = 0; index < bytes.length; index++) {
    const byte = bytes[index]
    if (byte === QUOTE) inText = !inText
    else if (inText) index += byte === BACKSLASH ? 1 : 0
    else if (byte === COMMA || byte === OPEN_LIST || byte === OPEN_RECORD) values++
  }
  if (values <= most) return
  throw new RangeError(`more than ${most} items and fields in ${bytes.length} bytes`)
}
