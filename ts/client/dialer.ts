// Getting a session: for the first time, and again after one was lost.

import type { Connecting } from '../runtime/receiver.js'
import type { Runtime } from '../runtime/runtime.js'
import type { Connection } from '../connection/connection.js'
import { parseError, raised } from '../values/errors.js'
import type { ClientSettings } from '../values/options.js'
import { onAbort } from '../values/signals.js'

/** What comes of it. */
export interface Outcomes {
  /** A session is about to be there. */
  opened(link: number, description: string): Connection
  connected(session: Connection): void
  /** It has ended without a session. */
  failed(reason: unknown): void
}

export class Dialer implements Connecting<Connection> {
  readonly #runtime: Runtime
  readonly #name: string
  readonly #settings: ClientSettings
  readonly #outcomes: Outcomes
  /** The connection that is being made. */
  #link: number | undefined

  constructor(runtime: Runtime, name: string, settings: ClientSettings, outcomes: Outcomes) {
    this.#runtime = runtime
    this.#name = name
    this.#settings = settings
    this.#outcomes = outcomes
  }

  /** The first time: a server that is not there is waited for only if that was asked for. */
  dialFirst(): void {
    const { connectTimeoutMs, insists, waitsForServer } = this.#settings
    if (waitsForServer) this.#dial(connectTimeoutMs, insists)
    else this.#begin((limitMs) => this.#runtime.engine.connect(...this.#target, limitMs))
  }

  /** Goes on until there is a session, it is given up, or a refusal would be repeated. */
  dialAgain(): void {
    this.#dial(this.#settings.reconnect!.giveUpAfterMs, true)
  }

  /** No session is wanted any more. */
  stop(): void {
    if (this.#link !== undefined) this.#runtime.notConnecting(this.#link)
    this.#link = undefined
  }

  /** Stops when the signal is aborted. Returns what takes that back. */
  abortOn(signal: AbortSignal): () => void {
    return onAbort(signal, () => {
      this.stop()
      this.#outcomes.failed(signal.reason)
    })
  }

  get #target() {
    return [this.#name, this.#settings.native] as const
  }

  #dial(timeoutMs: number, insists: boolean): void {
    const limitMs = Math.min(timeoutMs, FOR_EVER)
    const { engine } = this.#runtime
    this.#begin((attemptMs) => engine.dial(...this.#target, attemptMs, limitMs, insists))
  }

  #begin(start: (attemptMs: number) => number): void {
    const attemptMs = Math.min(this.#settings.attemptTimeoutMs, FOR_EVER)
    try {
      this.#link = raised(() => start(attemptMs))
    } catch (error) {
      return this.#outcomes.failed(error)
    }
    this.#runtime.connecting(this.#link, this)
  }

  // ---- for the runtime ----

  open(link: number, description: string): Connection {
    return this.#outcomes.opened(link, description)
  }

  connected(session: Connection): void {
    this.#link = undefined
    this.#outcomes.connected(session)
  }

  failed(description: string): void {
    this.#link = undefined
    this.#outcomes.failed(parseError(description || 'ERR_CLOSED\nthe server closed'))
  }
}

/** A hundred years, in milliseconds. */
const FOR_EVER = 3.2e12
