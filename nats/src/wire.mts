// What two bridges say to each other. A message of NATS has the payload as its data, as the local
// peers have encoded it, and one header that says what it is: the version, the kind, and fields.
//
//   Ringpost: 1 call codec=messagePack ms=1990 lane=normal beat=5000
//   traceparent: 00-…
//
// A request goes to the subject of its method, with an inbox for all answers. A call that is not
// answered at once says that it is alive, again and again, and where its own inbox is, for what the
// caller has to say.

import { IpcError, type Lane } from 'ringpost'
import { token } from './subjects.mjs'

export const HEADER = 'Ringpost'
export const TRACE_HEADER = 'traceparent'
const VERSION = '1'

const KINDS = [
  // To the subject of a method, stream, event or topic.
  ...(['call', 'stream', 'event', 'topic'] as const),
  // To the caller: the one outcome.
  ...(['reply', 'error'] as const),
  // To the callee.
  ...(['cancel'] as const),
  // In either direction.
  ...(['item', 'end', 'credit', 'alive'] as const),
]
export type Kind = (typeof KINDS)[number]

/** What a message says of itself. */
export interface Fields {
  readonly kind: Kind
  /** The name of the codec of its payload. */
  readonly codec?: string
  /** Milliseconds until its deadline. */
  readonly ms?: number
  readonly lane?: Lane
  /** Bytes of items that may be on their way, in each direction of a stream. */
  readonly window?: number
  /** Milliseconds between two signs of life of a call. */
  readonly beat?: number
  /** The number of an item or message, from 1 on; behind the last one, how many there were. Of
   * credit, the bytes of all items since the first that may be sent. */
  readonly n?: number
  /** Of a message of a topic or an event of a server: the bridge that has numbered it. */
  readonly from?: string
}

const LANES: readonly string[] = ['critical', 'high', 'normal', 'low']
const LENGTH_MAX = 512
/** Fields that are numbers, and what they may be. */
const RANGES: Readonly<Record<string, readonly [least: number, most: number]>> = {
  ms: [1, 1e12],
  window: [4_096, 16_777_216],
  beat: [100, 600_000],
  n: [0, Number.MAX_SAFE_INTEGER],
}
const TRACE = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/

export function writeFields({ kind, ...fields }: Fields): string {
  let text = `${VERSION} ${kind}`
  for (const [key, value] of Object.entries(fields)) {
    if (value !== undefined) text += ` ${key}=${key === 'codec' ? token(String(value)) : value}`
  }
  return text
}

/**
 * Reads the header of a message, which anybody who may publish to the subject can have written.
 * @throws IpcError `ERR_VERSION`, `ERR_INVALID_ARGUMENT`
 */
export function readFields(text: string): Fields {
  if (text.length > LENGTH_MAX) throw wrong(`a header of ${text.length} characters`)
  const [version, kind, ...rest] = text.split(' ')
  if (version !== VERSION) {
    const message = `the other bridge speaks version ${show(version)}, this one ${VERSION}`
    throw new IpcError('ERR_VERSION', message)
  }
  if (!(KINDS as readonly string[]).includes(kind)) throw wrong(`the kind ${show(kind)}`)
  const fields: Record<string, string | number> = { kind }
  for (const field of rest) {
    const at = field.indexOf('=')
    const [key, value] = [field.slice(0, at), field.slice(at + 1)]
    const range = Object.hasOwn(RANGES, key) ? RANGES[key] : undefined
    if (range !== undefined) fields[key] = numberOf(key, value, range)
    else if (key === 'codec' || key === 'from') fields[key] = value
    else if (key === 'lane' && LANES.includes(value)) fields[key] = value
    // A newer bridge may say more.
    else if (key === 'lane') throw wrong(`the lane ${show(value)}`)
  }
  return fields as unknown as Fields
}

function numberOf(key: string, value: string, [least, most]: readonly [number, number]): number {
  const number = /^\d{1,16}$/.test(value) ? Number(value) : NaN
  if (number >= least && number <= most) return number
  const range = `${least.toLocaleString('en')} to ${most.toLocaleString('en')}`
  throw wrong(`${key}=${show(value)}, which is ${range}`)
}

/** A `traceparent` as the standard has it; anything else is as good as none. */
export function readTrace(text: string | undefined): string | undefined {
  return text !== undefined && TRACE.test(text) ? text : undefined
}

/** @throws IpcError `ERR_INVALID_PAYLOAD` unless the payload is encoded as the contract says. */
export function checkCodec(fields: Fields, codec: string, what: string): void {
  if (fields.codec === token(codec)) return
  const found = show(fields.codec ?? 'nothing')
  const message = `${what} is encoded as ${found}, but the contract's codec is ${codec}`
  throw new IpcError('ERR_INVALID_PAYLOAD', message)
}

const show = (text: string): string => JSON.stringify(String(text).slice(0, 40))

function wrong(found: string): IpcError {
  return new IpcError('ERR_INVALID_ARGUMENT', `the other bridge has sent ${found}`)
}
