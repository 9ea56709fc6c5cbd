// A client: what a program makes once and keeps, whatever becomes of the server. It has one session
// after the other, each of which is a connection.

import type * as api from '../../index.js'
import { Connection, type Front, type Holder } from '../connection/connection.js'
import { Endpoint, ownEvents } from '../connection/endpoint.js'
import { Handlers } from '../connection/handlers.js'
import { makePeer } from '../connection/peer.js'
import { Sums } from '../connection/sums.js'
import { encodeWith } from '../values/codec.js'
import { asEvent } from '../values/contract.js'
import { Deferred } from '../values/deferred.js'
import { IpcError } from '../values/errors.js'
import { NO_OPTIONS, notifyOptions, waitOptions } from '../values/options.js'
import type { ClientSettings } from '../values/options.js'
import type { Runtime } from '../runtime/runtime.js'
import { Away } from './away.js'
import { Dialer, type Outcomes } from './dialer.js'
import type { Home } from './lasting.js'
import { isIdempotent, Sender } from './sender.js'

export class Client
  extends Endpoint<api.ClientEvents>
  implements api.Client, Front, Holder, Home, Outcomes
{
  readonly closed: Promise<api.IpcError | null>
  readonly handlers: Handlers
  /** What is sent goes there, if there is one. */
  session: Connection | undefined
  readonly #runtime: Runtime
  readonly #settings: ClientSettings
  readonly #prepare: ((client: api.Client) => void) | undefined
  readonly #dialer: Dialer
  readonly #sums: Sums<Connection>
  #away: Away | undefined
  #sent: Sender | undefined
  /** All that are not over, those among them to which nothing is sent any more. */
  readonly #sessions = new Set<Connection>()
  /** The one whose loss is a loss. */
  #current: Connection | undefined
  /** The one there was last. */
  #last: Connection | undefined
  readonly #opened = new Deferred<void>()
  readonly #ended = new Deferred<api.IpcError | null>()
  /** Why there will be no further session, once that is so. */
  #end: IpcError | undefined
  #awaySince = 0
  /** There is to be no further session. */
  #isDraining = false
  #reconnects = 0
  /** What `ref` and `unref` said last. */
  #wanted: boolean | undefined
  #referenced = false

  constructor(
    runtime: Runtime,
    name: string,
    settings: ClientSettings,
    prepare: ((client: api.Client) => void) | undefined,
    sums = new Sums<Connection>(runtime.engine, settings.methodLatency),
  ) {
    super(OWN)
    this.#runtime = runtime
    this.#settings = settings
    this.#prepare = prepare
    this.#sums = sums
    this.closed = this.#ended.promise
    this.#dialer = new Dialer(runtime, name, settings, this)
    this.handlers = new Handlers(
      () => {
        for (const session of this.#sessions) session.handlersChanged()
        this.#updateReference()
      },
      (name) => runtime.engine.acceptPacked(name),
    )
  }

  // ---- sessions ----

  /** Connects for the first time, which keeps the process alive. */
  async open(signal: AbortSignal | undefined): Promise<void> {
    this.#runtime.hold(1)
    const stop = signal && this.#dialer.abortOn(signal)
    try {
      await this.dial()
      signal?.throwIfAborted()
    } finally {
      stop?.()
      this.#runtime.hold(-1)
    }
  }

  /** The same, without keeping it alive. */
  async dial(): Promise<void> {
    this.#dialer.dialFirst()
    await this.#opened.promise
  }

  opened(link: number, description: string): Connection {
    const peer = makePeer(description)
    return new Connection(this.#runtime, link, peer, this.#settings, this)
  }

  /** A session has emitted one of its own events. Its end is no end of the client. */
  echo(session: Connection, name: string | symbol, details: unknown[]): void {
    // What is in flight has its outcome on this session, and all else goes to the next.
    const isLeft = name === 'leaving' && session === this.#current && this.#mayReconnect
    if (isLeft) this.#moveOn(session, null)
    if (name !== 'close') this.announce(name, ...details)
  }

  connected(session: Connection): void {
    const isFirst = this.#last === undefined
    this.session = this.#current = this.#last = session
    this.#sessions.add(session)
    this.#sums.opened(session)
    if (isFirst) return this.#begin()
    this.#reconnects++
    this.#away?.start(session)
    const awayMs = this.now() - this.#awaySince
    if (this.session === session) this.announce('reconnect', { peer: session.peer, awayMs })
  }

  /** The first session is there. */
  #begin(): void {
    try {
      this.#prepare?.(this)
    } catch (error) {
      this.#opened.reject(error)
      return void this.close()
    }
    this.#opened.resolve()
    this.#updateReference()
  }

  get #mayReconnect(): boolean {
    return this.#settings.reconnect !== undefined && !this.#isDraining
  }

  /** No session came about, and none will; or it is no longer wanted, once it is there. */
  failed(error: unknown): void {
    this.#opened.reject(error)
    if (this.session !== undefined) return void this.close()
    if (this.#last !== undefined) this.#finish(error as IpcError, error as IpcError)
  }

  /** Of a session: its requests have begun to end, because the peer is lost. */
  losing(session: Connection): void {
    if (session === this.session) this.session = undefined
  }

  /** Of a session: it is over. */
  left(session: Connection, reason: IpcError | null): void {
    this.#sessions.delete(session)
    this.#sums.ended(session)
    if (session === this.#current) this.#moveOn(session, reason)
  }

  /** Nothing more is sent to this session, and another is awaited. */
  #moveOn({ end, isLeaving, undelivered }: Connection, reason: IpcError | null): void {
    this.session = this.#current = undefined
    if (this.#end !== undefined) return
    if (!this.#mayReconnect) return this.#finish(reason, end)
    // A server that goes says so first: one that does not has closed this connection only.
    if (reason === null && !isLeaving) return this.#finish(null, undefined)
    this.#awaySince = this.now()
    // What a listener does comes when all is as it should be.
    this.#dialer.dialAgain()
    this.announce('disconnect', { reason, undelivered })
  }

  #finish(reason: IpcError | null, end: IpcError | undefined): void {
    if (this.#end !== undefined) return
    this.#stop(end ?? isClosed())
    this.#closed(reason)
  }

  /** There will be no further session. */
  #stop(end: IpcError): void {
    this.#end = end
    this.#updateReference()
    this.#away?.fail(end)
  }

  /** The last session is over, too. */
  #closed(reason: IpcError | null): void {
    this.over()
    this.#ended.resolve(reason)
    this.announce('close', reason)
  }

  // ---- what is known of it ----

  get state(): api.ClientState {
    if (this.session !== undefined) return 'open'
    if (this.#end !== undefined) return 'closed'
    return this.#last === undefined ? 'connecting' : 'reconnecting'
  }

  get isOpen(): boolean {
    return this.session !== undefined
  }

  next(): Connection | undefined {
    return this.session
  }

  get isUnresponsive(): boolean {
    return this.session?.isUnresponsive ?? false
  }

  get isLeaving(): boolean {
    return this.#last!.isLeaving
  }

  get peer(): api.Peer {
    return this.#last!.peer
  }

  stats(): api.ClientStats {
    const stats = this.#last!.stats()
    this.#sent?.addDropped(stats)
    return { ...stats, waiting: this.#away?.size ?? 0, reconnects: this.#reconnects }
  }

  totals(): api.Totals {
    const totals = this.#sums.totals()
    this.#sent?.addDropped(totals)
    return totals
  }

  health(): api.Health {
    const connected = this.isOpen
    const responsive = connected && !this.isUnresponsive
    return { ok: responsive, checks: { connected, responsive } }
  }

  // Made when they are needed: most clients are seldom without a session.

  get away(): Away {
    return (this.#away ??= new Away(this.#runtime, this.#settings.native.backlogMax))
  }

  get #sender(): Sender {
    const dropped = (drop: api.Drop) => this.announce('drop', drop)
    return (this.#sent ??= new Sender(this, this.#settings, dropped))
  }

  /** What programs see in place of its sessions. */
  get front(): this {
    return this
  }

  now(): number {
    return this.#runtime.alarms.now()
  }

  get timeoutMs(): number {
    return this.#settings.timeoutMs
  }

  checkWaits(): void {
    if (this.#end !== undefined) throw this.#end
    if (this.#settings.whileAway === 'wait') return
    throw isAway()
  }

  // ---- requests, streams and events ----

  request<Params, Result>(
    method: api.Method<Params, Result> | string,
    params?: Params,
    options?: api.RequestOptions,
  ): Promise<Result> {
    const { session } = this
    if (session !== undefined && !isIdempotent(method)) {
      return session.request(method, params, options)
    }
    return this.#sender.request(method, params, options)
  }

  requestSync<Params, Result>(
    method: api.Method<Params, Result> | string,
    params?: Params,
    options?: api.SyncRequestOptions,
  ): Result {
    return this.#present().requestSync(method, params, options)
  }

  stream<Params, Item, Upload, Result>(
    contract: api.Stream<Params, Item, Upload, Result>,
    params?: Params,
    options?: api.StreamCallOptions,
  ): api.ClientStream<Item, Upload, Result> {
    return this.#sender.stream(contract, params, options)
  }

  notify<Payload>(
    event: api.Event<Payload> | string,
    payload?: Payload,
    options?: api.NotifyOptions,
  ): boolean {
    const { session } = this
    if (session === undefined) return this.#sender.notify(event, payload, options)
    // As a session does it, one call earlier: few things are done as often.
    const contract = asEvent(event)
    const { lane, traceparent } = options === undefined ? NO_OPTIONS : notifyOptions(options)
    const encoded = encodeWith(contract.codec, payload, 'payload')
    return session.sends.notify(contract, encoded, lane, traceparent)
  }

  send<Payload>(
    event: api.Event<Payload> | string,
    payload?: Payload,
    options?: api.NotifyOptions,
  ): Promise<void> {
    return (this.session ?? this.#sender).send(event, payload, options)
  }

  drained(options?: api.WaitOptions): Promise<void> {
    return (this.session ?? this.#sender).drained(options)
  }

  /** The session, for what cannot wait for another. */
  #present(): Connection {
    if (this.session !== undefined) return this.session
    throw this.#end ?? isAway()
  }

  async ping(options?: api.WaitOptions): Promise<number> {
    const checked = waitOptions(options)
    return this.#present().ping(checked)
  }

  // ---- the end ----

  async drain(options?: api.WaitOptions): Promise<void> {
    const checked = waitOptions(options)
    if (this.#end !== undefined) throw this.#end
    this.#isDraining = true
    this.#dialer.stop()
    await this.session?.drain(checked)
    await this.close()
  }

  async close(): Promise<void> {
    if (this.#end === undefined) {
      this.#dialer.stop()
      this.session = undefined
      const end = isClosed()
      this.#stop(end)
      this.#opened.reject(end)
      const closed = [...this.#sessions].map((session) => session.close())
      void Promise.all(closed).then(() => this.#closed(null))
    }
    await this.closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  // ---- references ----

  ref(): this {
    this.#wanted = true
    this.#updateReference()
    return this
  }

  unref(): this {
    this.#wanted = false
    this.#updateReference()
    return this
  }

  #updateReference(): void {
    const isOpen = this.#end === undefined && this.#last !== undefined
    const referenced = isOpen && (this.#wanted ?? this.handlers.size > 0)
    if (referenced === this.#referenced) return
    this.#referenced = referenced
    this.#runtime.hold(referenced ? 1 : -1)
  }

  // ---- for its parts ----

  protected override guard(work: () => void): void {
    this.#runtime.delivery.guard(work)
  }
}

function isAway(): IpcError {
  return new IpcError('ERR_NO_SERVER', 'the server is away, and the client is reconnecting')
}

function isClosed(): IpcError {
  return new IpcError('ERR_CLOSED', 'the client is closed')
}

const OWN = ownEvents<api.ClientEvents>({
  close: true,
  disconnect: true,
  drop: true,
  error: true,
  leaving: true,
  reconnect: true,
  responsive: true,
  unresponsive: true,
})
