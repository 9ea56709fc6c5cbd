// What V8 has serialized, looked through before V8 reads it. V8 believes what bytes say of lengths:
// a list without items takes six bytes and a quarter of a gigabyte. So the limits of the other
// codecs are checked here; what the bytes mean is left to V8.

import { DEPTH_MAX, valuesMax } from './unpack.js'

/** The format of the oldest Node.js that this package runs on: V8 still reads older ones, which no
 * peer writes. */
const VERSION_MIN = 15
/** Of what is more than a few words of memory, and can be as short as two bytes. */
const HEAVY = 4

/** Node.js numbers its kinds of views up to here, of which one is Buffer. */
const VIEW_MAX = 12
export const BUFFER = 10
/** The type of a number that stands for something else. */
export const STANDING = 255

const HEADER = 0xff
const PADDING = 0

// What is read, how far, and how many parts it may still have. No other code runs meanwhile.
let bytes: Uint8Array = new Uint8Array(0)
let at = 0
let partsLeft = 0

/**
 * Looks through a serialized value.
 * @throws RangeError if it is none, or beyond the limits.
 */
export function checkSerialized(serialized: Uint8Array): void {
  bytes = serialized
  at = 0
  partsLeft = valuesMax(serialized.length)
  if (take() !== HEADER || unsigned() < VERSION_MIN) throw new RangeError('no structured clone')
  value(0)
  if (at !== bytes.length) throw new RangeError(`${bytes.length - at} bytes behind the value`)
}

// ---- values ----

function value(depth: number): void {
  read(letter(), depth)
}

function letter(): string {
  let byte
  do byte = take()
  while (byte === PADDING)
  return String.fromCharCode(byte)
}

function read(type: string, depth: number): void {
  switch (type) {
    // undefined, null, booleans, and objects of those
    case '_':
    case '0':
    case 'T':
    case 'F':
    case 'y':
    case 'x':
      return
    // whole numbers, and references to what came before
    case 'I':
    case 'U':
    case '^':
      unsigned()
      return
    // other numbers, Date
    case 'N':
    case 'D':
    case 'n':
      skip(8)
      return
    case 'Z':
    case 'z':
      skip(Math.floor(unsigned() / 2))
      return
    case '"':
    case 'c':
      skip(unsigned())
      return
    case 's':
      return text()
    case 'R':
      text()
      unsigned()
      return
    case 'B':
      count(HEAVY)
      skip(unsigned())
      return
    case '\\':
      return view()
    default:
      return container(type, depth)
  }
}

/** What Node.js writes itself. */
function view(): void {
  count(HEAVY)
  const type = unsigned()
  if (type > VIEW_MAX && type !== STANDING) throw new RangeError(`a view of type ${type}`)
  skip(unsigned())
}

function text(): void {
  const type = letter()
  if (type !== '"' && type !== 'c') throw new RangeError('a text that is none')
  read(type, 0)
}

function container(type: string, depth: number): void {
  if (depth >= DEPTH_MAX) throw new RangeError(`nested more than ${DEPTH_MAX} deep`)
  switch (type) {
    case 'o':
      entries('{', 2, depth)
      return
    case 'A':
      list(unsigned(), depth)
      entries('$', 2, depth)
      unsigned()
      return
    case 'a':
      return gapped(unsigned(), depth)
    case ';':
      count(HEAVY)
      entries(':', 2, depth)
      return
    case "'":
      count(HEAVY)
      entries(',', 1, depth)
      return
    case 'r':
      return error(depth)
    default:
      throw new RangeError(`0x${type.charCodeAt(0).toString(16)} is no type of structured cloning`)
  }
}

function list(length: number, depth: number): void {
  count(length)
  for (let index = 0; index < length; index++) {
    const type = letter()
    if (type !== '-') read(type, depth + 1)
  }
}

/** A list with gaps takes as much memory as it is long, whatever is in it. */
function gapped(length: number, depth: number): void {
  const filled = entries('@', 2, depth)
  count(Math.max(0, length - filled))
  unsigned()
}

/** Items, or keys with their values, up to a tag that says that there are no more, and how many
 * there were. */
function entries(end: string, width: 1 | 2, depth: number): number {
  let found = 0
  for (let type = letter(); type !== end; type = letter(), found++) {
    count(1)
    read(type, depth + 1)
    if (width === 2) value(depth + 1)
  }
  unsigned()
  return found
}

function error(depth: number): void {
  for (let part = letter(); part !== '.'; part = letter()) {
    if (part === 'm' || part === 's') text()
    else if (part === 'c') value(depth + 1)
    // Of which class it is.
    else if (!'EFRSTU'.includes(part)) throw new RangeError('an error that is none')
  }
}

// ---- bytes ----

function take(): number {
  return bytes[skip(1)]
}

function skip(length: number): number {
  const start = at
  if (start + length > bytes.length) throw new RangeError('the value ends too early')
  at = start + length
  return start
}

/** Seven bits in each byte, the lowest first; at most 32 in all. */
function unsigned(): number {
  let number = 0
  for (let factor = 1; factor <= 2 ** 28; factor *= 128) {
    const byte = take()
    number += (byte & 0x7f) * factor
    if (byte < 0x80 && number < 2 ** 32) return number
  }
  throw new RangeError('a number of more than 32 bits')
}

function count(parts: number): void {
  partsLeft -= parts
  if (partsLeft >= 0) return
  const most = valuesMax(bytes.length)
  throw new RangeError(`more than ${most} items and fields in ${bytes.length} bytes`)
}
