// A connection to NATS, as a bridge uses it: it publishes with our header and within the server's
// limit, has an inbox, and knows how much is on its way and whether there is a server.

import { headers, nuid } from '@nats-io/transport-node'
import type { Msg, MsgHdrs, NatsConnection, QueuedIterator } from '@nats-io/transport-node'
import type { Status, Subscription } from '@nats-io/transport-node'
import { IpcError } from 'ringpost'
import type { DropReason, Drops } from './drops.mjs'
import { inboxPattern } from './subjects.mjs'
import { HEADER, readFields, readTrace, TRACE_HEADER, writeFields, type Fields } from './wire.mjs'

/** Bytes that may be on their way to the server: more would only wait in the memory of this
 * process. */
const ON_ITS_WAY_MAX = 8 << 20
/** From how many bytes on the server is asked whether it has them. */
const CONFIRMED_FROM = 256 << 10
/** What headers take besides the names and values: first and last line; colon, space and line end.
 * */
const HEADERS_LENGTH = 'NATS/1.0\r\n\r\n'.length
const HEADER_LENGTH = ': \r\n'.length
const NO_RESPONDERS = 503
/** Why a message that nobody answers is not sent, by the code of the error that it would be. */
const REASONS: Readonly<Record<string, DropReason>> = {
  ERR_TOO_LARGE: 'tooLarge',
  ERR_FULL: 'full',
}

/** A message that has arrived. */
export interface Letter {
  readonly fields: Fields
  readonly payload: Uint8Array
  /** Where its sender wants an answer: an inbox of a bridge. */
  readonly reply: string | undefined
  readonly traceparent: string | undefined
}

/** What is read of a message of NATS. */
export type Received = Pick<Msg, 'data' | 'headers' | 'reply'>

/** Takes what arrives in a box: a message, or that there was nobody to take what was sent. */
export interface BoxHandler {
  received(letter: Letter): void
  unclaimed(): void
}

export interface Box {
  readonly subject: string
  close(): void
}

/** What a bridge has to know of its connection. */
export interface Watcher {
  /** What was on its way may be lost. */
  lost(): void
  /** The server does not permit what was published to this subject, or to subscribe to it. */
  denied(subject: string, error: Error): void
  /** It will not come back. */
  cut(): void
}

export interface PublishOptions {
  /** Where answers are to go. */
  readonly reply?: string
  readonly traceparent?: string
}

export class Post {
  readonly nats: NatsConnection
  /** Tells this bridge from all others. */
  readonly id = nuid.next()
  readonly #watcher: Watcher
  readonly #drops: Drops
  readonly #subscription: Subscription
  readonly #status: QueuedIterator<Status>
  readonly #pattern: RegExp
  readonly #inbox: string
  readonly #boxes = new Map<string, BoxHandler>()
  #boxNumber = 0
  #isCut = false
  #cuts = 0
  #isClosed = false
  /** Bytes, and one-way messages by name, of which it is not known that the server has them. */
  #bytes = 0
  #oneWay = new Map<string, number>()
  #isConfirming = false
  #waiting: (() => void)[] = []

  /** @throws IpcError `ERR_NO_SERVER` */
  constructor(nats: NatsConnection, inboxPrefix: string, drops: Drops, watcher: Watcher) {
    checkConnection(nats)
    this.nats = nats
    this.#watcher = watcher
    this.#drops = drops
    this.#pattern = inboxPattern(inboxPrefix)
    this.#inbox = `${inboxPrefix}.${this.id}.`
    const callback = (error: Error | null, message: Msg) => {
      if (error) watcher.denied(this.#inbox, error)
      else this.#deliver(message)
    }
    this.#subscription = nats.subscribe(`${this.#inbox}*`, { callback })
    this.#status = nats.status() as QueuedIterator<Status>
    void this.#watch()
  }

  /** Whether there is no server, as far as is known. */
  get isAway(): boolean {
    return this.#isCut || this.nats.isClosed() || this.nats.info === undefined
  }

  /** How often the connection was lost. */
  get cuts(): number {
    return this.#cuts
  }

  /** Whether nothing more should be sent for now. */
  get isFull(): boolean {
    return this.#bytes >= ON_ITS_WAY_MAX
  }

  /** Resolves when something can be sent, or this is closed. */
  async ready(): Promise<void> {
    while (!this.#isClosed && (this.isAway || this.isFull)) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
  }

  /** A new inbox, until it is closed. */
  open(handler: BoxHandler): Box {
    const number = String(++this.#boxNumber)
    this.#boxes.set(number, handler)
    return { subject: this.#inbox + number, close: () => void this.#boxes.delete(number) }
  }

  /**
   * Publishes a message; `what` it is stands in errors.
   * @throws IpcError `ERR_NO_SERVER` while there is no NATS server, `ERR_TOO_LARGE`
   */
  publish(
    subject: string,
    fields: Fields,
    payload: Uint8Array,
    what: string,
    { reply, traceparent }: PublishOptions = {},
  ): void {
    if (this.isAway) throw away()
    const header = writeFields(fields)
    this.#checkLength(header, traceparent, payload, what)
    try {
      this.nats.publish(subject, payload, { headers: headersOf(header, traceparent), reply })
    } catch (error) {
      throw new IpcError('ERR_CLOSED', `the connection to the NATS server: ${String(error)}`)
    }
    this.#bytes += payload.length + header.length
    if (this.#bytes >= CONFIRMED_FROM) void this.#confirm()
  }

  /**
   * The headers of a message that is published in another way.
   * @throws IpcError `ERR_TOO_LARGE`
   */
  headers(fields: Fields, payload: Uint8Array, what: string): MsgHdrs {
    const header = writeFields(fields)
    this.#checkLength(header, undefined, payload, what)
    return headersOf(header, undefined)
  }

  /** Publishes a message that nobody answers. What becomes of it, if it is not delivered, is
   * counted under its name.
   * @returns whether it is on its way */
  publishOneWay(
    subject: string,
    fields: Fields,
    payload: Uint8Array,
    name: string,
    options?: PublishOptions,
  ): boolean {
    try {
      if (this.isFull) throw new IpcError('ERR_FULL', 'too much is on its way')
      this.publish(subject, fields, payload, `"${name}"`, options)
    } catch (error) {
      this.#drops.add(name, REASONS[(error as IpcError).code] ?? 'away')
      return false
    }
    this.#oneWay.set(name, (this.#oneWay.get(name) ?? 0) + 1)
    void this.#confirm()
    return true
  }

  /** What a message of NATS is for a bridge.
   * @throws IpcError if it is none of a bridge. */
  read(message: Received): Letter {
    const { data, headers } = message
    const fields = readFields(headers?.get(HEADER) ?? '')
    const traceparent = readTrace(headers?.get(TRACE_HEADER))
    return { fields, payload: data, reply: this.replyOf(message), traceparent }
  }

  /** Where the sender of a message wants an answer, if that is an inbox of a bridge. */
  replyOf({ reply }: Received): string | undefined {
    return reply !== undefined && this.#pattern.test(reply) ? reply : undefined
  }

  /** Stops listening. The connection is its owner's. */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#status.stop()
    this.#subscription.unsubscribe()
    this.#boxes.clear()
    this.#wake()
  }

  #checkLength(
    header: string,
    traceparent: string | undefined,
    payload: Uint8Array,
    what: string,
  ): void {
    const most = this.nats.info?.max_payload ?? Infinity
    let length = payload.length + HEADERS_LENGTH
    length += HEADER.length + header.length + HEADER_LENGTH
    if (traceparent !== undefined) {
      length += TRACE_HEADER.length + traceparent.length + HEADER_LENGTH
    }
    if (length <= most) return
    const limit = `the NATS server takes ${most.toLocaleString('en')} (max_payload)`
    const message = `${what} takes ${length.toLocaleString('en')} bytes, and ${limit}`
    throw new IpcError('ERR_TOO_LARGE', message)
  }

  #deliver(message: Msg): void {
    const handler = this.#boxes.get(message.subject.slice(this.#inbox.length))
    // What is behind the end of a call.
    if (handler === undefined) return
    if (message.headers?.code === NO_RESPONDERS && message.data.length === 0) {
      return handler.unclaimed()
    }
    let letter
    try {
      letter = this.read(message)
    } catch {
      return this.#drops.add('answers', 'refused')
    }
    handler.received(letter)
  }

  /** Asks the server whether it has what was sent, one question at a time. */
  async #confirm(): Promise<void> {
    if (this.#isConfirming) return
    this.#isConfirming = true
    while (this.#bytes >= CONFIRMED_FROM || this.#oneWay.size > 0) {
      const [bytes, oneWay, cuts] = [this.#bytes, this.#oneWay, this.#cuts]
      this.#oneWay = new Map()
      const isFlushed = await this.nats.flush().then(
        () => true,
        () => false,
      )
      // The answer of a later connection says nothing of what was sent on the one before.
      if (!isFlushed || cuts !== this.#cuts) this.#countUnconfirmed(oneWay)
      this.#bytes -= bytes
      this.#wake()
    }
    this.#isConfirming = false
  }

  #countUnconfirmed(oneWay: ReadonlyMap<string, number>): void {
    for (const [name, count] of oneWay) this.#drops.add(name, 'unconfirmed', count)
  }

  async #watch(): Promise<void> {
    for await (const status of this.#status) {
      if (status.type === 'disconnect') {
        this.#isCut = true
        this.#cuts++
        this.#countUnconfirmed(this.#oneWay)
        this.#oneWay = new Map()
        this.#watcher.lost()
      } else if (status.type === 'reconnect') {
        this.#isCut = false
        this.#wake()
      } else if (status.type === 'error') {
        const { error } = status
        const { subject } = error as { subject?: unknown }
        if (typeof subject === 'string') this.#watcher.denied(subject, error)
      }
    }
    if (this.#isClosed) return
    this.#watcher.lost()
    this.#watcher.cut()
  }

  #wake(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const resolve of waiting) resolve()
  }
}

function headersOf(header: string, traceparent: string | undefined): MsgHdrs {
  const list = headers()
  list.set(HEADER, header)
  if (traceparent !== undefined) list.set(TRACE_HEADER, traceparent)
  return list
}

/** @throws IpcError `ERR_NO_SERVER` if a connection is closed, or about to be. */
export function checkConnection(nats: NatsConnection): void {
  if (nats.isClosed() || nats.isDraining()) throw away()
}

export const away = (): IpcError =>
  new IpcError('ERR_NO_SERVER', 'there is no connection to the NATS server')

export const lost = (): IpcError =>
  new IpcError('ERR_PEER_LOST', 'the connection to the NATS server was lost')
