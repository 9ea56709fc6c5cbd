// What processes of most scenarios do: one serves, others join it, send, and make requests. Every
// message carries its sender and its number, and the receiver checks all of it.

import { readdirSync, readFileSync } from 'node:fs'
import type { RecordableHistogram } from 'node:perf_hooks'
import { setTimeout } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import {
  bytes,
  connect,
  createServer,
  event,
  method,
  type Client,
  type ClientOptions,
  type Server,
  type ServerOptions,
} from 'ringpost'
import { histogram, latencyOf, record } from '../histogram.mjs'
import { COMPARED_EVERY, compare, Sink, stamp, touch } from '../payload.mjs'
import type { Latency } from '../results.mjs'
import { openLoop, type Asked, type Phase } from './pace.mjs'

export const Echo = method<Uint8Array, Uint8Array>('echo', { codec: bytes })
export const Take = event<Uint8Array>('take', { codec: bytes })

/** Where a server is met. */
export interface Place {
  name: string
  directory: string
}

export interface Serving {
  place: Place
  options?: ServerOptions
  /** Whether each message is compared whole, rather than one in so many. */
  thorough?: boolean
}

export interface Joining {
  places: Place[]
  /** To each of the places. */
  connections: number
  /** The number of the first of its senders. */
  first?: number
  options?: ClientOptions
}

export interface Sending {
  /** Of the messages of each connection, in turn. */
  sizes: number[]
  /** Messages on each connection, or how long. */
  count?: number
  ms?: number
}

export interface Sent {
  count: number
  bytes: number
  ms: number
  perSecond: number
  bytesPerSecond: number
}

/** Round trips at fixed rates, one phase after the other. */
export interface Asking {
  size: number
  phases: Phase[]
}

/** Round trips one at a time, with a pause between them. */
export interface Probing {
  size: number
  ms: number
  pauseMs: number
}

export interface Tally {
  count: number
  bytes: number
  /** What was not as it should be, the first few. */
  faults: string[]
  /** By connection, of those that are open. */
  each: { sender: number; count: number }[]
}

export interface Usage {
  residentBytes: number
  /** Of those, what is its own. */
  anonymousBytes: number
  heapBytes: number
  descriptors: number
  /** Mappings of memory that others have too. */
  segments: number
}

// ---- payloads ----

/** Bytes before the pattern: the number of the message, and its sender. */
const HEAD = 8

/** A payload of a sender, but for its number. */
export function pattern(length: number, sender: number): Uint8Array {
  const payload = new Uint8Array(length)
  for (let at = HEAD; at < length; at++) payload[at] = at * 7 + (at >>> 8) + length
  if (length >= HEAD) new DataView(payload.buffer).setUint32(4, sender, true)
  return payload
}

/** The payloads of a sender, by length. */
class Patterns {
  readonly #sender: number
  readonly #patterns = new Map<number, Uint8Array>()

  constructor(sender: number) {
    this.#sender = sender
  }

  of(length: number): Uint8Array {
    let found = this.#patterns.get(length)
    if (found === undefined) {
      found = pattern(length, this.#sender)
      this.#patterns.set(length, found)
    }
    return found
  }
}

const FAULTS_KEPT = 5

/** What comes on one connection. */
export class Arrivals {
  count = 0
  bytes = 0
  /** The sender, known from the first message. */
  sender = NaN
  readonly faults: string[] = []
  #sequence = 0
  #sum = 0
  #patterns: Patterns | undefined
  readonly #thorough: boolean

  constructor(thorough: boolean) {
    this.#thorough = thorough
  }

  readonly got = (payload: Uint8Array): void => {
    const { length } = payload
    const sequence = this.#sequence++
    this.count++
    this.bytes += length
    if (length < HEAD) return
    this.#sum += touch(payload)
    if (word(payload, 0) !== sequence) {
      this.#fault(`number ${sequence} was missing, ${word(payload, 0)} came instead`)
      this.#sequence = word(payload, 0) + 1
    }
    if (this.#patterns === undefined) {
      this.sender = word(payload, 4)
      this.#patterns = new Patterns(this.sender)
    }
    if (word(payload, 4) !== this.sender) this.#fault(`came from sender ${word(payload, 4)}`)
    if (!this.#thorough && sequence % COMPARED_EVERY !== 0) return
    const expected = this.#patterns.of(length)
    stamp(expected, word(payload, 0))
    if (Buffer.compare(payload, expected) !== 0) {
      this.#fault(`number ${sequence} of ${length} bytes came out different`)
    }
  }

  #fault(what: string): void {
    if (this.faults.length < FAULTS_KEPT) this.faults.push(`sender ${this.sender}: ${what}`)
  }
}

const word = (payload: Uint8Array, at: number): number =>
  (payload[at] |
    (payload[at + 1] << 8) |
    (payload[at + 2] << 16) |
    (payload[at + 3] << 24)) >>>
  0

/** Sends and asks on one connection. */
export class Sender {
  readonly client: Client
  sent = 0
  bytes = 0
  readonly #patterns: Patterns

  constructor(client: Client, number: number) {
    this.client = client
    this.#patterns = new Patterns(number)
  }

  /** A payload of this sender's, to be changed at will. */
  make(length: number): Uint8Array {
    return this.#patterns.of(length).slice()
  }

  /** A promise says when to go on. */
  send(length: number): Promise<void> | undefined {
    const payload = this.#patterns.of(length)
    stamp(payload, this.sent)
    const room = this.client.notify(Take, payload)
    this.sent++
    this.bytes += length
    return room ? undefined : this.client.drained()
  }

  /** A round trip, compared whole. */
  async ask(length: number, spans?: RecordableHistogram): Promise<void> {
    const payload = this.make(length)
    stamp(payload, this.sent)
    const start = performance.now()
    const answer = await this.client.request(Echo, payload)
    if (spans !== undefined) record(spans, start)
    touch(answer)
    compare(answer, payload)
  }
}

// ---- state of this process ----

let server: Server
const arrivals = new Map<object, Arrivals>()
/** What came on connections that are closed. */
let past = nothing()
let senders: Sender[] = []

export const theServer = (): Server => server
export const theSenders = (): readonly Sender[] => senders
export const replaceSenders = (others: Sender[]): void => void (senders = others)

function nothing(): Tally {
  return { count: 0, bytes: 0, faults: [], each: [] }
}

function add(tally: Tally, { count, bytes, faults }: Arrivals): void {
  tally.count += count
  tally.bytes += bytes
  tally.faults.push(...faults.slice(0, FAULTS_KEPT - tally.faults.length))
}

/** What has come so far on open connections. */
export function countArrived(): number {
  let count = 0
  for (const arrived of arrivals.values()) count += arrived.count
  return count
}

/** Connects; what is asked there may take as long as the scenario. */
export const open = ({ name, directory }: Place, options: ClientOptions = {}): Promise<Client> =>
  connect(name, { directory, timeoutMs: Infinity, reconnect: false, ...options })

// ---- roles ----

/** How long a server may take to see that connections are over. */
export const SETTLE_MS = 5_000

export const common = {
  ready(): void {},

  async serve({ place: { name, directory }, options, thorough = false }: Serving): Promise<void> {
    server = await createServer(name, { directory, ...options })
    const sink = new Sink()
    const echo = (payload: Uint8Array) => {
      sink.touch(payload)
      return payload
    }
    server.handle(Echo, echo, { borrowed: true })
    server.on('connection', (connection) => {
      const arrived = new Arrivals(thorough)
      arrivals.set(connection, arrived)
      connection.handle(Take, arrived.got, { borrowed: true })
      connection.once('close', () => {
        arrivals.delete(connection)
        add(past, arrived)
      })
    })
  },

  tally(): Tally {
    const tally = past
    past = nothing()
    for (const arrived of arrivals.values()) {
      const { sender, count } = arrived
      tally.each.push({ sender, count })
      add(tally, arrived)
      arrived.count = arrived.bytes = arrived.faults.length = 0
    }
    return tally
  },

  async join({ places, connections, first = 0, options }: Joining): Promise<void> {
    const all = places.flatMap((place) => new Array<Place>(connections).fill(place))
    const clients = await Promise.all(all.map((place) => open(place, options)))
    senders.push(...clients.map((client, index) => new Sender(client, first + index)))
  },

  async send(sending: Sending): Promise<Sent> {
    const start = performance.now()
    const before = senders.map(({ sent, bytes }) => ({ sent, bytes }))
    await Promise.all(senders.map((sender) => sendOn(sender, sending)))
    const ms = performance.now() - start
    const sum = (of: 'sent' | 'bytes') =>
      senders.reduce((sum, sender, at) => sum + sender[of] - before[at][of], 0)
    const [count, bytes] = [sum('sent'), sum('bytes')]
    return { count, bytes, ms, perSecond: (count / ms) * 1e3, bytesPerSecond: (bytes / ms) * 1e3 }
  },

  ask({ size, phases }: Asking): Promise<Asked[]> {
    const [sender] = senders
    const request = (payload: Uint8Array) => sender.client.request(Echo, payload)
    return openLoop(request, sender.make(size), phases)
  },

  async probe({ size, ms, pauseMs }: Probing): Promise<Latency> {
    const [sender] = senders
    const spans = histogram()
    const end = performance.now() + ms
    while (performance.now() < end) {
      await sender.ask(size, spans)
      await setTimeout(pauseMs)
    }
    return latencyOf(spans)
  },

  async leave(): Promise<void> {
    await Promise.all(senders.map(({ client }) => client.close()))
    senders = []
  },

  /** Waits until all clients have left; resolves to how many have not. */
  async settle(): Promise<number> {
    const { connections } = server
    const end = performance.now() + SETTLE_MS
    while (connections.size > 0 && performance.now() < end) await setTimeout(2)
    return connections.size
  },

  async usage(): Promise<Usage> {
    await collectGarbage()
    const status = readFileSync('/proc/self/status', 'utf8')
    const kib = (field: string) => Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(status)![1])
    return {
      residentBytes: kib('VmRSS') * 1024,
      anonymousBytes: kib('RssAnon') * 1024,
      heapBytes: process.memoryUsage().heapUsed,
      descriptors: readdirSync('/proc/self/fd').length,
      segments: readFileSync('/proc/self/maps', 'utf8').match(/ rw-s /g)?.length ?? 0,
    }
  },
}

/** Sends until enough was sent, and then until everything was read. */
async function sendOn(sender: Sender, { sizes, count = Infinity, ms }: Sending): Promise<void> {
  const end = ms === undefined ? Infinity : performance.now() + ms
  // The clock is read once in a while, because that costs as much as a message.
  for (let sent = 0; sent < count && (sent % 16 !== 0 || performance.now() < end); sent++) {
    const room = sender.send(sizes[sent % sizes.length])
    if (room) await room
  }
  await sender.ask(0)
}

/** Collects all there is: what is freed by one collection is found by the next. */
async function collectGarbage(): Promise<void> {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  for (let time = 0; time < 3; time++) {
    collect()
    await setTimeout(10)
  }
}
