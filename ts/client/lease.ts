// A connection of a pool that one user has for itself.

import type * as api from '../../index.js'
import { warn } from '../values/report.js'

/** A lease that is forgotten gives its connection back, with one warning for all. */
const leaked = new FinalizationRegistry<() => void>((giveBack) => {
  if (!hasWarned) warn('a lease of a pool was not released: use `await using`, or release()')
  hasWarned = true
  giveBack()
})
let hasWarned = false

export class Lease implements api.Lease {
  readonly connection: api.Client
  #giveBack: (() => void) | undefined

  constructor(connection: api.Client, giveBack: () => void) {
    this.connection = connection
    this.#giveBack = giveBack
    leaked.register(this, giveBack, this)
  }

  release(): void {
    const giveBack = this.#giveBack
    if (giveBack === undefined) return
    this.#giveBack = undefined
    leaked.unregister(this)
    giveBack()
  }

  [Symbol.dispose](): void {
    this.release()
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.release()
    return Promise.resolve()
  }
}
