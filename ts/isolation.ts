// The async context of a message is its own: what a handler enters with AsyncLocalStorage.enterWith()
// is seen by nothing that is delivered after it.
//
// To run each message in a context of its own costs a fifth of what a small message costs. So a batch
// is run in one, which notices when something is entered; then the rest of it is run anew. How that is
// noticed depends on what keeps stores: until Node 22 an async resource, as properties that are
// symbols, since Node 24 a map that is copied for each change. Where neither is found to work each
// message is run by itself.

import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks'
import { types } from 'node:util'

const { runInAsyncScope } = AsyncResource.prototype
const NAME = 'RINGPOST'

/** A context that tells when something was entered in it. */
interface Scope {
  readonly resource: AsyncResource
  /** Takes out again what was entered. */
  clean(): void
}

export class Isolation {
  /** What ran last has left something behind, so that the next is to be run anew. */
  isSpoiled = false
  readonly #scope: Scope
  readonly #isTold: boolean

  constructor() {
    const spoil = () => (this.isSpoiled = true)
    const found = this.#find([onResource, onFrame], spoil)
    this.#isTold = found !== undefined
    this.#scope = found ?? { resource: new AsyncResource(NAME), clean: () => {} }
    this.isSpoiled = !this.#isTold
  }

  #find(kinds: ((spoil: () => void) => Scope | undefined)[], spoil: () => void): Scope | undefined {
    for (const make of kinds) {
      const scope = make(spoil)
      this.isSpoiled = false
      if (scope !== undefined && isLeftClean(scope) && this.isSpoiled) return scope
    }
    return undefined
  }

  /** Runs a batch, or what is left of it. It has to come back when it finds this spoiled. */
  run(batch: () => void): void {
    if (this.isSpoiled && this.#isTold) {
      this.#scope.clean()
      this.isSpoiled = false
    }
    runInAsyncScope.call(this.#scope.resource, batch)
  }
}

/** Stores are properties of the resource that is current; a prototype hears of new ones. */
function onResource(spoil: () => void): Scope {
  const entered: (string | symbol)[] = []
  const heard = new Proxy(AsyncResource.prototype, {
    set(_, key, value, resource: object) {
      entered.push(key)
      spoil()
      return Reflect.defineProperty(resource, key, {
        ...{ value, configurable: true, enumerable: true, writable: true },
      })
    },
  })
  class Resource extends AsyncResource {}
  Object.setPrototypeOf(Resource.prototype, heard)
  const resource = new Resource(NAME)
  const clean = () => {
    for (const key of entered.splice(0)) Reflect.deleteProperty(resource, key)
  }
  // Behind its own properties, of which the last is who has triggered it, lie the stores of whoever
  // makes the first connection.
  const own = entered.splice(0)
  const last = own.findIndex((key) => Reflect.get(resource, key) === resource.triggerAsyncId())
  entered.push(...own.slice(last + 1))
  clean()
  return { resource, clean }
}

/** Stores are entries of the map that is current, which is copied before another is added. */
function onFrame(spoil: () => void): Scope | undefined {
  const storage = new AsyncLocalStorage<boolean>()
  const resource = storage.run(true, () => new AsyncResource(NAME))
  storage.disable()
  const frame = Object.getOwnPropertySymbols(resource)
    .map((key) => Reflect.get(resource, key) as unknown)
    .find((value) => types.isMap(value))
  if (frame === undefined) return undefined
  // A map of Node's own, whose methods are not those of others.
  Map.prototype.clear.call(frame)
  Object.defineProperty(frame, Symbol.iterator, {
    value() {
      spoil()
      return Map.prototype[Symbol.iterator].call(frame)
    },
  })
  return { resource, clean: () => {} }
}

/** Enters something. Whether it is gone afterwards. */
function isLeftClean({ resource, clean }: Scope): boolean {
  const storage = new AsyncLocalStorage<boolean>()
  try {
    runInAsyncScope.call(resource, () => storage.enterWith(true))
    clean()
    return runInAsyncScope.call(resource, () => storage.getStore()) === undefined
  } finally {
    storage.disable()
  }
}
