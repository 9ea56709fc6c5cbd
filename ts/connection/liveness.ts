// Whether the peer is there, and leaving it in good order.

import type * as api from '../../index.js'
import { IpcError, parseError, raised } from '../values/errors.js'
import type { Inbox } from '../runtime/inbox.js'
import type { Link } from './link.js'
import { native } from '../native.js'
import { waitOptions } from '../values/options.js'
import { Waiters } from './wait.js'

const { EVENT_IDLE, EVENT_LEAVING, EVENT_PONG, EVENT_RESPONSIVE, EVENT_UNRESPONSIVE } = native

/** Those who wait for one answer of the peer's engine, and how long it took. */
interface Round {
  readonly waiters: Waiters
  ms: number
}

/** The connection this is about. */
interface Home {
  close(): Promise<void>
  /** Emits one of its own events. */
  announce(event: 'leaving' | 'responsive' | 'unresponsive'): void
}

export class Liveness {
  isUnresponsive = false
  /** One of the two sides is about to leave. */
  isLeaving = false
  readonly #link: Link
  readonly #home: Home
  /** Pings by number: the one on its way, and the one that follows it. */
  #rounds: Map<number, Round> | undefined
  /** Callers of `drain`. */
  readonly #draining: Waiters
  /** This side closes once nothing is in flight. */
  #closesWhenIdle = false
  /** It keeps the process alive. */
  #isHeld = false

  constructor(link: Link, home: Home) {
    this.#link = link
    this.#home = home
    this.#draining = new Waiters(link.runtime, 'end of all that is in flight')
  }

  /** Waits for an answer of the peer's engine. Returns the milliseconds it took. */
  async ping(options: api.WaitOptions | undefined): Promise<number> {
    const checked = waitOptions(options)
    const { end, number, runtime } = this.#link
    if (end !== undefined) throw end
    if (checked.signal?.aborted) throw checked.signal.reason
    const id = raised(() => runtime.engine.ping(number))
    const rounds = (this.#rounds ??= new Map<number, Round>())
    let round = rounds.get(id)
    if (round === undefined) {
      round = { waiters: new Waiters(runtime, 'answer of the peer'), ms: 0 }
      rounds.set(id, round)
    }
    await round.waiters.wait(checked, true)
    return round.ms
  }

  /** Announces that this side is about to leave. Returns whether the peer knows what that means. */
  leave(): boolean {
    const { end, number, runtime } = this.#link
    if (end !== undefined) return false
    runtime.outbox.submit()
    return runtime.engine.leave(number)
  }

  /** Leaves, and waits until the connection is closed: by the peer, once nothing of it is in
   * flight, because only it knows that; or by this side, if the peer knows nothing of leaving. */
  async drain(options: api.WaitOptions | undefined): Promise<void> {
    const checked = waitOptions(options)
    if (this.#link.end !== undefined) throw this.#link.end
    if (checked.signal?.aborted) throw checked.signal.reason
    this.isLeaving = true
    if (!this.leave()) this.#closesWhenIdle = true
    this.#quiesce()
    await this.#draining.wait(checked, true)
  }

  event(inbox: Inbox, at: number, kind: number): void {
    switch (kind) {
      case EVENT_PONG:
        return this.#ponged(inbox.slot(at), inbox.count(at))
      case EVENT_UNRESPONSIVE:
        this.isUnresponsive = true
        return this.#home.announce('unresponsive')
      case EVENT_RESPONSIVE:
        this.isUnresponsive = false
        return this.#home.announce('responsive')
      case EVENT_LEAVING:
        return this.#peerLeaves()
      case EVENT_IDLE:
        return this.#idle()
    }
  }

  /** The connection is over, and `reason` says why, if it was not closed. */
  end(end: IpcError, description: string): void {
    if (this.#isHeld) this.#link.runtime.hold(-1)
    for (const { waiters } of this.#rounds?.values() ?? []) waiters.reject(end)
    if (description === '') this.#draining.resolve()
    else this.#draining.reject(parseError(description))
  }

  #ponged(number: number, ms: number): void {
    const round = this.#rounds?.get(number)
    if (round === undefined) return
    this.#rounds!.delete(number)
    round.ms = ms
    round.waiters.resolve()
  }

  #peerLeaves(): void {
    this.isLeaving = true
    this.#closesWhenIdle = true
    // Until it is closed, so that the process does not end before.
    this.#isHeld = true
    this.#link.runtime.hold(1)
    // Behind the listeners, whose requests are the last.
    this.#home.announce('leaving')
    this.#quiesce()
  }

  /** The engine refuses requests that are made from now on. */
  #quiesce(): void {
    const { end, number, runtime } = this.#link
    if (end === undefined) raised(() => runtime.engine.quiesce(number))
  }

  /** Nothing was in flight, and all that had come is delivered. */
  #idle(): void {
    const { end, number, runtime } = this.#link
    if (end !== undefined || !this.#closesWhenIdle) return
    if (runtime.engine.isIdle(number)) void this.#home.close()
    else this.#quiesce()
  }
}
