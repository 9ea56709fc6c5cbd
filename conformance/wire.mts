// The commands test peers execute and the answers they give, in either language.

import type { Lane, Overflow, Peer } from 'ringpost'

/** Options a row may set on a server or a connection; each test peer translates them to its API. */
export interface Chosen {
  directory?: string
  transport?: string
  crc?: string
  rings?: Partial<Record<Lane | 'control', number>>
  messageLenMax?: number
  pendingMax?: number
  token?: string
  timeoutMs?: number
  /** Applies to all lanes. */
  overflow?: Overflow
  backlogMax?: number
  servingMax?: number
  servingMaxTotal?: number
  unreadMax?: number
  unresponsiveAfterMs?: number
  connectTimeoutMs?: number
  /** Whether a connection outlives its session. @default false */
  reconnect?: boolean
  whileAway?: 'wait' | 'fail'
  connectionsMax?: number
  helloTimeoutMs?: number
  takeOver?: boolean
}

export interface RequestOrder {
  connection: number
  method: string
  codec?: 'messagePack' | 'json' | 'bytes'
  value?: unknown
  /** With the codec `bytes`: length of the payload, which must be echoed. */
  length?: number
  lane?: Lane
  timeoutMs?: number
  traceparent?: string
  /** Aborted before it is sent, or as soon as it is. */
  aborted?: boolean
  /** Blocks until the answer arrives. */
  waiting?: boolean
}

/** A stream to open, and how to read and write it. */
export interface StreamOrder {
  connection: number
  method: string
  value?: unknown
  lane?: Lane
  timeoutMs?: number
  window?: number
  /** How many numbers to send. */
  up?: number
  /** Expected length of each item, for streams of bytes. */
  length?: number
  /** Stop reading after so many items. */
  take?: number
  /** How long to pause reading after the first item. */
  pauseMs?: number
}

/** Outcome of a stream. */
export interface Streamed {
  items: number
  inOrder: boolean
  result: unknown
  failure: string | null
}

export interface Failure {
  name?: string
  message?: string
  code?: string
  stack?: string
  cause?: Failure
  errors?: Failure[]
  properties?: Record<string, unknown>
  /** In place of the rest, for a cause or a member of `errors` that is not an error. */
  value?: unknown
  isRemote?: boolean
}

export interface PeerInfo {
  pid: number
  uid: number
  isSelf: boolean
  session: string
  transport: string
  crc: string
  messageLenMax: number
  pendingMax: number
  rings: Peer['rings']
}

export interface Stats {
  pending: number
  serving: number
  lateReplies: number
  staleRequests: number
  queuedBytes: number
  /** By lane. */
  dropped: number[]
  lostWakeups: number
  isOpen: boolean
  isLeaving: boolean
  isUnresponsive: boolean
  bytesSent: number
  bytesReceived: number
  /** Requests whose latency was measured. */
  timed: number
  /** Requests that have failed, by code. */
  errors: Record<string, number>
  /** What waits for a session. */
  waiting: number
}

/** A session that was lost, or that has taken the place of one that was. */
export type Change =
  | { lost: string | null; undelivered: number[] }
  | { pid: number }

/** How the values of a state frame are encoded: two layouts of which one has a member more than the
 * other, and one that is neither. */
export type Values = 'messagePack' | 'first' | 'second' | 'other'

/** Messages a subscription has read. */
export interface Arrived {
  received: number
  skipped: number
  restarts: number
  /** The number of the last one. */
  last: number
  /** Messages that were torn, out of order or not counted right. */
  wrong: number
}

/** The orders of the command `published`. What they make has a number, by which others name it. */
export interface Published {
  /** Becomes the writer of a state frame. */
  frame(order: { name: string; codec?: Values; capacity: number; takeOver?: boolean }): {
    of: number
    number: number
  }
  write(order: { of: number; value: unknown }): number
  openFrame(order: { name: string; codec?: Values }): number
  readFrame(order: { of: number }): {
    status: string
    number: number
    ageMs: number
    value: any
    generations: number
  }
  /** Waits until it has this number, or its writer is gone as well. */
  awaitFrame(order: { name: string; number: number; isStale: boolean }): {
    status: string
    number: number
  }
  /** Becomes the publisher of a topic. */
  topic(order: { name: string; capacity: number; timeoutMs: number }): number
  /** Publishes so many messages, each when the one before was taken. */
  publish(order: { of: number; count: number }): { number: number; waits: number; cutOff: number }
  subscribe(order: {
    name: string
    mode: 'latest' | 'lossy' | 'lossless'
    start: 'next' | 'newest' | 'oldest'
  }): number
  /** Reads until so many messages have arrived or been missed, of this subscription in all. */
  receive(order: { of: number; until: number }): Arrived
  /** Becomes the owner of a map. */
  map(order: { name: string; entriesMax: number; takeOver?: boolean }): number
  set(order: { of: number; key: string; value: unknown; ttlMs?: number }): null
  delete(order: { of: number; key: string }): boolean
  openMap(order: { name: string }): number
  lookUp(order: { of: number; key: string }): {
    value: any
    has: boolean
    keys: string[]
    status: string
  }
  /** Watches a key until it has this value, null for none; answers all it has seen. */
  awaitKey(order: { name: string; key: string; value: unknown }): unknown[]
  /** Ends any of these. */
  unpublish(order: { of: number; remove?: boolean }): null
}

/** The commands of a test peer, with their arguments and answers. */
export interface Commands {
  listen(order: { server: string; options?: Chosen }): null
  /** Connections a server has accepted, the codes with which they have ended, and lost wake-ups. */
  connections(order: { server: string }): {
    accepted: number
    ended: (string | null)[]
    lostWakeups: number
    /** Messages the peers of open connections have dropped, by lane, as reported by them. */
    peerDropped: number[]
    takenOver: boolean
    /** Connections there are and ever were, and the bytes of all of them. */
    open: number
    total: number
    bytesSent: number
    bytesReceived: number
  }
  closeServer(order: { server: string; drainMs?: number }): null
  connect(order: { server: string; options?: Chosen; waiting?: boolean }): {
    connection: number
    peer: PeerInfo
  }
  request(order: RequestOrder): any
  /** Sends many requests at once and counts the outcomes. */
  many(order: { count: number; request: RequestOrder; close?: boolean }): {
    answered: number
    failed: Record<string, number>
  }
  /** Makes a pool of connections; requests over it have its number in place of a connection's. */
  pool(order: { server: string; max: number; options?: Chosen }): { pool: number }
  /** Sends many requests at once over a pool, each over a lease of its own or all shared. */
  pooled(order: { count: number; isLeased: boolean; request: RequestOrder }): {
    answered: number
    failed: Record<string, number>
  }
  poolStats(order: { pool: number }): { made: number; leased: number; waiting: number }
  closePool(order: { pool: number }): null
  stream(order: StreamOrder): Streamed
  /** Opens many streams at once and counts the outcomes. */
  streams(order: { count: number; request: StreamOrder }): {
    ended: number
    failed: Record<string, number>
  }
  /** Cancels the request made by the command with this number. */
  cancel(order: { request: number }): boolean
  notify(order: {
    connection: number
    stream: number
    count: number
    length: number
    lane?: Lane
    /** Waits until each message is being written before sending the next. */
    awaiting?: boolean
    /** Sends for so many milliseconds, regardless of the count. */
    forMs?: number
  }): { sent: number; refused: string | null }
  /** Milliseconds to the peer's engine and back. */
  ping(order: { connection: number }): number
  /** Closes a connection once nothing is in flight, or after so long. */
  drain(order: { connection: number; timeoutMs: number }): null
  /** Sends requests one after the other until one is refused because the peer is leaving; counts
   * the others. */
  untilLeaving(order: { request: RequestOrder }): { answered: number; failed: string[] }
  drained(order: { connection: number; timeoutMs: number }): null
  stats(order: { connection: number }): Stats
  /** Waits for the next change of a connection that outlives its sessions. */
  change(order: { connection: number }): Change
  /** Waits until a connection has ended; answers its code. */
  closed(order: { connection: number }): string | null
  close(order: { connection: number }): null
  /** Closes a connection and drops it. */
  forget(order: { connection: number }): null
  /** How often handlers have counted this event. */
  counted(order: { what: string }): number
  /** One-way messages received in a series; `inOrder` if their numbers only increased. */
  notes(order: { stream: number }): { count: number; last: number; inOrder: boolean }
  /** One of the orders above. */
  published(order: object): any
  /** Blocks the event loop. */
  block(order: { ms: number }): null
  /** In TypeScript: after the answer, stops its thread as long as this file exists. */
  suspend(order: { file: string }): null
  /** In TypeScript. */
  residentBytes(order: object): number
  /** Open descriptors and mapped segments of the process. */
  resources(order: object): { descriptors: number; mappings: number }
  exit(order: { code: number }): never
  crash(order: object): never

  // Commands of the TypeScript test peer only
  /** Passes invalid arguments; answers a line for each that was not rejected as expected. */
  arguments(order: { connection: number }): string[]
  /** Connects and aborts while connecting. */
  abortConnect(order: { server: string; options?: Chosen }): null
  /** Starts a worker thread that sends requests without pause; `terminate` ends it. */
  worker(order: { server: string; options?: Chosen }): null
  terminate(order: object): null

  // Commands of the Rust test peer only
  answerTwice(order: { server: string; options: Chosen }): null
  dieAt(order: { point: string; passages: number }): null
  malicious(order: object): any
}

export type Order<K extends keyof Commands> = Parameters<Commands[K]>[0]
export type Answer<K extends keyof Commands> = ReturnType<Commands[K]>

/** Non-repeating bytes, the same in both languages. */
export function pattern(length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let at = 0; at < length; at++) bytes[at] = at * 7 + (at >> 8) * 13 + (at >> 16)
  return bytes
}
