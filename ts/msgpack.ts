// Plain MessagePack, written out because of its integers: whole numbers travel as integers, so that
// a field of 64 bits in Rust can read what `Date.now()` gives, and come back as numbers where they
// are exact and as bigints where they are not. Libraries do the one or the other.

/** Deeper values are taken for circular ones. */
const DEPTH_MAX = 128
/** Shorter texts are read and written character by character, which beats a native call. */
const SHORT_TEXT = 24
/** A buffer that has grown beyond this is not kept. */
const KEPT_MAX = 1 << 20

let buffer = Buffer.allocUnsafeSlow(8192)
let view = new DataView(buffer.buffer)
let at = 0

/** Makes bytes of a value. They are valid until the next call. */
export function encode(value: unknown): Uint8Array {
  if (buffer.length > KEPT_MAX) resize(8192)
  at = 0
  write(value, 0)
  return buffer.subarray(0, at)
}

/** Makes a value of bytes; nothing of them is kept. */
export function decode(bytes: Uint8Array): unknown {
  const reader = new Reader(bytes)
  const value = reader.read(0)
  if (reader.at !== bytes.length) {
    throw new RangeError(`${bytes.length - reader.at} bytes behind the value`)
  }
  return value
}

// ---- writing ----

function resize(length: number): void {
  const grown = Buffer.allocUnsafeSlow(length)
  buffer.copy(grown, 0, 0, Math.min(at, length))
  buffer = grown
  view = new DataView(buffer.buffer)
}

function reserve(length: number): void {
  if (at + length > buffer.length) resize(Math.max(buffer.length * 2, at + length))
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
      return writeObject(value, depth)
    default:
      throw new TypeError(`a ${typeof value} cannot be sent`)
  }
}

function writeObject(value: object | null, depth: number): void {
  if (value === null) {
    buffer[at++] = 0xc0
    return
  }
  if (depth > DEPTH_MAX) throw new RangeError(`a value nested more than ${DEPTH_MAX} deep`)
  if (Array.isArray(value)) {
    writeLength(value.length, 0x90, 16, 0xdc)
    for (const item of value) write(item, depth + 1)
  } else if (value instanceof Uint8Array) {
    writeBytes(value)
  } else if (value instanceof Map) {
    writeLength(value.size, 0x80, 16, 0xde)
    for (const [key, item] of value) {
      write(key, depth + 1)
      write(item, depth + 1)
    }
  } else if (ArrayBuffer.isView(value)) {
    writeBytes(new Uint8Array(value.buffer, value.byteOffset, value.byteLength))
  } else if (typeof (value as { toJSON?: unknown }).toJSON === 'function') {
    write((value as { toJSON(): unknown }).toJSON(), depth + 1)
  } else {
    writeProperties(value as Record<string, unknown>, depth)
  }
}

function writeProperties(value: Record<string, unknown>, depth: number): void {
  const keys = Object.keys(value)
  let count = keys.length
  for (const key of keys) if (value[key] === undefined) count--
  writeLength(count, 0x80, 16, 0xde)
  for (const key of keys) {
    const item = value[key]
    if (item === undefined) continue
    writeText(key)
    write(item, depth + 1)
  }
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

function writeText(text: string): void {
  const { length } = text
  reserve(5 + length * 3)
  if (length <= SHORT_TEXT) {
    const start = at + 1
    let index = 0
    for (; index < length; index++) {
      const unit = text.charCodeAt(index)
      if (unit > 0x7f) break
      buffer[start + index] = unit
    }
    if (index === length) {
      buffer[at] = 0xa0 | length
      at = start + length
      return
    }
  }
  const bytes = Buffer.byteLength(text)
  if (bytes < 32) {
    buffer[at++] = 0xa0 | bytes
  } else if (bytes < 0x100) {
    buffer[at] = 0xd9
    buffer[at + 1] = bytes
    at += 2
  } else {
    writeLength(bytes, 0, 0, 0xda)
  }
  at += buffer.write(text, at, 'utf8')
}

function writeBytes(bytes: Uint8Array): void {
  const { length } = bytes
  reserve(5 + length)
  if (length < 0x100) {
    buffer[at] = 0xc4
    buffer[at + 1] = length
    at += 2
  } else {
    writeLength(length, 0, 0, 0xc5)
  }
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
    throw new RangeError('a bigint of more than 64 bits cannot be sent')
  }
  at += 9
}

// ---- reading ----

class Reader {
  at = 0
  readonly #bytes: Buffer
  readonly #view: DataView

  constructor(bytes: Uint8Array) {
    const { buffer, byteOffset, byteLength } = bytes
    this.#bytes = Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength)
    this.#view = new DataView(buffer, byteOffset, byteLength)
  }

  read(depth: number): unknown {
    if (depth > DEPTH_MAX) throw new RangeError(`a value nested more than ${DEPTH_MAX} deep`)
    const tag = this.#view.getUint8(this.at++)
    if (tag < 0x80) return tag
    if (tag < 0x90) return this.#object(tag & 0x0f, depth)
    if (tag < 0xa0) return this.#array(tag & 0x0f, depth)
    if (tag < 0xc0) return this.#text(tag & 0x1f)
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
        return this.#copy(this.#unsigned(1 << (tag - 0xc4)))
      case 0xca:
        return this.#view.getFloat32(this.#skip(4))
      case 0xcb:
        return this.#view.getFloat64(this.#skip(8))
      case 0xcc:
      case 0xcd:
      case 0xce:
        return this.#unsigned(1 << (tag - 0xcc))
      case 0xcf:
        return exact(this.#view.getBigUint64(this.#skip(8)))
      case 0xd0:
        return this.#view.getInt8(this.#skip(1))
      case 0xd1:
        return this.#view.getInt16(this.#skip(2))
      case 0xd2:
        return this.#view.getInt32(this.#skip(4))
      case 0xd3:
        return exact(this.#view.getBigInt64(this.#skip(8)))
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.#text(this.#unsigned(1 << (tag - 0xd9)))
      case 0xdc:
      case 0xdd:
        return this.#array(this.#unsigned(2 << (tag - 0xdc)), depth)
      case 0xde:
      case 0xdf:
        return this.#object(this.#unsigned(2 << (tag - 0xde)), depth)
      default:
        throw new RangeError(`type 0x${tag.toString(16)} is not plain MessagePack`)
    }
  }

  #skip(length: number): number {
    const start = this.at
    if (start + length > this.#bytes.length) throw new RangeError('the value ends too early')
    this.at = start + length
    return start
  }

  #unsigned(width: number): number {
    const start = this.#skip(width)
    if (width === 1) return this.#bytes[start]
    return width === 2 ? this.#view.getUint16(start) : this.#view.getUint32(start)
  }

  #copy(length: number): Uint8Array {
    const start = this.#skip(length)
    return new Uint8Array(this.#bytes.subarray(start, start + length))
  }

  #text(length: number): string {
    const start = this.#skip(length)
    if (length <= SHORT_TEXT) {
      let text = ''
      for (let index = start; index < this.at; index++) {
        const unit = this.#bytes[index]
        if (unit > 0x7f) return this.#bytes.toString('utf8', start, this.at)
        text += String.fromCharCode(unit)
      }
      return text
    }
    return this.#bytes.toString('utf8', start, this.at)
  }

  #array(length: number, depth: number): unknown[] {
    // A length is a claim until as many bytes are there: every item takes one at least.
    if (length > this.#bytes.length - this.at) throw new RangeError('the value ends too early')
    const array: unknown[] = new Array(length)
    for (let index = 0; index < length; index++) array[index] = this.read(depth + 1)
    return array
  }

  #object(count: number, depth: number): Record<string, unknown> {
    if (count * 2 > this.#bytes.length - this.at) throw new RangeError('the value ends too early')
    const object: Record<string, unknown> = {}
    for (let index = 0; index < count; index++) {
      const key = String(this.read(depth + 1))
      const value = this.read(depth + 1)
      if (key === '__proto__') {
        Object.defineProperty(object, key, {
          value,
          configurable: true,
          enumerable: true,
          writable: true,
        })
      } else {
        object[key] = value
      }
    }
    return object
  }
}

/** A number where it is exact. */
function exact(value: bigint): number | bigint {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value
}
