// Events that wait until a loop asks for them.

import type { EventContract } from './contract.js'
import { IpcError } from './errors.js'

/** Events that may wait where nobody chose another number. */
const WAITING_MAX = 65_536

type Step = IteratorResult<any>

export class EventQueue implements AsyncIterableIterator<any> {
  readonly #contract: EventContract
  readonly #waitingMax: number
  readonly #close: () => void
  #events: unknown[] = []
  #read = 0
  #asking: { resolve(step: Step): void; reject(reason: unknown): void }[] = []
  #end: { reason: unknown } | undefined

  /** `close` is called when it takes no more. */
  constructor(
    contract: EventContract,
    waitingMax: number = WAITING_MAX,
    signal: AbortSignal | undefined,
    close: () => void,
  ) {
    this.#contract = contract
    this.#waitingMax = waitingMax
    const abort = () => this.end(signal!.reason)
    this.#close = () => {
      signal?.removeEventListener('abort', abort)
      close()
    }
    if (signal?.aborted) queueMicrotask(abort)
    else signal?.addEventListener('abort', abort)
  }

  push(event: unknown): void {
    const asking = this.#asking.shift()
    if (asking !== undefined) return asking.resolve({ value: event, done: false })
    if (this.#events.length - this.#read < this.#waitingMax) {
      this.#events.push(event)
      return
    }
    const message = `${this.#waitingMax} events "${this.#contract.name}" wait, and nobody takes them`
    this.end(new IpcError('ERR_FULL', message))
  }

  /** No more come. What waits is still handed out, before the reason, if there is one. */
  end(reason?: unknown): void {
    if (this.#end !== undefined) return
    this.#end = { reason }
    this.#close()
    const asking = this.#asking
    this.#asking = []
    for (const { resolve, reject } of asking) this.#last(resolve, reject)
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<Step> {
    if (this.#read < this.#events.length) {
      return Promise.resolve({ value: this.#take(), done: false })
    }
    return new Promise((resolve, reject) => {
      if (this.#end === undefined) this.#asking.push({ resolve, reject })
      else this.#last(resolve, reject)
    })
  }

  return(): Promise<Step> {
    this.end()
    this.#events = []
    this.#read = 0
    return Promise.resolve({ value: undefined, done: true })
  }

  #take(): unknown {
    const event = this.#events[this.#read++]
    if (this.#read === this.#events.length) {
      this.#events = []
      this.#read = 0
    }
    return event
  }

  /** A reason is told once. */
  #last(resolve: (step: Step) => void, reject: (reason: unknown) => void): void {
    const { reason } = this.#end!
    this.#end = { reason: undefined }
    if (reason === undefined) resolve({ value: undefined, done: true })
    else reject(reason)
  }
}
