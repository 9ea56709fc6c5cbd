// What the tests carry: a service with methods of each codec, streams and events, and two topics.

import { bytes, event, json, layout, method, stream, text, topic, type Codec } from 'ringpost'
import type { Service } from '../../src/index.mjs'

/** What a handler has seen of its request. */
export interface Seen {
  pid: number
  remainingMs: number | null
  traceparent: string | null
  lane: string
}

/** Numbers as text: a codec that is not built in. */
const decimal: Codec<number> = {
  name: 'decimal, as text',
  encode: (value) => Buffer.from(String(value)),
  decode: (payload) => Number(Buffer.from(payload).toString()),
}

export const Echo = method<any, any>('echo')
export const Blob = method<Uint8Array, Uint8Array>('blob', { codec: bytes })
/** Answers so many bytes. */
export const Zeros = method<number, any>('zeros')
export const Text = method<any, any>('text', { codec: json })
/** A name with all that subjects must not have. */
export const Odd = method<number, number>('odd. *.>\u00e4 name', { codec: decimal })
export const Fail = method<string, never>('fail')
export const Look = method<void, Seen>('look')
/** Answers after so many milliseconds; records under its label why it was abandoned. */
export const Wait = method<{ label: string; ms: number }, string>('wait')
/** How {@link Wait} of that label stands: `started`, `abandoned` or nothing. */
export const Waited = method<string, string | null>('waited')
/** Sends its items back, and answers how many there were. */
export const Mirror = stream<{ fail?: string }, Uint8Array, Uint8Array, number>('mirror', {
  codec: { name: 'either', encode, decode },
})
/** Sends numbers, and answers their sum. */
export const Count = stream<number, number, never, number>('count')
export const Note = event<string>('note')
/** The notes that have come. */
export const Notes = method<void, string[]>('notes')
/** Makes the server send {@link Alarm}. */
export const Shout = method<string, void>('shout')
export const Alarm = event<string>('alarm')
/** Is not carried. */
export const Secret = method<void, string>('secret')
/** Publishes messages in {@link Flow} or {@link Kept}, numbered from `from` on. */
export const Publish = method<{ topic: string; from: number; count: number }, void>('publish')

export const Site: Service = {
  name: 'site',
  contracts: [Echo, Blob, Zeros, Text, Odd, Fail, Look, Wait, Waited, Mirror, Count],
  broadcasts: [Alarm],
}
/** The same with events and what tests need. */
export const Full: Service = {
  ...Site,
  contracts: [...Site.contracts, Note, Notes, Shout, Publish],
}

export interface Message {
  number: number
  fill: string
}
export const Flow = topic<Message>('flow', { capacity: 1 << 22 })
export const Kept = topic<Message>('kept', { capacity: 1 << 22 })
const Point = layout({ x: 'f64', label: text(8) })
export const Points = topic('points', { codec: Point })

/** Params, items and result of {@link Mirror} in one codec: JSON, or bytes behind a zero. */
function encode(value: any): Uint8Array {
  if (value instanceof Uint8Array) return Buffer.concat([Buffer.of(0), value])
  return Buffer.from(JSON.stringify(value))
}

function decode(payload: Uint8Array): any {
  if (payload[0] === 0) return Uint8Array.from(payload.subarray(1))
  return JSON.parse(Buffer.from(payload).toString())
}
