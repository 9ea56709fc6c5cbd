// What connections and servers have in common: they emit events of their own, and those of the peer
// by contract or by name.

import { errorMonitor, EventEmitter } from 'node:events'
import type * as api from '../../index.js'
import { asEvent, EventContract } from '../values/contract.js'
import { EventQueue } from './event-queue.js'
import type { Handlers } from './handlers.js'
import { eventsOptions } from '../values/options.js'
import { asError, warn } from '../values/report.js'

type Listener = (...details: any[]) => void

/** Emitted by emitters of any kind. Helpers of Node.js always listen to `error` as well. */
const EVERY_EMITTERS = ['error', 'newListener', 'removeListener']

/** The names of the events an emitter has of its own, of which none may be missing. */
export function ownEvents<Events>(own: Record<keyof Events, true>): ReadonlySet<unknown> {
  return new Set([...EVERY_EMITTERS, ...Object.keys(own)])
}

export abstract class Endpoint<
  Events extends Record<keyof Events, any[]>,
> extends EventEmitter<Events> {
  abstract readonly handlers: Handlers
  /** The events it emits itself, which are never events of the peer. */
  readonly #own: ReadonlySet<unknown>
  /** Event queues, which end with this. */
  #queues: Set<EventQueue> | undefined
  #isOver = false

  /** `own` is what {@link ownEvents} makes, once for all of a kind. */
  constructor(own: ReadonlySet<unknown>) {
    super()
    this.#own = own
  }

  handle(
    contract: api.AnyContract | string,
    handler: (payload: any, context: any) => unknown,
    options?: api.HandleOptions,
  ): api.Registration {
    return this.handlers.add(contract, handler, options)
  }

  events<Payload>(
    event: api.Event<Payload> | string,
    options?: api.EventsOptions,
  ): AsyncIterableIterator<Payload> {
    const { signal, waitingMax } = eventsOptions(options)
    const contract = asEvent(event)
    const queue = new EventQueue(contract, waitingMax)
    if (this.#isOver) queue.end()
    else if (signal?.aborted) queue.end(signal.reason)
    else {
      const registration = this.handlers.add(contract, (payload) => queue.push(payload), undefined)
      const queues = (this.#queues ??= new Set())
      queues.add(queue)
      queue.open(signal, () => {
        registration.dispose()
        queues.delete(queue)
      })
    }
    return queue
  }

  // ---- the ways of an emitter ----

  override on(name: any, listener: any, options?: api.ListenOptions): any {
    const contract = this.#event(name)
    if (contract === undefined) return super.on(name, listener)
    return this.#listen(name, this.handlers.add(contract, listener, options))
  }

  override once(name: any, listener: any, options?: api.ListenOptions): any {
    const contract = this.#event(name)
    if (contract === undefined) return super.once(name, listener)
    const registration = this.handlers.add(contract, listener, { ...options, once: true })
    return this.#listen(name, registration)
  }

  override addListener(name: any, listener: any, options?: api.ListenOptions): any {
    return this.on(name, listener, options)
  }

  override prependListener(name: any, listener: any, options?: api.ListenOptions): any {
    const contract = this.#event(name)
    if (contract === undefined) return super.prependListener(name, listener)
    return this.#listen(name, this.handlers.add(contract, listener, options, true))
  }

  override prependOnceListener(name: any, listener: any, options?: api.ListenOptions): any {
    const contract = this.#event(name)
    if (contract === undefined) return super.prependOnceListener(name, listener)
    const registration = this.handlers.add(contract, listener, { ...options, once: true }, true)
    return this.#listen(name, registration)
  }

  override removeListener(name: any, listener: any): this {
    const contract = this.#event(name)
    if (contract === undefined) return super.removeListener(name, listener)
    this.handlers.remove(contract.name, listener)
    return this
  }

  override off(name: any, listener: any): this {
    return this.removeListener(name, listener)
  }

  override removeAllListeners(name?: any): this {
    const contract = this.#event(name)
    if (contract !== undefined) this.handlers.removeAll(contract.name)
    else if (name !== undefined) super.removeAllListeners(name)
    else {
      super.removeAllListeners()
      this.handlers.removeAll()
    }
    return this
  }

  override listeners(name: any): any[] {
    const contract = this.#event(name)
    if (contract === undefined) return super.listeners(name)
    return this.handlers.listeners(contract.name).map(({ handler }) => handler)
  }

  override rawListeners(name: any): any[] {
    return this.#event(name) === undefined ? super.rawListeners(name) : this.listeners(name)
  }

  override listenerCount(name: any, listener?: any): number {
    if (this.#event(name) === undefined) return super.listenerCount(name, listener)
    const listeners = this.listeners(name)
    return listener === undefined
      ? listeners.length
      : listeners.filter((one) => one === listener).length
  }

  override eventNames(): any[] {
    return [...super.eventNames(), ...this.handlers.eventNames]
  }

  override emit(name: any, ...details: any): boolean {
    const contract = this.#event(name)
    if (contract === undefined) return super.emit(name, ...details)
    const event = `the event "${contract.name}"`
    const message = `${event} is sent by the peer: use notify() to send one to it`
    throw Object.assign(new TypeError(message), { code: 'ERR_INVALID_ARGUMENT' })
  }

  /** The event of the other side that is meant; `undefined`: it is one of its own. */
  #event(name: unknown): EventContract | undefined {
    if (name instanceof EventContract) return name
    if (name === undefined || typeof name === 'symbol' || this.#own.has(name)) return undefined
    return asEvent(name as string)
  }

  #listen(name: unknown, registration: api.Registration): api.Registration | this {
    return typeof name === 'string' ? this : registration
  }

  // ---- for those who are one ----

  /** Calls all listeners, each guarded by itself. */
  protected announce(name: string | symbol, ...details: unknown[]): void {
    for (const listener of super.rawListeners(name as never)) {
      this.guard(() => (listener as unknown as Listener).apply(this, details))
    }
  }

  /** A failure that no caller waits for; `what` says where. */
  report(thrown: unknown, what: string): void {
    if (this.listenerCount('error') === 0) return warn(`${what} failed`, { error: thrown })
    const error = asError(thrown, what)
    this.announce(errorMonitor, error)
    this.announce('error', error)
  }

  /** Runs user code, isolating its failures. */
  protected abstract guard(work: () => void): void

  /** Nothing more will come. */
  protected over(): void {
    this.#isOver = true
    for (const queue of this.#queues ?? []) queue.end()
    this.handlers.close()
  }
}
