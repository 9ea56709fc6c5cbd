/**
 * Processes on one machine talking through shared memory.
 *
 * @example
 * ```ts
 * import { connect, createServer, method } from 'ringpost'
 *
 * const Greet = method<{ name: string }, { greeting: string }>('greet')
 *
 * const server = await createServer('demo')
 * server.handle(Greet, ({ name }) => ({ greeting: `hello ${name}` }))
 *
 * const client = await connect('demo')
 * const { greeting } = await client.request(Greet, { name: 'world' })
 * ```
 *
 * @packageDocumentation
 */

import type { EventEmitter } from 'node:events'
import type { Duplex } from 'node:stream'
import type { ReadableStream } from 'node:stream/web'

// ---------------------------------------------------------------------------------------------
// Contracts: what both ends share
// ---------------------------------------------------------------------------------------------

/**
 * How a value becomes bytes and bytes a value again.
 *
 * Two bits of every message say whether it is bytes, MessagePack, JSON or something of your own;
 * a message that is not what its contract says is refused with `ERR_INVALID_PAYLOAD`.
 */
export interface Codec<T> {
  /** For people. */
  readonly name: string
  /** Makes bytes. What it throws fails the call with `ERR_INVALID_PAYLOAD`. */
  encode(value: T): Uint8Array
  /** Makes a value; must not keep `bytes`. What it throws fails the call likewise. */
  decode(bytes: Uint8Array): T
}

/** Bytes as they are: a `Uint8Array` goes in, and one of your own comes out. Those of 65 to 512 bytes
 * share a block of 2 KiB, which cannot be transferred to another thread. */
export declare const bytes: Codec<Uint8Array>

/**
 * Plain MessagePack, the default. Objects, arrays, strings, booleans, `null` (`undefined` becomes
 * `null`), numbers, `Uint8Array`; integers beyond 2^53 come out as `bigint`, and a `bigint` goes in
 * up to 64 bits. Rust reads and writes the same with named fields.
 */
export declare const messagePack: Codec<any>

/** JSON in UTF-8, for peers or eyes that want it. */
export declare const json: Codec<any>

/** A validator in the form many libraries share: {@link https://standardschema.dev}. */
export interface StandardSchema<T = unknown> {
  /** The one property the form asks for. */
  readonly '~standard': {
    /** Checks a value; what it returns is used in its place. Must answer at once. */
    validate(
      value: unknown,
    ): { value: T; issues?: undefined } | { issues: readonly { message: string }[] } | Promise<any>
  }
}

/** How a method's messages travel and what they have to look like. */
export interface MethodOptions<Params, Result> {
  /** @default messagePack */
  codec?: Codec<any>
  /** Checked where the request arrives. Without it the type is a promise of the compiler's. */
  params?: StandardSchema<Params>
  /** Checked where the answer arrives. */
  result?: StandardSchema<Result>
  /**
   * Compresses payloads of 4,096 bytes and more for their way (LZ4), in both directions, where that makes them
   * shorter and the other side can undo it. Saves room in the rings and in private memory; it seldom
   * saves time, see docs/performance.md.
   *
   * It is consent, too: what arrives compressed without it is refused with `ERR_INVALID_PAYLOAD`. To
   * unpack a payload takes up to 64 times what its author has put in, and 1 MiB. @default false
   */
  compress?: boolean
}

/** How an event's messages travel and what they have to look like. */
export interface EventOptions<Payload> {
  /** @default messagePack */
  codec?: Codec<any>
  /** Checked where the event arrives. */
  payload?: StandardSchema<Payload>
  /**
   * Compresses payloads of 4,096 bytes and more for their way (LZ4), where that makes them shorter
   * and the other side can undo it, and consents to receive such payloads: see
   * {@link MethodOptions.compress}. @default false
   */
  compress?: boolean
}

/** How a stream's messages travel and what they have to look like. */
export interface StreamOptions<Params, Item, Upload, Result> {
  /** Of the params, the result and all items. @default messagePack */
  codec?: Codec<any>
  /** Checked where the request arrives. Without it the type is a promise of the compiler's. */
  params?: StandardSchema<Params>
  /** Checked where items of whoever works arrive. */
  item?: StandardSchema<Item>
  /** Checked where items of whoever asked arrive. */
  upload?: StandardSchema<Upload>
  /** Checked where the result arrives. */
  result?: StandardSchema<Result>
}

/** A request that has exactly one outcome. Made by {@link method}. */
export interface Method<Params = any, Result = any> {
  /** Tells it from an event. */
  readonly kind: 'method'
  /** What it is called on both ends, in any language. */
  readonly name: string
  /** How its messages travel. */
  readonly options: Readonly<MethodOptions<Params, Result>>
}

/** A message nobody answers. Made by {@link event}. */
export interface Event<Payload = any> {
  /** Tells it from a method. */
  readonly kind: 'event'
  /** What it is called on both ends, in any language. */
  readonly name: string
  /** How its messages travel. */
  readonly options: Readonly<EventOptions<Payload>>
}

/** A request with many items, in either direction, before its one outcome. Made by {@link stream}. */
export interface Stream<Params = any, Item = any, Upload = any, Result = any> {
  /** Tells it from a method. */
  readonly kind: 'stream'
  /** What it is called on both ends, in any language. */
  readonly name: string
  /** How its messages travel. */
  readonly options: Readonly<StreamOptions<Params, Item, Upload, Result>>
}

/** What a handler can be registered for. */
export type AnyContract = Method<any, any> | Event<any> | Stream<any, any, any, any>

/**
 * A contract for requests: a value both ends import.
 * @throws TypeError for a name that is no string, or options that are misspelt.
 * @throws RangeError for a name that is empty or of more than 255 bytes.
 */
export declare function method<Params = any, Result = any>(
  name: string,
  options?: MethodOptions<Params, Result>,
): Method<Params, Result>

/**
 * A contract for one-way messages.
 * @throws TypeError for a name that is no string, or options that are misspelt.
 * @throws RangeError for a name that is empty or of more than 255 bytes.
 */
export declare function event<Payload = any>(
  name: string,
  options?: EventOptions<Payload>,
): Event<Payload>

/**
 * A contract for streams: `Item` comes from whoever works, `Upload` from whoever asked.
 * @throws TypeError for a name that is no string, or options that are misspelt.
 * @throws RangeError for a name that is empty or of more than 255 bytes.
 */
export declare function stream<Params = any, Item = any, Upload = any, Result = any>(
  name: string,
  options?: StreamOptions<Params, Item, Upload, Result>,
): Stream<Params, Item, Upload, Result>

// ---------------------------------------------------------------------------------------------
// Connections: what both ends can do
// ---------------------------------------------------------------------------------------------

/**
 * How urgent a message is. What is more urgent is read first; what is less is never starved. Order
 * holds within a lane only. A long message delays what comes behind it in its own lane and nothing
 * in a more urgent one.
 */
export type Lane = 'critical' | 'high' | 'normal' | 'low'

/** How a request travels. */
export interface RequestOptions {
  /** Gives the request up: it rejects with the signal's reason, and the other side hears of it. */
  signal?: AbortSignal
  /** Milliseconds after which it rejects with `ERR_TIMEOUT`; `Infinity` for never.
   * @default the connection's own `timeoutMs` */
  timeoutMs?: number
  /** @default 'normal' */
  lane?: Lane
  /** A W3C `traceparent` to carry along. */
  traceparent?: string
  /** What this is asked for: it gets no more time than that has left, ends when nobody waits for that
   * any more, and carries its `traceparent` along, unless it has one of its own. */
  parent?: Context
}

/** How a stream travels. */
export interface StreamCallOptions extends RequestOptions {
  /** Milliseconds after which it ends with `ERR_TIMEOUT`, however many items have come.
   * @default Infinity */
  timeoutMs?: number
  /**
   * Bytes of items that may be on their way or wait to be read, in either direction, before their
   * author has to wait; 4,096 to 16,777,216. A small item counts as some 32 bytes. What is read
   * frees room by half windows. @default 262,144
   */
  windowBytes?: number
}

/** How a synchronous request travels. */
export interface SyncRequestOptions {
  /** Milliseconds after which it throws `ERR_TIMEOUT`. Has to be finite.
   * @default the connection's own `timeoutMs`, or 30,000 if that is `Infinity` */
  timeoutMs?: number
  /** @default 'normal' */
  lane?: Lane
  /** What this is asked for: it gets no more time than that has left. */
  parent?: Context
}

/** How a one-way message travels. */
export interface NotifyOptions {
  /** @default 'normal' */
  lane?: Lane
  /** A W3C `traceparent` to carry along. */
  traceparent?: string
}

/** How long to wait for something. */
export interface WaitOptions {
  /** Ends the wait: it rejects with the signal's reason. */
  signal?: AbortSignal
  /** Milliseconds after which it rejects with `ERR_TIMEOUT`. @default Infinity */
  timeoutMs?: number
}

/** Who is at the other end. */
export interface Peer {
  /** Its process, for display: such numbers are used again. 0 if it cannot be seen from here, as across
   * containers. */
  readonly pid: number
  /** Its user: yours, or there would be no connection. */
  readonly uid: number
  /** This session, different for every connection ever made; hexadecimal. */
  readonly session: string
  /** Whether it is this very thread, which can never answer a synchronous request of its own. */
  readonly isSelf: boolean
  /** How memory reaches the other side. */
  readonly transport: 'sealed' | 'portable'
  /** What checksums in rings cover. */
  readonly crc: 'off' | 'header' | 'full'
  /** Bytes of the longest message either side may send. */
  readonly messageLenMax: number
  /** Requests in flight in one direction. */
  readonly pendingMax: number
  /** Capacities of the rings of one direction, in bytes. */
  readonly rings: Readonly<Record<Lane | 'control', number>>
}

/** What a handler knows about the message it handles. */
export interface Context {
  /** The connection it came on: to ask, to notify, to close. */
  readonly connection: Connection
  /** Who sent it. */
  readonly peer: Peer
  /** The lane it came on; an answer goes back on the same one. */
  readonly lane: Lane
  /** Aborted when nobody waits for the answer any more: cancelled, out of time, peer gone, or
   * connection closed. Of an event: when the connection is over. */
  readonly signal: AbortSignal
  /**
   * Whether nobody waits for the answer any more, as of now: for handlers at work that do not let the
   * event loop turn, where {@link Context.signal} cannot tell them. Costs some 20 ns.
   */
  readonly cancelled: boolean
  /** Milliseconds the caller goes on waiting, by a clock that nothing replaces; `Infinity` if for ever. */
  readonly remainingMs: number
  /** The W3C `traceparent` that came along. */
  readonly traceparent: string | undefined
}

/**
 * Answers a request with what it returns, or with what its promise becomes. What it throws rejects
 * the request on the other side with the same name, message, code, cause and stack.
 */
export type MethodHandler<Params, Result> = (
  params: Params,
  context: Context,
) => Result | Promise<Result>

/** Takes an event. What it throws is reported by the connection's `error` event. */
export type EventHandler<Payload> = (payload: Payload, context: Context) => unknown

/** Items of the other side. Either iterate over them or take them together, not both. */
export interface ItemReader<Item> {
  /** One by one. Leaving the loop early says that no more are wanted. */
  [Symbol.asyncIterator](): AsyncIterableIterator<Item>
  /**
   * Calls `take` with all that have come together, which is how most get through. While a promise
   * it returns is pending, what comes waits, and in the end its author does.
   * @param options with `borrowed`, items of {@link bytes} are only valid until `take` returns, and
   * are not copied for it again.
   * @returns when the last was taken; rejects with what ended the stream, or what `take` threw.
   */
  forEach(take: (items: Item[]) => unknown, options?: HandleOptions): Promise<void>
}

/** Items of this side. */
export interface ItemWriter<Item> {
  /**
   * Sends an item.
   * @returns `false` if the other side does not keep up: await {@link ItemWriter.ready} before the
   * next.
   * @throws IpcError `ERR_FULL` if that was not done, `ERR_TOO_LARGE`, `ERR_INVALID_PAYLOAD`. What
   * has ended the stream, if it has ended.
   */
  write(item: Item): boolean
  /**
   * Resolves when another item can be written.
   * @throws IpcError `ERR_TIMEOUT`. What has ended the stream, if it has ended.
   */
  ready(options?: WaitOptions): Promise<void>
}

/** A stream, where it was asked for. */
export interface ClientStream<Item = any, Upload = any, Result = any>
  extends ItemReader<Item>, ItemWriter<Upload> {
  /** The one outcome, after all items: what the handler has returned or thrown. Items that nobody reads
   * fill the window, and then the handler waits. */
  readonly result: Promise<Result>
  /** Says that no more items go with the request. */
  end(): void
  /** Gives it up: what waits for it rejects with the reason, and the handler hears of it. */
  cancel(reason?: unknown): void
}

/** A stream, where it is handled. */
export interface ServerStream<Item = any, Upload = any>
  extends Context, ItemReader<Upload>, ItemWriter<Item> {}

/**
 * Answers a stream: by writing items and returning the result, or as a generator that yields the
 * items and returns the result. A generator is asked for the next item when the other side keeps up.
 */
export type StreamHandler<Params, Item, Upload, Result> = (
  params: Params,
  stream: ServerStream<Item, Upload>,
) =>
  | Result
  | Promise<Result>
  | Generator<Item, Result, unknown>
  | AsyncGenerator<Item, Result, unknown>
  | AsyncIterable<Item>

/** How a handler is called. */
export interface HandleOptions {
  /**
   * The bytes are only valid until the handler returns, and are not copied for it again. For
   * contracts of {@link bytes} whose handlers look at their argument and keep nothing of it. A handler
   * that transfers its memory to somebody else ends the connection.
   * @default false
   */
  borrowed?: boolean
}

/** How an event's handler is called. */
export interface ListenOptions extends HandleOptions {
  /** It is called once, and taken back before that. @default false */
  once?: boolean
  /** Takes it back when it is aborted. */
  signal?: AbortSignal
}

/** How a loop takes events. */
export interface EventsOptions {
  /** Ends the loop: it throws the signal's reason, after what waits. */
  signal?: AbortSignal
  /** Events that may wait for the loop; one more ends it with `ERR_FULL`. @default 65,536 */
  waitingMax?: number
}

/** Who is told something. */
export interface BroadcastOptions extends NotifyOptions {
  /** These only. @default all connections of the server */
  to?: Iterable<Connection>
}

/**
 * Emits its own events, as Node's emitters do, and takes events of the other side: by contract, or by
 * the bare name of one that was sent by it. Any number of handlers can take the same event: all are
 * called, in the order in which they came, and what one throws is reported by the connection's
 * `error` event and hurts no other. They can come and go at any time, also from within a handler, by
 * the registration or in all the ways emitters have, those of `node:events` among them.
 *
 * Names of its own events, and `error`, `newListener` and `removeListener`, are never events of the
 * other side: such a one can be taken by contract.
 */
export interface EventTaker<Own extends Record<keyof Own, any[]>> extends EventEmitter<Own> {
  /** Calls `handler` for each of these events. */
  on<Payload>(
    event: Event<Payload>,
    handler: EventHandler<Payload>,
    options?: ListenOptions,
  ): Registration
  /** Calls `listener` each time it emits this itself. */
  on<Name extends keyof Own>(name: Name, listener: (...details: Own[Name]) => void): this
  /** Calls `handler` for each event of this name that the other side sends. */
  on<Name extends string | symbol>(
    name: OtherName<Name, Own>,
    handler: EventHandler<any>,
    options?: ListenOptions,
  ): this
  /** Calls `handler` for the next of these events. */
  once<Payload>(
    event: Event<Payload>,
    handler: EventHandler<Payload>,
    options?: ListenOptions,
  ): Registration
  /** Calls `listener` the next time it emits this itself. */
  once<Name extends keyof Own>(name: Name, listener: (...details: Own[Name]) => void): this
  /** Calls `handler` for the next event of this name that the other side sends. */
  once<Name extends string | symbol>(
    name: OtherName<Name, Own>,
    handler: EventHandler<any>,
    options?: ListenOptions,
  ): this
  /** The same as {@link EventTaker.on}. */
  addListener<Payload>(
    event: Event<Payload>,
    handler: EventHandler<Payload>,
    options?: ListenOptions,
  ): Registration
  /** The same as {@link EventTaker.on}. */
  addListener<Name extends keyof Own>(name: Name, listener: (...details: Own[Name]) => void): this
  /** The same as {@link EventTaker.on}. */
  addListener<Name extends string | symbol>(
    name: OtherName<Name, Own>,
    handler: EventHandler<any>,
    options?: ListenOptions,
  ): this
  /** The same as {@link EventTaker.on}, before all others. */
  prependListener<Payload>(
    event: Event<Payload>,
    handler: EventHandler<Payload>,
    options?: ListenOptions,
  ): Registration
  /** The same as {@link EventTaker.on}, before all others. */
  prependListener<Name extends keyof Own>(
    name: Name,
    listener: (...details: Own[Name]) => void,
  ): this
  /** The same as {@link EventTaker.on}, before all others. */
  prependListener<Name extends string | symbol>(
    name: OtherName<Name, Own>,
    handler: EventHandler<any>,
    options?: ListenOptions,
  ): this
  /** The same as {@link EventTaker.once}, before all others. */
  prependOnceListener<Payload>(
    event: Event<Payload>,
    handler: EventHandler<Payload>,
    options?: ListenOptions,
  ): Registration
  /** The same as {@link EventTaker.once}, before all others. */
  prependOnceListener<Name extends keyof Own>(
    name: Name,
    listener: (...details: Own[Name]) => void,
  ): this
  /** The same as {@link EventTaker.once}, before all others. */
  prependOnceListener<Name extends string | symbol>(
    name: OtherName<Name, Own>,
    handler: EventHandler<any>,
    options?: ListenOptions,
  ): this
  /** Takes back the last that was registered with this function. */
  off<K>(event: K | Taken<Own>, listener: (...details: any[]) => unknown): this
  /** The same as {@link EventTaker.off}. */
  removeListener<K>(event: K | Taken<Own>, listener: (...details: any[]) => unknown): this
  /** Takes back all handlers of an event, or of all events. */
  removeAllListeners<K>(event?: K | Taken<Own>): this
  /** How many take an event, or take it with this function. */
  // eslint-disable-next-line @typescript-eslint/no-unsafe-function-type -- what Node's own has
  listenerCount<K>(event: K | Taken<Own>, listener?: Function): number
  /** The functions that take an event. */
  listeners<K>(event: K | Taken<Own>): any[]
  /**
   * These events one by one, for a loop: from now on until it is left, or the connection or server is
   * closed.
   */
  events<Payload>(
    event: Event<Payload> | string,
    options?: EventsOptions,
  ): AsyncIterableIterator<Payload>
}

/** The name of an event of the other side, which is none of those an emitter has of its own. */
export type OtherName<Name, Own> = Name extends keyof Own ? never : Name

/** What an {@link EventTaker} can be asked about: a contract, or a name. */
export type Taken<Own> = Event<any> | keyof Own | string | symbol

/** Something that can be taken back. */
export interface Registration {
  /** Takes it back; twice does nothing. */
  dispose(): void
  /** The same, for `using`. */
  [Symbol.dispose](): void
}

/** What a connection has counted since it was opened. */
export interface ConnectionStats {
  /** Messages sent. */
  sent: number
  /** Messages received. */
  received: number
  /** Requests of this side in flight. */
  pending: number
  /** Requests of the peer being worked on. */
  serving: number
  /** Answers that came after their request had ended, and were dropped. */
  lateReplies: number
  /** Requests that had ended before they arrived, and were not handled. */
  staleRequests: number
  /** Messages refused with `ERR_FULL`. */
  refused: number
  /** Events of this side that its lanes have dropped, see {@link Overflow}. */
  dropped: Record<Lane, number>
  /** Events of the peer that its lanes have dropped, as it says. */
  peerDropped: Record<Lane, number>
  /** Events that came and nobody handles. */
  unhandled: number
  /** Times the peer was asleep and had to be woken by a system call. */
  doorbells: number
  /** Bytes waiting for room in the rings. */
  queuedBytes: number
  /** Wake-ups that were lost. Anything but 0 is a bug in this library. */
  lostWakeups: number
  /** What wakes this thread: its own event loop, or a helper thread where that cannot be had. */
  wakesBy: 'loop' | 'thread'
}

/** Events that were dropped. */
export interface Drop {
  /** The lane that was full. */
  readonly lane: Lane
  /** How many, since this was told last. */
  readonly count: number
}

/** What connections tell, with `on` and `once`. */
export interface ConnectionEvents {
  /** It is over: with the reason, unless one side closed it in good order. */
  close: [reason: IpcError | null]
  /** A lane of this side was full and has dropped events, as its {@link Overflow} says. */
  drop: [drop: Drop]
  /** An event's handler has thrown, or an event could not be decoded or sent. What was thrown and is no
   * error is the cause of one. If nobody listens it becomes a process warning, with the name of the
   * event and the stack. What goes down with the connection is only told by `close`. */
  error: [error: Error]
}

/**
 * One end of a connection. Both ends can do the same.
 *
 * The process stays alive while a request is in flight, a handler is registered, or
 * {@link Connection.ref} was called. A process that ends by itself writes first what waits for room,
 * and warns of what it could not write because its peer has read nothing for a second.
 *
 * What is entered with `AsyncLocalStorage.enterWith()` in a handler ends with the message it handles.
 */
export interface Connection extends EventTaker<ConnectionEvents>, AsyncDisposable {
  /** Who is at the other end. */
  readonly peer: Peer
  /** Whether messages can be sent. */
  readonly isOpen: boolean
  /** Resolves when it is over, to the reason, or to `null` after a close in good order. */
  readonly closed: Promise<IpcError | null>

  /**
   * Asks, and resolves to the answer: exactly one outcome. Params of {@link bytes} of 1 MiB and more
   * are not copied before there is room for them: leave them as they are until then.
   * @throws IpcError what the handler failed with, or `ERR_TIMEOUT`, `ERR_PEER_LOST`, `ERR_CLOSED`,
   * `ERR_UNKNOWN_METHOD`, `ERR_TOO_LARGE`, `ERR_FULL`, `ERR_TOO_MANY_PENDING`,
   * `ERR_INVALID_PAYLOAD`. The reason of the signal, if that ended it.
   */
  request<Params, Result>(
    method: Method<Params, Result> | string,
    params?: Params,
    options?: RequestOptions,
  ): Promise<Result>

  /**
   * Asks, and waits for the answer without turning the event loop: the fastest way to a value, for
   * those who can do nothing without it. Events and requests that come meanwhile are handled later.
   * @throws IpcError as {@link Connection.request}, and `ERR_WOULD_DEADLOCK` when the other side is
   * this very thread, or waits synchronously for this one, over whichever connection.
   */
  requestSync<Params, Result>(
    method: Method<Params, Result> | string,
    params?: Params,
    options?: SyncRequestOptions,
  ): Result

  /**
   * Asks for a stream. The request is on its way when this returns.
   * @throws IpcError `ERR_CLOSED`, `ERR_PEER_LOST`, `ERR_TOO_LARGE`, `ERR_TOO_MANY_PENDING`,
   * `ERR_INVALID_PAYLOAD`. The reason of the signal, if it is aborted already.
   */
  stream<Params, Item, Upload, Result>(
    contract: Stream<Params, Item, Upload, Result>,
    params?: Params,
    options?: StreamCallOptions,
  ): ClientStream<Item, Upload, Result>

  /**
   * Sends a message nobody answers. What becomes of it while its lane is full is the lane's
   * {@link Overflow}.
   * @returns `true` if it is written, or will be unless the connection is lost; `false` if it waits for
   * room, a good moment to await {@link Connection.drained}, or if its lane has dropped it.
   * @throws IpcError `ERR_FULL` if it was refused because too much waits already, `ERR_CLOSED`,
   * `ERR_PEER_LOST`, `ERR_TOO_LARGE`, `ERR_INVALID_PAYLOAD`. It was not sent then.
   */
  notify<Payload>(
    event: Event<Payload> | string,
    payload?: Payload,
    options?: NotifyOptions,
  ): boolean

  /**
   * The same, and resolves when the message is being written to its lane's ring. A payload of
   * {@link bytes} of 1 MiB and more is not copied before there is room for it: leave it as it is until
   * this has resolved.
   * @throws IpcError as {@link Connection.notify}, and `ERR_FULL` if its lane has dropped it.
   */
  send<Payload>(
    event: Event<Payload> | string,
    payload?: Payload,
    options?: NotifyOptions,
  ): Promise<void>

  /**
   * Resolves when nothing waits for room in the rings any more.
   * @throws IpcError `ERR_TIMEOUT`, `ERR_PEER_LOST`, `ERR_CLOSED`, and `ERR_FULL` if a lane has dropped
   * events meanwhile.
   */
  drained(options?: WaitOptions): Promise<void>

  /** Answers requests of the peer. A later handler of the same name replaces an earlier one. */
  handle<Params, Result>(
    method: Method<Params, Result> | string,
    handler: MethodHandler<Params, Result>,
    options?: HandleOptions,
  ): Registration
  /** Answers streams of the peer. */
  handle<Params, Item, Upload, Result>(
    contract: Stream<Params, Item, Upload, Result>,
    handler: StreamHandler<Params, Item, Upload, Result>,
    options?: HandleOptions,
  ): Registration
  /** Takes events of the peer, as {@link EventTaker.on}. */
  handle<Payload>(
    event: Event<Payload>,
    handler: EventHandler<Payload>,
    options?: ListenOptions,
  ): Registration

  /**
   * Closes in good order: requests in flight reject with `ERR_CLOSED`, what waits for room is still
   * written for up to a second, the peer hears of it. Twice is the same as once.
   */
  close(): Promise<void>
  /** The same, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>

  /** What it has counted. */
  stats(): ConnectionStats
  /** Keeps the process alive for this connection. */
  ref(): this
  /** No longer keeps it alive; requests in flight still do. */
  unref(): this
}

/** A connection from the side that made it. */
export type Client = Connection

// ---------------------------------------------------------------------------------------------
// Serving and connecting
// ---------------------------------------------------------------------------------------------

/** What a server and a client can both choose. */
export interface EndpointOptions {
  /**
   * The private directory to meet in. Has to be yours and closed to others; a server makes it if it is
   * missing. A path that is relative is so to where the process is now, wherever it goes later.
   * @default `RINGPOST_DIR` of this thread's `process.env`, or the first of
   * `/run/user/<uid>/ringpost`, `/tmp/ringpost-<uid>` and `/var/tmp/ringpost-<uid>` that can be used;
   * clients look into all of them
   */
  directory?: string
  /**
   * How memory reaches the other side: `sealed` passes a descriptor and leaves nothing behind,
   * `portable` uses named segments and passes none. Any process of this user can make a named segment
   * shorter; that ends its connection, and costs the process a handler for SIGBUS.
   * @default `sealed`; `portable` where a server's sandbox or kernel has no sealed memory
   */
  transport?: 'sealed' | 'portable'
  /** What checksums in rings cover at least; the stricter wish of the two sides holds.
   * @default 'header' */
  crc?: 'off' | 'header' | 'full'
  /**
   * Capacities of the rings of one direction, in bytes: powers of two from 4,096 to 67,108,864. The
   * client's wish holds, up to what the server gives, see {@link ServerOptions.ringsMax}.
   * @default the transport's own: 2 MiB for `normal` under `sealed`
   */
  rings?: Partial<Record<Lane | 'control', number>>
  /** Bytes of the longest message; the lower wish of the two sides holds. @default 67,108,864 */
  messageLenMax?: number
  /** Requests in flight in one direction, 1 to 65,536; the lower wish holds. @default 65,536 */
  pendingMax?: number
  /** A secret both sides have to know, up to 1,024 bytes. */
  token?: string | Uint8Array
  /** Milliseconds after which a request is given up unless it says otherwise; `Infinity` for never.
   * @default 30,000 */
  timeoutMs?: number
  /** What a full lane means for what comes next.
   * @default waiting for as long as it takes in `critical`, `high` and `normal`; `low` drops the newest */
  overflow?: Partial<Record<Lane, Overflow>>
  /**
   * Bytes that may wait in private memory for one peer: requests, events, answers, items, all of it. Above
   * it requests and events are refused with `ERR_FULL` (but for a sixteenth of it that each lane has for
   * itself), and no more requests of that peer are taken. When answers and items have made it four times
   * as much, and the peer reads nothing for a second, the connection ends with `ERR_FULL`. @default 33,554,432
   */
  backlogMax?: number
  /** Requests of one peer being worked on above which no more of them are taken; answers, items and
   * cancels still are. Streams do not count. @default 4,096 */
  servingMax?: number
  /** Bytes of items that one peer has sent with its streams and no handler has read yet; above it none of
   * its messages is read before some were. @default 67,108,864 */
  unreadMax?: number
  /**
   * Milliseconds that a request or an event waits for a handler of its name to be registered, before it
   * is answered with `ERR_UNKNOWN_METHOD` or counted as unhandled. Up to 1 MiB of a connection may wait
   * so. Handlers that are registered in the turn in which a connection is made come in time without
   * it. @default 0
   */
  handlerWaitMs?: number
}

/**
 * What a lane that is full does with requests and events. Answers and the items of streams are always
 * taken: how many there can be was agreed before.
 *
 * - `waitMs`: they wait in private memory, up to `backlogMax`; more is refused with `ERR_FULL`. An event
 *   that has waited so long is dropped, and `Infinity` never does that. A request has a `timeoutMs` of
 *   its own.
 * - `fail`: they are refused at once, with `ERR_FULL`.
 * - `dropNewest`: events are dropped at once. Requests are refused.
 * - `dropOldest`: they wait, and the events that have waited longest are dropped for them, so that as
 *   much waits at most as the lane's ring holds.
 *
 * What is dropped is told ({@link ConnectionEvents.drop}) and counted, by lane, on both sides:
 * {@link ConnectionStats.dropped}.
 */
export type Overflow = OverflowWait | 'fail' | 'dropNewest' | 'dropOldest'

/** Waiting as the {@link Overflow} of a lane. */
export interface OverflowWait {
  /** Milliseconds; `Infinity` for as long as it takes. */
  waitMs: number
}

/** What only a client can choose. */
export interface ClientOptions extends EndpointOptions {
  /** Milliseconds after which connecting is given up. @default 5,000 */
  connectTimeoutMs?: number
  /** Gives connecting up: it rejects with the signal's reason. */
  signal?: AbortSignal
  /**
   * Is called with the connection as soon as there is one, to register handlers: before anything that
   * its peer sends is read. So are those registered in the turn in which {@link connect} resolves.
   */
  handlers?: (connection: Connection) => void
}

/** What only a server can choose. */
export interface ServerOptions extends EndpointOptions {
  /** Connections at the same time, those included that are about to be. @default 4,096 */
  connectionsMax?: number
  /**
   * The most a client gets of the capacities it wishes for, in bytes; what `rings` says here is always
   * given. @default 4 MiB, and 64 KiB for `control`; under `portable`, whose memory is all there from
   * the start, 256 KiB and 16 KiB
   */
  ringsMax?: Partial<Record<Lane | 'control', number>>
  /** Milliseconds a client may take to say who it is. @default 250 */
  helloTimeoutMs?: number
  /**
   * Requests of all clients being worked on, above which no more are read: they wait in the rings, and
   * each client has its turn. Streams do not count. @default no limit but `servingMax` of each client
   */
  servingMaxTotal?: number
  /** Is called with the server before the first client is let in, to register handlers. */
  handlers?: (server: Server) => void
}

/** What servers tell, with `on` and `once`. */
export interface ServerEvents {
  /** A client has connected. What it sends is not read before the turn in which this is told is over,
   * so that handlers can be registered. */
  connection: [connection: Connection]
  /**
   * Clients do not find this server any more: its files were removed, and another server has taken the
   * name since (`ERR_NAME_IN_USE`), or they could not be put back; or none can be let in. The connections
   * there are stay. If there is no listener it becomes a process warning.
   */
  error: [error: IpcError]
  /** The server is closed. */
  close: []
}

/**
 * A server of one name. The process stays alive while it listens, unless {@link Server.unref} was
 * called.
 */
export interface Server extends EventTaker<ServerEvents>, AsyncDisposable {
  /** The name it serves. */
  readonly name: string
  /** The connections there are. */
  readonly connections: ReadonlySet<Connection>
  /** Answers requests of every client. A handler of a connection's own comes first. */
  handle<Params, Result>(
    method: Method<Params, Result> | string,
    handler: MethodHandler<Params, Result>,
    options?: HandleOptions,
  ): Registration
  /** Answers streams of every client. */
  handle<Params, Item, Upload, Result>(
    contract: Stream<Params, Item, Upload, Result>,
    handler: StreamHandler<Params, Item, Upload, Result>,
    options?: HandleOptions,
  ): Registration
  /** Takes events of every client, as {@link EventTaker.on}. */
  handle<Payload>(
    event: Event<Payload>,
    handler: EventHandler<Payload>,
    options?: ListenOptions,
  ): Registration
  /**
   * Tells some clients, or all.
   * @returns those that could not be told, because they are closed, or too much waits for them
   * @throws IpcError `ERR_INVALID_PAYLOAD`.
   */
  notify<Payload>(
    event: Event<Payload> | string,
    payload?: Payload,
    options?: BroadcastOptions,
  ): Connection[]
  /** Gives the name up and closes all connections in good order. Twice is the same as once. */
  close(): Promise<void>
  /** The same, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>
  /** Keeps the process alive while it listens. */
  ref(): this
  /** No longer does. */
  unref(): this
}

/**
 * Serves a name.
 * @param name letters, digits, `-`, `_` and `.`, up to 64, not starting with `.`
 * @throws TypeError for options of a wrong type or misspelt, RangeError for values out of range.
 * @throws IpcError `ERR_NAME_IN_USE`, `ERR_INVALID_NAME`, `ERR_UNSAFE_DIRECTORY`,
 * `ERR_FOREIGN_USER`, `ERR_ACCESS`, `ERR_NO_SPACE`, `ERR_NO_DESCRIPTORS`, `ERR_SYSTEM`.
 */
export declare function createServer(name: string, options?: ServerOptions): Promise<Server>

/**
 * Connects to the server of that name.
 * @throws TypeError for options of a wrong type or misspelt, RangeError for values out of range.
 * @throws IpcError `ERR_NO_SERVER`, `ERR_TIMEOUT`, `ERR_VERSION`, `ERR_FEATURE`, `ERR_TOKEN`,
 * `ERR_HANDSHAKE`, `ERR_TOO_MANY_CONNECTIONS`, `ERR_INVALID_NAME`, `ERR_UNSAFE_DIRECTORY`,
 * `ERR_FOREIGN_USER`, `ERR_ACCESS`, `ERR_NO_SPACE`, `ERR_NO_DESCRIPTORS`, `ERR_SYSTEM`.
 */
export declare function connect(name: string, options?: ClientOptions): Promise<Client>

// ---------------------------------------------------------------------------------------------
// Streams as others know them
// ---------------------------------------------------------------------------------------------

/**
 * A stream as a `Duplex` of Node's, in object mode. Ending it says that no more items go with the
 * request; destroying it gives the stream up.
 */
export declare function toDuplex(stream: ClientStream | ServerStream): Duplex

/** The items of the other side as a `ReadableStream` of the web's. */
export declare function toReadableStream<Item>(
  stream: ClientStream<Item> | ServerStream<any, Item>,
): ReadableStream<Item>

// ---------------------------------------------------------------------------------------------
// The rest
// ---------------------------------------------------------------------------------------------

/** How this thread waits for messages. */
export interface WaitingOptions {
  /**
   * What wakes it: its own event loop, or a helper thread. `auto` takes the loop wherever it can be
   * had. @default 'auto'
   */
  wake?: 'auto' | 'loop' | 'thread'
  /**
   * Microseconds to go on looking, giving the processor away in between, before the loop sleeps:
   * while an answer is outstanding. 0 switches looking off. @default 50
   */
  spinExpectingUs?: number
  /** The same after traffic, when nothing is outstanding. @default 20 */
  spinRecentUs?: number
}

/**
 * Chooses how this thread waits, before its first server or connection.
 * @throws Error if there was one already.
 */
export declare function configure(options: WaitingOptions): void

/** What can go wrong that is not a mistake in the call itself. */
export type IpcErrorCode =
  | 'ERR_CLOSED'
  | 'ERR_PEER_LOST'
  | 'ERR_TIMEOUT'
  | 'ERR_CANCELLED'
  | 'ERR_UNKNOWN_METHOD'
  | 'ERR_HANDLER'
  | 'ERR_INVALID_PAYLOAD'
  | 'ERR_TOO_LARGE'
  | 'ERR_FULL'
  | 'ERR_TOO_MANY_PENDING'
  | 'ERR_TOO_MANY_NAMES'
  | 'ERR_TOO_MANY_CONNECTIONS'
  | 'ERR_INVALID_ARGUMENT'
  | 'ERR_INVALID_NAME'
  | 'ERR_NAME_IN_USE'
  | 'ERR_NO_SERVER'
  | 'ERR_FOREIGN_USER'
  | 'ERR_UNSAFE_DIRECTORY'
  | 'ERR_ACCESS'
  | 'ERR_VERSION'
  | 'ERR_FEATURE'
  | 'ERR_TOKEN'
  | 'ERR_HANDSHAKE'
  | 'ERR_CORRUPT'
  | 'ERR_NO_SPACE'
  | 'ERR_NO_DESCRIPTORS'
  | 'ERR_WOULD_DEADLOCK'
  | 'ERR_SYSTEM'
  | 'ERR_INTERNAL'

/**
 * Every failure of the engine's, and every failure of the other side's handler. An error of another
 * copy of the package is an `instanceof` this class, too.
 *
 * A handler's error keeps its name, message, code, cause and stack, the `errors` of an `AggregateError`,
 * and its own enumerable properties, as far as {@link messagePack} can carry them. A cause, or one of the
 * errors, that is no error comes back as what it was. An object that was thrown and is no error keeps
 * its code, message and properties. What is longer than this is cut off: texts of 16,384 letters and 65,536
 * altogether, 64 properties of an error and 16,384 bytes of all, 8 causes below each other, 16 errors of
 * one, and 32 altogether.
 *
 * Its `stack` shows the frames of the other side, each marked with `[remote]`, and behind them those of
 * whoever awaits the request (`at async …`) or has called `requestSync`.
 */
export declare class IpcError extends Error {
  constructor(code: string, message: string, options?: { cause?: unknown })
  /**
   * What to branch on: an {@link IpcErrorCode}, or the code the other side's handler gave; a number, if
   * that was one, whatever the type says. Of one that gave none it is `ERR_HANDLER`, and of errors of the
   * web, whose numbers are history, the `name` says more (`AbortError`).
   */
  readonly code: string
  /** Whether the other side's handler failed, rather than the way there. */
  readonly isRemote: boolean
  /** Of an `AggregateError` of the other side: why. */
  readonly errors?: readonly unknown[]
  /** What JSON and logs show of it: name, message, code, causes, errors and properties, but no stack. */
  toJSON(): Record<string, unknown>
}
