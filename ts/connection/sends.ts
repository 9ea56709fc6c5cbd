// One-way messages whose sender waits until they are written.

import { parseError } from '../values/errors.js'
import type { Link } from './link.js'
import { Pending } from './pending.js'

interface Waiting {
  resolve(): void
  reject(error: Error): void
}

export class Sends {
  readonly #link: Link
  readonly #pending = new Pending<Waiting>()

  constructor(link: Link) {
    this.#link = link
  }

  /** Lets `append` send a message under an id of its own, and waits for what becomes of it. */
  wait(append: (slot: number, generation: number) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const slot = this.#pending.add({ resolve, reject })
      this.#link.runtime.addReferences(1)
      append(slot, this.#pending.generation(slot))
    })
  }

  /** It is being written, or will never be: `reason` says why. */
  settled(slot: number, generation: number, reason: string): void {
    const waiting = this.#pending.take(slot, generation)
    if (waiting === undefined) return
    this.#link.runtime.addReferences(-1)
    if (reason === '') waiting.resolve()
    else waiting.reject(parseError(reason))
  }

  /** The connection is over, and no more outcomes will arrive. */
  end(reason: Error): void {
    for (const waiting of this.#pending.takeAll()) {
      this.#link.runtime.addReferences(-1)
      waiting.reject(reason)
    }
  }
}
