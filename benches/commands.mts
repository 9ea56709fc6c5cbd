// The runner's commands to a process under measurement, and the answers. A worker in TypeScript
// receives them over the channel of a forked process, one in Rust as lines of JSON; both answer `{
// value }` or `{ error }`.

import type { Settings } from './adapter.mjs'
import type { Latency } from './results.mjs'

export type Command =
  /** Serves under a name, until stopped. */
  | { do: 'serve'; adapter: string; address: string; settings: Settings }
  | { do: 'connect'; adapter: string; address: string; settings: Settings }
  /** Round trips one after the other, with a pause between them if asked for. */
  | { do: 'latency'; size: number; ms: number; sync?: boolean; pauseMs?: number }
  /** Round trips at a fixed rate, each timed from when it should have been sent. */
  | { do: 'open-loop'; size: number; ms: number; rate: number }
  /** So many requests in flight all the time. */
  | { do: 'pipelined'; size: number; ms: number; inFlight: number }
  /** Messages without answers, as fast as they are taken. */
  | { do: 'one-way'; size: number; ms: number }
  /** The same, of objects. */
  | { do: 'items'; ms: number }
  /** Messages without answers, so many. */
  | { do: 'burst'; size: number; count: number }
  /** Items of streams from the side that serves, as fast as they are read. */
  | { do: 'stream'; size: number; ms: number; iterated?: boolean }
  /** Copies so much at a time to and fro in memory: only in Rust. */
  | { do: 'memcpy'; size: number; ms: number }
  /** How many messages the server has received since the last time. */
  | { do: 'received' }
  /** Connections one after the other, each with one round trip. */
  | { do: 'reconnect'; times: number }
  /** Opens further connections like the first, until there are so many. */
  | { do: 'connect-up-to'; connections: number }
  /** Round trips one after the other on so many of them in turn, on each at least one. */
  | { do: 'ask-each'; size: number; connections: number; ms: number }
  /** Round trips at a fixed rate by a timer, so that both sides rest in between. */
  | { do: 'soak'; size: number; ms: number; rate: number }
  /** How late the event loop has been since the last time: 99th percentile, in nanoseconds. */
  | { do: 'loop-delay' }
  /** How a timer of 1 ms and a plain socket fare in this process, its rings hot or idle. */
  | { do: 'bystander'; ms: number; hot: boolean; socket: string }
  | { do: 'idle'; ms: number }
  /** Something a scenario does here: see scenarios/. */
  | { do: 'play'; scenario: string; role: string; with: Record<string, unknown> }
  /** Many connections, each with some round trips, and all of them asked in turn: only in Rust. */
  | {
      do: 'connect-many'
      address: string
      settings: Settings
      connections: number
      requests: number
    }
  | { do: 'ask-many' }
  /** What is published, by the library of that name, and the names of those there are: only in
   * Rust. */
  | { do: 'libraries' }
  | ({ do: 'publish'; subscribers: number } & Publishing)
  /** Publishes so many messages, which each subscriber reads. */
  | { do: 'publish-all'; size: number; count: number }
  | ({ do: 'subscribe' } & Publishing)
  | { do: 'read-all'; count: number }
  /** Becomes the writer of a value of 5,000 bytes, and writes it without a pause. */
  | ({ do: 'write' } & Publishing)
  | { do: 'write-for'; ms: number }
  | ({ do: 'read-often'; reads: number } & Publishing)
  /** Looks the keys of a map up in turn: `key-0` and so on. */
  | { do: 'look-up'; address: string; settings: Settings; keys: number; lookups: number }
  | { do: 'stop' }

/** What a library publishes, and where. */
export interface Publishing {
  library: string
  address: string
  settings: Settings
}

/** What a connection says of itself. */
export interface Description {
  version: string
  /** Processes that work for it besides the two: a broker. */
  others: number[]
  /** The process that serves, where the one that asks has started it by itself. */
  servedBy?: number
  /** How memory, checksums and rings are set. */
  [name: string]: unknown
}

/** What came of an open loop. */
export interface OpenLoop extends Latency {
  /** Messages a second that were answered. */
  perSecond: number
}

/** What came of some seconds of a soak. */
export interface Soaked extends Latency {
  perSecond: number
  /** Requests that failed. */
  drops: number
  counters: Counters
}

/** What a connection has counted since it was opened. */
export interface Counters {
  /** Times the other side was asleep and was rung for. */
  wakeups: number
  lostWakeups: number
}

export interface Rate {
  count: number
  perSecond: number
  bytesPerSecond: number
}

/** How others in a process fare, in nanoseconds. */
export interface Bystander {
  timerP99: number
  socketP99: number
}
