// What the server program answers. Labels keep apart what tests of one file ask of one server.

import { join } from 'node:path'
import {
  bytes,
  event,
  json,
  messagePack,
  method,
  type Codec,
  type Lane,
  type Peer,
  type StandardSchema,
} from 'ringpost'

export interface Failure {
  name: string
  message: string
  code?: string | number
  cause?: Failure
}

export interface Look {
  lane: Lane
  remainingMs: number
  traceparent: string | null
  peer: Peer
}

/** The server is to ask its client, or to tell it something so many times. */
export interface Back {
  name: string
  payload?: unknown
  sync?: boolean
  timeoutMs?: number
}

/** What a busy handler saw. */
export interface Seen {
  before: boolean
  after: boolean
  turned: boolean
}

/** A number of a row, and which row it belongs to. */
export type Step = [label: string, step: number]

export const Echo = method<any, any>('echo')
export const EchoBytes = method<Uint8Array, Uint8Array>('echo-bytes', { codec: bytes })
export const EchoJson = method<any, any>('echo-json', { codec: json })
/** Answers twice the number. */
export const Tally = method<number, number>('tally', { codec: tally() })
/** Sends any bytes as if they were MessagePack. */
export const Unchecked = method<unknown, unknown>('unchecked', { codec: unchecked() })
/** Whether two borrowed payloads in a row lie in the same memory. */
export const Borrowed = method<Uint8Array, Uint8Array>('borrowed', { codec: bytes })
export const Fail = method<Failure, never>('fail')
/** Throws a string. */
export const FailOddly = method<string, never>('fail-oddly')
/** Is never answered; remembers under its label why nobody waits any more. */
export const Never = method<string, never>('never')
/** Whether that has begun for a label. */
export const HasBegun = method<string, boolean>('has-begun')
export const Abandoned = method<string, string | null>('abandoned')
export const Wait = method<number, number>('wait')
export const Look = method<void, Look>('look')
export const AskBack = method<Back, any>('ask-back')
export const TellBack = method<Back & { count: number }, void>('tell-back')
/** Asks its client back, as part of what it does. */
export const Inherit = method<Back, any>('inherit')
/** Computes without ever yielding, until it is cancelled; remembers under its label what it saw. That it
 * has begun is seen by {@link busyFile}. */
export const Busy = method<string, void>('busy')
export const BusyFor = method<string, Seen | null>('busy-for')
/** Tells its client so many ticks under a label, and then answers. */
export const Tell = method<{ label: string; count: number }, void>('tell')
/** Keeps the event loop from turning for so many milliseconds. */
export const Block = method<number, void>('block')
/** Ends the process in the middle of things. */
export const End = method<'kill' | 'exit' | 'throw', never>('end')
/** Closes the connection from within its handler. */
export const CloseHere = method<void, string>('close-here')
export const Positive = method<any, any>('positive', { params: positive() })
export const Descriptors = method<void, number>('descriptors')

export const Blob = method<Uint8Array, Uint8Array>('blob', { codec: bytes, compress: true })
export const PackedTick = event<Uint8Array>('packed-tick', { codec: bytes, compress: true })
export const Tick = event<Step>('tick')
/** Writes a file of that name when everything that came before is answered. */
export const Note = event<string>('note')
export const TickBytes = event<Uint8Array>('tick-bytes', { codec: bytes })
/** What the asker's lanes have dropped, as they say. */
export const PeerDropped = method<void, Record<Lane, number>>('peer-dropped')
/** All steps that have come under a label, in order. */
export const Ticks = method<string, number[]>('ticks')
/** How many bytes have come by {@link TickBytes} on this connection. */
export const TickedBytes = method<void, number>('ticked-bytes')
/** The last byte of the last of them. */
export const TickedLast = method<void, number>('ticked-last')

/** What is there as soon as {@link Busy} is at work for a label. */
export const busyFile = (label: string) => join(process.env.RINGPOST_DIR!, `busy-${label}`)

/** Numbers as text; 13 cannot be written, and what 14 becomes cannot be read. */
function tally(): Codec<number> {
  return {
    name: 'tally',
    encode(value) {
      if (value === 13) throw new Error('unlucky')
      return Buffer.from(value === 14 ? 'x' : String(value))
    },
    decode(payload) {
      const text = Buffer.from(payload).toString()
      if (text === 'x') throw new Error('illegible')
      return Number(text)
    },
  }
}

function unchecked(): Codec<unknown> {
  return {
    name: 'unchecked',
    encode: (value) => (value instanceof Uint8Array ? value : messagePack.encode(value)),
    decode: messagePack.decode,
  }
}

/** A validator in the standard form: numbers above 0, doubled. */
export function positive(): StandardSchema<number> {
  return {
    '~standard': {
      validate: (value: unknown) =>
        typeof value === 'number' && value > 0
          ? { value: value * 2 }
          : { issues: [{ message: 'has to be above 0' }, { message: 'really' }] },
    },
  }
}
