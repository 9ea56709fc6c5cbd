/**
 * Requests, events and streams between processes on one machine, through shared memory.
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
 * Encodes values as bytes and decodes them again.
 *
 * Two bits of every message tell bytes, MessagePack, JSON and custom codecs apart; a message whose
 * format is not that of its contract is refused with `ERR_INVALID_PAYLOAD`.
 */
export interface Codec<T> {
  /** Shown in error messages. */
  readonly name: string
  /** Encodes a value. If it throws, the call fails with `ERR_INVALID_PAYLOAD`. */
  readonly encode: (value: T) => Uint8Array
  /** Decodes a value. Must not keep `bytes`, which are overwritten later. If it throws, the call
   * fails with `ERR_INVALID_PAYLOAD`. */
  readonly decode: (bytes: Uint8Array) => T
}

/** Bytes as they are: `Uint8Array` in, a `Uint8Array` of your own out. Received arrays of 65 to 512
 * bytes share a block of 2 KiB, those of up to 4,096 one of 16 KiB, which cannot be transferred to
 * another thread. */
export declare const bytes: Codec<Uint8Array>

/**
 * MessagePack, the default. Supports objects, arrays, strings, booleans, `null`, numbers, `bigint`
 * up to 64 bits, `Date`, `ArrayBuffer` and typed arrays. Rust reads and writes the same with named
 * fields.
 *
 * What arrives differs from what was sent in this: `undefined` and gaps of arrays become `null`,
 * properties that are `undefined` are left out; a `bigint` within 2^53 becomes a number, as do
 * integers from Rust, which are `bigint` beyond it; instances of classes become objects of their
 * own enumerable properties, or what their `toJSON` returns; a `Map` with text keys becomes an
 * object, a `Buffer` a `Uint8Array`. Symbol keys are ignored.
 *
 * Anything else is refused with `ERR_INVALID_PAYLOAD`, and the message says where it is:
 * `params.user.tags: Set cannot be sent as MessagePack; use the codec structuredClone`. So is a
 * value that is nested more than 128 levels deep, or that has more than 1,000,000 items and
 * fields, plus one for every 8 bytes.
 */
export declare const messagePack: Codec<any>

/**
 * JSON in UTF-8, readable by tools and by people. Supports what JSON itself can write, with the
 * differences, the errors and the limits of {@link messagePack}: `Date`, `bigint`, `NaN`,
 * `Infinity` and bytes are refused.
 */
export declare const json: Codec<any>

/**
 * The structured clone algorithm, for programs in Node.js on both sides: `Map`, `Set`, `Date`,
 * `RegExp`, errors, `bigint`, `ArrayBuffer`, typed arrays, `Buffer`, `undefined`, cycles and
 * references to one object from several places. The bytes are those of `node:v8`; to a peer in
 * Rust they are bytes of a custom codec, which it cannot read.
 *
 * As with `structuredClone()`, instances of classes become objects of their own enumerable
 * properties, and errors keep their name if it is one of JavaScript's own, their message, stack
 * and cause. Each typed array has memory of its own, of which it is all.
 *
 * Functions, symbols, `SharedArrayBuffer`, resizable `ArrayBuffer`s, `WeakMap`, promises, proxies,
 * ports and whatever else cannot be cloned are refused with `ERR_INVALID_PAYLOAD`, as are values
 * beyond the limits of {@link messagePack}; an array counts as many items as it is long, gaps
 * included, and a `Map`, `Set`, `ArrayBuffer` or typed array as four more.
 */
export declare const structuredClone: Codec<any>

/**
 * A codec whose values are the bytes of messages that `codec` encodes: for programs that pass
 * messages on without looking at them, such as bridges to other machines. To a peer, its messages
 * are those of `codec`.
 *
 * @example
 * ```ts
 * // Takes requests for another server, whatever is in them.
 * const Passed = method('greet', { codec: encoded(messagePack) })
 * const client = await connect('demo')
 * const server = await createServer('front')
 * server.handle(Passed, (params) => client.request(Passed, params))
 * ```
 */
export declare function encoded(codec: Codec<any>): Codec<Uint8Array>

/** A validator with the interface that many libraries share: {@link https://standardschema.dev}. */
export interface StandardSchema<T = unknown> {
  /** The one property the standard requires. */
  readonly '~standard': {
    /** Checks a value and returns the value to use instead. Must not be asynchronous. */
    validate(
      value: unknown,
    ): { value: T; issues?: undefined } | { issues: readonly { message: string }[] } | Promise<any>
  }
}

/**
 * The codecs that can carry a `T`: those of `T` itself, and those of `any`. Where there may be no
 * value (`void`, `undefined`), its absence does not count: {@link bytes} sends it as no bytes.
 */
export type CodecFor<T> = [T] extends [void | undefined]
  ? Codec<any>
  : Codec<Exclude<T, void | undefined>>

/** How a method's messages are encoded, checked and sent. */
export interface MethodOptions<Params, Result> {
  /** Encodes params and results. @default messagePack */
  codec?: CodecFor<Params> & CodecFor<Result>
  /** Checks the params where the request arrives. Without it, only the compiler checks them. */
  params?: StandardSchema<Params>
  /** Checks the result where the reply arrives. */
  result?: StandardSchema<Result>
  /**
   * Compresses payloads of 4,096 bytes and more (LZ4), in both directions, if that makes them
   * shorter and the peer supports it. This saves space in the rings and in private memory; it
   * seldom saves time, see docs/performance.md.
   *
   * It also permits the peer to compress: a compressed payload that arrives without this option is
   * refused with `ERR_INVALID_PAYLOAD`. Decompressing uses up to 64 times the compressed length
   * plus 1 MiB. @default false
   */
  compress?: boolean
  /**
   * Whether a request may reach the handler twice without harm. If a {@link Client}'s session is
   * lost before such a request is answered, it is sent again on the next one, with the time it has
   * left: {@link Context.replayed} tells the handler. @default false
   */
  idempotent?: boolean
}

/** How an event's messages are encoded, checked and sent. */
export interface EventOptions<Payload> {
  /** Encodes the payload. @default messagePack */
  codec?: CodecFor<Payload>
  /** Checks the payload where the event arrives. */
  payload?: StandardSchema<Payload>
  /**
   * Compresses payloads of 4,096 bytes and more (LZ4) if that makes them shorter and the peer
   * supports it, and permits the peer to do so: see {@link MethodOptions.compress}. @default false
   */
  compress?: boolean
}

/** How a stream's messages are encoded and checked. */
export interface StreamOptions<Params, Item, Upload, Result> {
  /** Encodes the params, the result and all items. @default messagePack */
  codec?: CodecFor<Params> & CodecFor<Item> & CodecFor<Upload> & CodecFor<Result>
  /** Checks the params where the request arrives. Without it, only the compiler checks them. */
  params?: StandardSchema<Params>
  /** Checks items from the handler where they arrive. */
  item?: StandardSchema<Item>
  /** Checks items from the caller where they arrive. */
  upload?: StandardSchema<Upload>
  /** Checks the result where the reply arrives. */
  result?: StandardSchema<Result>
  /**
   * Whether the handler can go on where a lost session has broken off. A {@link Client} then
   * requests such a stream again on the next session, and {@link ServerStream.itemsTaken} says how
   * many items have arrived already: the handler leaves those out. Uploads are not sent again.
   * @default false
   */
  resumable?: boolean
}

/** The options of a contract that takes its types from a codec of one type. */
export interface CodecOptions<T> {
  /** Gives the contract its types; a codec of `any` gives none. */
  codec: 0 extends 1 & T ? never : Codec<T>
  /** See {@link MethodOptions.compress}. @default false */
  compress?: boolean
}

/** The options of a contract, as they were given. */
export type ContractOptions<Options> = Readonly<Omit<Options, 'codec'>> & {
  /** The codec of its messages. @default messagePack */
  readonly codec?: Codec<any>
}

/** A contract for requests, each with exactly one outcome. Made by {@link method}. */
export interface Method<Params = any, Result = any> {
  /** Tells contracts apart. */
  readonly kind: 'method'
  /** The name that both ends use, in any language. */
  readonly name: string
  /** How its messages are encoded, checked and sent. */
  readonly options: ContractOptions<MethodOptions<Params, Result>>
}

/** A contract for one-way messages. Made by {@link event}. */
export interface Event<Payload = any> {
  /** Tells contracts apart. */
  readonly kind: 'event'
  /** The name that both ends use, in any language. */
  readonly name: string
  /** How its messages are encoded, checked and sent. */
  readonly options: ContractOptions<EventOptions<Payload>>
}

/** A contract for requests with many items, in either direction, before their one outcome. Made by
 * {@link stream}. */
export interface Stream<Params = any, Item = any, Upload = any, Result = any> {
  /** Tells contracts apart. */
  readonly kind: 'stream'
  /** The name that both ends use, in any language. */
  readonly name: string
  /** How its messages are encoded and checked. */
  readonly options: ContractOptions<StreamOptions<Params, Item, Upload, Result>>
}

/** A contract of any kind. */
export type AnyContract = Method<any, any> | Event<any> | Stream<any, any, any, any>

/**
 * Makes a contract for requests whose params and results have the codec's type.
 * @param name 1 to 255 bytes of UTF-8 without control characters.
 * @throws TypeError if the name is not a string, or options are misspelled or have a wrong type.
 * @throws RangeError if the name is too long, empty, or has characters it must not have.
 */
export declare function method<T>(name: string, options: CodecOptions<T>): Method<T, T>
/**
 * Makes a contract for requests: a value that both ends import. A thread can use 16,384 names.
 *
 * @example
 * ```ts
 * const Greet = method<{ name: string }, { greeting: string }>('greet')
 * ```
 * @param name 1 to 255 bytes of UTF-8 without control characters.
 * @throws TypeError if the name is not a string, or options are misspelled or have a wrong type.
 * @throws RangeError if the name is too long, empty, or has characters it must not have.
 */
export declare function method<Params = any, Result = any>(
  name: string,
  options?: MethodOptions<Params, Result>,
): Method<Params, Result>

/**
 * Makes a contract for one-way messages whose payload has the codec's type.
 * @param name 1 to 255 bytes of UTF-8 without control characters.
 * @throws TypeError if the name is not a string, or options are misspelled or have a wrong type.
 * @throws RangeError if the name is too long, empty, or has characters it must not have.
 */
export declare function event<T>(name: string, options: CodecOptions<T>): Event<T>
/**
 * Makes a contract for one-way messages: a value that both ends import.
 *
 * @example
 * ```ts
 * const Saved = event<{ path: string }>('saved')
 * ```
 * @param name 1 to 255 bytes of UTF-8 without control characters.
 * @throws TypeError if the name is not a string, or options are misspelled or have a wrong type.
 * @throws RangeError if the name is too long, empty, or has characters it must not have.
 */
export declare function event<Payload = any>(
  name: string,
  options?: EventOptions<Payload>,
): Event<Payload>

/**
 * Makes a contract for streams whose params, items and result have the codec's type.
 * @param name 1 to 255 bytes of UTF-8 without control characters.
 * @throws TypeError if the name is not a string, or options are misspelled or have a wrong type.
 * @throws RangeError if the name is too long, empty, or has characters it must not have.
 */
export declare function stream<T>(
  name: string,
  options: Omit<CodecOptions<T>, 'compress'>,
): Stream<T, T, T, T>
/**
 * Makes a contract for streams: the handler sends `Item`s, the caller sends `Upload`s. Where items
 * have a type and no result is named, there is none.
 *
 * @example
 * ```ts
 * const Lines = stream<{ path: string }, string>('lines')
 * ```
 * @param name 1 to 255 bytes of UTF-8 without control characters.
 * @throws TypeError if the name is not a string, or options are misspelled or have a wrong type.
 * @throws RangeError if the name is too long, empty, or has characters it must not have.
 */
export declare function stream<
  Params = any,
  Item = any,
  Upload = any,
  Result = 0 extends 1 & Item ? any : void,
>(
  name: string,
  options?: StreamOptions<Params, Item, Upload, Result>,
): Stream<Params, Item, Upload, Result>

// ---------------------------------------------------------------------------------------------
// Layouts: records of a fixed size
// ---------------------------------------------------------------------------------------------

/** A number or truth in a record: `int8_t` to `uint64_t`, `float`, `double` and `bool` in C. Those
 * of 64 bits are `bigint`. */
export type LayoutScalar =
  | 'i8'
  | 'u8'
  | 'i16'
  | 'u16'
  | 'i32'
  | 'u32'
  | 'i64'
  | 'u64'
  | 'f32'
  | 'f64'
  | 'bool'

/** A text in a record, `char[bytes]` in C. Made by {@link text}. */
export interface LayoutText {
  /** Tells members apart. */
  readonly kind: 'text'
  /** Most bytes of UTF-8. */
  readonly bytes: number
}

/** A list in a record, a count and an array in C. Made by {@link list}. */
export interface LayoutList<Of extends LayoutItem = LayoutItem> {
  /** Tells members apart. */
  readonly kind: 'list'
  /** What its items are. */
  readonly of: Of
  /** Most items. */
  readonly max: number
}

/** What the items of a list can be: anything but lists. */
export type LayoutItem = LayoutScalar | LayoutText | Layout<any>

/** What a member of a record can be. */
export type LayoutField = LayoutItem | LayoutList

/** The members of a record by their names, in their order. */
export interface LayoutFields {
  readonly [name: string]: LayoutField
}

/** The values of a type of member. */
export type LayoutFieldValue<Field> = Field extends 'i64' | 'u64'
  ? bigint
  : Field extends 'bool'
    ? boolean
    : Field extends LayoutScalar
      ? number
      : Field extends LayoutText
        ? string
        : Field extends LayoutList<infer Of>
          ? LayoutFieldValue<Of>[]
          : Field extends Layout<infer T>
            ? T
            : never

/** The values of a record with these members. */
export type LayoutFieldsValue<Fields> = {
  -readonly [Name in keyof Fields]: LayoutFieldValue<Fields[Name]>
}

/** The values of a layout: `LayoutValue<typeof Detection>`. */
export type LayoutValue<L extends Layout<any>> = L extends Layout<infer T> ? T : never

/** A list in a {@link LayoutView}: each item is read when it is asked for. */
export interface LayoutListView<Item> extends Iterable<Item> {
  /** How many items there are. */
  readonly length: number
  /** The item at an index, counted from the end if it is negative; `undefined` if there is none.
   * @throws IpcError `ERR_INVALID_PAYLOAD` as {@link Layout.view} says */
  at(index: number): Item | undefined
}

/** A record whose members are read when they are asked for. Made by {@link Layout.view}. */
export type LayoutView<T> = 0 extends 1 & T
  ? any
  : T extends readonly (infer Item)[]
    ? LayoutListView<LayoutView<Item>>
    : T extends object
      ? { readonly [Name in keyof T]: LayoutView<T[Name]> }
      : T

/**
 * A record of a fixed size, which lies in memory as a C compiler would place it on this machine:
 * each member at the next multiple of its alignment, little-endian. It is a codec for methods,
 * events and streams. Rust has the same (`ringpost::layout`), and `ringpost layout --c` prints the
 * header for C. Made by {@link layout}.
 *
 * Where a layout stands beside the data, a writer and a reader may have different ones, if one is
 * the other with members appended: the reader reads those that both know. Members that only the
 * reader knows are then `undefined`, whatever their type says. If the layouts differ otherwise,
 * reading fails with `ERR_LAYOUT`. Messages carry no layout: there, both sides need the same.
 */
export interface Layout<T> extends Codec<T> {
  /** Shown in error messages: `layout`. */
  readonly name: string
  /** Bytes of a record, a multiple of `align`. */
  readonly size: number
  /** The largest alignment of a member. */
  readonly align: number
  /** The 64-bit FNV-1a hash of the description. */
  readonly hash: bigint
  /** All members with their types and offsets: `{id:u32@0,label:text[16]@4}20`. Two layouts with
   * the same description are the same, in any language. */
  readonly description: string
  /**
   * Encodes a value. Bytes between and behind members are zero.
   * @throws IpcError `ERR_INVALID_PAYLOAD` if a member is missing, of a wrong type, out of range or
   * too long; the message names it, as `items[3].label`. A number becomes the nearest `f32`.
   */
  readonly encode: (value: T) => Uint8Array
  /**
   * Decodes a record.
   * @throws IpcError `ERR_INVALID_PAYLOAD` unless there are exactly `size` bytes, every list has at
   * most the items it may have, texts are UTF-8 and a `bool` is 0 or 1.
   */
  readonly decode: (bytes: Uint8Array) => T
  /**
   * Encodes a value into the first `size` bytes of a buffer. If it throws `IpcError`, those bytes
   * are overwritten in part.
   * @throws IpcError as `encode` does
   * @throws RangeError if the buffer is shorter
   */
  readonly encodeInto: (value: T, buffer: Uint8Array) => void
  /**
   * Reads single members without decoding the others. The view reads `bytes` each time a member is
   * asked for, and so shows what is written to them. A view can be encoded, like a value.
   * @throws IpcError `ERR_INVALID_PAYLOAD` unless there are exactly `size` bytes. A getter throws
   * it for a member that cannot be decoded.
   */
  readonly view: (bytes: Uint8Array) => LayoutView<T>
}

/**
 * Makes a layout of members, in the order of the object.
 *
 * @example
 * ```ts
 * import assert from 'node:assert/strict'
 * import { layout, list, text } from 'ringpost'
 *
 * const Detection = layout({ id: 'u32', x: 'f32', y: 'f32', seen: 'bool', label: text(16) })
 * const Detections = layout({ frameId: 'u64', items: list(Detection, 50) })
 * assert.equal(Detections.size, 1616)
 *
 * const cup = { id: 7, x: 0.5, y: 0.25, seen: true, label: 'cup' }
 * const bytes = Detections.encode({ frameId: 1n, items: [cup] })
 * assert.deepEqual(Detections.decode(bytes).items, [cup])
 * assert.equal(Detections.view(bytes).items.at(0)?.label, 'cup')
 * ```
 * @param fields At least one member. Names are those of C, and no words of C or C++; they have at
 * most 63 letters.
 * @throws TypeError if a member is of no type that there is.
 * @throws RangeError for a name that C does not permit, for records of more than 1 GiB, and for
 * records that are nested more than 16 deep.
 */
export declare function layout<Fields extends LayoutFields>(
  fields: Fields,
): Layout<LayoutFieldsValue<Fields>>

/**
 * A text for {@link layout}: UTF-8, with zeros behind it, and without one if it fills its place.
 *
 * @example
 * ```ts
 * import assert from 'node:assert/strict'
 * import { layout, text } from 'ringpost'
 *
 * const Label = layout({ label: text(4) })
 * assert.equal(Label.decode(Label.encode({ label: 'tea' })).label, 'tea')
 * assert.throws(() => Label.encode({ label: 'coffee' }), { code: 'ERR_INVALID_PAYLOAD' })
 * ```
 * @param bytes Most bytes of UTF-8: 1 to 1 GiB.
 * @throws TypeError or RangeError if that is not what `bytes` is.
 */
export declare function text(bytes: number): LayoutText

/**
 * A list for {@link layout}: how many items there are, then room for the most there can be.
 *
 * @example
 * ```ts
 * import assert from 'node:assert/strict'
 * import { layout, list } from 'ringpost'
 *
 * const Track = layout({ points: list('f32', 3) })
 * assert.equal(Track.size, 16)
 * assert.deepEqual(Track.decode(Track.encode({ points: [0.5, 2] })).points, [0.5, 2])
 * ```
 * @param of What its items are.
 * @param max Most items: 1 to 1 Gi.
 * @throws TypeError or RangeError if they are anything else.
 */
export declare function list<Of extends LayoutItem>(of: Of, max: number): LayoutList<Of>

// ---------------------------------------------------------------------------------------------
// Connections: what both ends can do
// ---------------------------------------------------------------------------------------------

/**
 * The priority of a message. More urgent lanes are read first; less urgent ones are never starved.
 * Messages keep their order within a lane only. A long message delays those behind it in its own
 * lane and none in a more urgent one.
 */
export type Lane = 'critical' | 'high' | 'normal' | 'low'

/** How a request is sent. */
export interface RequestOptions {
  /** Cancels the request: it rejects with the signal's reason, and the peer's handler is
   * cancelled. */
  signal?: AbortSignal
  /** Milliseconds after which the request rejects with `ERR_TIMEOUT`; `Infinity` for never.
   * @default the connection's `timeoutMs` */
  timeoutMs?: number
  /** The lane it is sent in; the reply returns in the same one. @default 'normal' */
  lane?: Lane
  /** A W3C `traceparent` to send with it. */
  traceparent?: string
  /** The context of the handler that makes this request. The request gets no more time than that
   * has left, is cancelled with it, and inherits its `traceparent` unless it has one of its own. */
  parent?: Context
}

/** How a stream is requested. */
export interface StreamCallOptions extends RequestOptions {
  /** Milliseconds after which the stream ends with `ERR_TIMEOUT`, however many items have arrived.
   * @default Infinity */
  timeoutMs?: number
  /**
   * Bytes of items that may be in flight or unread, in each direction, before their sender has to
   * wait: 4,096 to 16,777,216. An item counts as its payload and about 28 bytes. Credit is returned
   * whenever an eighth of the window has been read. @default 262,144
   */
  windowBytes?: number
  /** Whether the process stays alive until the stream has ended, as it does for any request.
   * @default true */
  keepsAlive?: boolean
}

/** How a synchronous request is sent. */
export interface SyncRequestOptions {
  /** Milliseconds after which it throws `ERR_TIMEOUT`. Must be finite.
   * @default the connection's `timeoutMs`, or 30,000 if that is `Infinity` */
  timeoutMs?: number
  /** The lane it is sent in; the reply returns in the same one. @default 'normal' */
  lane?: Lane
  /** A W3C `traceparent` to send with it. */
  traceparent?: string
  /** The context of the handler that makes this request, which gets no more time than that has
   * left, and inherits its `traceparent` unless it has one of its own. */
  parent?: Context
}

/** How a one-way message is sent. */
export interface NotifyOptions {
  /** The lane it is sent in. @default 'normal' */
  lane?: Lane
  /** A W3C `traceparent` to send with it. */
  traceparent?: string
}

/** How long to wait. */
export interface WaitOptions {
  /** Ends the wait: it rejects with the signal's reason. */
  signal?: AbortSignal
  /** Milliseconds after which the wait rejects with `ERR_TIMEOUT`. @default Infinity */
  timeoutMs?: number
}

/** The other end of a connection. */
export interface Peer {
  /** Its process id, for display: the system reuses them. 0 if it cannot be seen from here, as
   * across containers, and without the addon. */
  readonly pid: number
  /** Its user id, which is always yours. */
  readonly uid: number
  /** Identifies this connection; hexadecimal, and never used twice. */
  readonly session: string
  /** Whether the peer is in this very thread, and can therefore never answer a synchronous
   * request. Without the addon there are none, and nothing is known of this. */
  readonly isSelf: boolean
  /** How the shared memory was passed to the peer; `socket`: none is shared. */
  readonly transport: 'sealed' | 'portable' | 'socket'
  /** What the checksums in the rings cover. */
  readonly crc: 'off' | 'header' | 'full'
  /** Length of the longest message either side may send, in bytes. */
  readonly messageLenMax: number
  /** Requests that may be in flight in each direction. */
  readonly pendingMax: number
  /** Capacities of the rings in one direction, in bytes. */
  readonly rings: Readonly<Record<Lane | 'control', number>>
}

/** What a handler knows about its message. */
export interface Context {
  /** The connection the message arrived on: to send requests and events back, or to close it. */
  readonly connection: Connection
  /** The sender. */
  readonly peer: Peer
  /** The lane the message arrived in; the reply is sent in the same one. */
  readonly lane: Lane
  /** Aborted when the reply is no longer wanted: the request was cancelled or timed out, or the
   * connection ended. For an event: when the connection ends. */
  readonly signal: AbortSignal
  /**
   * Whether the reply is no longer wanted, as of now: for handlers that compute without returning
   * to the event loop, and whose {@link Context.signal} can therefore not fire. Costs about 20 ns.
   */
  readonly cancelled: boolean
  /** Milliseconds until the caller's deadline, by the monotonic clock; `Infinity` if there is
   * none. */
  readonly remainingMs: number
  /** The W3C `traceparent` that was sent with the message. */
  readonly traceparent: string | undefined
  /** Whether the caller has sent this request before, on a session that was lost: a handler of this
   * or another process may have worked on it. */
  readonly replayed: boolean
}

/**
 * Answers a request with its return value, or with what its promise resolves to. If it throws, the
 * request rejects at the caller with the same name, message, code, cause and stack.
 */
export type MethodHandler<Params, Result> = (
  params: Params,
  context: Context,
) => Result | Promise<Result>

/** Handles an event. If it throws, the connection emits `error`. */
export type EventHandler<Payload> = (payload: Payload, context: Context) => unknown

/** Reads the peer's items. Use either the iterator or `forEach`, not both. */
export interface ItemReader<Item> {
  /** Iterates over the items, one at a time. Leaving the loop early declines the
   * rest; at the caller it cancels the stream. */
  [Symbol.asyncIterator](): AsyncIterableIterator<Item>
  /**
   * Calls `take` with all items that have arrived together, which has the highest throughput. While
   * a promise it returns is pending, further items wait, and finally so does their sender.
   * @param take receives the items.
   * @param options with `borrowed`, items of {@link bytes} are valid only until `take` returns,
   * which saves a copy.
   * @returns a promise that resolves after the last item, and rejects with the reason the stream
   * ended, or with what `take` threw.
   */
  forEach(take: (items: Item[]) => unknown, options?: HandleOptions): Promise<void>
}

/** Writes items to the peer. */
export interface ItemWriter<Item> {
  /**
   * Sends an item.
   * @returns `false` if the window is full: await {@link ItemWriter.ready} before the next.
   * @throws IpcError `ERR_FULL` if `ready` was not awaited, `ERR_TOO_LARGE`, `ERR_INVALID_PAYLOAD`,
   * or the reason the stream ended.
   */
  write(item: Item): boolean
  /**
   * Resolves when another item can be written.
   * @throws IpcError `ERR_TIMEOUT`, or the reason the stream ended.
   */
  ready(options?: WaitOptions): Promise<void>
}

/** A stream, at the caller. */
export interface ClientStream<Item = any, Upload = any, Result = any>
  extends ItemReader<Item>, ItemWriter<Upload> {
  /** The one outcome, after all items: what the handler has returned or thrown. Items must be read
   * for it to arrive: unread ones fill the window, and then the handler waits. */
  readonly result: Promise<Result>
  /** Sends no more items. */
  end(): void
  /** Cancels the stream: pending reads and writes reject with the reason, and the handler is
   * cancelled. */
  cancel(reason?: unknown): void
}

/** A stream, at its handler. */
export interface ServerStream<Item = any, Upload = any>
  extends Context, ItemReader<Upload>, ItemWriter<Item> {
  /** Of a resumed stream, how many items the caller has got on sessions that were lost; 0 of any
   * other. See {@link StreamOptions.resumable}. */
  readonly itemsTaken: number
}

/**
 * Answers a stream: writes items and returns the result, or is a generator that yields the items
 * and returns the result. A generator is resumed when the caller has room for the next item.
 */
export type StreamHandler<Params, Item, Upload, Result> = (
  params: Params,
  stream: ServerStream<Item, Upload>,
) => StreamAnswer<Item, Result>

/** What a {@link StreamHandler} may return. A result of `any` or `unknown` is anything but a
 * generator, whose items are checked. */
export type StreamAnswer<Item, Result> =
  | (unknown extends Result ? PlainResult | Promise<any> : Result | Promise<Result>)
  | Generator<Item, Result, unknown>
  | AsyncGenerator<Item, Result, unknown>
  | AsyncIterable<Item>

/** A value that is not a source of items. */
export type PlainResult =
  | string
  | number
  | bigint
  | boolean
  | null
  | undefined
  | void
  | (object & NoSource)

/** An object that is neither a generator nor an asynchronous iterable. */
export interface NoSource {
  /** Not iterated over. */
  [Symbol.asyncIterator]?: never
  /** Not resumed. */
  next?: never
}

/** How a handler is called. */
export interface HandleOptions {
  /**
   * The bytes are valid only until the handler returns, which saves a copy: for contracts of
   * {@link bytes} whose handlers keep nothing of their argument. A handler that transfers its
   * memory to another thread ends the connection.
   * @default false
   */
  borrowed?: boolean
}

/** How an event's handler is called. */
export interface ListenOptions extends HandleOptions {
  /** Removes the handler before its first call. @default false */
  once?: boolean
  /** Removes the handler when aborted. */
  signal?: AbortSignal
}

/** How a loop receives events. */
export interface EventsOptions {
  /** Ends the loop: after the queued events, it throws the signal's reason. */
  signal?: AbortSignal
  /** Events that may be queued for the loop, 1 to 4,294,967,295; one more ends it with `ERR_FULL`.
   * @default 65,536 */
  waitingMax?: number
}

/** Which clients receive an event. */
export interface BroadcastOptions extends NotifyOptions {
  /** Only these connections. @default all connections of the server */
  to?: Iterable<Connection>
}

/**
 * Emits its own events, as emitters of Node.js do, and those of the peer: by contract, or by the
 * name of one sent by name. An event can have any number of handlers. All are called, in the order
 * in which they were registered; if one throws, the connection emits `error` and the others are
 * still called. Handlers can be added and removed at any time, also within a handler, by their
 * registration or with the methods of `EventEmitter`, `once` of `node:events` included.
 *
 * The names of its own events, and `error`, `newListener` and `removeListener`, never stand for
 * events of the peer: handle an event of such a name by contract.
 */
export interface EventTaker<Own extends Record<keyof Own, any[]>> extends EventEmitter<Own> {
  /** Calls `handler` for each of these events. */
  on<Payload>(
    event: Event<Payload>,
    handler: EventHandler<Payload>,
    options?: ListenOptions,
  ): Registration
  /** Calls `listener` for each of these events of its own. */
  on<Name extends keyof Own>(name: Name, listener: (...details: Own[Name]) => void): this
  /** Calls `handler` for each event of this name that the peer sends. */
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
  /** Calls `listener` for the next of these events of its own. */
  once<Name extends keyof Own>(name: Name, listener: (...details: Own[Name]) => void): this
  /** Calls `handler` for the next event of this name that the peer sends. */
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
  /** Removes the handler that was registered last with this function. */
  off<K>(event: K | Taken<Own>, listener: (...details: any[]) => unknown): this
  /** The same as {@link EventTaker.off}. */
  removeListener<K>(event: K | Taken<Own>, listener: (...details: any[]) => unknown): this
  /** Removes all handlers of an event, or of all events. */
  removeAllListeners<K>(event?: K | Taken<Own>): this
  /** The number of handlers of an event, or of those with this function. */
  // eslint-disable-next-line @typescript-eslint/no-unsafe-function-type -- what Node's own has
  listenerCount<K>(event: K | Taken<Own>, listener?: Function): number
  /** The events that have handlers. */
  eventNames(): any[]
  /** The functions that handle an event. */
  listeners<K>(event: K | Taken<Own>): any[]
  /**
   * Iterates over these events, from now until the loop is left or the connection or server is
   * closed. Throws `ERR_FULL` in the loop if more than `waitingMax` are queued.
   */
  events<Payload>(
    event: Event<Payload> | string,
    options?: EventsOptions,
  ): AsyncIterableIterator<Payload>
}

/** The name of an event of the peer, which no event of the emitter's own has. */
export type OtherName<Name, Own> = Name extends keyof Own ? never : Name

/** What stands for an event of an {@link EventTaker}: a contract, or a name. */
export type Taken<Own> = Event<any> | keyof Own | string | symbol

/** A registered handler. */
export interface Registration {
  /** Removes the handler; further calls do nothing. */
  dispose(): void
  /** The same, for `using`. */
  [Symbol.dispose](): void
}

/**
 * How long requests took that were answered, with a result or with an error: from when they were
 * written to the ring until their answers were read from it. Percentiles are known to within a
 * sixteenth.
 */
export interface Latency {
  /** Requests that were timed: the first 1,024 of a connection, then one in eight. Streams are
   * not. */
  count: number
  /** Their mean, in milliseconds. */
  meanMs: number
  /** Milliseconds that half of them did not exceed. */
  p50Ms: number
  /** Milliseconds that 95 % of them did not exceed. */
  p95Ms: number
  /** Milliseconds that 99 % of them did not exceed. */
  p99Ms: number
  /** The longest, in milliseconds. */
  maxMs: number
}

/** A {@link Latency}, and the histogram behind it. */
export interface LatencyHistogram extends Latency {
  /** All of them together, in milliseconds. */
  sumMs: number
  /** How many took less than each of these milliseconds: powers of two nanoseconds, 0.001024 to
   * 8,589.934592, at which the counts are exact. */
  below: [ms: number, count: number][]
}

/** What connections and servers count. */
export interface Counters {
  /** Messages sent. */
  sent: number
  /** Messages received. */
  received: number
  /** Bytes of frames written to the rings: headers of 24 bytes, options and payloads, as compressed
   * as they are there, each rounded up to eight. Includes names and control messages. */
  bytesSent: number
  /** The same of frames that were read. */
  bytesReceived: number
  /** How long requests of this side took. */
  latency: Latency
  /** How long they took by method, with {@link EndpointOptions.methodLatency}: all of those that
   * were answered, each from the call until its promise settles, including the time in which it
   * waited for a session or was asked on an earlier one. */
  methods?: Record<string, Latency>
  /** Requests and streams of this side that were sent and have failed, by the code of their error.
   * After 64 different codes, others count as `ERR_HANDLER`. */
  errors: Record<string, number>
  /** Requests of this side in flight. */
  pending: number
  /** Requests of the peer whose handlers have not answered yet. */
  serving: number
  /** Replies that arrived after their request had ended, and were dropped. */
  lateReplies: number
  /** Requests that had ended before they arrived, and were not handled. */
  staleRequests: number
  /** Messages refused with `ERR_FULL`. */
  refused: number
  /** Events of this side dropped by a full lane, see {@link Overflow}. */
  dropped: Record<Lane, number>
  /** Events of the peer dropped by a full lane, as the peer reports. */
  peerDropped: Record<Lane, number>
  /** Events that arrived and had no handler. */
  unhandled: number
  /** Times the peer was asleep and had to be woken by a system call. */
  doorbells: number
  /** Bytes waiting for space in the rings. */
  queuedBytes: number
}

/** Counters of a connection, since it was opened. They remain when it has ended. */
export interface ConnectionStats extends Counters {
  /** Wake-ups that were lost. Anything but 0 is a bug in this library. */
  lostWakeups: number
  /** What wakes this thread: its event loop, or a helper thread where the loop cannot be used. */
  wakesBy: 'loop' | 'thread'
}

/** What a message is: `requestItem` and `replyItem` are the items of a stream that go to its
 * handler, and those that come back. */
export type MessageKind = 'request' | 'reply' | 'error' | 'event' | 'requestItem' | 'replyItem'

/**
 * What all connections of a server, a client or a pool have counted together, those that have ended
 * included: no counter ever goes down. For those who export them, as `ringpost/prometheus` does.
 */
export interface Totals extends ServerStats {
  /** How long requests of this side took. */
  latency: LatencyHistogram
  /** How long they took by method, with {@link EndpointOptions.methodLatency}. */
  methods?: Record<string, LatencyHistogram>
  /** Messages sent, by kind and lane. */
  sentBy: Record<MessageKind, Record<Lane, number>>
  /** Messages received, by kind and lane. */
  receivedBy: Record<MessageKind, Record<Lane, number>>
}

/** Whether something can do what it is there for: checks by name, and all of them together. */
export interface Health {
  /** All checks hold. */
  readonly ok: boolean
  /** Whether each of them holds. */
  readonly checks: Readonly<Record<string, boolean>>
}

/** Events that were dropped. */
export interface Drop {
  /** The lane that was full. */
  readonly lane: Lane
  /** How many were dropped since the last `drop`. */
  readonly count: number
}

/** The events a connection emits itself. */
export interface ConnectionEvents {
  /** The connection has ended: with the reason, or `null` if it was closed by `close()` of either
   * side. */
  close: [reason: IpcError | null]
  /**
   * The peer is about to leave: {@link Server.close}, or {@link Connection.drain}.
   * New requests of this side reject with `ERR_CLOSED` once the listeners have returned: they have
   * certainly not run. The connection closes when nothing is in flight in either direction.
   */
  leaving: []
  /**
   * What was sent lies unread at the peer for longer than `unresponsiveAfterMs`: its process is
   * stopped, or its event loop is blocked. Nothing ends by that; see {@link Connection.closed} for
   * a peer that is gone.
   */
  unresponsive: []
  /** A peer that was unresponsive has read again. */
  responsive: []
  /** A full lane of this side has dropped events, see {@link Overflow}. */
  drop: [drop: Drop]
  /** An event's handler has thrown, or an event could not be decoded or sent. A thrown value that
   * is not an error becomes the cause of one. Without a listener it becomes a process warning, with
   * the event's name and the stack. Failures caused by the connection's end are reported by `close`
   * only. */
  error: [error: Error]
}

/**
 * Everything that can be requested and sent, whatever it goes through: a {@link Connection}
 * implements it. Write code that only needs to send against this interface.
 *
 * Failures that certainly happened before the peer's handler ran can be told from those after which
 * it may have run: see {@link IpcErrorCode}.
 */
export interface Requester extends AsyncDisposable {
  /**
   * Sends a request and resolves to its result. It has exactly one outcome.
   *
   * Params of {@link bytes} of 1 MiB and more are not copied until there is space for them in the
   * ring: do not change them before the promise settles.
   * @throws IpcError what the handler threw (`isRemote` is true), or `ERR_TIMEOUT`,
   * `ERR_PEER_LOST`, `ERR_CLOSED`, `ERR_CANCELLED`, `ERR_UNKNOWN_METHOD`, `ERR_TOO_LARGE`,
   * `ERR_FULL`, `ERR_TOO_MANY_PENDING`, `ERR_TOO_MANY_NAMES`, `ERR_INVALID_PAYLOAD`,
   * `ERR_INVALID_ARGUMENT`. The reason of the signal, if it was aborted.
   * @throws TypeError or RangeError for wrong options.
   */
  request<Params, Result>(
    method: Method<Params, Result>,
    params: NoInfer<Params>,
    options?: RequestOptions,
  ): Promise<Result>
  /** Sends a request that has no params, see the first form. */
  request<Params, Result>(
    method: undefined extends Params ? Method<Params, Result> : never,
  ): Promise<Result>
  /** Sends a request by name, in MessagePack and without checks, see the first form. */
  request<Params = any, Result = any>(
    method: string,
    params?: Params,
    options?: RequestOptions,
  ): Promise<Result>

  /**
   * Requests a stream. The request is on its way when this returns.
   * @throws IpcError `ERR_CLOSED`, `ERR_PEER_LOST`, `ERR_TOO_LARGE`, `ERR_TOO_MANY_PENDING`,
   * `ERR_TOO_MANY_NAMES`, `ERR_INVALID_PAYLOAD`. The reason of the signal, if it is already
   * aborted. What happens later rejects `result`, as with {@link Requester.request}.
   * @throws TypeError or RangeError for wrong options.
   */
  stream<Params, Item, Upload, Result>(
    contract: Stream<Params, Item, Upload, Result>,
    params: NoInfer<Params>,
    options?: StreamCallOptions,
  ): ClientStream<Item, Upload, Result>
  /** Requests a stream that has no params, see the first form. */
  stream<Params, Item, Upload, Result>(
    contract: undefined extends Params ? Stream<Params, Item, Upload, Result> : never,
  ): ClientStream<Item, Upload, Result>

  /**
   * Sends a one-way message. What happens to it while its lane is full depends on the lane's
   * {@link Overflow}.
   * @returns `true` if it is written, or will be unless the connection is lost; `false` if it waits
   * for space, which is the time to await {@link Requester.drained}, or if its lane has dropped it.
   * @throws IpcError `ERR_FULL` if too many bytes are waiting already, `ERR_CLOSED`,
   * `ERR_PEER_LOST`, `ERR_TOO_LARGE`, `ERR_TOO_MANY_NAMES`, `ERR_INVALID_PAYLOAD`. It was not sent
   * then.
   * @throws TypeError or RangeError for wrong options.
   */
  notify<Payload>(
    event: Event<Payload>,
    payload: NoInfer<Payload>,
    options?: NotifyOptions,
  ): boolean
  /** Sends a one-way message that has no payload, see the first form. */
  notify<Payload>(event: undefined extends Payload ? Event<Payload> : never): boolean
  /** Sends a one-way message by name, in MessagePack and without checks, see the first form. */
  notify<Payload = any>(event: string, payload?: Payload, options?: NotifyOptions): boolean

  /**
   * Sends a one-way message and resolves when it is written to its lane's ring.
   *
   * A payload of {@link bytes} of 1 MiB and more is not copied until there is space for it: do not
   * change it before the promise settles.
   * @throws IpcError as {@link Requester.notify}, and `ERR_FULL` if its lane has dropped it.
   */
  send<Payload>(
    event: Event<Payload>,
    payload: NoInfer<Payload>,
    options?: NotifyOptions,
  ): Promise<void>
  /** Sends a one-way message that has no payload, see the first form. */
  send<Payload>(event: undefined extends Payload ? Event<Payload> : never): Promise<void>
  /** Sends a one-way message by name, in MessagePack and without checks, see the first form. */
  send<Payload = any>(event: string, payload?: Payload, options?: NotifyOptions): Promise<void>

  /**
   * Resolves when no message is waiting for space in the rings, nor for the session of a
   * {@link Client} or the connection of a {@link Pool}.
   * @throws IpcError `ERR_TIMEOUT`, `ERR_PEER_LOST`, `ERR_CLOSED`, and `ERR_FULL` if a lane has
   * dropped events meanwhile.
   */
  drained(options?: WaitOptions): Promise<void>

  /** Iterates over events that arrive, see {@link EventTaker.events}. */
  events<Payload>(
    event: Event<Payload> | string,
    options?: EventsOptions,
  ): AsyncIterableIterator<Payload>

  /**
   * Closes gracefully: requests in flight reject with `ERR_CLOSED`, messages that wait for space
   * are still written for up to a second, and the peer is informed. Can be called twice.
   */
  close(): Promise<void>
  /** The same, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * One end of a connection. Both ends can do the same.
 *
 * It keeps the process alive while a request is in flight, a handler is registered, or
 * {@link Connection.ref} was called. A process that ends by itself first writes the messages that
 * wait for space, and warns of those it could not write because the peer has read nothing for a
 * second.
 *
 * A store of an `AsyncLocalStorage` is the caller's own behind each `await` of this interface, in
 * loops over items and events, and in what `forEach` calls. A handler starts without any, and what
 * it enters by `enterWith()` ends with its message.
 */
export interface Connection<
  Own extends ConnectionEvents & Record<keyof Own, any[]> = ConnectionEvents,
>
  extends EventTaker<Own>, Requester {
  /** The other end. */
  readonly peer: Peer
  /** Whether messages can be sent. */
  readonly isOpen: boolean
  /**
   * Resolves when the connection has ended: to the reason, or to `null` if it was closed by
   * `close()` of either side. Never rejects.
   *
   * Awaiting it does not keep the process alive, as with any promise. A module that ends with
   * `await client.closed`, and has neither a handler nor a request in flight, ends with Node's exit
   * code 13 ("unsettled top-level await"): call {@link Connection.ref} first.
   *
   * @example
   * ```ts
   * const client = (await connect('demo')).ref()
   * const reason = await client.closed
   * ```
   */
  readonly closed: Promise<IpcError | null>

  /** Whether what was sent lies unread at the peer for longer than `unresponsiveAfterMs`, see
   * {@link ConnectionEvents.unresponsive}. */
  readonly isUnresponsive: boolean
  /** Whether one of the two sides is about to leave, so that no new requests are made. */
  readonly isLeaving: boolean
  /**
   * Waits for an answer of the peer's engine, which it gives when its event loop next turns,
   * whatever its handlers do.
   *
   * @example
   * ```ts
   * const ms = await client.ping({ timeoutMs: 1_000 })
   * ```
   * @returns the milliseconds from the question to the answer. One question is on its way at a
   * time; calls made meanwhile share the next one.
   * @throws IpcError `ERR_TIMEOUT`, `ERR_PEER_LOST`, `ERR_CLOSED`, and `ERR_FEATURE` if the peer is
   * too old to know this. The reason of the signal, if it was aborted.
   */
  ping(options?: WaitOptions): Promise<number>
  /**
   * Closes in good order: this side takes no new requests of its own program, the peer is asked to
   * send none, and once all that is in flight in either direction has ended, the connection closes.
   * A peer that is too old to be asked is closed on when nothing is in flight.
   *
   * @example
   * ```ts
   * await client.drain({ timeoutMs: 5_000 }).catch(() => client.close())
   * ```
   * @throws IpcError `ERR_TIMEOUT`, after which the connection still waits to be closed;
   * `ERR_PEER_LOST` and `ERR_CORRUPT` if it ended otherwise. The reason of the signal, if it was
   * aborted.
   */
  drain(options?: WaitOptions): Promise<void>

  /**
   * Sends a request and blocks this thread until the reply arrives, without running the event loop:
   * the fastest way to a value if nothing else can be done without it. Events and requests that
   * arrive meanwhile are handled later.
   * @throws IpcError as {@link Requester.request}, and `ERR_WOULD_DEADLOCK` if the peer is in this
   * very thread, or is blocked in a synchronous request to this one, over any connection.
   */
  requestSync<Params, Result>(
    method: Method<Params, Result>,
    params: NoInfer<Params>,
    options?: SyncRequestOptions,
  ): Result
  /** Sends a synchronous request that has no params, see the first form. */
  requestSync<Params, Result>(
    method: undefined extends Params ? Method<Params, Result> : never,
  ): Result
  /** Sends a synchronous request by name, in MessagePack and without checks, see the first form. */
  requestSync<Params = any, Result = any>(
    method: string,
    params?: Params,
    options?: SyncRequestOptions,
  ): Result

  /**
   * Answers requests of the peer. A later handler of the same name replaces an earlier one.
   * @throws TypeError for a handler that is not a function, or wrong options.
   */
  handle<Params, Result>(
    method: Method<Params, Result>,
    handler: MethodHandler<NoInfer<Params>, NoInfer<Result>>,
    options?: HandleOptions,
  ): Registration
  /** Answers streams of the peer. */
  handle<Params, Item, Upload, Result>(
    contract: Stream<Params, Item, Upload, Result>,
    handler: StreamHandler<NoInfer<Params>, NoInfer<Item>, NoInfer<Upload>, NoInfer<Result>>,
    options?: HandleOptions,
  ): Registration
  /** Handles events of the peer, as {@link EventTaker.on}. */
  handle<Payload>(
    event: Event<Payload>,
    handler: EventHandler<NoInfer<Payload>>,
    options?: ListenOptions,
  ): Registration
  /** Answers requests of the peer by name, in MessagePack and without checks. */
  handle<Params = any, Result = any>(
    method: string,
    handler: MethodHandler<Params, Result>,
    options?: HandleOptions,
  ): Registration

  /** The counters. */
  stats(): ConnectionStats
  /** Keeps the process alive while this connection is open. */
  ref(): this
  /** No longer keeps it alive; requests in flight still do. */
  unref(): this
}

/**
 * How a client stands:
 *
 * - `connecting`: it has had no session yet.
 * - `open`: there is a session, and what is sent goes there.
 * - `reconnecting`: its session was lost, and another is awaited.
 * - `closed`: there will be none any more.
 */
export type ClientState = 'connecting' | 'open' | 'reconnecting' | 'closed'

/** A session that was lost. */
export interface Disconnect {
  /** Why; `null` if the server is about to leave: {@link Server.close}. */
  readonly reason: IpcError | null
  /** Bytes of messages that the server has not read, by lane, those that waited for space and the
   * headers included. What was read may not have been handled. Under `socket` what a server had
   * read and not said so counts as well: less than a quarter of each lane. None are counted of a
   * server that is about to leave, which may still read them. */
  readonly undelivered: Readonly<Record<Lane, number>>
}

/** A session that has taken the place of one that was lost. */
export interface Reconnect {
  /** Who is at the other end now. */
  readonly peer: Peer
  /** Milliseconds without a session. */
  readonly awayMs: number
}

/** The events a client emits itself. */
export interface ClientEvents extends ConnectionEvents {
  /** The client is closed: with the reason, or `null` if it was closed by {@link Client.close} or
   * the server has closed its connection. */
  close: [reason: IpcError | null]
  /** The session was lost, and the client is reconnecting. */
  disconnect: [disconnect: Disconnect]
  /** There is a session again. What waited for it was sent. */
  reconnect: [reconnect: Reconnect]
}

/** Counters of a client: those of its session, or of its last one. */
export interface ClientStats extends ConnectionStats {
  /** Requests, streams and events that wait for a session. */
  waiting: number
  /** Sessions after the first. */
  reconnects: number
}

/**
 * What a program makes once and keeps: it has one session with its server after the other. Handlers
 * and listeners belong to the client and stay.
 *
 * When a session is lost, requests in flight reject with `ERR_PEER_LOST`, except those of
 * {@link MethodOptions.idempotent} methods, and streams end with it, except
 * {@link StreamOptions.resumable} ones. What is requested or sent while there is no session waits
 * for the next one, in order, within its own `timeoutMs` and `signal`, and together with all that
 * waits within `backlogMax`, where each counts 256 bytes more; events do what their lane's
 * {@link Overflow} says. An event that cannot be sent then, as one that is too large for the server
 * that came, is reported by {@link ConnectionEvents.error}. With {@link ClientOptions.whileAway}
 * `'fail'` all of it fails with `ERR_NO_SERVER` instead, as {@link Connection.requestSync} always
 * does.
 *
 * A session is lost when its server dies or leaves ({@link Server.close}). A server that closes one
 * connection by {@link Connection.close}, and stays, ends its client: {@link Connection.closed}
 * resolves to `null`, and what waits rejects with `ERR_CLOSED`.
 *
 * {@link Connection.peer} and {@link Connection.stats} are about the session, or the last one while
 * there is none.
 */
export interface Client extends Connection<ClientEvents> {
  /** How it stands. */
  readonly state: ClientState
  /** The counters. */
  stats(): ClientStats
  /** The sums over all of its sessions. */
  totals(): Totals
  /**
   * Whether requests can be sent and answered now:
   *
   * - `connected`: there is a session.
   * - `responsive`: and the server reads what it is sent, see {@link Connection.isUnresponsive}.
   */
  health(): Health
}

// ---------------------------------------------------------------------------------------------
// Serving and connecting
// ---------------------------------------------------------------------------------------------

/** Options of servers and clients. */
export interface EndpointOptions {
  /**
   * The private directory where servers and clients meet. It must belong to this user and be closed
   * to others; a server creates it if it is missing. A relative path is resolved at once.
   * @default `RINGPOST_DIR` of this thread's `process.env`, or the first usable one of
   * `/run/user/<uid>/ringpost`, `/tmp/ringpost-<uid>` and `/var/tmp/ringpost-<uid>`; clients try
   * all of them
   */
  directory?: string
  /**
   * How messages reach the peer. `sealed` and `portable` share memory: `sealed` passes a descriptor
   * and leaves no file behind, `portable` uses named segments and passes no descriptor. Any process
   * of this user can truncate a named segment; that ends the connection, and this process installs
   * a SIGBUS handler for it, as it does for whatever it publishes and for the status file of a
   * server. `socket` shares no memory: all is sent over the Unix socket of the connection, which
   * costs system calls and copies. A server accepts it from clients that ask for it, unless it has
   * this option itself.
   * @default `sealed`; `portable` where a server's sandbox or kernel has no sealed memory
   */
  transport?: 'sealed' | 'portable' | 'socket'
  /** The least that checksums in the rings cover; the stricter choice of the two sides is used.
   * @default 'header' */
  crc?: 'off' | 'header' | 'full'
  /**
   * Capacities of the rings in one direction, in bytes: powers of two from 4,096 to 67,108,864. The
   * client chooses, up to the server's {@link ServerOptions.ringsMax}.
   * @default those of the transport. `sealed` and `socket`: 2 MiB for `normal`, 64 KiB for
   * `critical`, `high` and `low`, 16 KiB for `control`. `portable`: 256 KiB, 16 KiB and 8 KiB.
   * Without an addon: 512 KiB, 16 KiB and 8 KiB
   */
  rings?: Partial<Record<Lane | 'control', number>>
  /** Length of the longest message, in bytes; the lower choice of the two sides is used. Longer
   * messages are refused with `ERR_TOO_LARGE`. @default 67,108,864 */
  messageLenMax?: number
  /** Requests in flight in each direction, 1 to 65,536; the lower choice of the two sides is used.
   * More are refused with `ERR_TOO_MANY_PENDING`. @default 65,536 */
  pendingMax?: number
  /** A secret that both sides must have, up to 1,024 bytes. A client with another one is refused
   * with `ERR_TOKEN`. */
  token?: string | Uint8Array
  /** Milliseconds after which a request without a `timeoutMs` of its own rejects with
   * `ERR_TIMEOUT`; `Infinity` for never. @default 30,000 */
  timeoutMs?: number
  /** What happens to messages while a lane is full.
   * @default `critical`, `high` and `normal` wait without limit; `low` drops the newest */
  overflow?: Partial<Record<Lane, Overflow>>
  /**
   * Bytes that may wait in private memory for one peer: requests, events, replies and items
   * together. Above it, requests and events are refused with `ERR_FULL` (except for a sixteenth of
   * it that each lane has for itself), and requests of that peer are no longer read. If replies and
   * items increase it to four times as much and the peer reads nothing for a second, the connection
   * ends with `ERR_FULL`.
   * @default 33,554,432
   */
  backlogMax?: number
  /** Requests of one peer that may be in progress, 1 to 65,536; above it no more are read. Replies,
   * items and cancels still are. Streams do not count. @default 4,096 */
  servingMax?: number
  /** Bytes of stream items of one peer that no handler has read; above it none of that peer's
   * messages is read. @default 67,108,864 */
  unreadMax?: number
  /**
   * Milliseconds that a request or event waits for a handler of its name to be registered before it
   * is answered with `ERR_UNKNOWN_METHOD` or counted as unhandled. Up to 1 MiB for each connection
   * may wait. Handlers registered in the turn in which a connection is made are early enough
   * without it. @default 0
   */
  handlerWaitMs?: number
  /**
   * Milliseconds that what was sent may lie unread before the peer counts as unresponsive, see
   * {@link ConnectionEvents.unresponsive}; `Infinity` for never. A peer that only has too much to
   * do is not. Time in which this process itself was stopped or blocked does not count.
   * @default 3,000
   */
  unresponsiveAfterMs?: number
  /** Measures by method how long requests took, too: {@link Counters.methods}. Each method takes
   * 1 KiB. @default false */
  methodLatency?: boolean
  /**
   * Whether the errors that handlers of this side throw are sent with their stacks: the names of
   * functions and the paths of files, which only processes of the same user receive. Their names,
   * messages, codes, causes and properties are always sent. `false` where callers pass errors on to
   * others; then the stack is known to this side alone, in the channel
   * `ringpost:handler:error`. @default true
   */
  exposeStacks?: boolean
}

/**
 * What a full lane does with requests and events. Replies and stream items are always accepted:
 * their number was agreed on before.
 *
 * - `waitMs`: they wait in private memory, up to `backlogMax`; more are refused with `ERR_FULL`. An
 *   event that has waited this long is dropped, never with `Infinity`. Requests have their own
 *   `timeoutMs`.
 * - `fail`: they are refused with `ERR_FULL` at once.
 * - `dropNewest`: events are dropped at once; requests are refused.
 * - `dropOldest`: they wait, and the events that have waited longest are dropped for them, so that
 *   no more waits than fits into the lane's ring.
 *
 * Dropped events are reported by {@link ConnectionEvents.drop} and counted by lane, on both sides:
 * {@link ConnectionStats.dropped}.
 */
export type Overflow = OverflowWait | 'fail' | 'dropNewest' | 'dropOldest'

/** The {@link Overflow} of a lane in which messages wait. */
export interface OverflowWait {
  /** Milliseconds; `Infinity` for no limit. */
  waitMs: number
}

/** Options of {@link connect}. */
export interface ClientOptions extends EndpointOptions {
  /**
   * Time limit for connecting, in milliseconds. If set, `connect` also waits for a server that is
   * not running yet. If not set, a missing server fails at once with `ERR_NO_SERVER`, and a server
   * that is slow to answer has 5,000 ms.
   */
  connectTimeoutMs?: number
  /**
   * Whether the client has a new session when one was lost, which it tries to make until it is
   * closed or `giveUpAfterMs` have passed. A server that comes is found at once. The client is
   * closed by a server that closes this one connection, and by a refusal that will not change:
   * `ERR_TOKEN`, `ERR_FOREIGN_USER`, `ERR_VERSION` or `ERR_FEATURE`.
   * `false`: the client ends with its only session. @default true
   */
  reconnect?: boolean | ReconnectOptions
  /** What becomes of requests and events while there is no session: they wait for one, or fail with
   * `ERR_NO_SERVER`. @default 'wait' */
  whileAway?: 'wait' | 'fail'
  /** Cancels connecting: it rejects with the signal's reason. */
  signal?: AbortSignal
  /**
   * Called with the new connection before any message of the peer is read, to register handlers.
   * Handlers registered in the turn in which {@link connect} resolves are early enough, too.
   */
  handlers?: (client: Client) => void
}

/** How a client reconnects. */
export interface ReconnectOptions {
  /** Milliseconds without a session after which the client closes, with the reason the last attempt
   * has failed. @default Infinity */
  giveUpAfterMs?: number
}

/** Options of {@link createServer}. */
export interface ServerOptions extends EndpointOptions {
  /** Simultaneous connections, 1 to 65,000, those being made included; more clients are refused
   * with `ERR_TOO_MANY_CONNECTIONS`. @default 4,096 */
  connectionsMax?: number
  /**
   * Upper limits of the ring capacities that clients choose, in bytes; the server's own `rings` are
   * always permitted. @default 4 MiB, and 64 KiB for `control`; where all memory is allocated at
   * the start, 256 KiB and 16 KiB under `portable`, and 512 KiB and 16 KiB without an addon
   */
  ringsMax?: Partial<Record<Lane | 'control', number>>
  /**
   * Milliseconds that a client has for its handshake. One without the addon says who it is in a
   * turn of its event loop, and so late if that is busy. @default 250, and 5,000 without the addon
   */
  helloTimeoutMs?: number
  /**
   * Requests of all clients that may be in progress, 1 to 4,294,967,295; above it no more are read:
   * they wait in the rings, and clients take turns. Streams do not count. @default no limit except
   * each client's `servingMax`
   */
  servingMaxTotal?: number
  /**
   * Takes the name over from the server that has it, so that no client is refused in between: that
   * server hands its socket over with all clients that wait there, keeps its connections, and emits
   * `takenOver`. It must be of the same user and have the same token. Without such a server this
   * one just starts; of several that take a name over at once, each gets it from the one before. A
   * failure leaves the other server as it was. @default false
   */
  takeOver?: boolean
  /**
   * Listens at a socket that was handed to this process, by its descriptor, 0 to 2,147,483,647:
   * {@link systemdSocket} has systemd's. Clients that come while no server runs wait in its queue
   * as long as their `connectTimeoutMs` allows, and find the server that is started next. It must
   * be a Unix stream socket bound to where clients look for the name,
   * `<directory>/<name>.sock`; otherwise this rejects with `ERR_INVALID_ARGUMENT`, and the message
   * has the path. The file of the socket stays when the server closes. It is not made again: if it
   * is removed, the server emits `error` with `ERR_NO_SERVER`. The descriptor stays open and
   * is not inherited by child processes. The name cannot be taken over (`ERR_FEATURE`), and this
   * cannot be combined with `takeOver`. @default a socket of the server's own
   */
  fd?: number
  /** Called with the server before the first client is accepted, to register handlers. */
  handlers?: (server: Server) => void
}

/** How to close a server. */
export interface CloseOptions {
  /**
   * Milliseconds that clients have to close by themselves. Each is informed at once, sends no new
   * requests then, and closes its connection when its own are answered. What is left after that is
   * closed. @default 0
   */
  drainMs?: number
}

/** The events a server emits itself. */
export interface ServerEvents {
  /** A client has connected. Its messages are not read before the current turn ends, so that
   * handlers can be registered. */
  connection: [connection: Connection]
  /**
   * Clients can no longer find this server: its files were removed, and another server has taken
   * the name since (`ERR_NAME_IN_USE`) or they could not be restored; or no client can be accepted.
   * Existing connections stay open. Without a listener it becomes a process warning.
   */
  error: [error: IpcError]
  /**
   * A new server has taken the name over, see {@link ServerOptions.takeOver}. All clients that had
   * come before are connected, and their connections stay open: this server decides when to end
   * them. It leaves the files alone, and keeps the process alive until it is closed.
   *
   * @example
   * ```ts
   * server.on('takenOver', () => server.close({ drainMs: 5_000 }))
   * ```
   */
  takenOver: []
  /** The server is closed. */
  close: []
}

/** Counters of a server: the sums over all of its connections, those that have ended included. */
export interface ServerStats extends Counters {
  /** Connections that are open. */
  connections: number
  /** Connections that were ever opened. */
  connectionsTotal: number
}

/** A server of one name. It keeps the process alive, unless {@link Server.unref} was called. */
export interface Server extends EventTaker<ServerEvents>, AsyncDisposable {
  /** The name it serves. */
  readonly name: string
  /** The open connections. */
  readonly connections: ReadonlySet<Connection>
  /**
   * Answers requests of every client. A connection's own handler of that name takes precedence.
   * @throws TypeError for a handler that is not a function, or wrong options.
   */
  handle<Params, Result>(
    method: Method<Params, Result>,
    handler: MethodHandler<NoInfer<Params>, NoInfer<Result>>,
    options?: HandleOptions,
  ): Registration
  /** Answers streams of every client. */
  handle<Params, Item, Upload, Result>(
    contract: Stream<Params, Item, Upload, Result>,
    handler: StreamHandler<NoInfer<Params>, NoInfer<Item>, NoInfer<Upload>, NoInfer<Result>>,
    options?: HandleOptions,
  ): Registration
  /** Handles events of every client, as {@link EventTaker.on}. */
  handle<Payload>(
    event: Event<Payload>,
    handler: EventHandler<NoInfer<Payload>>,
    options?: ListenOptions,
  ): Registration
  /** Answers requests of every client by name, in MessagePack and without checks. */
  handle<Params = any, Result = any>(
    method: string,
    handler: MethodHandler<Params, Result>,
    options?: HandleOptions,
  ): Registration
  /**
   * Sends a one-way message to some clients, or to all.
   * @returns the connections it was not sent to, because they are closed, too much waits for them,
   * or their side's {@link EndpointOptions.messageLenMax} is less than its length
   * @throws IpcError `ERR_INVALID_PAYLOAD`, `ERR_TOO_MANY_NAMES`, `ERR_TOO_LARGE` if it is longer
   * than this server's own {@link EndpointOptions.messageLenMax}. It was sent to nobody then.
   * @throws TypeError or RangeError for wrong options.
   */
  notify<Payload>(
    event: Event<Payload>,
    payload: NoInfer<Payload>,
    options?: BroadcastOptions,
  ): Connection[]
  /** Sends a one-way message that has no payload to all clients, see the first form. */
  notify<Payload>(event: undefined extends Payload ? Event<Payload> : never): Connection[]
  /** Sends a one-way message by name, in MessagePack and without checks, see the first form. */
  notify<Payload = any>(event: string, payload?: Payload, options?: BroadcastOptions): Connection[]
  /** The counters. */
  stats(): ServerStats
  /** The same for those who export them. */
  totals(): Totals
  /**
   * Whether clients can come, which is what a probe for readiness asks:
   *
   * - `listening`: they find it by its name. It was not lost ({@link ServerEvents.error}) or taken
   *   over, and the server is neither closed nor about to be ({@link CloseOptions.drainMs}).
   * - `accepting`: and it has fewer than {@link ServerOptions.connectionsMax} of them.
   */
  health(): Health
  /**
   * Releases the name at once and closes all connections gracefully, with `drainMs` only after
   * requests that are on their way were served and running handlers have finished. Either way
   * clients are informed that the server leaves, and look for the next one. Can be called twice; a
   * second call without `drainMs` ends the wait of the first.
   *
   * @example
   * ```ts
   * process.once('SIGTERM', () => server.close({ drainMs: 5_000 }))
   * ```
   */
  close(options?: CloseOptions): Promise<void>
  /** The same, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>
  /** Keeps the process alive while the server is open. */
  ref(): this
  /** No longer keeps it alive. */
  unref(): this
}

/**
 * Starts a server.
 *
 * @example
 * ```ts
 * await using server = await createServer('demo', { handlers: (it) => it.handle(Greet, greet) })
 * ```
 * @param name letters, digits, `-`, `_` and `.`, 1 to 64 of them, not starting with `.`
 * @param options see {@link ServerOptions}.
 * @throws TypeError for options that are misspelled or of a wrong type, RangeError for values out
 * of range.
 * @throws IpcError `ERR_NAME_IN_USE`, `ERR_INVALID_NAME`, `ERR_UNSAFE_DIRECTORY`,
 * `ERR_FOREIGN_USER`, `ERR_ACCESS`, `ERR_NO_SPACE`, `ERR_NO_DESCRIPTORS`, `ERR_SYSTEM`; with
 * `takeOver` also `ERR_TOKEN`, `ERR_VERSION`, `ERR_TIMEOUT` (not handed over in five seconds) and
 * `ERR_HANDSHAKE` (the other server knows nothing of it, or sent something else than its name).
 */
export declare function createServer(name: string, options?: ServerOptions): Promise<Server>

/**
 * The descriptor of a socket that systemd has handed to this process (`sd_listen_fds(3)`), for
 * {@link ServerOptions.fd}: that of this name, which is `FileDescriptorName=` of its unit, or,
 * without a name, the only one. `undefined` if the process was started without any, so that one
 * program can be started both ways. The first call removes `LISTEN_PID`, `LISTEN_FDS` and
 * `LISTEN_FDNAMES` from `process.env`.
 *
 * Throws `ERR_INVALID_ARGUMENT` if there are sockets and not exactly one is meant, if the variables
 * are malformed, and if the sockets were handed to another process than this one.
 *
 * @example
 * ```ts
 * import { createServer, systemdSocket } from 'ringpost'
 *
 * await using server = await createServer('files', { fd: systemdSocket() })
 * ```
 */
export declare function systemdSocket(name?: string): number | undefined

/**
 * Connects to the server of that name.
 *
 * The promise keeps the process alive until it settles. The connection does not, unless it has a
 * handler or a request in flight: see {@link Connection.closed}.
 *
 * @example
 * ```ts
 * await using client = await connect('demo', { timeoutMs: 1_000 })
 * ```
 * @param name letters, digits, `-`, `_` and `.`, 1 to 64 of them, not starting with `.`
 * @param options see {@link ClientOptions}.
 * @throws TypeError for options that are misspelled or of a wrong type, RangeError for values out
 * of range.
 * @throws IpcError `ERR_NO_SERVER`, `ERR_TIMEOUT`, `ERR_VERSION`, `ERR_FEATURE`, `ERR_TOKEN`,
 * `ERR_HANDSHAKE`, `ERR_TOO_MANY_CONNECTIONS`, `ERR_INVALID_NAME`, `ERR_UNSAFE_DIRECTORY`,
 * `ERR_FOREIGN_USER`, `ERR_ACCESS`, `ERR_NO_SPACE`, `ERR_NO_DESCRIPTORS`, `ERR_SYSTEM`. The reason
 * of the signal, if it was aborted.
 */
export declare function connect(name: string, options?: ClientOptions): Promise<Client>

/** Options of {@link createPool}. */
export interface PoolOptions extends EndpointOptions {
  /** Connections that are there even if nobody needs them. @default 0 */
  min?: number
  /** Connections at most, to all servers together. @default 8, or `min` if that is more */
  max?: number
  /** Milliseconds after which a connection that was not used is closed, if there are more than
   * `min`: after one to two times as many. @default 60,000 */
  idleMs?: number
}

/** How a pool stands. */
export interface PoolStats {
  /** Open connections. */
  size: number
  /** Those of them that nothing is in flight on and nobody has leased. */
  idle: number
  /** Those that are leased. */
  leased: number
  /** Leases, requests, streams and events that wait for a connection. */
  waiting: number
  /** Connections made. */
  made: number
  /** Times a connection was used that was there already. */
  reused: number
  /** `reused` of all uses. */
  reuseRatio: number
  /** Median of the milliseconds that the last 1,024 leases were waited for. */
  acquireP50Ms: number
  /** Their 99th percentile. */
  acquireP99Ms: number
  /** The same by server, each name once, in the order in which they were given. */
  servers: PoolServerStats[]
}

/** How one server of a pool stands. */
export interface PoolServerStats {
  /** Its name. */
  readonly name: string
  /** Open connections to it. */
  readonly size: number
  /** Requests in flight to it. */
  readonly pending: number
  /** Whether it can be reached, as far as is known. */
  readonly isUp: boolean
}

/** A connection of a pool for exclusive use. Nobody else uses it until it is released. One that is
 * forgotten is released when it is garbage-collected, with a process warning. */
export interface Lease extends Disposable, AsyncDisposable {
  /** The connection. It is not connected again: if it is lost, release it and acquire another. */
  readonly connection: Client
  /** Gives it back. Can be called twice. */
  release(): void
}

/**
 * Connections to one service, on one server or on many. They are made when they are needed, between
 * `min` and `max` of them; broken ones are replaced, idle ones closed.
 *
 * A request, stream or event goes to the server with the least in flight, and there to the
 * connection with the least. While there is no connection it waits, as with a {@link Client} that
 * has no session. An event that cannot be sent then is a process warning, and so are those that
 * still wait when the pool is closed or every server refuses; what lanes drop is counted by
 * {@link Pool.totals}.
 *
 * It keeps the process alive while something waits in it or is in flight, and not in order to
 * connect.
 */
export interface Pool
  extends Pick<Requester, 'request' | 'stream' | 'notify' | 'send' | 'drained'>, AsyncDisposable {
  /**
   * Waits for a connection of one's own: first come, first served.
   *
   * @example
   * ```ts
   * await using lease = await pool.acquire({ timeoutMs: 1_000 })
   * await lease.connection.request(Greet, { name: 'world' })
   * ```
   * @throws IpcError `ERR_TIMEOUT`, `ERR_CLOSED`, or the reason for which every server refuses. The
   * reason of the signal, if it was aborted.
   */
  acquire(options?: WaitOptions): Promise<Lease>
  /** How it stands. */
  stats(): PoolStats
  /** The sums over all of its connections. */
  totals(): Totals
  /**
   * Whether it can be used:
   *
   * - `reachable`: some server is, as far as is known, and the pool is not closed. A pool that has
   *   not been used yet takes its servers for reachable.
   */
  health(): Health
  /**
   * Takes nothing new; waits until what is in flight has ended and leases are released, for
   * `drainMs` at most, 5,000 ms by default; closes all connections. Can be called twice.
   */
  close(options?: CloseOptions): Promise<void>
  /** The same, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Makes a pool of connections. The first is made when it is needed.
 *
 * @example
 * ```ts
 * await using pool = createPool(['workers-1', 'workers-2'], { max: 4 })
 * const { greeting } = await pool.request(Greet, { name: 'world' })
 * ```
 * @param names one server, or all that offer the same.
 * @param options see {@link PoolOptions}.
 * @throws TypeError for options that are misspelled or of a wrong type, RangeError for values out
 * of range, or without a name.
 */
export declare function createPool(
  names: string | readonly string[],
  options?: PoolOptions,
): Pool

// ---------------------------------------------------------------------------------------------
// Adapters
// ---------------------------------------------------------------------------------------------

/**
 * Makes a Node.js `Duplex` of a stream, in object mode. Ending it calls {@link ClientStream.end};
 * destroying it cancels the stream. An item that is `null` or `undefined`, which is the end to
 * streams of Node.js, destroys it with `ERR_INVALID_PAYLOAD`: send such values in an object.
 *
 * @example
 * ```ts
 * import { createReadStream } from 'node:fs'
 * import { pipeline } from 'node:stream/promises'
 *
 * const Upload = stream<{ name: string }, never, Uint8Array>('upload')
 * const client = await connect('files')
 * const upload = client.stream(Upload, { name: 'notes.txt' })
 * await pipeline(createReadStream('notes.txt'), toDuplex(upload).resume())
 * ```
 * @throws TypeError for anything that is not a stream of this package.
 */
export declare function toDuplex(stream: ClientStream | ServerStream): Duplex

/**
 * Makes a web `ReadableStream` of the peer's items.
 *
 * @example
 * ```ts
 * const Download = stream<{ name: string }, Uint8Array>('download')
 * const client = await connect('files')
 * const reader = toReadableStream(client.stream(Download, { name: 'notes.txt' })).getReader()
 * const { value, done } = await reader.read()
 * ```
 * @throws TypeError for anything that is not a stream of this package.
 */
export declare function toReadableStream<Item>(
  stream: ClientStream<Item> | ServerStream<any, Item>,
): ReadableStream<Item>

// ---------------------------------------------------------------------------------------------
// Published objects: written by one process, read by any, found by name without a server
// ---------------------------------------------------------------------------------------------

/** How a state frame's values are encoded, and how long they are. */
export interface StateFrameOptions<T> {
  /** Encodes values; a {@link Layout} lets writers and readers differ by appended members.
   * @default messagePack */
  codec?: CodecFor<T>
  /** Bytes of the longest value, 1 to 67,108,864, for the writer to begin with: a longer value
   * makes a larger file, to which readers move by themselves. @default 4,096 */
  capacity?: number
}

/** The contract of a state frame, which its writer and its readers share. Made by
 * {@link stateFrame}. */
export interface StateFrame<T = any> {
  /** Tells contracts apart. */
  readonly kind: 'stateFrame'
  /** Where it is found. */
  readonly name: string
  /** What it was made with. */
  readonly options: Readonly<StateFrameOptions<T>>
}

/**
 * Defines a state frame: a named latest value. One process writes it, and any number of others read
 * the newest value, at once and without a server or a connection: each value replaces the one
 * before. The writer never waits for readers, and no reader ever gets half a value.
 *
 * @param name Letters, digits, `-`, `_` and `.`, at most 64 of them.
 *
 * @example
 * ```ts
 * import { createStateFrame, openStateFrame, stateFrame } from 'ringpost'
 *
 * const Position = stateFrame<{ x: number; y: number }>('position')
 *
 * using writer = createStateFrame(Position)   // in one process
 * writer.write({ x: 1, y: 2 })
 *
 * using reader = openStateFrame(Position)     // in any others
 * reader.read()                               // { status: 'fresh', value: { x: 1, y: 2 }, ... }
 * for await (const { value } of reader.changes()) console.log(value)
 * ```
 */
export declare function stateFrame<T = any>(
  name: string,
  options?: StateFrameOptions<T>,
): StateFrame<T>

/** How a process becomes the writer of a published object. */
export interface PublishOptions {
  /** The private directory, as {@link EndpointOptions.directory}. */
  directory?: string
  /** Takes the name from a writer that lives: its next write fails with `ERR_NAME_IN_USE`, and
   * readers move by themselves. @default false */
  takeOver?: boolean
}

/** What becomes of what was published when its writer closes. */
export interface PublishedCloseOptions {
  /**
   * Removes it: who reads a state frame for the first time after that finds it empty, who
   * subscribes to a topic finds no message, and who opens a map finds no key. Those that have read
   * it already keep what is there until they close.
   * @default false: the last value of a state frame is read as `stale`, the messages of a topic can
   * be read, and the values of a map until they expire
   */
  remove?: boolean
}

/** The one writer of a state frame. */
export interface StateFrameWriter<T = any> extends Disposable {
  /** Of the contract. */
  readonly name: string
  /** The number of the last value; it goes on from the writer before. 0: there was none. */
  readonly number: number
  /**
   * Replaces the value, for all readers at once. Takes about a microsecond for 5 KB, however many
   * read it.
   * @returns The value's number, one more than that of the last one.
   * @throws IpcError `ERR_INVALID_PAYLOAD` if the value cannot be encoded, `ERR_TOO_LARGE` above
   * 67,108,864 bytes, `ERR_NAME_IN_USE` after another writer has taken over, `ERR_NO_SPACE`
   */
  write(value: T): number
  /** Ends it. May be called twice; `write` then throws `ERR_CLOSED`. */
  close(options?: PublishedCloseOptions): void
}

/**
 * Becomes the writer of a state frame.
 *
 * @example
 * ```ts
 * const Position = stateFrame<{ x: number; y: number }>('position')
 * using writer = createStateFrame(Position)
 * writer.write({ x: 1, y: 2 })
 * ```
 * @throws IpcError `ERR_NAME_IN_USE` if it has a writer that lives, `ERR_INVALID_NAME`,
 * `ERR_UNSAFE_DIRECTORY`, `ERR_NO_SPACE`, `ERR_ACCESS`
 */
export declare function createStateFrame<T>(
  frame: StateFrame<T>,
  options?: PublishOptions,
): StateFrameWriter<T>

/** How a state frame is read. */
export interface FrameReadOptions {
  /** The private directory, as {@link EndpointOptions.directory}. */
  directory?: string
  /** From what age on {@link FrameReading.isTooOld} is set, in milliseconds. @default Infinity */
  maxAgeMs?: number
}

/**
 * `fresh`: a value that this reader has not had before. `same`: the one it has had, and the writer
 * lives. `stale`: the last value of a writer that is gone, closed or killed; the kernel knows that,
 * no clock is asked. `empty`: there is no value yet.
 */
export type FrameStatus = 'fresh' | 'same' | 'stale' | 'empty'

/** What is known of a value that was read. */
export interface FrameState {
  /** Whether it is a new one, and whether its writer lives. */
  readonly status: FrameStatus
  /** Its number: values in between were replaced before they were read. 0: there is none. */
  readonly number: number
  /** When it was written, in milliseconds since 1970. */
  readonly writtenAt: number
  /** How long ago that was, in milliseconds, by a clock that is not set. */
  readonly ageMs: number
  /** Whether that is longer than `maxAgeMs`. */
  readonly isTooOld: boolean
}

/** A value that was read. */
export interface FrameReading<T = any> extends FrameState {
  /** The value, decoded once; `undefined` while the status is `empty`. */
  readonly value: T | undefined
}

/** The bytes of a value that were read. */
export interface FrameBytes extends FrameState {
  /** How many bytes of the buffer they are. */
  readonly length: number
}

/** What a reader of a state frame has counted. */
export interface FrameStats {
  /** Reads that found a new value. */
  fresh: number
  /** Values that were replaced before they were read. */
  skipped: number
  /** Values and files that were corrupt: the last good value was read instead. */
  corrupt: number
  /** Reads that the writer has overtaken time and again: the last value was read instead. */
  overtaken: number
  /** Files that were read: each writer has one of its own, and a larger one when values grow. */
  generations: number
}

/** How a loop over changes ends. */
export interface ChangesOptions {
  /** Ends the loop, which throws its reason. */
  signal?: AbortSignal
}

/** A reader of a state frame. It can be made before there is a writer, and outlives all of them. */
export interface StateFrameReader<T = any> extends Disposable {
  /** Of the contract. */
  readonly name: string
  /**
   * Reads the newest value, synchronously and without waiting. What cannot be read any more, for
   * whatever reason, is answered with the last good value, and counted.
   * @throws IpcError `ERR_LAYOUT` if it is written in another format, `ERR_INVALID_PAYLOAD` if it
   * cannot be decoded; and, before there was a good value, `ERR_CORRUPT`, `ERR_ACCESS` or
   * `ERR_FOREIGN_USER` if what lies there is no state frame of this user
   */
  read(): FrameReading<T>
  /**
   * The same without decoding: copies the bytes of the newest value into a buffer, for example to
   * look at single members with {@link Layout.view}. Allocates nothing but its result.
   * @throws IpcError as `read`, and `ERR_TOO_LARGE` if the buffer is too short: it is not changed
   */
  readInto(buffer: Uint8Array): FrameBytes
  /**
   * Iterates over the newest values, beginning with the one that is there. Values that come while
   * the loop is busy replace each other. Also yields once when the writer is gone (`stale`). Waits
   * without polling, keeps the process alive, and ends with the reader; throws what `read` throws,
   * or the reason of the signal.
   */
  changes(options?: ChangesOptions): AsyncIterableIterator<FrameReading<T>>
  /** Calls `listener` with what {@link StateFrameReader.changes} would yield, until it is
   * disposed of. What it throws becomes a process warning. */
  onChange(listener: (reading: FrameReading<T>) => unknown): Registration
  /** What it has counted. */
  stats(): FrameStats
  /** Ends it, and its loops. May be called twice; `read` then throws `ERR_CLOSED`. */
  close(): void
}

/**
 * Opens a state frame for reading, whether or not there is a writer or has ever been one.
 *
 * @example
 * ```ts
 * const Position = stateFrame<{ x: number; y: number }>('position')
 * using reader = openStateFrame(Position, { maxAgeMs: 500 })
 * const { status, value, isTooOld } = reader.read()
 * if (status !== 'empty' && !isTooOld) console.log(value)
 * ```
 * @throws IpcError `ERR_INVALID_NAME`
 */
export declare function openStateFrame<T>(
  frame: StateFrame<T>,
  options?: FrameReadOptions,
): StateFrameReader<T>

/** How a map's values are encoded, and what it has room for. */
export interface SharedMapOptions<V> {
  /** Encodes values. @default messagePack */
  codec?: CodecFor<V>
  /** Entries at the same time, 1 to 1,048,576. The file has room for all of them from the start:
   * about twice what its longest keys and values take. @default 1,024 */
  entriesMax?: number
  /** Bytes of the longest key in UTF-8, 1 to 1,024. @default 64 */
  keyLengthMax?: number
  /** Bytes of the longest value, 1 to 16,777,216. @default 1,024 */
  valueLengthMax?: number
}

/** The contract of a map, which its owner and its readers share. Made by {@link sharedMap}. */
export interface SharedMap<V = any> {
  /** Tells contracts apart. */
  readonly kind: 'map'
  /** Where it is found. */
  readonly name: string
  /** What it was made with. */
  readonly options: Readonly<SharedMapOptions<V>>
}

/**
 * Defines a map: keys and values, of which one process is the owner, and which any number of others
 * look up in memory, without a server or a connection. Values may expire. The owner never waits for
 * readers, and no reader ever gets half a value.
 *
 * @param name Letters, digits, `-`, `_` and `.`, at most 64 of them.
 *
 * @example
 * ```ts
 * import { createMap, openMap, sharedMap } from 'ringpost'
 *
 * const Flags = sharedMap<boolean>('flags')
 *
 * using owner = createMap(Flags)                     // in one process
 * owner.set('dark-mode', true)
 * owner.set('trial', true, { ttlMs: 60_000 })
 *
 * using flags = openMap(Flags)                       // in any others
 * flags.get('dark-mode')                             // true
 * for await (const value of flags.watch('trial')) console.log(value)
 * ```
 */
export declare function sharedMap<V = any>(
  name: string,
  options?: SharedMapOptions<V>,
): SharedMap<V>

/** How a value is set. */
export interface MapSetOptions {
  /** After how many milliseconds it is not there any more, for readers too, whatever becomes of
   * the owner. @default Infinity */
  ttlMs?: number
}

/** The one owner of a map. */
export interface MapWriter<V = any> extends Disposable {
  /** Of the contract. */
  readonly name: string
  /** How many keys there are. */
  readonly size: number
  /**
   * Gives a key a value, in place of the one it has. Readers get the old one or the new one.
   * @throws IpcError `ERR_FULL` if the map has as many entries as it was made for (or, which hardly
   * any key meets, both places where the key could lie are taken), `ERR_TOO_LARGE` if the key or
   * the value is too long, `ERR_INVALID_PAYLOAD` if the value cannot be encoded,
   * `ERR_NAME_IN_USE` after another owner has taken over. TypeError for a key that is no
   * well-formed text
   */
  set(key: string, value: V, options?: MapSetOptions): void
  /** The value of a key, as readers get it; `undefined`: it is missing, or has expired. */
  get(key: string): V | undefined
  /** Takes a key out.
   * @returns Whether it was there.
   * @throws IpcError `ERR_NAME_IN_USE` as `set` */
  delete(key: string): boolean
  /** Takes all keys out, one after the other.
   * @throws IpcError `ERR_NAME_IN_USE` as `set` */
  clear(): void
  /** Ends it: readers keep what has not expired, until there is another owner, or with `remove`
   * until they close. May be called twice; all else then throws `ERR_CLOSED`. */
  close(options?: PublishedCloseOptions): void
}

/**
 * Becomes the owner of a map. It begins empty, whatever the owner before has left.
 *
 * @example
 * ```ts
 * const Users = sharedMap<{ name: string }>('users')
 * using owner = createMap(Users)
 * owner.set('42', { name: 'Ada' }, { ttlMs: 60_000 })
 * owner.delete('42')
 * ```
 * @throws IpcError `ERR_NAME_IN_USE` if it has an owner that lives, `ERR_INVALID_NAME`,
 * `ERR_INVALID_ARGUMENT` if it would take more than a gibibyte, `ERR_UNSAFE_DIRECTORY`,
 * `ERR_NO_SPACE`, `ERR_ACCESS`
 */
export declare function createMap<V>(map: SharedMap<V>, options?: PublishOptions): MapWriter<V>

/** How a map is read. */
export interface MapReadOptions {
  /** The private directory, as {@link EndpointOptions.directory}. */
  directory?: string
}

/** `alive`: the map has an owner. `gone`: it was closed or killed, and what it has left is read
 * until it expires. `absent`: there was none yet, or it has removed the map. */
export type MapStatus = 'alive' | 'gone' | 'absent'

/** What a reader of a map has counted. */
export interface MapStats {
  /** Values and files that were corrupt. */
  corrupt: number
  /** Lookups that the owner has overtaken time and again. */
  overtaken: number
  /** Files that were read: each owner has one of its own. */
  generations: number
  /** How often the map of the present owner has been changed. */
  changes: number
  /** Entries in it, with those that have expired and are not yet removed. */
  entries: number
}

/** A reader of a map. It can be made before there is an owner, and outlives all of them. */
export interface MapReader<V = any> extends Disposable {
  /** Of the contract. */
  readonly name: string
  /** Whether there is an owner: asked of the kernel each time. */
  readonly status: MapStatus
  /**
   * The value of a key, decoded; `undefined`: it is missing, or has expired. Synchronous, without
   * waiting, whether or not the owner lives.
   * @throws IpcError `ERR_LAYOUT` if it is written in another format, `ERR_INVALID_PAYLOAD` if it
   * cannot be decoded, `ERR_CORRUPT`, `ERR_ACCESS` or `ERR_FOREIGN_USER` if what lies there is no
   * map of this user, `ERR_TIMEOUT` if the owner replaced it so fast that no copy was whole
   */
  get(key: string): V | undefined
  /**
   * The same without decoding: copies the bytes of the value into a buffer.
   * @returns How many there are; `undefined`: the key is missing, or has expired.
   * @throws IpcError as `get`, and `ERR_TOO_LARGE` if the buffer is too short: it is not changed
   */
  getInto(key: string, buffer: Uint8Array): number | undefined
  /** Whether a key has a value.
   * @throws IpcError as `get` */
  has(key: string): boolean
  /** All keys with their values, in no particular order. What is set or deleted meanwhile may be
   * among them or not; a key that is deleted and set again meanwhile may be there twice.
   * @throws IpcError as `get` */
  entries(): [string, V][]
  /**
   * Iterates over the values of one key, beginning with the one that is there; `undefined`: it is
   * missing, was deleted, has expired, or a new owner has begun. Values that come while the loop is
   * busy replace each other: the last is never missed. Other keys do not matter. Waits without
   * polling, keeps the process alive, and ends with the reader; throws what `get` throws, or the
   * reason of the signal.
   */
  watch(key: string, options?: ChangesOptions): AsyncIterableIterator<V | undefined>
  /** What it has counted. */
  stats(): MapStats
  /** Ends it, and its loops. May be called twice; all else then throws `ERR_CLOSED`. */
  close(): void
}

/**
 * Opens a map for reading, whether or not there is an owner or has ever been one.
 *
 * @example
 * ```ts
 * const Users = sharedMap<{ name: string }>('users')
 * using users = openMap(Users)
 * console.log(users.get('42')?.name)
 * for (const [id, { name }] of users.entries()) console.log(id, name)
 * ```
 * @throws IpcError `ERR_INVALID_NAME`
 */
export declare function openMap<V>(map: SharedMap<V>, options?: MapReadOptions): MapReader<V>

/** How a topic's messages are encoded, and how many stay. */
export interface TopicOptions<T> {
  /** Encodes messages; a {@link Layout} lets publishers and subscribers differ by appended members.
   * @default messagePack */
  codec?: CodecFor<T>
  /** Bytes of its ring, a power of two from 4,096 to 1,073,741,824: messages stay until the ring is
   * full of newer ones. The longest message has a quarter of it, less 24 bytes.
   * @default 1,048,576 */
  capacity?: number
}

/** The contract of a topic, which its publisher and its subscribers share. Made by
 * {@link topic}. */
export interface Topic<T = any> {
  /** Tells contracts apart. */
  readonly kind: 'topic'
  /** Where it is found. */
  readonly name: string
  /** What it was made with. */
  readonly options: Readonly<TopicOptions<T>>
}

/**
 * Defines a topic: messages from one process to any number of others, without a server or a
 * connection. Publishing costs the same for one subscriber and for a thousand. Subscribers that are
 * too slow miss messages, and are told how many; those that must not miss any can make the
 * publisher wait, for a bounded time.
 *
 * @param name Letters, digits, `-`, `_` and `.`, at most 64 of them.
 *
 * @example
 * ```ts
 * import { createTopic, subscribe, topic } from 'ringpost'
 *
 * const Alerts = topic<{ text: string }>('alerts')
 *
 * using publisher = createTopic(Alerts)   // in one process
 * publisher.publish({ text: 'door open' })
 *
 * // In any others.
 * for await (const { value, skipped } of subscribe(Alerts)) console.log(value.text, skipped)
 * ```
 */
export declare function topic<T = any>(name: string, options?: TopicOptions<T>): Topic<T>

/** How a process becomes the publisher of a topic. */
export interface CreateTopicOptions extends PublishOptions {
  /** How long a message waits for lossless subscribers, in milliseconds. Those that hold it up
   * longer are cut off. @default 1000 */
  timeoutMs?: number
}

/** How one message is published. */
export interface PublishMessageOptions {
  /** The same for this message. @default that of the publisher */
  timeoutMs?: number
}

/** What a publisher has counted. */
export interface TopicPublisherStats {
  /** Messages that were published. */
  published: number
  /** How often messages had to wait for lossless subscribers. */
  waits: number
  /** Lossless subscribers that were cut off, because they took longer than `timeoutMs`. */
  cutOff: number
}

/** The one publisher of a topic. */
export interface TopicPublisher<T = any> extends Disposable {
  /** Of the contract. */
  readonly name: string
  /** The number of the last message, from 1 on; 0: none was published yet. */
  readonly number: number
  /**
   * Publishes a message. It is visible to all subscribers when this returns; those that sleep are
   * woken, once for all messages of a tenth of a millisecond.
   * @returns The number of the message; or a promise of it, if lossless subscribers have not read
   * yet what it would overwrite. Messages that are published meanwhile wait behind it, in order.
   * @throws IpcError `ERR_INVALID_PAYLOAD` if the message cannot be encoded, `ERR_TOO_LARGE` if it
   * is longer than a quarter of the ring less 24 bytes, `ERR_NAME_IN_USE` after another publisher
   * has taken over, `ERR_FULL` if 65,536 messages wait
   */
  publish(value: T, options?: PublishMessageOptions): number | Promise<number>
  /** What it has counted. */
  stats(): TopicPublisherStats
  /** Ends it; what it has published stays, unless it is to be removed. Messages that wait fail with
   * `ERR_CLOSED`. May be called twice; `publish` then throws `ERR_CLOSED`. */
  close(options?: PublishedCloseOptions): void
}

/**
 * Becomes the publisher of a topic. Its messages are numbered from 1 on.
 *
 * @example
 * ```ts
 * const Alerts = topic<{ text: string }>('alerts')
 * using publisher = createTopic(Alerts, { timeoutMs: 1_000 })
 * // Waits, for a second at most, if a lossless subscriber has not read what it overwrites.
 * await publisher.publish({ text: 'door open' })
 * ```
 * @throws IpcError `ERR_NAME_IN_USE` if it has a publisher that lives, `ERR_INVALID_NAME`,
 * `ERR_UNSAFE_DIRECTORY`, `ERR_NO_SPACE`, `ERR_ACCESS`
 */
export declare function createTopic<T>(
  topic: Topic<T>,
  options?: CreateTopicOptions,
): TopicPublisher<T>

/** How a topic is subscribed to. */
export interface SubscribeOptions {
  /** The private directory, as {@link EndpointOptions.directory}. */
  directory?: string
  /**
   * `latest`: only what is newest when it looks. `lossy`: all messages in order, as far as they are
   * still there. `lossless`: all messages in order; the publisher waits for it, and cuts it off
   * (`ERR_LAGGED`) after its `timeoutMs`. A topic has at most 64 lossless subscribers at a time.
   * @default 'lossy'
   */
  mode?: 'latest' | 'lossy' | 'lossless'
  /** Where to start in what is there already: behind it, or at the oldest message that can be
   * found. Of a publisher that comes later, everything is read. @default 'next' */
  from?: 'next' | 'oldest'
  /** With `next`: starts with the newest message that is there. @default false */
  retained?: boolean
}

/** A message. */
export interface TopicItem<T = any> {
  /** The message. */
  readonly value: T
  /** Its number, from 1 on; each publisher begins anew. */
  readonly number: number
  /** The number of its publisher among all that the topic had. */
  readonly generation: number
  /** Messages that this subscriber has missed just before it; in the mode `latest`, passed by. */
  readonly skipped: number
  /** It is the first one of another publisher than the one before. */
  readonly restarted: boolean
  /** How long ago it was published when it was read, in milliseconds. */
  readonly ageMs: number
}

/** What a subscription has counted. */
export interface TopicStats {
  /** Messages that were read. */
  received: number
  /** Messages that were missed or passed by. */
  skipped: number
  /** Messages and files that were corrupt, and were missed. */
  corrupt: number
  /** Files that were read: each publisher has one of its own. */
  generations: number
}

/**
 * A subscription. Messages are read from the ring when they are asked for, in one of three ways.
 * A loop over it ends when it is closed, and closes it when it is left; while it waits, it keeps
 * the process alive.
 */
export interface TopicSubscription<T = any>
  extends AsyncIterableIterator<TopicItem<T>>, Disposable {
  /** Of the contract. */
  readonly name: string
  /** Whether the publisher lives whose messages are read. */
  readonly hasPublisher: boolean
  /**
   * The next message, if there is one, without waiting.
   * @throws IpcError `ERR_LAGGED` if this lossless subscription was too slow, `ERR_LAYOUT` if
   * messages are written in another format, `ERR_INVALID_PAYLOAD` if one cannot be decoded,
   * `ERR_CORRUPT` if this lossless subscription misses a message that is corrupt
   */
  take(): TopicItem<T> | undefined
  /** The next message, as soon as there is one. Fails as {@link TopicSubscription.take}, and with
   * `ERR_INVALID_ARGUMENT` while a listener gets all there is. */
  next(): Promise<IteratorResult<TopicItem<T>, undefined>>
  /** Closes it. */
  return(): Promise<IteratorResult<TopicItem<T>, undefined>>
  /**
   * Calls `listener` with all messages there are, at most 1,024 at once, and again when there are
   * more.
   * @returns A promise that is settled when it is over: resolved when the subscription is closed,
   * rejected with the reason of the signal, with what `listener` has thrown, or as
   * {@link TopicSubscription.take}.
   * @throws IpcError `ERR_INVALID_ARGUMENT` while somebody waits for messages already
   */
  batches(
    listener: (items: TopicItem<T>[]) => unknown,
    options?: ChangesOptions,
  ): Promise<void>
  /** What it has counted. */
  stats(): TopicStats
  /** Ends it and its loops. May be called twice; `take` then throws `ERR_CLOSED`. */
  close(): void
}

/**
 * Subscribes to a topic, whether or not there is a publisher or has ever been one. The subscription
 * outlives its publishers.
 *
 * @example
 * ```ts
 * const Alerts = topic<{ text: string }>('alerts')
 * for await (const { value, number } of subscribe(Alerts, { mode: 'lossless' })) {
 *   console.log(number, value.text)
 * }
 * ```
 * @throws IpcError `ERR_INVALID_NAME`; `ERR_FULL` if it is lossless and there are 64 of those;
 * `ERR_CORRUPT`, `ERR_ACCESS` or `ERR_FOREIGN_USER` if what lies there is no topic of this user
 */
export declare function subscribe<T>(
  topic: Topic<T>,
  options?: SubscribeOptions,
): TopicSubscription<T>

// ---------------------------------------------------------------------------------------------
// Seeing inside
// ---------------------------------------------------------------------------------------------

/**
 * What is published about a message. The same object is published at each of its moments.
 * Payloads are never published.
 */
export interface CallMessage {
  /** What its contract is. */
  readonly kind: 'method' | 'event' | 'stream'
  /** The name of its contract. */
  readonly name: string
  /** The connection it travels on. */
  readonly connection: Connection
  /** The other end of that. */
  readonly peer: Peer
  /** The lane it travels in. */
  readonly lane: Lane
  /**
   * The W3C `traceparent` that goes with it. Where it is sent, a subscriber to `start` may set it.
   * @throws TypeError or RangeError, in the subscriber, if it is set to anything else.
   */
  traceparent: string | undefined
  /** For subscribers to keep what they need at a later moment, under keys of their own. */
  readonly context: Record<PropertyKey, unknown>
  /** Milliseconds since its `start`, from its outcome on. */
  readonly durationMs: number | undefined
  /** What it has failed with, from its `error` on. */
  readonly error: unknown
  /** The code of that; its name, if it has none, and `ERR_HANDLER`, if it has neither. */
  readonly code: string | undefined
}

/** What is published about a message that has arrived and is being handled. */
export interface HandlerMessage extends CallMessage {
  /**
   * Runs the handler within `wrap`, which must call `work` once and return what that returns.
   * For subscribers to `start`; what the first one passes is the outermost.
   */
  around(wrap: (work: () => unknown) => unknown): void
}

/** What is published about a connection. */
export interface ConnectionMessage {
  /** The connection. */
  readonly connection: Connection
  /** Its other end. */
  readonly peer: Peer
  /** When it has ended, the reason; `null` if it was closed by `close()` of either side. */
  readonly reason?: IpcError | null
}

/**
 * The channels of `node:diagnostics_channel` that this package publishes on, and what it publishes.
 * A channel without subscribers costs one load for each message, and nothing is made for it.
 *
 * What has begun while it was observed (with a `start`) ends with one `end` or one `error`. A
 * handler that has not finished when its reply is no longer wanted ends with an `error` then. A
 * request for which there is no handler, or whose params cannot be decoded, reaches none.
 *
 * Stores bound to `ringpost:handler:start` with `bindStore` are those of the handler.
 *
 * @example
 * ```ts
 * import { subscribe } from 'node:diagnostics_channel'
 *
 * subscribe('ringpost:request:end', (message) => {
 *   const { name, durationMs } = message as DiagnosticsChannels['ringpost:request:end']
 *   console.log(`${name} took ${durationMs} ms`)
 * })
 * ```
 */
export interface DiagnosticsChannels {
  /** A request is about to be sent. */
  'ringpost:request:start': CallMessage
  /** Its reply has arrived. */
  'ringpost:request:end': CallMessage
  /** It has failed, or could not be sent. */
  'ringpost:request:error': CallMessage
  /** A stream is about to be requested. */
  'ringpost:stream:start': CallMessage
  /** Its result has arrived. */
  'ringpost:stream:end': CallMessage
  /** It has failed, or could not be requested. */
  'ringpost:stream:error': CallMessage
  /** An event is about to be sent. */
  'ringpost:event:send': CallMessage
  /** The handler of a request, stream or event is about to be called. */
  'ringpost:handler:start': HandlerMessage
  /** It has returned, and its promise, if it has returned one, is resolved. */
  'ringpost:handler:end': HandlerMessage
  /** It has thrown, or the reply is no longer wanted. */
  'ringpost:handler:error': HandlerMessage
  /** A connection is open; no message of the peer has been read. */
  'ringpost:connection:open': ConnectionMessage
  /** A connection has ended. */
  'ringpost:connection:close': ConnectionMessage
}

// ---------------------------------------------------------------------------------------------
// Waiting and errors
// ---------------------------------------------------------------------------------------------

/** How this thread waits for messages. Without the addon it is by the event loop, whatever is
 * chosen here. */
export interface WaitingOptions {
  /**
   * What wakes it: its event loop, or a helper thread. `auto` uses the loop wherever that is
   * possible.
   * @default 'auto'
   */
  wake?: 'auto' | 'loop' | 'thread'
  /**
   * Microseconds to poll, yielding the processor in between, before the loop sleeps while a reply
   * is outstanding: 0 to 1,000,000. 0 disables polling. @default 50
   */
  spinExpectingUs?: number
  /** The same after messages have arrived, while no reply is outstanding. @default 20 */
  spinRecentUs?: number
}

/**
 * Configures how this thread waits. Call it before the first server or connection is made.
 *
 * @example
 * ```ts
 * // Never polls: each wait is a sleep, which saves processor time and costs latency.
 * configure({ spinExpectingUs: 0, spinRecentUs: 0 })
 * const client = await connect('demo')
 * ```
 * @throws TypeError for options that are misspelled or of a wrong type, RangeError for values out
 * of range.
 * @throws Error if there is a server or connection already.
 */
export declare function configure(options: WaitingOptions): void

/**
 * What can fail besides mistakes in the call itself. For a request, the code says whether the
 * peer's handler may have run:
 *
 * - It has not, and the same call may succeed later: `ERR_FULL`, `ERR_TOO_MANY_PENDING`,
 *   `ERR_NO_SERVER` (the server of a {@link Client} is away, and the call cannot wait for it), and
 *   `ERR_UNKNOWN_METHOD` once the peer has a handler.
 * - It has not, and the same call will fail again: `ERR_TOO_LARGE`, `ERR_TOO_MANY_NAMES`,
 * `ERR_WOULD_DEADLOCK`, `ERR_INVALID_ARGUMENT` (called as a stream but is none or the reverse; or
 * the params were changed before all of them were sent).
 * - It may have run, in part or in full: `ERR_TIMEOUT`, `ERR_CANCELLED`, `ERR_PEER_LOST`,
 *   `ERR_CLOSED`, `ERR_CORRUPT`, `ERR_INVALID_PAYLOAD` (the params or the result could not be
 *   encoded or decoded), `ERR_INTERNAL`, the reason of a signal. Only requests that can be repeated
 *   without harm should be retried. A connection that had ended before the call also fails with
 *   `ERR_CLOSED` or `ERR_PEER_LOST`: {@link Connection.isOpen} was false then.
 * - It has run and thrown: any other error whose {@link IpcError.isRemote} is true.
 *
 * `ERR_LAYOUT` is about no request: see {@link Layout}.
 *
 * `ERR_LAGGED` is the end of a lossless {@link TopicSubscription} that was too slow.
 *
 * `ERR_FEATURE` is also thrown by whatever needs shared memory, when the library runs without its
 * addon: synchronous requests, state frames, topics and maps, and taking a name or a socket over.
 *
 * When connecting, `ERR_NO_SERVER`, `ERR_TIMEOUT`, `ERR_TOO_MANY_CONNECTIONS`, `ERR_NO_SPACE` and
 * `ERR_NO_DESCRIPTORS` may pass with time; the others do not.
 */
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
  | 'ERR_LAYOUT'
  | 'ERR_NO_SPACE'
  | 'ERR_NO_DESCRIPTORS'
  | 'ERR_LAGGED'
  | 'ERR_WOULD_DEADLOCK'
  | 'ERR_SYSTEM'
  | 'ERR_INTERNAL'

/**
 * A failure of the engine, or of the peer's handler. Errors of another copy of this package are
 * `instanceof` this class, too.
 *
 * A handler's error keeps its name, message, code, cause and stack, the `errors` of an
 * `AggregateError`, and its own enumerable properties, if {@link messagePack} can encode them. A
 * cause, or one of `errors`, that is not an error arrives unchanged. A thrown object that is not an
 * error keeps its code, message and properties. Limits, beyond which the rest is cut off: strings
 * of 16,384 characters and 65,536 in total, 64 properties of an error and 16,384 bytes of all of
 * them, 8 nested causes, 16 errors of one, and 32 errors in total.
 *
 * Its `stack` has the peer's frames, each marked with `[remote]`, followed by those of the function
 * that awaits the request (`at async …`) or has called `requestSync`.
 */
export declare class IpcError extends Error {
  constructor(code: string, message: string, options?: { cause?: unknown })
  /**
   * An {@link IpcErrorCode}, or the code of the handler's error; a number, if that was one,
   * whatever the type says. An error without a code has `ERR_HANDLER`. A `DOMException` has a
   * historical number; use its `name` (`AbortError`).
   */
  readonly code: string
  /** Whether the peer's handler has thrown this, rather than the engine on either side. */
  readonly isRemote: boolean
  /** The `errors` of the peer's `AggregateError`. */
  readonly errors?: readonly unknown[]
  /** For JSON and logs: name, message, code, causes, errors and properties, without the stack. */
  toJSON(): Record<string, unknown>
}

//# sourceMappingURL=dist/ts/index.d.ts.map
