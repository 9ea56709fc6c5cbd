// The async context of a message is its own: what a handler enters with
// AsyncLocalStorage.enterWith() is seen by nothing that is delivered after it.
//
// To run each message in a context of its own would cost every message something, and nearly all of
// them enter nothing. The binding enters JavaScript in one context
// for a whole batch, which notices when something is entered; then the rest of the batch is run
// anew. How that is noticed depends on what keeps stores: until Node 22 an async resource, as
// properties that are symbols, since Node 24 a map that is copied for each change. Where neither is
// found to work each message is run by itself.

import { AsyncLocalStorage, AsyncResource, executionAsyncId } from 'node:async_hooks'
import { types } from 'node:util'

const { runInAsyncScope } = AsyncResource.prototype
const NAME = 'RINGPOST'

/** A context that notices when a store is entered in it. */
interface Scope {
  readonly resource: AsyncResource
  /** Takes out again what was entered. */
  clean(): void
  /** Whether it is the one that is current. */
  isCurrent(): boolean
}

export class Isolation {
  /** What ran last has left something behind, so that the next is to be run anew. */
  isSpoiled = false
  readonly #scope: Scope
  readonly #isTold: boolean
  /** The binding enters in this context. */
  #isEntered: boolean | undefined

  constructor() {
    const spoil = () => (this.isSpoiled = true)
    // Not found out by entering something: who does that where resources are used pays for every
    // promise from then on.
    const byResource = '_propagate' in AsyncLocalStorage.prototype
    const found = byResource ? onResource(spoil) : onFrame(spoil)
    this.#isTold = found !== undefined && this.isSpoiled
    this.#scope = found !== undefined && this.#isTold ? found : onNothing()
    this.isSpoiled = !this.#isTold
  }

  /** What stands for the context. */
  get resource(): object {
    return this.#scope.resource
  }

  /** Makes something that belongs to this context. */
  within<T>(make: () => T): T {
    return runInAsyncScope.call(this.#scope.resource, make) as T
  }

  /** Runs a batch the binding has entered with. It has to come back when it finds this spoiled. */
  enter(batch: () => void): void {
    this.#isEntered ??= this.#isTold && this.#scope.isCurrent()
    if (!this.#isEntered) return this.run(batch)
    if (this.isSpoiled) this.#clean()
    batch()
  }

  /** Runs what is left of a batch, or something that came before. */
  run(batch: () => void): void {
    if (this.isSpoiled && this.#isTold) this.#clean()
    runInAsyncScope.call(this.#scope.resource, batch)
  }

  #clean(): void {
    this.#scope.clean()
    this.isSpoiled = false
  }
}

/** A function that runs in the async context that is current now, wherever it is called. */
export function withinContext<A extends unknown[], R>(call: (...of: A) => R): (...of: A) => R {
  return AsyncResource.bind(call, NAME)
}

function onNothing(): Scope {
  return { resource: new AsyncResource(NAME), clean: () => {}, isCurrent: () => false }
}

/** Stores are properties of the resource that is current; a prototype notices new ones.
 * `undefined`: they are not. */
function onResource(spoil: () => void): Scope | undefined {
  const entered: (string | symbol)[] = []
  const noticing = new Proxy(AsyncResource.prototype, {
    set(_, key, value, resource: object) {
      entered.push(key)
      spoil()
      return Reflect.defineProperty(resource, key, {
        ...{ value, configurable: true, enumerable: true, writable: true },
      })
    },
  })
  class Resource extends AsyncResource {}
  Object.setPrototypeOf(Resource.prototype, noticing)
  const resource = new Resource(NAME)
  const clean = () => {
    for (const key of entered.splice(0)) Reflect.deleteProperty(resource, key)
  }
  // Its own properties end with what has triggered it. They are followed by the stores of the code
  // that makes the first connection.
  const own = entered.splice(0)
  const last = own.findIndex((key) => Reflect.get(resource, key) === resource.triggerAsyncId())
  if (last === -1) return undefined
  entered.push(...own.slice(last + 1))
  clean()
  // Where nothing is current, nothing has a number.
  return { resource, clean, isCurrent: () => executionAsyncId() > 0 }
}

/** Stores are entries of the map that is current, which is copied before another is added: then it
 * is iterated over. `undefined`: they are not. */
function onFrame(spoil: () => void): Scope | undefined {
  const storage = new AsyncLocalStorage<boolean>()
  const resource = storage.run(true, () => new AsyncResource(NAME))
  const frame = Object.getOwnPropertySymbols(resource)
    .map((key) => Reflect.get(resource, key) as unknown)
    .find((value) => types.isMap(value))
  if (frame === undefined) return undefined
  // A map of Node's own, which has none of a Map's methods. Only what it is tells it apart.
  for (const key of [...frame.keys()]) if (key !== storage) Map.prototype.delete.call(frame, key)
  Object.defineProperty(frame, Symbol.iterator, {
    value() {
      spoil()
      return Map.prototype[Symbol.iterator].call(frame)
    },
  })
  const isCurrent = () => storage.getStore() === true
  const isFound = () => runInAsyncScope.call(resource, isCurrent)
  runInAsyncScope.call(resource, () => storage.enterWith(false))
  return isFound() ? { resource, clean: () => {}, isCurrent } : undefined
}
