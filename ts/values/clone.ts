// Structured cloning by V8: what travels between programs in Node.js with its types, its cycles and
// its shared references.

import { DefaultDeserializer, DefaultSerializer } from 'node:v8'
import type * as api from '../../index.js'
import { BUFFER, checkSerialized, STANDING } from './clone-format.js'
import { isArrayBuffer, isDetached, isMap, isSet, kindOf } from './kinds.js'
import { Refusal, refusalOf, said } from './refusal.js'
import { DEPTH_MAX } from './unpack.js'

export const structuredClone: api.Codec<any> = {
  name: 'structuredClone',
  encode(value: unknown) {
    try {
      return serialize(value)
    } catch (error) {
      const { cause } = error as Refusal
      throw new TypeError((error as Refusal).said(), cause === undefined ? undefined : { cause })
    }
  },
  decode: (bytes: Uint8Array) => deserialize(bytes),
}

/** Numbers that stand for objects which are sent in another way: ports. */
export type Stand = ReadonlyMap<unknown, number>
/** The object that a number stands for. */
export type Standing = (number: number) => unknown

const NOTHING: Stand = new Map()

/**
 * Makes bytes of a value.
 * @throws Refusal
 */
export function serialize(value: unknown, stand = NOTHING): Uint8Array {
  const writer = newWriter(stand)
  try {
    writer.writeHeader()
    writer.writeValue(value)
  } catch (error) {
    throw refusalIn(value, error, stand)
  }
  const bytes = writer.releaseBuffer()
  try {
    // What the other side would refuse is refused where it comes from.
    checkSerialized(bytes)
  } catch (error) {
    throw new Refusal(said(error))
  }
  return bytes
}

/**
 * Makes a value of bytes, of which it keeps nothing; `standing` says what numbers stand for.
 * @throws RangeError and what V8 throws
 */
export function deserialize(bytes: Uint8Array, standing?: Standing): unknown {
  checkSerialized(bytes)
  const reader = new Reader(bytes, standing)
  reader.readHeader()
  return reader.readValue()
}

// ---- what V8 leaves to Node.js ----

/** Views as Node.js numbers them. */
const VIEWS: (new (memory: ArrayBuffer) => unknown)[] = [
  ...[Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array],
  ...[Uint32Array, Float32Array, Float64Array, DataView, Buffer, BigInt64Array, BigUint64Array],
]

/** Node.js documents this, and its types do not know it. */
interface Hooks {
  _writeHostObject(object: unknown): void
}
const { _writeHostObject: writeView } = DefaultSerializer.prototype as unknown as Hooks

class Writer extends DefaultSerializer {
  readonly #stand: Stand

  constructor(stand: Stand) {
    super()
    this.#stand = stand
  }

  _writeHostObject(object: unknown): void {
    const number = this.#stand.get(object)
    if (number === undefined) return writeView.call(this, object)
    this.writeUint32(STANDING)
    this.writeUint32(4)
    this.writeRawBytes(Uint32Array.of(number))
  }
}

/** Runtimes that are not built on V8 have none, and say so. */
function newWriter(stand: Stand): Writer {
  try {
    return new Writer(stand)
  } catch (error) {
    throw new Refusal(said(error), error)
  }
}

class Reader extends DefaultDeserializer {
  readonly #standing: Standing | undefined

  constructor(bytes: Uint8Array, standing: Standing | undefined) {
    super(bytes)
    this.#standing = standing
  }

  /** What Node.js makes here shares its memory with the message, or with other small buffers. */
  _readHostObject(): unknown {
    const type = this.readUint32()
    const { buffer, byteOffset, length } = this.readRawBytes(this.readUint32())
    const memory = (buffer as ArrayBuffer).slice(byteOffset, byteOffset + length)
    if (type !== STANDING) return type === BUFFER ? Buffer.from(memory) : new VIEWS[type](memory)
    if (this.#standing === undefined) throw new RangeError('a port where none can be sent')
    return this.#standing(new Uint32Array(memory)[0])
  }
}

// ---- why a value was refused ----

/** Why V8 has refused a value: the way to the innermost part of it that is refused as well. */
function refusalIn(value: unknown, error: unknown, stand: Stand, outer: object[] = []): Refusal {
  if (typeof value !== 'object' || value === null) return refused(value, error)
  if (outer.length > DEPTH_MAX) return new Refusal(`nested more than ${DEPTH_MAX} deep`)
  const holders = [...outer, value]
  const parts = isMap(value) || isSet(value) ? [...value] : value
  for (const name of Object.keys(parts)) {
    let part
    try {
      part = (parts as Record<string, unknown>)[name]
      if (!holders.includes(part as object)) new Writer(stand).writeValue(part)
    } catch (inner) {
      const step = Array.isArray(parts) ? Number(name) : name
      return refusalIn(part, inner, stand, holders).within(step)
    }
  }
  return refused(value, error)
}

function refused(value: unknown, error: unknown): Refusal {
  const memory = ArrayBuffer.isView(value) ? value.buffer : value
  if (isArrayBuffer(memory) && isDetached(memory)) {
    return new Refusal('ArrayBuffer with transferred memory cannot be sent')
  }
  const isValue = ['object', 'function', 'symbol'].includes(typeof value)
  // The message of V8 quotes what was to be sent.
  return isValue ? new Refusal(`${kindOf(value)} cannot be cloned`) : refusalOf(error)
}
