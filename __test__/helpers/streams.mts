// The streams the server program answers.

import { bytes, event, stream } from 'ringpost'
import { positive } from './contracts.mjs'

/** Yields the numbers below; a label under which it is remembered why it ended. */
export const Numbers = stream<[label: string, count: number], number, never, string>('numbers')
/** Why the stream of a label has ended. */
export const Echoed = stream<void, any, any, number>('echoed')
/** So many items of so many bytes, as JSON. */
export const Chunks = stream<Uint8Array, Uint8Array, Uint8Array, Uint8Array>('chunks', {
  codec: bytes,
})
/** Writes without ever waiting, and answers with the code of what stopped it. */
export const Pushy = stream<void, Uint8Array, never, string>('pushy')
/** Yields whatever it is given, as positive numbers. */
export const Checked = stream<unknown[], unknown, number>('checked', {
  item: positive(),
  upload: positive(),
})
/** Yields tokens, each when its reader has said that it has seen the one before. */
export const Tokens = stream<void, string>('tokens')
export const TokenSeen = event<void>('token-seen')
