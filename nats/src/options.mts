// What a bridge is made with, and what it is then.

import { IpcError, type ClientOptions, type ServerOptions } from 'ringpost'
import type { Drop, DropReason } from './drops.mjs'
import { checkGroup, checkPrefix } from './subjects.mjs'

/** What both ends of a bridge have, and have the same. */
export interface BridgeOptions {
  /** What all its subjects begin with: letters, digits, `-` and `_`, with single dots between, at
   * most 128. Who may publish below it may call what is exported there: permissions are the NATS
   * server's. */
  prefix: string
  /** What the inboxes for answers begin with. Answers are sent to inboxes below it and nowhere
   * else.
   * @default '_INBOX' */
  inboxPrefix?: string
  /** Called with what was not delivered, at most once a second for each name and reason. */
  onDrop?: (drop: Drop) => unknown
}

/** How a service is exported. */
export interface ExportServiceOptions extends BridgeOptions {
  /** The queue group of all exporters of this service: each request, stream and event reaches one
   * of them. Letters, digits, `-` and `_`. @default 'ringpost' */
  group?: string
  /** How the local server is connected to: see `ClientOptions` of `ringpost`. While it is away,
   * this bridge leaves the group. */
  client?: Omit<ClientOptions, 'whileAway'>
  /** Requests and streams at a time; more are refused with `ERR_FULL`. 1 to 65,536.
   * @default 4,096 */
  callsMax?: number
}

/** How a service is imported. */
export interface ImportServiceOptions extends BridgeOptions {
  /** The name of the local server that stands for it. @default that of the service */
  as?: string
  /** Options of that server: see `ServerOptions` of `ringpost`. */
  server?: ServerOptions
  /** Requests and streams at a time; more are refused with `ERR_FULL`. 1 to 65,536.
   * @default 4,096 */
  callsMax?: number
  /** Bytes of items of a stream that may be on their way, in each direction: 4,096 to 16,777,216.
   * @default 262,144 */
  windowBytes?: number
  /** Milliseconds between two signs of life of a request or stream that takes longer. After three
   * of them without one it rejects with `ERR_PEER_LOST`. 100 to 600,000. @default 5,000 */
  heartbeatMs?: number
}

/** What a bridge has counted. */
export interface BridgeStats {
  /** Requests and streams that are under way. */
  calls: number
  /** Requests and streams that there were. */
  callsTotal: number
  /** Events and messages of topics that were passed on. */
  passed: number
  /** What was not delivered, by reason. */
  dropped: Partial<Record<DropReason, number>>
}

/** A bridge that is open. */
export interface Bridge extends AsyncDisposable {
  /** Resolves when it is over: to `null` after {@link Bridge.close}, otherwise to the reason. */
  readonly closed: Promise<IpcError | null>
  /** What it has counted. */
  stats(): BridgeStats
  /** Ends it. What is under way ends with `ERR_CLOSED`. The connection to NATS stays open. May be
   * called twice. */
  close(): Promise<void>
  /** The same, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>
}

const CALLS_MAX_DEFAULT = 4_096
const WINDOW_DEFAULT = 262_144
const HEARTBEAT_DEFAULT_MS = 5_000

const BRIDGE = ['prefix', 'inboxPrefix', 'onDrop']
const EXPORT = [...BRIDGE, 'group', 'client', 'callsMax']
const IMPORT = [...BRIDGE, 'as', 'server', 'callsMax', 'windowBytes', 'heartbeatMs']

/** Options with nothing left open. */
export type Complete<Options, Left extends keyof Options> = Required<Omit<Options, Left>> &
  Pick<Options, Left>

export function bridgeOptions<Options extends BridgeOptions>(
  options: Options,
  names: readonly string[],
): Options & { inboxPrefix: string } {
  if (typeof options !== 'object' || options === null) {
    throw new TypeError('options must be an object with a prefix')
  }
  for (const name of Object.keys(options)) {
    if (!names.includes(name)) {
      throw new TypeError(`there is no option "${name}": there are ${names.join(', ')}`)
    }
  }
  const { prefix, inboxPrefix = '_INBOX', onDrop } = options
  checkPrefix('prefix', prefix)
  checkPrefix('inboxPrefix', inboxPrefix)
  if (onDrop !== undefined && typeof onDrop !== 'function') {
    throw new TypeError(`onDrop must be a function, got ${typeof onDrop}`)
  }
  return { ...options, inboxPrefix }
}

export function exportOptions(
  options: ExportServiceOptions,
): Complete<ExportServiceOptions, 'client' | 'onDrop'> {
  const complete = bridgeOptions(options, EXPORT)
  const { group = 'ringpost', callsMax = CALLS_MAX_DEFAULT } = options
  checkGroup(group)
  checkWhole('callsMax', callsMax, 1, 65_536)
  return { ...complete, group, callsMax }
}

export function importOptions(
  options: ImportServiceOptions,
): Complete<ImportServiceOptions, 'as' | 'server' | 'onDrop'> {
  const complete = bridgeOptions(options, IMPORT)
  const { callsMax = CALLS_MAX_DEFAULT, windowBytes = WINDOW_DEFAULT } = options
  const { heartbeatMs = HEARTBEAT_DEFAULT_MS } = options
  checkWhole('callsMax', callsMax, 1, 65_536)
  checkWhole('windowBytes', windowBytes, 4_096, 16_777_216)
  checkWhole('heartbeatMs', heartbeatMs, 100, 600_000)
  return { ...complete, callsMax, windowBytes, heartbeatMs }
}

function checkWhole(name: string, value: unknown, least: number, most: number): void {
  if (Number.isInteger(value) && (value as number) >= least && (value as number) <= most) return
  const range = `${least.toLocaleString('en')} to ${most.toLocaleString('en')}`
  throw new RangeError(`${name} must be a whole number from ${range}, got ${String(value)}`)
}
