// Layouts: records of a fixed size as C has them, and codecs of those.

import type * as api from '../../index.js'
import { IpcError } from './errors.js'
import { isUint8Array, kindOf } from './kinds.js'
import { readRecord, writeRecord } from './layout-record.js'
import { hashOf, parse, record, scalars, shared, SIZE_MAX, textType } from './layout-shape.js'
import type { Field, Type } from './layout-shape.js'
import { viewOf } from './layout-view.js'
import { refusalOf } from './refusal.js'

/** By this the layouts of every copy of the package are known. */
const LAYOUT = Symbol.for('ringpost.layout')

/** Records up to this long are written here and copied: in an array of their own, short ones would
 * have no memory before a view asks for it, which takes longer than all else. */
const SCRATCH_BYTES = 4096
const scratch = new Uint8Array(SCRATCH_BYTES)
const scratchView = new DataView(scratch.buffer)
/** A getter of a value may encode another one meanwhile. */
let isScratchTaken = false

/** What this copy has made, which has types; those of other copies have a description. */
const types = new WeakMap<object, Type>()

export function text(bytes: number): api.LayoutText {
  return Object.freeze({ kind: 'text', bytes: whole('bytes of a text', bytes) })
}

export function list<Of extends api.LayoutItem>(of: Of, max: number): api.LayoutList<Of> {
  itemType('the items of the list', of)
  return Object.freeze({ kind: 'list', of, max: whole('items of a list', max) })
}

function whole(what: string, value: unknown): number {
  if (typeof value !== 'number') throw new TypeError(`${what}: ${kindOf(value)} is no number`)
  if (Number.isInteger(value) && value >= 1 && value <= SIZE_MAX) return value
  throw new RangeError(`${what}: ${value} is not an integer from 1 to ${SIZE_MAX}`)
}

export function layout<Fields extends api.LayoutFields>(
  fields: Fields,
): api.Layout<api.LayoutFieldsValue<Fields>> {
  if (typeof fields !== 'object' || fields === null) {
    throw new TypeError(`${kindOf(fields)} is no object with the members of a layout`)
  }
  return layoutOf(record(Object.keys(fields).map((name) => field(name, fields[name]))))
}

function field(name: string, given: unknown): Field {
  if (isKind(given, 'list')) {
    const { of, max } = given as api.LayoutList
    return { name, type: itemType(name, of), max: whole(name, max) }
  }
  return { name, type: itemType(name, given), max: 0 }
}

function itemType(name: string, given: unknown): Type {
  const type = typeof given === 'string' ? scalars.get(given) : objectType(name, given)
  if (type !== undefined) return type
  const found = typeof given === 'string' ? JSON.stringify(given) : kindOf(given)
  const known = [...scalars.keys()].map((scalar) => `'${scalar}'`).join(', ')
  throw new TypeError(
    `${name}: ${found} is no type: there are ${known}, text(), layouts and, as members, list()`,
  )
}

function objectType(name: string, given: unknown): Type | undefined {
  if (isLayout(given)) return typeOf(given)
  if (!isKind(given, 'text')) return undefined
  return textType(whole(name, (given as api.LayoutText).bytes))
}

const isKind = (given: unknown, kind: string) =>
  typeof given === 'object' && given !== null && (given as { kind?: unknown }).kind === kind

/** Whether it is a layout, whatever copy of the package has made it. */
export function isLayout(value: unknown): value is api.Layout<any> {
  return typeof value === 'object' && value !== null && LAYOUT in value
}

function typeOf(layout: api.Layout<any>): Type {
  return types.get(layout) ?? parse(layout.description)
}

function layoutOf(type: Type): api.Layout<any> {
  const { size, align, text: description, members } = type
  const made: api.Layout<any> = {
    ...{ name: 'layout', size, align, hash: hashOf(description), description },
    encode: (value) => encode(type, value),
    encodeInto(value, buffer) {
      if (!isUint8Array(buffer)) throw new TypeError(`${kindOf(buffer)} is no Uint8Array`)
      if (buffer.length < size) {
        throw new RangeError(`a buffer of ${buffer.length} bytes, the layout has ${size}`)
      }
      buffer.fill(0, 0, size)
      write(type, value, buffer, dataView(buffer, size))
    },
    decode: (bytes) => read(type, members.length, size, bytes),
    view: (bytes) => look(type, members.length, size, bytes),
  }
  Object.defineProperty(made, LAYOUT, { value: true })
  types.set(made, type)
  return Object.freeze(made)
}

function encode(type: Type, value: unknown): Uint8Array {
  const { size } = type
  if (size > SCRATCH_BYTES || isScratchTaken) {
    const bytes = new Uint8Array(size)
    write(type, value, bytes, dataView(bytes, size))
    return bytes
  }
  isScratchTaken = true
  try {
    scratch.fill(0, 0, size)
    write(type, value, scratch, scratchView)
    return scratch.slice(0, size)
  } finally {
    isScratchTaken = false
  }
}

function write(type: Type, value: unknown, bytes: Uint8Array, view: DataView): void {
  try {
    writeRecord(type, value, bytes, view, 0)
  } catch (error) {
    throw invalid(error)
  }
}

function read(type: Type, known: number, size: number, bytes: Uint8Array): any {
  const view = checked(bytes, size)
  try {
    return readRecord(type, known, bytes, view, 0)
  } catch (error) {
    throw invalid(error)
  }
}

function look(type: Type, known: number, size: number, bytes: Uint8Array): any {
  return viewOf(type, known, bytes, checked(bytes, size))
}

/** The bytes of one record, and neither more nor less. */
function checked(bytes: Uint8Array, size: number): DataView {
  if (!isUint8Array(bytes)) throw new TypeError(`${kindOf(bytes)} is no Uint8Array`)
  if (bytes.length === size) return dataView(bytes, size)
  const message = `${bytes.length} bytes, the layout has ${size}`
  throw new IpcError('ERR_INVALID_PAYLOAD', message)
}

const dataView = (bytes: Uint8Array, size: number) =>
  new DataView(bytes.buffer, bytes.byteOffset, size)

function invalid(error: unknown): IpcError {
  const refusal = refusalOf(error)
  const { cause } = refusal
  const options = cause === undefined ? undefined : { cause }
  return new IpcError('ERR_INVALID_PAYLOAD', refusal.said(), options)
}

/**
 * The layout that a description says.
 * @throws IpcError `ERR_LAYOUT` if it describes none.
 */
export function layoutFrom(description: string): api.Layout<any> {
  return layoutOf(parse(description))
}

/** Reads the records of a writer whose layout may be an earlier or a later one. */
export interface LayoutReader<T> {
  /** The size of the writer's records. */
  readonly size: number
  /** Members that the writer does not know are not there. */
  decode(bytes: Uint8Array): T
  /** Members that the writer does not know are `undefined`. */
  view(bytes: Uint8Array): api.LayoutView<T>
}

/**
 * What reads the records of a writer by its description.
 * @throws IpcError `ERR_LAYOUT` unless the two layouts are the same, or one is the other with
 * members appended.
 */
export function readerOf<T>(layout: api.Layout<T>, description: string): LayoutReader<T> {
  if (description === layout.description) return layout
  const [writer, reader] = [parse(description), typeOf(layout)]
  const known = shared(writer, reader)
  const { size } = writer
  return {
    size,
    decode: (bytes) => read(reader, known, size, bytes) as T,
    view: (bytes) => look(reader, known, size, bytes) as api.LayoutView<T>,
  }
}
