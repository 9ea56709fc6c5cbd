// Handlers by name, of a server or of one connection. A method has one, an event any number.

import type * as api from '../../index.js'
import { asAny, EventContract, type Contract } from '../values/contract.js'
import { checkFunction } from '../values/checks.js'
import { handleOptions } from '../values/options.js'
import { onAbort } from '../values/signals.js'

export interface Route {
  readonly contract: Contract
  readonly handler: (payload: any, context: any) => unknown
  readonly borrowed: boolean
  /** Is called once, and taken back before that. */
  readonly once: boolean
  /** Was not taken back. */
  isActive: boolean
  remove(): void
}

const NONE: readonly Route[] = []

export class Handlers {
  readonly #methods = new Map<string, Route>()
  /** Lists that are replaced and never changed, so that they can be walked while handlers come and
   * go. */
  readonly #events = new Map<string, readonly Route[]>()
  readonly #changed: () => void
  readonly #acceptPacked: (name: string) => void
  #isClosed = false

  /** `changed` is called when a name has got another handler or one less, `acceptPacked` when one
   * of a name takes payloads that come compressed. */
  constructor(changed: () => void, acceptPacked: (name: string) => void) {
    this.#changed = changed
    this.#acceptPacked = acceptPacked
  }

  get size(): number {
    return this.#methods.size + this.#events.size
  }

  /** The handler for requests of this name. */
  find(name: string): Route | undefined {
    return this.#methods.get(name)
  }

  /** The handlers for events of this name, in the order of registration. */
  listeners(name: string): readonly Route[] {
    return this.#events.get(name) ?? NONE
  }

  /** Events that have handlers. */
  get eventNames(): string[] {
    return [...this.#events.keys()]
  }

  /** `first`: it takes an event before all others do. */
  add(
    contract: api.AnyContract | string,
    handler: Route['handler'],
    options: api.ListenOptions | undefined,
    first = false,
  ): api.Registration {
    const checked = asAny(contract)
    checkFunction('handler', handler)
    const { borrowed = false, once = false, signal } = handleOptions(options)
    const remove = () => {
      stop?.()
      if (!route.isActive) return
      route.isActive = false
      this.#remove(route)
      this.#changed()
    }
    const route: Route = { contract: checked, handler, borrowed, once, isActive: true, remove }
    // Where nothing will come any more, nothing is kept for it.
    const isKept = !signal?.aborted && !this.#isClosed
    const stop = isKept && signal ? onAbort(signal, remove) : undefined
    if (isKept) {
      this.#add(route, first)
      this.#changed()
    }
    return { dispose: remove, [Symbol.dispose]: remove }
  }

  /** Takes back the last of those that take an event of this name with this function. */
  remove(name: string, handler: unknown): void {
    const routes = this.listeners(name)
    for (let at = routes.length - 1; at >= 0; at--) {
      if (routes[at].handler === handler) return routes[at].remove()
    }
  }

  /** Takes back all that take events of this name, or of any. */
  removeAll(name?: string): void {
    const names = name === undefined ? this.eventNames : [name]
    for (const route of names.flatMap((one) => this.listeners(one))) route.remove()
  }

  /** Nothing will come any more: handlers are let go, and let go of their signals. */
  close(): void {
    this.#isClosed = true
    const events = [...this.#events.values()].flat()
    for (const route of [...this.#methods.values(), ...events]) route.remove()
  }

  #add(route: Route, first: boolean): void {
    const { contract } = route
    if (contract.compresses) this.#acceptPacked(contract.name)
    if (contract instanceof EventContract) {
      const others = this.listeners(contract.name)
      this.#events.set(contract.name, first ? [route, ...others] : [...others, route])
    } else {
      // One that is replaced needs no signal any more.
      const before = this.#methods.get(contract.name)
      this.#methods.set(contract.name, route)
      before?.remove()
    }
  }

  #remove(route: Route): void {
    const { name } = route.contract
    // A later handler of a method has replaced it.
    if (this.#methods.get(name) === route) this.#methods.delete(name)
    const left = this.listeners(name).filter((other) => other !== route)
    if (left.length > 0) this.#events.set(name, left)
    else this.#events.delete(name)
  }
}
