// Events queued for a loop.

import type { EventContract } from '../values/contract.js'
import { IpcError } from '../values/errors.js'
import { Fifo } from '../values/fifo.js'
import { onAbort } from '../values/signals.js'

/** Events that may be queued by default. */
const WAITING_MAX = 65_536

type Step = IteratorResult<any>

interface Asking {
  resolve(step: Step): void
  reject(reason: unknown): void
}

export class EventQueue implements AsyncIterableIterator<any> {
  readonly #contract: EventContract
  readonly #waitingMax: number
  readonly #events = new Fifo<unknown>()
  readonly #asking = new Fifo<Asking>()
  #end: { reason: unknown } | undefined
  /** Undoes what it takes to get events. */
  #close: (() => void) | undefined

  constructor(contract: EventContract, waitingMax: number = WAITING_MAX) {
    this.#contract = contract
    this.#waitingMax = waitingMax
  }

  /** Gets events until it ends, or the signal, which is not aborted yet, ends it; `close` is called
   * then. */
  open(signal: AbortSignal | undefined, close: () => void): void {
    const stop = signal && onAbort(signal, () => this.end(signal.reason))
    this.#close = () => {
      stop?.()
      close()
    }
  }

  push(event: unknown): void {
    if (this.#end !== undefined) return
    if (this.#asking.length > 0) {
      return this.#asking.shift().resolve({ value: event, done: false })
    }
    if (this.#events.length < this.#waitingMax) return this.#events.push(event)
    const events = `${this.#waitingMax} events "${this.#contract.name}"`
    const message = `${events} are queued, and the loop does not take them`
    this.end(new IpcError('ERR_FULL', message))
  }

  /** No more come. What waits is still handed out, before the reason, if there is one. */
  end(reason?: unknown): void {
    if (this.#end !== undefined) return
    this.#end = { reason }
    this.#close?.()
    for (const asking of this.#asking.takeAll()) this.#last(asking)
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<Step> {
    if (this.#events.length > 0) {
      return Promise.resolve({ value: this.#events.shift(), done: false })
    }
    return new Promise((resolve, reject) => {
      if (this.#end === undefined) this.#asking.push({ resolve, reject })
      else this.#last({ resolve, reject })
    })
  }

  return(): Promise<Step> {
    this.end()
    this.#events.clear()
    return Promise.resolve({ value: undefined, done: true })
  }

  /** A reason is reported once. */
  #last({ resolve, reject }: Asking): void {
    const { reason } = this.#end!
    this.#end = { reason: undefined }
    if (reason === undefined) resolve({ value: undefined, done: true })
    else reject(reason)
  }
}
