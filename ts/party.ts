// What connections and servers have in common: they are told things, by their own names and by
// contracts.

import { EventEmitter } from 'node:events'
import type * as api from '../index.js'
import { asEvent, isContract } from './contract.js'
import { EventQueue } from './event-queue.js'
import type { Handlers } from './handlers.js'
import { eventsOptions } from './options.js'

export abstract class Party<Events extends Record<keyof Events, any[]>> extends EventEmitter<Events> {
  abstract readonly handlers: Handlers
  /** Event queues, which end with this. */
  readonly #queues = new Set<EventQueue>()

  handle(
    contract: api.AnyContract | string,
    handler: (payload: any, context: any) => unknown,
    options?: api.HandleOptions,
  ): api.Registration {
    return this.handlers.add(contract, handler, options)
  }

  override on(name: any, listener: any, options?: api.ListenOptions): any {
    if (!isContract(name, 'event')) return super.on(name, listener)
    return this.handlers.add(name, listener, options)
  }

  override once(name: any, listener: any, options?: api.ListenOptions): any {
    if (!isContract(name, 'event')) return super.once(name, listener)
    return this.handlers.add(name, listener, { ...options, once: true })
  }

  events<Payload>(
    contract: api.Event<Payload>,
    options?: api.EventsOptions,
  ): AsyncIterableIterator<Payload> {
    const { signal, waitingMax } = eventsOptions(options)
    const queue = new EventQueue(asEvent(contract), waitingMax, signal, () => {
      registration.dispose()
      this.#queues.delete(queue)
    })
    const registration = this.handlers.add(contract, (payload) => queue.push(payload), undefined)
    this.#queues.add(queue)
    return queue
  }

  /** Nothing more will come. */
  protected endQueues(): void {
    for (const queue of this.#queues) queue.end()
  }
}
