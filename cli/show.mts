// Values as text: JSON, with what JSON has no type for.

import { isArrayBuffer, isTypedArray } from 'node:util/types'

/** How values are shown, for the help of commands. */
export const SHOWN = `Values are printed as JSON. What that has no type for becomes a text: bytes in
base64, points in time as in ISO 8601, integers beyond 2^53, NaN and Infinity.`

/** A value as JSON, with line breaks if it is `pretty`. */
export function shown(value: unknown, pretty = false): string {
  const text = JSON.stringify(value, replacer, pretty ? 2 : undefined) ?? 'null'
  // JSON may have them as they are, but a terminal may obey them.
  return text.replaceAll(/[\x7f-\x9f]/g, (mark) => `\\u00${mark.charCodeAt(0).toString(16)}`)
}

/** Bytes and texts as they are; `undefined` for any other value. */
export function raw(value: unknown): Uint8Array | string | undefined {
  if (typeof value === 'string') return value
  return bytesOf(value)
}

function replacer(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return String(value)
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value)
  const bytes = bytesOf(value)
  if (bytes) return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
  return isTypedArray(value) ? Array.from<unknown>(value) : value
}

function bytesOf(value: unknown): Uint8Array | undefined {
  if (value instanceof Uint8Array) return value
  return isArrayBuffer(value) ? new Uint8Array(value) : undefined
}
