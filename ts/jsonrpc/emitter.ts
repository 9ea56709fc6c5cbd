// Events as `vscode-jsonrpc` has them. Of that only types are used in this folder: editors and
// servers each bring a copy of their own, of any version.

import type { Disposable, Event } from 'vscode-jsonrpc'
import { warn } from '../values/report.js'

export class Emitter<T> {
  readonly #listeners = new Set<(detail: T) => unknown>()

  /** Registers a listener, each time anew. */
  readonly event: Event<T> = (listener, that, disposables) => {
    const called = (detail: T): unknown => listener.call(that, detail)
    this.#listeners.add(called)
    const registration: Disposable = { dispose: () => this.#listeners.delete(called) }
    disposables?.push(registration)
    return registration
  }

  emit(detail: T): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(detail)
      } catch (error) {
        warn('a listener of a transport has thrown', { error })
      }
    }
  }

  dispose(): void {
    this.#listeners.clear()
  }
}
