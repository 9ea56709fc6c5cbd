// What agents are told and what they say, whatever language they are written in.

import type { Lane, Overflow, Peer } from 'ringpost'

/** What a row may choose for a server or a connection; each language has its own way to say so. */
export interface Chosen {
  directory?: string
  transport?: string
  crc?: string
  rings?: Partial<Record<Lane | 'control', number>>
  messageLenMax?: number
  pendingMax?: number
  token?: string
  timeoutMs?: number
  /** Of all lanes. */
  overflow?: Overflow
  backlogMax?: number
  servingMax?: number
  servingMaxTotal?: number
  unreadMax?: number
  connectTimeoutMs?: number
  connectionsMax?: number
  helloTimeoutMs?: number
}

export interface Ask {
  connection: number
  method: string
  codec?: 'messagePack' | 'json' | 'bytes'
  value?: unknown
  /** With bytes as codec: so many, which have to come back. */
  length?: number
  lane?: Lane
  timeoutMs?: number
  traceparent?: string
  /** Given up before it is sent, or as soon as it is. */
  aborted?: boolean
  /** Waits for the answer and does nothing else. */
  waiting?: boolean
}

/** A stream, and what is done with it. */
export interface StreamAsk {
  connection: number
  method: string
  value?: unknown
  lane?: Lane
  timeoutMs?: number
  window?: number
  /** So many numbers go with the request. */
  up?: number
  /** Bytes of each item that has to come, of streams of bytes. */
  length?: number
  /** No more items are wanted after so many. */
  take?: number
  /** How long nothing is read after the first item. */
  pauseMs?: number
}

/** What came of it. */
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
  /** Of a cause, or one of several errors: it is no error, but this. */
  value?: unknown
  isRemote?: boolean
}

export interface Told {
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
}

/** What an agent can be told, what belongs to it, and what it answers. */
export interface Commands {
  listen(order: { server: string; options?: Chosen }): null
  /** How many connections have come to a server, what those that are over have ended with, and
   * whether a wake-up was lost. */
  connections(order: { server: string }): {
    came: number
    ended: (string | null)[]
    lostWakeups: number
    /** What lanes of those that are open have dropped, as they say. */
    peerDropped: number[]
  }
  closeServer(order: { server: string }): null
  connect(order: { server: string; options?: Chosen; waiting?: boolean }): {
    connection: number
    peer: Told
  }
  request(order: Ask): any
  /** Many requests at once, and how many came to what. */
  many(order: { count: number; request: Ask; close?: boolean }): {
    answered: number
    failed: Record<string, number>
  }
  stream(order: StreamAsk): Streamed
  /** Many streams at once, and how many came to what. */
  streams(order: { count: number; request: StreamAsk }): {
    ended: number
    failed: Record<string, number>
  }
  /** Ends the request that the command of this number made. */
  cancel(order: { request: number }): boolean
  notify(order: {
    connection: number
    stream: number
    count: number
    length: number
    lane?: Lane
    /** Waits with each until it is being written. */
    awaiting?: boolean
    /** Sends so long, whatever the count. */
    forMs?: number
  }): { sent: number; refused: string | null }
  drained(order: { connection: number; timeoutMs: number }): null
  stats(order: { connection: number }): Stats
  /** What a connection has ended with. */
  closed(order: { connection: number }): string | null
  close(order: { connection: number }): null
  /** Lets go of a connection altogether. */
  forget(order: { connection: number }): null
  /** How often handlers have noted something. */
  counted(order: { what: string }): number
  /** What has come of a stream of one-way messages; in order: each with a higher number than before. */
  notes(order: { stream: number }): { count: number; last: number; inOrder: boolean }
  /** Keeps everything else in the process from happening. */
  block(order: { ms: number }): null
  /** Descriptors and mappings of the process. */
  holds(order: object): { descriptors: number; mappings: number }
  exit(order: { code: number }): never
  crash(order: object): never

  // Only in TypeScript
  /** What wrong arguments come to: a line for each that did not come to what it should. */
  arguments(order: { connection: number }): string[]
  /** Aborts a connection that is on its way. */
  abortConnect(order: { server: string; options?: Chosen }): null
  /** A connection from a worker thread that asks all the time, or the end of that thread. */
  worker(order: { server: string; options?: Chosen }): null
  terminate(order: object): null

  // Only in Rust
  answerTwice(order: { server: string; options: Chosen }): null
  dieAt(order: { point: string; passages: number }): null
  rogue(order: object): any
}

export type Order<K extends keyof Commands> = Parameters<Commands[K]>[0]
export type Answer<K extends keyof Commands> = ReturnType<Commands[K]>

/** Bytes that differ wherever one looks, the same ones in both languages. */
export function pattern(length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let at = 0; at < length; at++) bytes[at] = at * 7 + (at >> 8) * 13 + (at >> 16)
  return bytes
}
