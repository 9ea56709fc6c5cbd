// What every transport under measurement looks like to the workers: an echo for requests, a sink for
// one-way messages, and nothing else, so that no one is measured with more comfort than another.

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
  /** Sends a payload nobody answers; a promise says when to go on. */
  send(payload: Uint8Array): Promise<void> | undefined
  /** How memory, checksums and rings are set, for the report. */
  describe?(): Record<string, unknown>
  close(): void | Promise<void>
}

export interface Adapter {
  /** Answers each request with its payload after `touch` has read it, and hands the others to `got`. */
  serve(address: string, hooks: Hooks, settings: Settings): Promise<Service>
  connect(address: string, settings: Settings): Promise<Channel>
}

export interface Hooks {
  touch(payload: Uint8Array): void
  got(payload: Uint8Array): void
}

/** What a run sets, as plain values; each adapter takes what concerns it. */
export type Settings = Record<string, string | number | boolean>

/** Reads a byte of every cache line, as whoever uses a payload does at least. */
export function touch(payload: Uint8Array): number {
  let sum = 0
  for (let at = 0; at < payload.length; at += 64) sum += payload[at]
  return sum
}

/** The payload of message number `sequence`: every byte follows from it. */
export function fill(payload: Uint8Array, sequence: number): void {
  payload.fill(sequence & 0xff)
  stamp(payload, sequence)
}

/** Writes only the number, which is what a sender does between two messages. */
export function stamp(payload: Uint8Array, sequence: number): void {
  if (payload.length < 4) return
  payload[0] = sequence
  payload[1] = sequence >>> 8
  payload[2] = sequence >>> 16
  payload[3] = sequence >>> 24
}

/** The adapter of that name. */
export async function adapter(name: string): Promise<Adapter> {
  const known: Record<string, () => Promise<{ default: Adapter }>> = {
    ringpost: () => import('./adapters/ringpost.mjs'),
    uds: () => import('./adapters/uds.mjs'),
  }
  const load = known[name]
  if (load === undefined) throw new Error(`no adapter '${name}'; there are ${Object.keys(known)}`)
  return (await load()).default
}
