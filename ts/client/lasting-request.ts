// A request that may outlive a session: one that is made while there is none, or one whose method
// is idempotent, so that it is sent again.

import type * as api from '../../index.js'
import type { Connection } from '../connection/connection.js'
import { encodeToKeep } from '../values/codec.js'
import type { MethodContract } from '../values/contract.js'
import { isLoss } from '../values/errors.js'
import { inherit, type Inherited } from '../connection/caller.js'
import type { Away, Waiting } from './away.js'

/** What it needs of its client. */
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

export class LastingRequest implements Waiting {
  readonly bytes: number
  readonly #home: Home
  readonly #contract: MethodContract
  readonly #payload: Uint8Array
  readonly #lane: api.Lane | undefined
  readonly #terms: Inherited
  readonly #endsAt: number
  readonly #resolve: (value: any) => void
  readonly #reject: (reason: unknown) => void
  #wasSent = false

  /** Throws what keeps it from being sent at all. */
  static ask(
    home: Home,
    contract: MethodContract,
    params: unknown,
    options: api.RequestOptions,
  ): Promise<any> {
    return new Promise((resolve, reject) => {
      new LastingRequest(home, contract, params, options, resolve, reject).#begin()
    })
  }

  private constructor(
    home: Home,
    contract: MethodContract,
    params: unknown,
    options: api.RequestOptions,
    resolve: (value: any) => void,
    reject: (reason: unknown) => void,
  ) {
    this.#home = home
    this.#contract = contract
    this.#terms = inherit(options, home.timeoutMs)
    this.#lane = options.lane
    this.#payload = encodeToKeep(contract.codec, params, 'params')
    this.bytes = this.#payload.length
    this.#endsAt = home.now() + this.#terms.timeoutMs
    this.#resolve = resolve
    this.#reject = reject
  }

  #begin(): void {
    const session = this.#home.next()
    if (session === undefined) this.#wait()
    else this.start(session)
  }

  start(session: Connection): void {
    const terms = { ...this.#terms, timeoutMs: this.#leftMs() }
    const replayed = this.#wasSent ? 0 : undefined
    this.#wasSent = true
    session
      .requestEncoded(this.#contract, this.#payload, this.#lane, terms, replayed)
      .then(this.#resolve, (error: unknown) => this.#failed(error))
  }

  fail(reason: unknown): void {
    this.#reject(reason)
  }

  #failed(error: unknown): void {
    const { idempotent } = this.#contract.options
    if (idempotent !== true || !isLoss(error)) return this.#reject(error)
    try {
      this.#begin()
    } catch (refusal) {
      this.#reject(refusal)
    }
  }

  #wait(): void {
    this.#home.checkWaits()
    const what = `answer to "${this.#contract.name}"`
    const { signals } = this.#terms
    this.#home.away.add(this, { signals, timeoutMs: this.#leftMs(), what })
  }

  /** In whole milliseconds, as people give them; never none, so that the request ends by itself. */
  #leftMs(): number {
    return Math.max(Math.ceil(this.#endsAt - this.#home.now()), 1)
  }
}
