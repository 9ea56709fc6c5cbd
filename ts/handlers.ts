// Handlers by name, of a server or of one connection.

import type * as api from '../index.js'
import { asEither, type Contract } from './contract.js'
import { checkFunction, handleOptions } from './options.js'

export interface Route {
  readonly contract: Contract
  readonly handler: (payload: any, context: api.Context) => unknown
  readonly borrowed: boolean
}

export class Handlers {
  readonly #routes = new Map<string, Route>()
  readonly #changed: () => void

  /** `changed` is called when a name has got another handler or none. */
  constructor(changed: () => void) {
    this.#changed = changed
  }

  get size(): number {
    return this.#routes.size
  }

  find(name: string): Route | undefined {
    return this.#routes.get(name)
  }

  add(
    contract: api.Method<any, any> | api.Event<any> | string,
    handler: Route['handler'],
    options: api.HandleOptions | undefined,
  ): api.Registration {
    const checked = asEither(contract)
    checkFunction('handler', handler)
    const { borrowed = false } = handleOptions(options)
    const route: Route = { contract: checked, handler, borrowed }
    this.#routes.set(checked.name, route)
    this.#changed()
    const dispose = () => {
      if (this.#routes.get(checked.name) !== route) return
      this.#routes.delete(checked.name)
      this.#changed()
    }
    return { dispose, [Symbol.dispose]: dispose }
  }
}
