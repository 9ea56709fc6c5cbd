// A request that may outlive a session: one that is made while there is none, or one whose method
// is idempotent, so that it is sent again.

import type * as api from '../../index.js'
import type { Connection } from '../connection/connection.js'
import type { MethodContract } from '../values/contract.js'
import { isLoss } from '../values/errors.js'
import { Lasting, type Home } from './lasting.js'

export class LastingRequest extends Lasting<MethodContract> {
  readonly #lane: api.Lane | undefined
  readonly #resolve: (value: any) => void
  readonly #reject: (reason: unknown) => void

  static ask(
    home: Home,
    contract: MethodContract,
    params: unknown,
    options: api.RequestOptions,
  ): Promise<any> {
    return new Promise((resolve, reject) => {
      new LastingRequest(home, contract, params, options, resolve, reject).begin()
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
    super(home, contract, params, options, home.timeoutMs)
    this.#lane = options.lane
    this.#resolve = resolve
    this.#reject = reject
  }

  start(session: Connection): void {
    this.checkWanted()
    const replayed = this.session === undefined ? undefined : 0
    this.session = session
    session
      .requestEncoded(this.contract, this.payload, this.#lane, this.terms, replayed)
      .then(this.#resolve, (error: unknown) => this.#failed(error))
  }

  fail(reason: unknown): void {
    this.#reject(reason)
  }

  #failed(error: unknown): void {
    const { idempotent } = this.contract.options
    if (idempotent !== true || !isLoss(error)) return this.#reject(error)
    this.beginAgain(error)
  }
}
