// Texts as bytes, and back.

import { isUtf8 } from 'node:buffer'

interface Slices {
  utf8Slice?(this: Uint8Array, start: number, end: number): string
}

/** What `toString` calls, of any bytes: without it, each text costs a Buffer. */
const { utf8Slice } = Buffer.prototype as Slices
const slice = isFound(utf8Slice) ? utf8Slice : sliceOfBuffer

function isFound(found: typeof utf8Slice): found is NonNullable<typeof utf8Slice> {
  return found?.call(new Uint8Array([97, 98, 99, 100]), 1, 3) === 'bc'
}

function sliceOfBuffer(this: Uint8Array, start: number, end: number): string {
  return Buffer.from(this.buffer, this.byteOffset, this.length).toString('utf8', start, end)
}

/** The text that these bytes are. */
export function readText(bytes: Uint8Array, start: number, end: number): string {
  const text = slice.call(bytes, start, end)
  // What stands in for bytes that are no UTF-8 may also have been sent.
  if (text.includes('\ufffd') && !isUtf8(bytes.subarray(start, end))) {
    throw new RangeError('a text that is no UTF-8')
  }
  return text
}

/** Places for names, by what a few of their bytes add up to. */
const PLACES = 512
const NAME_MAX = 31
/** The bytes of each, and behind them how many there are. */
const PLACE_BYTES = NAME_MAX + 1
const names: (string | undefined)[] = new Array(PLACES).fill(undefined)
const kept = new Uint8Array(PLACES * PLACE_BYTES)

/** The same of a text that comes again and again, as names of fields do: it is made once, and found
 * by its bytes. */
export function readName(bytes: Uint8Array, start: number, end: number): string {
  const length = end - start
  if (length === 0 || length > NAME_MAX) return readText(bytes, start, end)
  const sum = bytes[start] * 7 + bytes[start + (length >>> 1)] * 31 + bytes[end - 1] * 127
  const place = (sum + length) & (PLACES - 1)
  const at = place * PLACE_BYTES
  if (kept[at + NAME_MAX] !== length) return keepName(bytes, start, end, place)
  for (let index = 0; index < length; index++) {
    if (kept[at + index] !== bytes[start + index]) return keepName(bytes, start, end, place)
  }
  return names[place]!
}

function keepName(bytes: Uint8Array, start: number, end: number, place: number): string {
  // As the engine keeps the names of properties, so that it need not look for it again.
  const [name] = Object.keys({ [readText(bytes, start, end)]: 0 })
  const at = place * PLACE_BYTES
  kept.set(bytes.subarray(start, end), at)
  kept[at + NAME_MAX] = end - start
  names[place] = name
  return name
}
