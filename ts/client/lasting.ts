// What a request and a stream have in common that may outlive a session: they go to the session
// there is, or wait for one, in the time they have in all.

import type * as api from '../../index.js'
import { inherit, type Inherited } from '../connection/caller.js'
import type { Connection } from '../connection/connection.js'
import { encodeToKeep } from '../values/codec.js'
import type { MethodContract, StreamContract } from '../values/contract.js'
import { MESSAGE_BYTES, type Away, type Waiting } from './away.js'

/** What they need of their client. */
export interface Home {
  readonly away: Away
  /** The session for what is sent now, if there is one. */
  next(): Connection | undefined
  /** Throws if nothing may wait for a session. */
  checkWaits(): void
  /** Milliseconds of the monotonic clock. */
  now(): number
  readonly timeoutMs: number
}

export abstract class Lasting<C extends MethodContract | StreamContract> implements Waiting {
  readonly bytes: number
  protected readonly contract: C
  protected readonly payload: Uint8Array
  protected readonly home: Home
  /** Where it was sent last. */
  protected session: Connection | undefined
  readonly #terms: Inherited
  readonly #endsAt: number

  constructor(
    home: Home,
    contract: C,
    params: unknown,
    options: api.RequestOptions,
    timeoutMs: number,
  ) {
    this.home = home
    this.contract = contract
    const since = home.now()
    this.#terms = { ...inherit(options, timeoutMs), since }
    this.payload = encodeToKeep(contract.codec, params, 'params')
    this.bytes = this.payload.length + MESSAGE_BYTES
    this.#endsAt = since + this.#terms.timeoutMs
  }

  abstract start(session: Connection): void
  abstract fail(reason: unknown): void

  /** Throws what keeps it from being sent, and from waiting. `refusal`: what has become of it where
   * it was sent last. */
  protected begin(refusal?: unknown): void {
    const session = this.home.next()
    if (session !== undefined) {
      // One that is about to end, with none to follow, takes no requests: it would refuse this one
      // without end.
      if (session === this.session) throw refusal
      return this.start(session)
    }
    this.home.checkWaits()
    const { signals, timeoutMs } = this.terms
    const what = `answer to "${this.contract.name}"`
    this.home.away.add(this, { signals, timeoutMs, what })
  }

  /** The same after its session was lost: nobody is there to catch anything. */
  protected beginAgain(loss: unknown): void {
    try {
      this.begin(loss)
    } catch (refusal) {
      this.fail(refusal)
    }
  }

  /** Throws if it is no longer wanted: what was lost and is to be sent again, or has just been
   * taken from those that wait, has nobody listen to its signals. */
  protected checkWanted(): void {
    for (const signal of this.#terms.signals) signal.throwIfAborted()
  }

  /** With the time that is left: in whole milliseconds, as people give them, and never none, so
   * that it ends by itself. */
  protected get terms(): Inherited {
    const leftMs = Math.ceil(this.#endsAt - this.home.now())
    return { ...this.#terms, timeoutMs: Math.max(leftMs, 1) }
  }
}
