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
  /** Blocks the event loop. */
  block(order: { ms: number }): null
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
