// The contracts of the server program. Labels separate the tests of one file that share a server.

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

export interface Inspect {
  lane: Lane
  remainingMs: number
  traceparent: string | null
  peer: Peer
}

/** A request or event the server sends to its client. */
export interface Back {
  name: string
  payload?: unknown
  sync?: boolean
  timeoutMs?: number
}

/** What a busy handler observed. */
export interface Seen {
  before: boolean
  after: boolean
  turned: boolean
}

/** A number in the series with this label. */
export type Step = [label: string, step: number]

export const Echo = method<any, any>('echo')
/** Answers the number of the process. */
export const WhoServes = method<undefined, number>('who-serves')
export const EchoBytes = method<Uint8Array, Uint8Array>('echo-bytes', { codec: bytes })
export const EchoJson = method<any, any>('echo-json', { codec: json })
/** Answers the doubled number. */
export const Tally = method<number, number>('tally', { codec: tally() })
/** Sends arbitrary bytes as MessagePack. */
export const Unchecked = method<unknown, unknown>('unchecked', { codec: unchecked() })
/** Whether two consecutive borrowed payloads occupy the same memory. */
export const Borrowed = method<Uint8Array, Uint8Array>('borrowed', { codec: bytes })
export const Fail = method<Failure, never>('fail')
/** Throws a string. */
export const FailOddly = method<string, never>('fail-oddly')
/** Never answers; records under its label why the request was abandoned. */
export const Never = method<string, never>('never')
/** Whether the handler of {@link Never} has started for a label. */
export const HasStarted = method<string, boolean>('has-started')
export const Abandoned = method<string, string | null>('abandoned')
export const Wait = method<number, number>('wait')
export const Inspect = method<void, Inspect>('inspect')
export const RequestBack = method<Back, any>('request-back')
export const NotifyBack = method<Back & { count: number }, void>('notify-back')
/** Sends a request to its client with the handler's context as parent. */
export const Inherit = method<Back, any>('inherit')
/** Computes without yielding until it is cancelled, and records what it observed under its label.
 * It creates {@link busyFile} when it starts. */
export const Busy = method<string, void>('busy')
export const BusyFor = method<string, Seen | null>('busy-for')
/** Sends its client so many ticks under a label, then answers. */
export const SendTicks = method<{ label: string; count: number }, void>('send-ticks')
/** Blocks the event loop for so many milliseconds. */
export const Block = method<number, void>('block')
/** Ends the process abruptly. */
export const End = method<'kill' | 'exit' | 'throw', never>('end')
/** Closes the connection from within its handler. */
export const CloseHere = method<void, string>('close-here')
export const Positive = method<any, any>('positive', { params: positive() })
export const Descriptors = method<void, number>('descriptors')

export const Blob = method<Uint8Array, Uint8Array>('blob', { codec: bytes, compress: true })
export const PackedTick = event<Uint8Array>('packed-tick', { codec: bytes, compress: true })
export const Tick = event<Step>('tick')
/** Writes a file with this name once all earlier requests are answered. */
export const Note = event<string>('note')
export const TickBytes = event<Uint8Array>('tick-bytes', { codec: bytes })
/** Messages dropped by the lanes of the caller, as reported to the server. */
export const PeerDropped = method<void, Record<Lane, number>>('peer-dropped')
/** All steps received under a label, in order. */
export const Ticks = method<string, number[]>('ticks')
/** Bytes received by {@link TickBytes} on this connection. */
export const TickedBytes = method<void, number>('ticked-bytes')
/** The last byte of the most recent of them. */
export const TickedLast = method<void, number>('ticked-last')

/** The file that exists once {@link Busy} has started for a label. */
export const busyFile = (label: string) => join(process.env.RINGPOST_DIR!, `busy-${label}`)

/** Numbers as text; 13 cannot be encoded, and the encoding of 14 cannot be decoded. */
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
