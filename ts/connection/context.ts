// What a handler knows about its message. Most handlers use little of it, so everything that has a
// cost is made on first use.

import type * as api from '../../index.js'
import { Cancellation } from './cancellation.js'
import { LANES } from '../values/options.js'
import { traceText } from '../values/trace.js'

/** The connection a message has come on. */
export interface Owner {
  /** As handlers know it. */
  readonly front: api.Connection
  readonly peer: api.Peer
  readonly isOpen: boolean
  /** Milliseconds of the monotonic clock. */
  now(): number
  /** Whether the peer no longer waits for an answer to this request. */
  isAbandoned(slot: number, generation: number): boolean
}

export class Context implements api.Context {
  readonly #owner: Owner
  readonly slot: number
  readonly generation: number
  readonly code: number
  readonly laneNumber: number
  readonly #deadline: number
  readonly #trace: Uint8Array | undefined
  readonly #replayed: number
  readonly #connectionEnd: Cancellation
  /** Of this message alone. */
  #cancellation: Cancellation | undefined

  constructor(
    owner: Owner,
    connectionEnd: Cancellation,
    slot: number,
    generation: number,
    code: number,
    laneNumber: number,
    deadline: number,
    trace: Uint8Array | undefined,
    replayed: number,
  ) {
    this.#owner = owner
    this.#connectionEnd = connectionEnd
    this.slot = slot
    this.generation = generation
    this.code = code
    this.laneNumber = laneNumber
    this.#deadline = deadline
    this.#trace = trace
    this.#replayed = replayed
  }

  get connection(): api.Connection {
    return this.#owner.front
  }

  get peer(): api.Peer {
    return this.#owner.peer
  }

  get lane(): api.Lane {
    return LANES[this.laneNumber]
  }

  get signal(): AbortSignal {
    // An event is never cancelled by itself.
    if (this.generation === 0) return this.#connectionEnd.signal
    return (this.#cancellation ??= new Cancellation()).signal
  }

  get cancelled(): boolean {
    if (this.#cancellation?.isAborted) return true
    if (this.generation === 0) return !this.#owner.isOpen
    return this.#owner.isAbandoned(this.slot, this.generation)
  }

  get remainingMs(): number {
    if (this.#deadline === 0) return Infinity
    return Math.max(0, this.#deadline - this.#owner.now())
  }

  get traceparent(): string | undefined {
    return this.#trace && traceText(this.#trace)
  }

  get replayed(): boolean {
    return this.#replayed >= 0
  }

  get itemsTaken(): number {
    return Math.max(0, this.#replayed)
  }

  /** The reply is no longer wanted. */
  abort(reason: unknown): void {
    this.#cancellation ??= new Cancellation()
    this.#cancellation.abort(reason)
  }
}
