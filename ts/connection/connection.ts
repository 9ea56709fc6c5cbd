// One end of a connection, the same for both ends.

import type * as api from '../../index.js'
import { Caller, type Inherited, type StreamTerms } from './caller.js'
import type { ClientStream } from './client-stream.js'
import { byLane, linkCounters } from './counters.js'
import { encodeWith } from '../values/codec.js'
import { asEvent, asMethod, asStream } from '../values/contract.js'
import type { MethodContract, StreamContract } from '../values/contract.js'
import { closed, requests, streams } from '../values/diagnostics.js'
import { IpcError, isLoss, parseError } from '../values/errors.js'
import { Handlers } from './handlers.js'
import type { Inbox } from '../runtime/inbox.js'
import type { Owner } from './context.js'
import { Link } from './link.js'
import { Liveness } from './liveness.js'
import { native, type Extras } from '../native.js'
import type { NativeTotals } from '../../native/binding.js'
import type { Counted } from './sums.js'
import {
  LANES,
  NO_OPTIONS,
  notifyOptions,
  requestOptions,
  streamCallOptions,
  syncOptions,
  waitOptions,
  type Settings,
} from '../values/options.js'
import { Endpoint, ownEvents } from './endpoint.js'
import { Responder } from './responder.js'
import type { Receiver } from '../runtime/receiver.js'
import type { Runtime } from '../runtime/runtime.js'
import { Sends, wereDropped } from './sends.js'
import { TimedCaller } from './timed-caller.js'
import { Waiters } from './wait.js'
import { watchedRequest, watchedStream, watchedSync } from './watched.js'

const {
  EVENT_ABANDONED,
  EVENT_DRAINED,
  EVENT_DROPPED,
  EVENT_ENDED,
  EVENT_GRANTED,
  EVENT_ITEMS_END,
  EVENT_NAMED,
  EVENT_REFUSED,
  EVENT_SENT,
  EVENT_UNREAD,
  EVENT_UNREADABLE,
  ENDED_PEER_LOST,
  KIND_ERROR,
  KIND_REPLY,
  KIND_REPLY_ITEM,
  KIND_REQUEST_ITEM,
} = native

export class Connection
  extends Endpoint<api.ConnectionEvents>
  implements api.Connection, Owner, Receiver
{
  readonly closed: Promise<api.IpcError | null>
  readonly #link: Link
  readonly #caller: Caller
  readonly #responder: Responder
  /** One-way messages that are bytes already. */
  readonly sends: Sends
  readonly #liveness: Liveness
  readonly handlers: Handlers
  #resolveClosed!: (reason: api.IpcError | null) => void
  #isClosing = false
  #isOver = false
  /** Callers of `drained`. */
  readonly #draining: Waiters
  /** Events its lanes have dropped. */
  #dropped = 0
  /** What it belongs to. */
  readonly #holder: Holder
  /** Bytes of each lane that the peer has not read, once it is over. */
  undelivered: Record<api.Lane, number> = byLane()
  /** What `ref` and `unref` said last. */
  #wanted: boolean | undefined
  #referenced = false
  /** What the engine has counted in the end. */
  #last: NativeTotals | undefined

  constructor(
    runtime: Runtime,
    readonly link: number,
    peer: api.Peer,
    settings: Settings,
    holder: Holder,
  ) {
    super(OWN)
    this.#link = new Link(runtime, link, peer, settings)
    this.#caller = new (settings.methodLatency ? TimedCaller : Caller)(this.#link)
    this.sends = new Sends(this.#link, this)
    this.#liveness = new Liveness(this.#link, {
      close: () => this.close(),
      announce: (event) => this.announce(event),
    })
    this.#draining = new Waiters(runtime, 'room in the rings')
    this.#holder = holder
    const { front, handlers: shared } = holder
    const accept = (method: string) => runtime.engine.acceptPacked(method)
    this.handlers = front ? shared : new Handlers(() => this.handlersChanged(), accept)
    const report = (thrown: unknown, what: string) => this.report(thrown, what)
    const others = front ? undefined : shared
    this.#responder = new Responder(this, this.#link, this.handlers, others, report)
    this.closed = new Promise((resolve) => (this.#resolveClosed = resolve))
  }

  get peer(): api.Peer {
    return this.#link.peer
  }

  get isOpen(): boolean {
    return this.#link.end === undefined
  }

  // ---- requests, streams and events ----

  request<Params, Result>(
    method: api.Method<Params, Result> | string,
    params?: Params,
    options?: api.RequestOptions,
  ): Promise<Result> {
    try {
      const contract = asMethod(method)
      if (requests.look()) {
        const given = options === undefined ? NO_OPTIONS : requestOptions(options)
        return watchedRequest(this.front, contract, given, (traceparent) =>
          this.#caller.requestWith(contract, params, { ...given, traceparent }),
        )
      }
      return options === undefined
        ? this.#caller.request(contract, params)
        : this.#caller.requestWith(contract, params, requestOptions(options))
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** Asks with params that are bytes already; `replayed` is set where it was sent before. */
  requestEncoded(
    contract: MethodContract,
    params: Uint8Array,
    lane: api.Lane | undefined,
    terms: Inherited,
    replayed: number | undefined,
  ): Promise<unknown> {
    const ask = (traceparent: string | undefined) =>
      this.#caller.requestEncoded(contract, params, lane, { ...terms, traceparent }, replayed)
    const { traceparent } = terms
    if (!requests.look()) return ask(traceparent)
    return watchedRequest(this.front, contract, { lane, traceparent }, ask)
  }

  requestSync<Params, Result>(
    method: api.Method<Params, Result> | string,
    params?: Params,
    options?: api.SyncRequestOptions,
  ): Result {
    const checked = options === undefined ? NO_OPTIONS : syncOptions(options)
    const contract = asMethod(method)
    if (!requests.look()) return this.#caller.requestSync(contract, params, checked) as Result
    return watchedSync(this.front, contract, checked, (traceparent) =>
      this.#caller.requestSync(contract, params, { ...checked, traceparent }),
    ) as Result
  }

  stream<Params, Item, Upload, Result>(
    contract: api.Stream<Params, Item, Upload, Result>,
    params?: Params,
    options?: api.StreamCallOptions,
  ): api.ClientStream<Item, Upload, Result> {
    const checked = asStream(contract)
    const given = streamCallOptions(options)
    if (!streams.look()) return this.#caller.stream(checked, params, given)
    return watchedStream(this.front, checked, given, (traceparent) =>
      this.#caller.stream(checked, params, { ...given, traceparent }),
    )
  }

  /** The same, where the params are bytes already. */
  streamEncoded(
    contract: StreamContract,
    params: Uint8Array,
    options: StreamTerms,
    terms: Inherited,
  ): ClientStream {
    const ask = (traceparent: string | undefined) =>
      this.#caller.streamEncoded(contract, params, options, { ...terms, traceparent })
    const [{ lane }, { traceparent }] = [options, terms]
    if (!streams.look()) return ask(traceparent)
    return watchedStream(this.front, contract, { lane, traceparent }, ask)
  }

  notify<Payload>(
    event: api.Event<Payload> | string,
    payload?: Payload,
    options?: api.NotifyOptions,
  ): boolean {
    const contract = asEvent(event)
    const { lane, traceparent } = options === undefined ? NO_OPTIONS : notifyOptions(options)
    const encoded = encodeWith(contract.codec, payload, 'payload')
    return this.sends.notify(contract, encoded, lane, traceparent)
  }

  async send<Payload>(
    event: api.Event<Payload> | string,
    payload?: Payload,
    options?: api.NotifyOptions,
  ): Promise<void> {
    const contract = asEvent(event)
    const checked = options === undefined ? NO_OPTIONS : notifyOptions(options)
    return this.sends.send(contract, encodeWith(contract.codec, payload, 'payload'), checked)
  }

  async drained(options?: api.WaitOptions): Promise<void> {
    const checked = waitOptions(options)
    const link = this.#link
    link.runtime.outbox.submit()
    if (link.end !== undefined) throw link.end
    if (!link.hasBacklog) return
    const dropped = this.#dropped
    await this.#draining.wait(checked, true)
    if (this.#dropped !== dropped) throw wereDropped(this.#dropped - dropped)
  }

  // ---- handlers ----

  /** Handlers of this connection or of its server have come or gone. */
  handlersChanged(): void {
    this.#responder.forgetRoutes()
    this.#updateReference()
  }

  // ---- whether the peer is there ----

  get isUnresponsive(): boolean {
    return this.#liveness.isUnresponsive
  }

  get isLeaving(): boolean {
    return this.#liveness.isLeaving
  }

  ping(options?: api.WaitOptions): Promise<number> {
    return this.#liveness.ping(options)
  }

  /** Its server is about to leave. */
  leave(): void {
    this.#liveness.leave()
  }

  // ---- the end ----

  drain(options?: api.WaitOptions): Promise<void> {
    return this.#liveness.drain(options)
  }

  async close(): Promise<void> {
    if (!this.#isClosing && this.#link.end === undefined) {
      const { runtime, number } = this.#link
      this.#isClosing = true
      this.#link.end = new IpcError('ERR_CLOSED', 'the connection is closed')
      // Until the end has come, which takes a turn of the loop.
      runtime.hold(1)
      runtime.engine.close(number, false)
    }
    await this.closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  // ---- counters and references ----
  stats(): api.ConnectionStats {
    const { runtime, number } = this.#link
    const { lostWakeups, wakesBy } = runtime.engine.stats()
    const { failures, latencies, ...counted } = this.counted
    return {
      ...linkCounters(this.#last?.stats() ?? runtime.engine.linkStats(number)),
      errors: failures.toObject(),
      methods: latencies?.toObject(),
      ...counted,
      lostWakeups,
      wakesBy: wakesBy as 'loop' | 'thread',
    }
  }

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

  // ---- called by the runtime ----

  /** Requests in flight. */
  get pending(): number {
    return this.#caller.pending
  }

  /** What is called when none is in flight any more. */
  set onIdle(idle: () => void) {
    this.#caller.onIdle = idle
  }

  /** Why nothing can be sent, once that is so. */
  get end(): IpcError | undefined {
    return this.#link.end
  }

  get counted(): Counted {
    const { failures, pending } = this.#caller
    const { serving, unhandled } = this.#responder
    const latencies = this.#caller instanceof TimedCaller ? this.#caller.latencies : undefined
    return { failures, pending, latencies, serving, unhandled }
  }

  /** The connection as handlers know it. */
  get front(): api.Connection {
    return this.#holder.front ?? this
  }

  /** Milliseconds of the monotonic clock. */
  now(): number {
    return this.#link.runtime.alarms.now()
  }

  /** Bytes that wait for room, as of now; none once it is over or closing. */
  get unwritten(): number {
    const { end, number, runtime } = this.#link
    return end === undefined ? (runtime.engine.linkStats(number)?.queued ?? 0) : 0
  }

  /** Whether the reply to this request is no longer wanted. */
  isAbandoned(slot: number, generation: number): boolean {
    const { end, number, runtime } = this.#link
    return end !== undefined || runtime.isAbandoned(number, slot, generation)
  }

  received(inbox: Inbox, at: number, kind: number, extras: Extras): void {
    if (kind === KIND_REPLY || kind === KIND_ERROR) this.#caller.answered(inbox, at, kind, extras)
    else if (kind === KIND_REPLY_ITEM) this.#caller.item(inbox, at, extras)
    else if (this.#link.end === undefined) this.#responder.received(inbox, at, kind, extras)
  }

  event(inbox: Inbox, at: number, kind: number): void {
    switch (kind) {
      case EVENT_NAMED:
        return this.#responder.named(inbox.about(at), inbox.text(at))
      case EVENT_ENDED:
        if (inbox.about(at) === ENDED_PEER_LOST) this.#holder.losing?.(this)
        return this.#caller.ended(inbox.slot(at), inbox.generation(at), inbox.about(at))
      case EVENT_ABANDONED:
        return this.#responder.abandoned(inbox.slot(at), inbox.generation(at))
      case EVENT_DRAINED:
        return this.#drained()
      case EVENT_DROPPED:
        return this.#eventsDropped(inbox.lane(at), inbox.count(at))
      case EVENT_UNREAD:
        return this.#responder.reportRead()
      case EVENT_UNREADABLE:
        return this.#unreadable(inbox.text(at))
      case EVENT_GRANTED: {
        const side = inbox.about(at) === KIND_REQUEST_ITEM ? this.#caller : this.#responder
        return side.granted(inbox.slot(at), inbox.generation(at), inbox.count(at))
      }
      case EVENT_ITEMS_END:
        return this.#responder.itemsEnd(inbox.slot(at), inbox.generation(at))
      case EVENT_SENT:
        return this.sends.settled(inbox.slot(at), inbox.generation(at), inbox.text(at))
      case EVENT_REFUSED:
        return this.#refused(inbox.slot(at), inbox.generation(at), inbox.text(at))
      default:
        return this.#liveness.event(inbox, at, kind)
    }
  }

  #refused(slot: number, generation: number, description: string): void {
    const error = parseError(description)
    // The engine knows before it has said so.
    if (error.code === 'ERR_PEER_LOST') this.#holder.losing?.(this)
    if (generation === 0) this.report(error, 'an event that was to be sent')
    else this.#caller.refused(slot, generation, error)
  }

  /** A full lane has dropped events. */
  #eventsDropped(lane: number, count: number): void {
    this.#dropped += count
    this.announce('drop', { lane: LANES[lane], count })
  }

  /** An event of the peer could not be read. */
  #unreadable(description: string): void {
    const error = parseError(description)
    this.#responder.notHandled()
    this.report(error, 'an event that has arrived')
  }

  #drained(): void {
    for (const writer of this.#link.stalled) writer.wake()
    if (!this.#link.hasBacklog) this.#draining.resolve()
  }

  /** The engine has nothing of it any more; every request has had its outcome. */
  hasClosed(description: string, undelivered?: number[]): void {
    const { number, runtime } = this.#link
    const reason = description === '' ? null : parseError(description)
    this.undelivered = byLane(undelivered)
    if (this.#isClosing) runtime.hold(-1)
    const isInOrder = reason === null && this.isLeaving
    const end = (this.#link.end ??= new IpcError(
      isInOrder ? 'ERR_CLOSED' : 'ERR_PEER_LOST',
      reason?.message ?? 'the peer has closed',
      { cause: reason ?? undefined },
    ))
    this.#isOver = true
    this.#updateReference()
    this.guard(() => this.#responder.end(end))
    this.#caller.end(end)
    this.sends.end(end)
    this.#draining.reject(end)
    this.#liveness.end(end, description)
    if (this.#holder.front === undefined) this.over()
    this.#holder.left(this, reason)
    // Most are never asked for it.
    this.#last = new native.NativeTotals()
    this.#last.add(runtime.engine, number)
    runtime.engine.forget(number)
    if (closed.hasSubscribers) closed.publish({ connection: this.front, peer: this.peer, reason })
    this.#resolveClosed(reason)
    this.announce('close', reason)
  }

  // ---- parts ----

  protected override guard(work: () => void): void {
    this.#link.runtime.delivery.guard(work)
  }

  /** What it says of itself is said by what stands for it. */
  protected override announce(name: string | symbol, ...details: unknown[]): void {
    if (this.#holder.front === undefined) super.announce(name, ...details)
    else this.#holder.front.echo(this, name, details)
  }

  override report(thrown: unknown, what: string): void {
    // A failure caused by the end of the connection is reported by `close`.
    if (this.#link.end !== undefined && isLoss(thrown)) return
    const { front } = this.#holder
    if (front === undefined) super.report(thrown, what)
    else front.report(thrown, what)
  }

  #updateReference(): void {
    if (this.#holder.front !== undefined) return
    const referenced = !this.#isOver && (this.#wanted ?? (this.handlers.size > 0 && this.isOpen))
    if (referenced === this.#referenced) return
    this.#referenced = referenced
    this.#link.runtime.hold(referenced ? 1 : -1)
  }
}

/** What a connection belongs to: the server it came to, or the client that made it. */
export interface Holder {
  readonly handlers: Handlers
  /** What programs see in place of the connection. */
  readonly front?: Front
  /** The peer is lost, and requests begin to end. */
  losing?(connection: Connection): void
  /** It is over. */
  left(connection: Connection, reason: IpcError | null): void
}

export interface Front extends api.Connection {
  report(thrown: unknown, what: string): void
  /** The connection has emitted one of its own events. */
  echo(connection: Connection, name: string | symbol, details: unknown[]): void
}

const OWN = ownEvents<api.ConnectionEvents>({
  close: true,
  drop: true,
  error: true,
  leaving: true,
  responsive: true,
  unresponsive: true,
})
