// The streams of the server program.

import { bytes, event, stream } from 'ringpost'
import { positive } from './contracts.mjs'

/** Yields the numbers below `count`, and records under the label why it ended. */
export const Numbers = stream<[label: string, count: number], number, never, string>('numbers')
/** Sends every item back, and answers their number. */
export const Echoed = stream<void, any, any, number>('echoed')
/** Yields byte items; the params are JSON in bytes: their number and length. */
export const Chunks = stream<Uint8Array, Uint8Array, Uint8Array, Uint8Array>('chunks', {
  codec: bytes,
})
/** Writes without waiting, and answers with the code of the error that stopped it. */
export const Pushy = stream<void, Uint8Array, never, string>('pushy')
/** Yields its params and uploads, validated as positive numbers. */
export const Checked = stream<unknown[], unknown, number>('checked', {
  item: positive(),
  upload: positive(),
})
/** Yields tokens, each after the reader has acknowledged the previous one. */
export const Tokens = stream<void, string>('tokens')
export const TokenSeen = event<void>('token-seen')
