/**
 * Ports between processes: objects with the interface of `MessagePort`, for programs and libraries
 * that are written for worker threads.
 *
 * @packageDocumentation
 */

import type { MessagePort as NodeMessagePort } from 'node:worker_threads'
import type {
  ClientOptions,
  Connection,
  IpcError,
  Registration,
  Server,
  ServerOptions,
} from './index.js'

/** What can be transferred: an `ArrayBuffer` is copied and then detached, as with any port; a port
 * of a `MessageChannel` is relayed from then on. */
export type Transferable = ArrayBuffer | NodeMessagePort

/** What is transferred with a message, as a list or in an object. */
export type PostOptions = Iterable<Transferable> | TransferOptions

/** What is transferred, in an object. */
export interface TransferOptions {
  /** The list. */
  transfer?: Iterable<Transferable>
}

/** What the listeners of the web are given. */
export interface PortMessageEvent extends Event {
  /** The message; of a `messageerror`, the error. */
  readonly data: any
  /** The ports that came with it, in the order of the transfer list. */
  readonly ports: readonly MessagePort[]
}

/** What the events of a port carry. */
export interface PortEventMap {
  /** A message has arrived. */
  message: PortMessageEvent
  /** A message has arrived that cannot be decoded. */
  messageerror: PortMessageEvent
  /** The port is closed, by either side or because the other process is gone. Emitted once. */
  close: Event
}

/**
 * One end of a port. What is posted at the other one arrives here, in order, with the types of the
 * codec `structuredClone`.
 *
 * It behaves like the `MessagePort` of Node.js: messages wait until {@link MessagePort.start}, which
 * the first listener for `message` calls, and again while there is none. It keeps the process alive
 * as long as there is such a listener.
 *
 * A port lives in one session: it ends with the connection, and is not connected again. A process
 * that ends by itself closes its ports first; of one that is killed, the last messages are lost.
 */
export interface MessagePort extends EventTarget {
  /** Called for each message; `null` for none. */
  onmessage: ((event: PortMessageEvent) => void) | null
  /** Called for each message that cannot be decoded. */
  onmessageerror: ((event: PortMessageEvent) => void) | null
  /**
   * Resolves when the port is closed: to the reason for which the connection was lost or the port
   * refused, or to `null` if either side has closed it. Never rejects.
   */
  readonly closed: Promise<IpcError | null>
  /**
   * Posts a message. It never waits: what the other side has no room for waits here, up to
   * {@link PortOptions.queuedMax} bytes. After the port was closed it does nothing, as with any port.
   * @throws IpcError `ERR_INVALID_PAYLOAD` with the name `DataCloneError` if the message cannot be
   * cloned, or has something in its transfer list that cannot be transferred; `ERR_FULL` if too much
   * waits already; `ERR_TOO_LARGE`. It was not posted then.
   * @throws TypeError if the transfer list is none.
   */
  postMessage(value: any, options?: PostOptions): void
  /** Begins to deliver messages. */
  start(): void
  /**
   * Closes both ends. Messages that were posted before still arrive at the other one, which has 10 s
   * to read them, and for as long the process stays alive; none are delivered here any more. Can be
   * called twice.
   */
  close(): void
  /** Keeps the process alive while the port is open. */
  ref(): void
  /** No longer keeps it alive. */
  unref(): void
  /** Whether it keeps it alive. */
  hasRef(): boolean
  /** Adds a listener of the web. */
  addEventListener<Name extends keyof PortEventMap>(
    name: Name,
    listener: ((event: PortEventMap[Name]) => void) | { handleEvent(event: Event): void } | null,
    options?: Parameters<EventTarget['addEventListener']>[2],
  ): void
  /** Adds a listener, which is given the message; of `messageerror`, the error. */
  on(name: keyof PortEventMap, listener: (value: any) => void): this
  /** Adds a listener for the next one. */
  once(name: keyof PortEventMap, listener: (value: any) => void): this
  /** Removes a listener that {@link MessagePort.on} or {@link MessagePort.once} has added. */
  off(name: keyof PortEventMap, listener: (value: any) => void): this
  /** The same as {@link MessagePort.on}. */
  addListener(name: keyof PortEventMap, listener: (value: any) => void): this
  /** The same as {@link MessagePort.off}. */
  removeListener(name: keyof PortEventMap, listener: (value: any) => void): this
}

/** Options of a port. */
export interface PortOptions {
  /** Bytes of messages that may wait here until the other side reads, each counting 32 more.
   * @default 33,554,432 */
  queuedMax?: number
}

/** Options of {@link connectPort}. */
export interface ConnectPortOptions extends PortOptions, Omit<ClientOptions, 'reconnect'> {}

/** Options of {@link servePorts}. */
export interface ServePortsOptions extends PortOptions, ServerOptions {}

/**
 * Connects to the process that serves ports by that name. The connection is the port's own, and
 * ends with it.
 *
 * @example
 * ```ts
 * import { connectPort } from 'ringpost/messageport'
 *
 * const port = await connectPort('calculator')
 * port.on('message', (sum) => console.log(sum))
 * port.postMessage([1, 2])
 * ```
 * @throws IpcError as `connect` does.
 */
export declare function connectPort(
  name: string,
  options?: ConnectPortOptions,
): Promise<MessagePort>

/**
 * Serves ports: `take` is called with one end of each that another process connects.
 *
 * @example
 * ```ts
 * import { servePorts } from 'ringpost/messageport'
 *
 * const server = await servePorts('calculator', (port) => {
 *   port.on('message', ([a, b]) => port.postMessage(a + b))
 * })
 * ```
 * @throws IpcError as `createServer` does.
 */
export declare function servePorts(
  name: string,
  take: (port: MessagePort, connection: Connection) => unknown,
  options?: ServePortsOptions,
): Promise<Server>

/**
 * Opens another port over a connection that is there, in either direction. The other side has to
 * have called {@link onPort} with that label; otherwise the port is closed with
 * `ERR_UNKNOWN_METHOD`.
 *
 * @example
 * ```ts
 * import { connect } from 'ringpost'
 * import { openPort } from 'ringpost/messageport'
 *
 * const client = await connect('editor')
 * const port = openPort(client, 'words')
 * port.on('message', (list) => console.log(list))
 * port.postMessage('To be or not to be')
 * ```
 * @param label 1 to 200 bytes of UTF-8 without control characters.
 */
export declare function openPort(
  connection: Connection,
  label: string,
  options?: PortOptions,
): MessagePort

/**
 * Calls `take` with one end of each port that the other side opens with that label: over one
 * connection, or over all of a server.
 *
 * @example
 * ```ts
 * import { createServer } from 'ringpost'
 * import { onPort } from 'ringpost/messageport'
 *
 * const server = await createServer('editor')
 * onPort(server, 'words', (port) => {
 *   port.on('message', (text) => port.postMessage(text.split(' ')))
 * })
 * ```
 */
export declare function onPort(
  endpoint: Server | Connection,
  label: string,
  take: (port: MessagePort, connection: Connection) => unknown,
  options?: PortOptions,
): Registration
