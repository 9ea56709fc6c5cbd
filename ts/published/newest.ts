// A loop over the newest of something: what was not taken before the next came is skipped.

import { onAbort } from '../values/signals.js'

type Step<T> = IteratorResult<T, undefined>

export class Newest<T> implements AsyncIterableIterator<T> {
  #waiting: { value: T } | undefined
  #asking: { resolve: (step: Step<T>) => void; reject: (reason: unknown) => void }[] = []
  #end: { reason: unknown } | undefined
  #close: (() => void) | undefined

  /** Until it ends, or the signal ends it; `close` is called then. */
  open(signal: AbortSignal | undefined, close: () => void): void {
    if (this.#end !== undefined) return close()
    if (signal?.aborted) {
      this.#close = close
      return this.end(signal.reason)
    }
    const stop = signal && onAbort(signal, () => this.end(signal.reason))
    this.#close = () => {
      stop?.()
      close()
    }
  }

  push(value: T): void {
    if (this.#end !== undefined) return
    const asking = this.#asking.shift()
    if (asking !== undefined) asking.resolve({ value, done: false })
    else this.#waiting = { value }
  }

  /** No more come. What waits is still handed out, before the reason, if there is one. */
  end(reason?: unknown): void {
    if (this.#end !== undefined) return
    this.#end = { reason }
    this.#close?.()
    for (const { resolve, reject } of this.#asking.splice(0)) this.#last(resolve, reject)
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<Step<T>> {
    if (this.#waiting !== undefined) {
      const { value } = this.#waiting
      this.#waiting = undefined
      return Promise.resolve({ value, done: false })
    }
    return new Promise((resolve, reject) => {
      if (this.#end === undefined) this.#asking.push({ resolve, reject })
      else this.#last(resolve, reject)
    })
  }

  return(): Promise<Step<T>> {
    this.#waiting = undefined
    this.end()
    return Promise.resolve({ value: undefined, done: true })
  }

  /** A reason is reported once. */
  #last(resolve: (step: Step<T>) => void, reject: (reason: unknown) => void): void {
    const { reason } = this.#end!
    this.#end = { reason: undefined }
    if (reason === undefined) resolve({ value: undefined, done: true })
    else reject(reason)
  }
}
