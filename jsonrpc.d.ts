/**
 * The transport of a language server: messages of JSON-RPC between an editor and its server, for
 * `vscode-jsonrpc` 8.2 to 10, on which `vscode-languageclient` and `vscode-languageserver` are
 * built.
 *
 * Messages arrive once and in the order in which they were written. docs/language-servers.md has
 * the steps by which an extension moves over.
 *
 * @packageDocumentation
 */

import type { ChildProcess, SpawnOptions } from 'node:child_process'
import type { MessageReader, MessageWriter } from 'vscode-jsonrpc'
import type { ClientOptions, EndpointOptions, Server, ServerOptions } from './index.js'

/** What a connection of `vscode-jsonrpc` reads from and writes to: the `MessageTransports` that
 * `serverOptions` of a language client may return. */
export interface Transport {
  /**
   * Reads messages. Before `listen` is called none is taken, and the other side has to wait.
   *
   * - `onError`: a message is no JSON, or its listener has thrown: the next ones are still read. Or
   *   the connection was lost, by an `IpcError` that says why.
   * - `onClose`: the other side has ended, or the connection was lost: once, after all messages.
   * - `onPartialMessage` is never emitted: a message arrives whole.
   */
  readonly reader: MessageReader
  /**
   * Writes messages.
   *
   * - `write` settles when the ring has room for another message, so that who awaits it writes no
   *   faster than the other side reads. It rejects, and `onError` is emitted, with `ERR_TOO_LARGE`
   *   for a message above `messageLenMax`, `ERR_INVALID_PAYLOAD` for one that has no form in JSON,
   *   `ERR_FULL` if more than `backlogMax` waits already, `ERR_CLOSED`, and `ERR_PEER_LOST`.
   * - `end` says that no more messages come: those that were written still arrive. The other side
   *   may go on writing.
   * - `dispose` also closes the connection. Messages that wait for room have a second to find it.
   * - `onClose`: nothing can be written any more, because the connection is over.
   */
  readonly writer: MessageWriter
}

/** How the two sides are connected. */
export interface TransportOptions
  extends Pick<EndpointOptions, 'directory' | 'transport' | 'crc' | 'rings' | 'messageLenMax'> {
  /** Bytes of messages that may wait in this process until the other side has room for them; one
   * more message is refused with `ERR_FULL`. @default 268,435,456 */
  backlogMax?: number
}

/** Options of {@link createClientTransport}. */
export interface ConnectOptions
  extends TransportOptions,
    Pick<ClientOptions, 'token' | 'connectTimeoutMs' | 'signal'> {}

/** Options of {@link serveClients}. */
export interface ServeOptions
  extends TransportOptions,
    Pick<ServerOptions, 'token' | 'connectionsMax'> {}

/** Options of {@link startServer}. */
export interface StartOptions extends TransportOptions, Pick<SpawnOptions, 'cwd' | 'env'> {
  /** Where the process reads from and prints to. What is piped has to be read.
   * @default its input is empty, and it prints where this process does */
  stdio?: SpawnOptions['stdio']
  /** Milliseconds within which the process has to connect. @default 30,000 */
  connectTimeoutMs?: number
  /** Ends the wait for the process, and the process: it rejects with the signal's reason. */
  signal?: AbortSignal
}

/** A transport to a process that was started for it. */
export interface StartedServer extends Transport {
  /** The process. It has two seconds to end by itself once the connection is over. */
  readonly process: ChildProcess
}

/**
 * In an editor: starts a language server and waits until it has connected, which it does by
 * {@link createServerTransport}. The process is given `--ringpost=`*name* as its last argument, and
 * in its environment a token without which none can connect.
 *
 * @example
 * ```ts
 * import { startServer } from 'ringpost/jsonrpc'
 *
 * const serverOptions = () => startServer(process.execPath, [module])
 * const client = new LanguageClient('demo', 'Demo', serverOptions, clientOptions)
 * ```
 * @throws IpcError `ERR_NO_SERVER` if the process cannot be started, or ends before it has
 * connected; `ERR_TIMEOUT`; and what `createServer` throws.
 * @throws TypeError or RangeError for wrong options.
 */
export declare function startServer(
  command: string,
  args?: readonly string[],
  options?: StartOptions,
): Promise<StartedServer>

/**
 * In a language server that {@link startServer} has started: the transport to the editor. It can be
 * used at once. That the editor is gone is reported by its events, and as a process warning.
 *
 * @example
 * ```ts
 * import { createServerTransport } from 'ringpost/jsonrpc'
 *
 * const { reader, writer } = createServerTransport()
 * const connection = createConnection(reader, writer)
 * ```
 * @throws IpcError `ERR_INVALID_ARGUMENT` if this process was not started so, or calls this again.
 * @throws TypeError or RangeError for wrong options.
 */
export declare function createServerTransport(options?: TransportOptions): Transport

/**
 * In an editor: connects to a language server that is there already, see {@link serveClients}.
 *
 * @example
 * ```ts
 * import { createClientTransport } from 'ringpost/jsonrpc'
 *
 * const serverOptions = () => createClientTransport('demo-server')
 * ```
 * @throws IpcError, TypeError and RangeError as `connect` does.
 */
export declare function createClientTransport(
  name: string,
  options?: ConnectOptions,
): Promise<Transport>

/**
 * In a language server of several editors, or windows: calls `serve` with the transport to each.
 * If it throws, that client is refused with the error.
 *
 * @example
 * ```ts
 * import { serveClients } from 'ringpost/jsonrpc'
 *
 * await serveClients('demo-server', ({ reader, writer }) => {
 *   const connection = createMessageConnection(reader, writer)
 *   connection.listen()
 * })
 * ```
 * @throws IpcError, TypeError and RangeError as `createServer` does.
 */
export declare function serveClients(
  name: string,
  serve: (transport: Transport) => void | Promise<void>,
  options?: ServeOptions,
): Promise<Server>
