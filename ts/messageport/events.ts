// The events of a port, in the two ways Node.js has for them: those of the web, whose listeners are
// given an event, and those of an emitter, whose listeners are given what is in it.

import { getEventListeners } from 'node:events'
import type * as ports from '../../messageport.js'
import { checkFunction } from '../values/checks.js'

type Listener = (value: any) => void
type EventListener = (event: any) => void
type Handler = ports.MessagePort['onmessage']

export abstract class PortEvents extends EventTarget {
  /** The listeners of an emitter, as those of the web. */
  readonly #wrapped = new WeakMap<Listener, EventListener>()
  #onmessage: Handler = null
  #onmessageerror: Handler = null

  /** Listeners of messages have come or gone. */
  protected abstract listenersChanged(): void

  get isListenedTo(): boolean {
    return getEventListeners(this, 'message').length > 0
  }

  override addEventListener(...given: Parameters<EventTarget['addEventListener']>): void {
    super.addEventListener(...given)
    this.listenersChanged()
  }

  override removeEventListener(...given: Parameters<EventTarget['removeEventListener']>): void {
    super.removeEventListener(...given)
    this.listenersChanged()
  }

  // ---- the ways of an emitter ----

  on(name: string, listener: Listener): this {
    this.addEventListener(name, this.#wrap(listener))
    return this
  }

  once(name: string, listener: Listener): this {
    this.addEventListener(name, this.#wrap(listener), { once: true })
    return this
  }

  off(name: string, listener: Listener): this {
    const wrapped = this.#wrapped.get(listener)
    if (wrapped !== undefined) this.removeEventListener(name, wrapped)
    return this
  }

  addListener(name: string, listener: Listener): this {
    return this.on(name, listener)
  }

  removeListener(name: string, listener: Listener): this {
    return this.off(name, listener)
  }

  /** The same function is the same listener, however often it is added. */
  #wrap(listener: Listener): EventListener {
    checkFunction('listener', listener)
    let wrapped = this.#wrapped.get(listener)
    if (wrapped === undefined) {
      wrapped = (event: { data?: unknown }) => void listener.call(this, event.data)
      this.#wrapped.set(listener, wrapped)
    }
    return wrapped
  }

  // ---- the ways of the web ----

  get onmessage(): Handler {
    return this.#onmessage
  }

  set onmessage(handler: Handler) {
    this.#onmessage = this.#replace('message', this.#onmessage, handler)
  }

  get onmessageerror(): Handler {
    return this.#onmessageerror
  }

  set onmessageerror(handler: Handler) {
    this.#onmessageerror = this.#replace('messageerror', this.#onmessageerror, handler)
  }

  #replace(name: string, before: Handler, handler: unknown): Handler {
    const next = typeof handler === 'function' ? (handler as Handler) : null
    if (next !== null) this.addEventListener(name, next as EventListener)
    if (before !== null && before !== next) this.removeEventListener(name, before as EventListener)
    return next
  }
}
