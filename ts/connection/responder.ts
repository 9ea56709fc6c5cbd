// The side of a connection that serves: requests and events of the peer, and their handlers.

import type * as api from '../../index.js'
import { BYTES, decodeWith, encodeWith, MESSAGE_PACK, OWN } from '../values/codec.js'
import { Cancellation } from './cancellation.js'
import { Context, type Owner } from './context.js'
import { MethodContract, StreamContract } from '../values/contract.js'
import type { Contract, EventContract } from '../values/contract.js'
import { handlings } from '../values/diagnostics.js'
import { IpcError } from '../values/errors.js'
import type { Handlers, Route } from './handlers.js'
import type { Inbox } from '../runtime/inbox.js'
import type { Link } from './link.js'
import { native, type Extras } from '../native.js'
import { Parking } from './parking.js'
import { encodeError } from '../values/remote-error.js'
import { pump, ServerStream, sourceOf } from './server-stream.js'
import { promised } from '../values/thenable.js'
import { watchedHandler } from './watched.js'

const { KIND_ERROR, KIND_REPLY, KIND_REQUEST, KIND_REQUEST_ITEM } = native

/** Reports a failure that no caller waits for; `what` says where. */
type Report = (thrown: unknown, what: string) => void

export class Responder {
  readonly #connection: Owner
  readonly #link: Link
  readonly #own: Handlers
  readonly #shared: Handlers | undefined
  readonly #report: Report
  /** Where messages wait for their handlers, if they may. */
  readonly #parking: Parking | undefined
  /** What the peer's codes mean, and who handles that. */
  readonly #names: string[] = []
  #routes: (Route | undefined)[] = []
  #listeners: (readonly Route[] | undefined)[] = []
  /** Requests whose handlers have promised an answer, by slot. */
  readonly #serving: (Context | undefined)[] = []
  #servingCount = 0
  #unhandled = 0
  /** Aborts the signals of event handlers. */
  readonly #ended = new Cancellation()
  readonly #eventContexts: Context[] = []

  constructor(
    connection: Owner,
    link: Link,
    own: Handlers,
    shared: Handlers | undefined,
    report: Report,
  ) {
    this.#connection = connection
    this.#link = link
    this.#own = own
    this.#shared = shared
    this.#report = report
    const { settings, runtime } = link
    if (settings.handlerWaitMs > 0) {
      this.#parking = new Parking(this, runtime.alarms, settings.handlerWaitMs)
    }
  }

  get serving(): number {
    return this.#servingCount
  }

  get unhandled(): number {
    return this.#unhandled
  }

  /** The peer will use `code` for `name`. */
  named(code: number, name: string): void {
    this.#names[code] = name
    this.#routes[code] = undefined
    this.#listeners[code] = undefined
  }

  /** What was read of items is to be said now. */
  reportRead(): void {
    for (const context of this.#serving) {
      if (context instanceof ServerStream) context.reader.report()
    }
  }

  /** An event of this name had no handler. */
  notHandled(): void {
    this.#unhandled++
  }

  /** Handlers have come or gone. */
  forgetRoutes(): void {
    this.#routes = []
    this.#listeners = []
    this.#parking?.changed()
  }

  /** A request or an event has come. */
  received(inbox: Inbox, at: number, kind: number, extras: Extras): void {
    if (this.#parking?.waits(inbox, at, kind, extras)) return
    this.take(inbox, at, kind, extras)
  }

  /** The same, to be delivered now. */
  take(inbox: Inbox, at: number, kind: number, extras: Extras): void {
    const code = inbox.code(at)
    if (kind === KIND_REQUEST) {
      const route = this.#routes[code] ?? this.#route(code)
      this.#serve(route, inbox, at, code, extras)
    } else if (kind === KIND_REQUEST_ITEM) {
      const stream = this.#stream(inbox.slot(at), inbox.generation(at))
      stream?.received(inbox, at, extras)
    } else {
      const listeners = this.#listeners[code] ?? this.#listenersOf(code)
      // One that stays is what most events have, and costs no walk.
      if (listeners.length === 1 && !listeners[0].once) {
        this.#emit(listeners[0], inbox, at, code, extras)
      } else {
        this.#emitAll(listeners, inbox, at, code, extras)
      }
    }
  }

  /** The peer grants credit. */
  granted(slot: number, generation: number, total: number): void {
    this.#follow(slot, generation, (stream) => stream.writer.granted(total))
  }

  /** No more items go with a request. */
  itemsEnd(slot: number, generation: number): void {
    this.#follow(slot, generation, (stream) => stream.reader.end())
  }

  #follow(slot: number, generation: number, then: (stream: ServerStream) => void): void {
    const follow = () => {
      const stream = this.#stream(slot, generation)
      if (stream !== undefined) then(stream)
    }
    if (this.#parking === undefined) follow()
    else this.#parking.follow(slot, generation, follow)
  }

  // ---- for what waits for a handler ----

  nameOf(code: number): string {
    return this.#names[code]
  }

  isHandled(name: string, kind: number): boolean {
    const [own, shared] = [this.#own, this.#shared]
    if (kind === KIND_REQUEST) return (own.find(name) ?? shared?.find(name)) !== undefined
    return own.listeners(name).length > 0 || (shared?.listeners(name).length ?? 0) > 0
  }

  redeliver(work: () => void): void {
    this.#link.runtime.delivery.redeliver(work)
  }

  // ---- ends ----

  #stream(slot: number, generation: number): ServerStream | undefined {
    const context = this.#serving[slot]
    if (!(context instanceof ServerStream)) return undefined
    return context.generation === generation ? context : undefined
  }

  /** The reply is no longer wanted. */
  abandoned(slot: number, generation: number): void {
    this.#parking?.drop(slot, generation)
    const context = this.#serving[slot]
    if (context?.generation !== generation) return
    this.#forget(context)
    context.abort(new IpcError('ERR_CANCELLED', 'the reply is no longer wanted'))
  }

  /** The connection is over. */
  end(reason: IpcError): void {
    for (const context of this.#serving) {
      if (context === undefined) continue
      this.#forget(context)
      context.abort(reason)
    }
    this.#unhandled += this.#parking?.clear() ?? 0
    this.#ended.abort(reason)
  }

  #route(code: number): Route | undefined {
    const name = this.#names[code]
    const route = this.#own.find(name) ?? this.#shared?.find(name)
    if (route !== undefined) this.#routes[code] = route
    return route
  }

  // ---- requests ----

  #serve(
    route: Route | undefined,
    inbox: Inbox,
    at: number,
    code: number,
    extras: Extras,
  ): void {
    const window = inbox.window(at)
    if (window > 0 || !(route?.contract instanceof MethodContract)) {
      return this.#serveOther(route, inbox, at, code, extras, window)
    }
    const context = this.#context(inbox, at, code, inbox.deadline(at))
    const { contract, handler } = route
    try {
      const params = decode(route, contract.options.params, inbox, at, extras)
      const result = handlings.isWatched
        ? watched(route, params, context)
        : handler(params, context)
      const later = promised(result)
      if (later === undefined) this.#reply(context, contract, result)
      else this.#promise(context, contract, later)
    } catch (error) {
      this.#fail(context, error)
    }
  }

  /** A handler has promised an answer. */
  #promise(
    context: Context,
    contract: MethodContract | StreamContract,
    answer: Promise<unknown>,
  ): void {
    answer.then(
      (value) => {
        if (this.#forget(context)) this.#reply(context, contract, value)
      },
      (error: unknown) => {
        if (this.#forget(context)) this.#fail(context, error)
      },
    )
    this.#serving[context.slot] = context
    this.#servingCount++
  }

  /** What is no plain request, or finds no plain handler. */
  #serveOther(
    route: Route | undefined,
    inbox: Inbox,
    at: number,
    code: number,
    extras: Extras,
    window: number,
  ): void {
    const name = this.#names[code]
    const isStream = route?.contract instanceof StreamContract
    if (isStream && window > 0) {
      const contract = route.contract
      return this.#serveStream(route, contract, inbox, at, code, extras, window)
    }
    const context = this.#context(inbox, at, code, inbox.deadline(at))
    if (route === undefined) {
      const message = `there is no handler for the method "${name}"`
      return this.#fail(context, new IpcError('ERR_UNKNOWN_METHOD', message))
    }
    const [is, was] = isStream ? ['a stream', 'none'] : ['no stream', 'one']
    const message = `"${name}" is ${is}, but was called as ${was}`
    this.#fail(context, new IpcError('ERR_INVALID_ARGUMENT', message))
  }

  #serveStream(
    route: Route,
    contract: StreamContract,
    inbox: Inbox,
    at: number,
    code: number,
    extras: Extras,
    window: number,
  ): void {
    const [slot, generation, lane] = [inbox.slot(at), inbox.generation(at), inbox.lane(at)]
    const address = { link: this.#link, contract, lane, code, slot, generation, window }
    const stream = new ServerStream(
      this.#connection,
      this.#ended,
      address,
      inbox.deadline(at),
      inbox.trace(at),
      inbox.replayed(at),
    )
    const answer = async () => {
      try {
        const params = decode(route, contract.options.params, inbox, at, extras)
        const result: unknown = await route.handler(params, stream)
        const source = sourceOf(result)
        return source === undefined ? result : await pump(source, stream.writer)
      } finally {
        stream.finish()
      }
    }
    const isWatched = handlings.isWatched
    const run = isWatched ? async () => watchedHandler(contract, stream, answer) : answer
    this.#promise(stream, contract, run())
  }

  #reply(context: Context, contract: MethodContract | StreamContract, value: unknown): void {
    let payload
    let length
    try {
      payload = encodeWith(contract.codec, value, 'result')
      length = this.#link.check(payload)
    } catch (error) {
      return this.#fail(context, error)
    }
    this.#answer(context, KIND_REPLY, contract.format, payload, length)
  }

  #fail(context: Context, error: unknown): void {
    const { peer, settings } = this.#link
    const payload = encodeError(error, peer.messageLenMax, settings.exposeStacks)
    this.#answer(context, KIND_ERROR, MESSAGE_PACK, payload, payload.length)
  }

  #answer(
    context: Context,
    kind: number,
    codec: number,
    payload: Uint8Array,
    length: number,
  ): void {
    const { number, runtime, end } = this.#link
    if (end !== undefined) return
    const { laneNumber, slot, generation } = context
    const { outbox } = runtime
    outbox.kind = kind
    outbox.link = number
    outbox.lane = laneNumber
    outbox.format = codec
    outbox.slot = slot
    outbox.generation = generation
    outbox.append(payload, length, undefined)
  }

  /** Returns whether the answer is still waited for. */
  #forget(context: Context): boolean {
    if (this.#serving[context.slot] !== context) return false
    this.#serving[context.slot] = undefined
    this.#servingCount--
    return true
  }

  // ---- events ----

  #emitAll(
    listeners: readonly Route[],
    inbox: Inbox,
    at: number,
    code: number,
    extras: Extras,
  ): void {
    if (listeners.length === 0) this.#unhandled++
    for (const route of listeners) {
      // It may have been taken back by the one before it.
      if (!route.isActive) continue
      if (route.once) route.remove()
      this.#emit(route, inbox, at, code, extras)
    }
  }

  #listenersOf(code: number): readonly Route[] {
    const name = this.#names[code]
    const [own, shared] = [this.#own.listeners(name), this.#shared?.listeners(name)]
    return (this.#listeners[code] = shared === undefined ? own : [...own, ...shared])
  }

  /** What one handler does to itself is no business of the others. */
  #emit(route: Route, inbox: Inbox, at: number, code: number, extras: Extras): void {
    const { contract, handler } = route
    try {
      const { payload: schema } = (contract as EventContract).options
      const payload = decode(route, schema, inbox, at, extras)
      const context = this.#eventContext(inbox, at, code)
      const result = handlings.isWatched
        ? watched(route, payload, context)
        : handler(payload, context)
      const later = promised(result)
      later?.then(undefined, (error) => this.#reportOf(contract, error))
    } catch (error) {
      this.#reportOf(contract, error)
    }
  }

  #reportOf({ name }: Contract, thrown: unknown): void {
    this.#report(thrown, `a handler of the event "${name}"`)
  }

  /** Events that carry no trace differ in nothing but their lane. */
  #eventContext(inbox: Inbox, at: number, code: number): Context {
    if (inbox.trace(at) !== undefined) return this.#context(inbox, at, code, 0)
    return (this.#eventContexts[inbox.lane(at)] ??= this.#context(inbox, at, code, 0))
  }

  #context(inbox: Inbox, at: number, code: number, deadline: number): Context {
    return new Context(
      this.#connection,
      this.#ended,
      inbox.slot(at),
      inbox.generation(at),
      code,
      inbox.lane(at),
      deadline,
      inbox.trace(at),
      inbox.replayed(at),
    )
  }
}

function watched({ contract, handler }: Route, payload: unknown, context: Context): unknown {
  return watchedHandler(contract, context, () => handler(payload, context))
}

/** The value a handler is called with. */
function decode(
  { contract, borrowed }: Route,
  schema: api.StandardSchema | undefined,
  inbox: Inbox,
  at: number,
  extras: Extras,
): unknown {
  const { codec, codecNumber } = contract
  // Bytes are handed out as they are, so that they are kept unless the handler has promised to be
  // done with them when it returns.
  let payload
  if (codecNumber === BYTES && !borrowed) payload = inbox.kept(at, extras)
  else if (codecNumber === BYTES || codecNumber === OWN) payload = inbox.exposed(at, extras)
  else payload = inbox.borrowed(at, extras)
  const found = inbox.codec(at)
  if (codecNumber === BYTES && found === BYTES && schema === undefined) return payload
  const what = contract.kind === 'event' ? 'payload' : 'params'
  return decodeWith(codec, codecNumber, schema, payload, found, what)
}
