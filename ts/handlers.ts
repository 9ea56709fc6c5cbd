// Handlers by name, of a server or of one connection. A method has one, an event any number.

import type * as api from '../index.js'
import { asAny, EventContract, type Contract } from './contract.js'
import { checkFunction, handleOptions } from './options.js'

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
  /** Lists that are replaced and never changed, so that they can be walked while handlers come and go. */
  readonly #events = new Map<string, readonly Route[]>()
  readonly #changed: () => void
  readonly #acceptPacked: (name: string) => void

  /** `changed` is called when a name has got another handler or one less, `acceptPacked` when one of
   * a name takes payloads that come compressed. */
  constructor(changed: () => void, acceptPacked: (name: string) => void) {
    this.#changed = changed
    this.#acceptPacked = acceptPacked
  }

  get size(): number {
    return this.#methods.size + this.#events.size
  }

  /** Who answers requests of this name. */
  find(name: string): Route | undefined {
    return this.#methods.get(name)
  }

  /** Who takes events of this name, in the order in which they came. */
  listeners(name: string): readonly Route[] {
    return this.#events.get(name) ?? NONE
  }

  add(
    contract: api.AnyContract | string,
    handler: Route['handler'],
    options: api.ListenOptions | undefined,
  ): api.Registration {
    const checked = asAny(contract)
    checkFunction('handler', handler)
    const { borrowed = false, once = false, signal } = handleOptions(options)
    const remove = () => {
      signal?.removeEventListener('abort', remove)
      if (!route.isActive) return
      route.isActive = false
      this.#remove(route)
      this.#changed()
    }
    const route: Route = { contract: checked, handler, borrowed, once, isActive: true, remove }
    const registration = { dispose: remove, [Symbol.dispose]: remove }
    if (signal?.aborted) return registration
    signal?.addEventListener('abort', remove, { once: true })
    this.#add(route)
    this.#changed()
    return registration
  }

  #add(route: Route): void {
    const { contract } = route
    if (contract.compresses) this.#acceptPacked(contract.name)
    if (contract instanceof EventContract) {
      this.#events.set(contract.name, [...this.listeners(contract.name), route])
    } else {
      this.#methods.set(contract.name, route)
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
