// Waiting with an end: by a signal, or by the clock. A wait that was given up leaves nothing
// behind.

import type * as api from '../../index.js'
import type { Alarms } from '../runtime/alarms.js'
import { IpcError } from '../values/errors.js'
import { onAbort } from '../values/signals.js'

/** What the runtime has for those who wait. */
interface Home {
  readonly alarms: Alarms
  /** Keeps the process alive, until as many are taken back. */
  hold(count: number): void
}

interface Waiter {
  resolve(): void
  reject(reason: unknown): void
  /** Undoes what the wait has done. */
  release(): void
}

/** All who wait for one thing. */
export class Waiters {
  readonly #home: Home
  readonly #what: string
  readonly #emptied: (() => void) | undefined
  #waiting: Set<Waiter> | undefined

  /** `emptied` is called when the last has given up. */
  constructor(home: Home, what: string, emptied?: () => void) {
    this.#home = home
    this.#what = what
    this.#emptied = emptied
  }

  get size(): number {
    return this.#waiting?.size ?? 0
  }

  /** Waits; with `holds`, or with a limit of its own, that keeps the process alive. */
  wait({ signal, timeoutMs = Infinity }: api.WaitOptions, holds: boolean): Promise<void> {
    if (signal?.aborted) return Promise.reject(signal.reason)
    const { alarms } = this.#home
    const isTimed = timeoutMs !== Infinity
    const held = holds || isTimed ? 1 : 0
    const waiting = (this.#waiting ??= new Set())
    return new Promise((resolve, reject) => {
      const giveUp = (reason: unknown) => {
        waiting.delete(waiter)
        waiter.release()
        reject(reason)
        if (waiting.size === 0) this.#emptied?.()
      }
      const late = () => {
        giveUp(new IpcError('ERR_TIMEOUT', `no ${this.#what} within ${timeoutMs} ms`))
      }
      const alarm = isTimed ? alarms.set(timeoutMs, late) : undefined
      const stop = signal && onAbort(signal, () => giveUp(signal.reason))
      const release = () => {
        if (alarm !== undefined) alarms.clear(alarm)
        stop?.()
        if (held > 0) this.#home.hold(-held)
      }
      const waiter = { resolve, reject, release }
      waiting.add(waiter)
      if (held > 0) this.#home.hold(held)
    })
  }

  /** What they wait for has come to be. */
  resolve(): void {
    for (const waiter of this.#take()) waiter.resolve()
  }

  /** It never will. */
  reject(reason: unknown): void {
    for (const waiter of this.#take()) waiter.reject(reason)
  }

  #take(): Waiter[] {
    if (this.#waiting === undefined) return []
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const waiter of waiting) waiter.release()
    return waiting
  }
}
