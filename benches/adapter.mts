// What every transport under measurement looks like to the workers: an echo for requests, a sink for
// one-way messages, and nothing else, so that no one is measured with more comfort than another.

import type { Counters, Description } from './commands.mjs'
import type { Sink } from './payload.mjs'

/** The side that serves. */
export interface Service {
  close(): void | Promise<void>
}

/** The side that asks. */
export interface Channel {
  /** Sends a payload and resolves to what comes back. */
  request(payload: Uint8Array): Promise<Uint8Array>
  /** The same without turning the event loop, where there is such a thing. */
  requestSync?(payload: Uint8Array): Uint8Array
  /** Sends a payload nobody answers; a promise says when to go on. It may be used again at once
   * unless it is longer than `KEPT_ABOVE`. */
  send(payload: Uint8Array): Promise<void> | undefined
  /** Has the other side send so many items of so many bytes, numbered from 0, and hands them to `got`:
   * one by one if iterated, else all that have come together. Only where there are streams. */
  download?(
    count: number,
    size: number,
    iterated: boolean,
    got: (item: Uint8Array) => void,
  ): Promise<void>
  /** What a report should say of it. */
  describe(): Partial<Description>
  /** What the sink has got, where the side that serves cannot be asked by the runner because this
   * side has started it. */
  received?(): Promise<{ count: number }>
  counters?(): Counters
  close(): void | Promise<void>
}

/** A default export of a file in adapters/, or in peers/adapters/. */
export interface Adapter {
  /** Answers each request with its payload after `sink.touch` has read it, and hands the others to
   * `sink.got`. */
  serve(address: string, sink: Sink, settings: Settings): Promise<Service>
  connect(address: string, settings: Settings): Promise<Channel>
}

/** Transports may keep longer payloads until they are written, as sockets do. */
export const KEPT_ABOVE = 16_384

/** What a run sets, as plain values; each adapter takes what concerns it. `directory` is a folder of
 * the run's own, for sockets. */
export type Settings = Record<string, string | number | boolean>
