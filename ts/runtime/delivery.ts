// Delivers what has arrived, record by record. An exception affects only its own message, and
// becomes an uncaught exception when all others are delivered; a store entered with
// AsyncLocalStorage ends with the message.

import { handlings } from '../values/diagnostics.js'
import { Fifo } from '../values/fifo.js'
import { Inbox } from './inbox.js'
import { Isolation } from './isolation.js'
import { native, type Extras } from '../native.js'
import type { Receiver } from './receiver.js'

const { EVENT_CONNECTED, RUNS_MAX, RUN_WORDS, STATE_RANG, STATE_RUNS } = native

const SETTLED = Promise.resolve()

/** The runtime. */
interface Host {
  /** Words the binding keeps. */
  readonly state: Uint32Array
  event(link: number, kind: number, inbox: Inbox, at: number): void
  /** What has arrived on this link can no longer be read. */
  lost(link: number): void
  /** The time has come that the binding was asked to enter at. */
  rang(): void
  /** Makes uncaught exceptions of these, in their order. */
  raise(thrown: unknown[]): void
}

/** Something that is called at the end of a batch that had items for it. */
interface Noticing {
  arrived(): void
}

export class Delivery {
  /** By the lower half of their links, which no two have at the same time. */
  readonly receivers: (Receiver | undefined)[] = []
  readonly runs = new Uint32Array(RUNS_MAX * RUN_WORDS)
  readonly #host: Host
  readonly #state: Uint32Array
  readonly isolation = new Isolation()
  /** By the same. */
  readonly #inboxes: Inbox[] = []
  readonly #noticed = new Fifo<Noticing>()
  #thrown: unknown[] = []
  #isDelivering = false
  // How far the batch has been delivered: the run, and the place in it, or -1 in front of its
  // first.
  #run = 0
  #at = -1
  #end = 0
  #extras: Extras = null

  constructor(host: Host) {
    this.#host = host
    this.#state = host.state
  }

  /** The binding enters with what has come, or because it was asked to. */
  readonly enter = (extras: Extras = null): void => {
    const state = this.#state
    this.#isDelivering = true
    handlings.look()
    if (state[STATE_RANG] === 1) this.#rang()
    this.#extras = extras
    this.#end = state[STATE_RUNS] * RUN_WORDS
    this.#run = 0
    this.#at = -1
    this.isolation.enter(this.#goOn)
    while (this.#run < this.#end || this.#noticed.length > 0) this.isolation.run(this.#goOn)
    this.#isDelivering = false
    if (this.#thrown.length > 0) this.#raise()
  }

  /** Who messages of a link go to, if there is such a link. */
  receiver(link: number): Receiver | undefined {
    const receiver = this.receivers[link & 0xffff]
    return receiver?.link === link ? receiver : undefined
  }

  #rang(): void {
    this.#state[STATE_RANG] = 0
    this.guard(() => this.#host.rang())
  }

  /** Something has arrived for a stream, which is called when the batch has been read. */
  notice(reader: Noticing): void {
    this.#noticed.push(reader)
    if (!this.#isDelivering && this.#noticed.length === 1) void SETTLED.then(this.#notifyNoticed)
  }

  readonly #notifyNoticed = (): void => {
    while (this.#noticed.length > 0) this.isolation.run(this.#goOn)
  }

  /** Delivers something that came before, by itself. */
  redeliver(work: () => void): void {
    this.isolation.run(() => this.guard(work))
  }

  /** Runs code of others. What it throws becomes an uncaught exception when the batch is
   * delivered. */
  guard(work: () => void): void {
    try {
      work()
    } catch (error) {
      this.uncaught(error)
    }
  }

  /** Anything becomes an uncaught exception, when all that has come is delivered and answered. */
  uncaught(error: unknown): void {
    this.#thrown.push(error)
    if (!this.#isDelivering && this.#thrown.length === 1) void SETTLED.then(() => this.#raise())
  }

  #raise(): void {
    const thrown = this.#thrown
    this.#thrown = []
    this.#host.raise(thrown)
  }

  /** Goes on until all is delivered, or something was left behind that the next must not see. */
  readonly #goOn = (): void => {
    const { runs } = this
    const isolation = this.isolation
    while (this.#run < this.#end) {
      const run = this.#run
      const link = runs[run]
      let at = this.#at
      if (at < 0) at = this.#begin(link, run)
      const end = runs[run + 2] >>> 2
      const inbox = this.#inboxes[link & 0xffff]
      at = this.#read(link, inbox, at, end)
      if (at >= end) {
        runs[run + 3] = inbox.flags
        this.#run = run + RUN_WORDS
        at = -1
      }
      this.#at = at
      if (isolation.isSpoiled) return
    }
    while (this.#noticed.length > 0) {
      const reader = this.#noticed.shift()
      this.guard(() => reader.arrived())
      if (isolation.isSpoiled) return
    }
  }

  /** A run is about to be read. Returns where it begins. */
  #begin(link: number, run: number): number {
    const { runs } = this
    const place = link & 0xffff
    const fresh = runs[run + 3]
    if (fresh !== 0) {
      const memory = this.#extras![fresh - 1] as ArrayBuffer
      this.#inboxes[place] = new Inbox(link, memory, this.#inboxes[place])
    }
    this.#inboxes[place].begin()
    return runs[run + 1] >>> 2
  }

  /** Reads records. Returns the place of the first that was not read. */
  #read(link: number, inbox: Inbox, start: number, end: number): number {
    const isolation = this.isolation
    const host = this.#host
    const extras = this.#extras
    let receiver = this.receiver(link)
    let at = start
    if (inbox.isGone) return this.#lost(link)
    do {
      try {
        const kind = inbox.kind(at)
        if (kind < EVENT_CONNECTED) {
          receiver?.received(inbox, at, kind, extras)
        } else {
          host.event(link, kind, inbox, at)
          receiver = this.receiver(link)
        }
      } catch (error) {
        this.uncaught(error)
      }
      const next = inbox.next(at)
      if (!(next > at)) return this.#lost(link)
      at = next
    } while (at < end && !isolation.isSpoiled)
    return at
  }

  /** The arena is gone, with all that has not been read. */
  #lost(link: number): number {
    this.guard(() => this.#host.lost(link))
    return Infinity
  }
}
