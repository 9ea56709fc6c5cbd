// What MessagePack has no type of its own for: points in time, and typed arrays. The types are
// those of PROTOCOL.md §9: the first is MessagePack's own, the others are those that `msgpack-lite`
// has made usual.

/** MessagePack's own: seconds since 1970, and nanoseconds. */
export const TIMESTAMP = -1
const ARRAY_BUFFER = 0x1a
const DATA_VIEW = 0x1d

type Elements = new (buffer: ArrayBuffer) => ArrayBufferView

/** Typed arrays by their extension types. `Uint8Array` is what MessagePack calls binary data. */
const ELEMENTS = new Map<number, [name: string, bytes: number, make: Elements | undefined]>([
  [0x11, ['Int8Array', 1, Int8Array]],
  [0x13, ['Int16Array', 2, Int16Array]],
  [0x14, ['Uint16Array', 2, Uint16Array]],
  [0x15, ['Int32Array', 4, Int32Array]],
  [0x16, ['Uint32Array', 4, Uint32Array]],
  [0x17, ['Float32Array', 4, Float32Array]],
  [0x18, ['Float64Array', 8, Float64Array]],
  [0x19, ['Uint8ClampedArray', 1, Uint8ClampedArray]],
  [0x1e, ['BigInt64Array', 8, BigInt64Array]],
  [0x1f, ['BigUint64Array', 8, BigUint64Array]],
  // There is none before Node.js 24.
  [0x20, ['Float16Array', 2, (globalThis as { Float16Array?: Elements }).Float16Array]],
])
const TYPES = new Map(Array.from(ELEMENTS, ([type, [name]]) => [name, type]))
TYPES.set('DataView', DATA_VIEW)
TYPES.set('ArrayBuffer', ARRAY_BUFFER)

/** The type of what has this name. */
export const typeOf = (name: string): number | undefined => TYPES.get(name)

/**
 * What bytes of a type stand for; they are the caller's to give away. Elements are little-endian,
 * as in the memory of every machine this runs on.
 */
export function fromExtension(type: number, bytes: Uint8Array<ArrayBuffer>): unknown {
  if (type === TIMESTAMP) return readTime(bytes)
  if (type === ARRAY_BUFFER) return bytes.buffer
  if (type === DATA_VIEW) return new DataView(bytes.buffer)
  const known = ELEMENTS.get(type)
  if (known === undefined) throw new RangeError(`extension type ${type} is not known`)
  const [name, width, make] = known
  if (make === undefined) throw new RangeError(`there is no ${name} in this process`)
  if (bytes.length % width !== 0) throw new RangeError(`a ${name} of ${bytes.length} bytes`)
  return new make(bytes.buffer)
}

const NANOS = 1_000_000_000

/** A time as 32, 64 or 96 bits, the shortest that will do. */
export function timeBytes(ms: number): Uint8Array {
  const seconds = Math.floor(ms / 1000)
  const nanos = (ms - seconds * 1000) * 1e6
  if (seconds < 0 || seconds >= 2 ** 34) {
    const view = new DataView(new ArrayBuffer(12))
    view.setUint32(0, nanos)
    view.setBigInt64(4, BigInt(seconds))
    return new Uint8Array(view.buffer)
  }
  const isShort = nanos === 0 && seconds < 2 ** 32
  const view = new DataView(new ArrayBuffer(isShort ? 4 : 8))
  if (!isShort) view.setUint32(0, nanos * 4 + Math.floor(seconds / 2 ** 32))
  view.setUint32(isShort ? 0 : 4, seconds % 2 ** 32)
  return new Uint8Array(view.buffer)
}

/** A `Date` of these bytes: what is finer than a millisecond is cut off, as it has no place
 * there. */
function readTime(bytes: Uint8Array): Date {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  let seconds
  let nanos = 0
  switch (bytes.length) {
    case 4:
      seconds = view.getUint32(0)
      break
    case 8:
      nanos = view.getUint32(0) >>> 2
      seconds = (view.getUint32(0) & 3) * 2 ** 32 + view.getUint32(4)
      break
    case 12:
      nanos = view.getUint32(0)
      seconds = Number(view.getBigInt64(4))
      break
    default:
      throw new RangeError(`a timestamp of ${bytes.length} bytes`)
  }
  if (nanos >= NANOS) throw new RangeError(`a timestamp with ${nanos} nanoseconds`)
  const date = new Date(seconds * 1000 + Math.floor(nanos / 1e6))
  if (Number.isNaN(date.getTime())) throw new RangeError(`a time of ${seconds} s is no Date`)
  return date
}
