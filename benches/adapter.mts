// The interface of every transport under measurement: an echo for requests, a sink for one-way
// messages, and nothing else, so that all are measured doing the same.

import type { Counters, Description } from './commands.mjs'
import type { Item } from './item.mjs'
import type { Sink } from './payload.mjs'

/** The server's side. */
export interface Service {
  close(): void | Promise<void>
}

/** The client's side. */
export interface Channel {
  /** Sends a payload and resolves to what comes back. */
  request(payload: Uint8Array): Promise<Uint8Array>
  /** The same without a turn of the event loop, where that exists. */
  requestSync?(payload: Uint8Array): Uint8Array
  /** Sends a payload without answer; a promise resolves when to go on. It may be reused at once
   * unless it is longer than `KEPT_ABOVE`. */
  send(payload: Uint8Array): Promise<void> | undefined
  /** Sends an object likewise, as a program would that has objects. A socket needs the setting
   * `items` for it, by which its server knows what comes. */
  sendItem?(item: Item): Promise<void> | undefined
  /** Makes the server send so many items of so many bytes, numbered from 0, and passes them to
   * `got`: one by one if iterated, else all that arrived together. Only where there are streams. */
  download?(
    count: number,
    size: number,
    iterated: boolean,
    got: (item: Uint8Array) => void,
  ): Promise<void>
  /** What a report shows about it. */
  describe(): Partial<Description>
  /** What the sink has received, where the runner cannot ask the server because this side started
   * it. */
  received?(): Promise<{ count: number }>
  counters?(): Counters
  close(): void | Promise<void>
}

/** A default export of a file in adapters/, or in peers/adapters/. */
export interface Adapter {
  /** Answers each request with its payload after `sink.touch` has read it, and passes the others to
   * `sink.got`. */
  serve(address: string, sink: Sink, settings: Settings): Promise<Service>
  connect(address: string, settings: Settings): Promise<Channel>
}

/** Transports may keep longer payloads until they are written, as sockets do. */
export const KEPT_ABOVE = 16_384

/** The settings of a run, as plain values; each adapter takes its own. `directory` is a folder of
 * the run for sockets. */
export type Settings = Record<string, string | number | boolean>
