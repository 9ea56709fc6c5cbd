// Delivering what has come, record by record. What is thrown costs the message it was thrown for, and
// becomes an uncaught exception when all others are delivered; what is entered with an
// AsyncLocalStorage ends with the message.

import type { Inbox as InboxType } from './inbox.js'
import { Inbox } from './inbox.js'
import { Isolation } from './isolation.js'
import { native, type Extras } from './native.js'

const { EVENT_CONNECTED, RUNS_MAX, RUN_WORDS } = native

const SETTLED = Promise.resolve()

/** Who messages of a link go to. */
interface Receiver {
  received(inbox: InboxType, at: number, kind: number, extras: Extras): void
}

/** Who everything goes to. */
interface Host {
  receiver(link: number): Receiver | undefined
  event(link: number, kind: number, inbox: InboxType, at: number): void
  /** What has come of this link cannot be read any more. */
  lost(link: number): void
}

/** Something that hears at the end of a batch that there was something for it. */
interface Noticing {
  arrived(): void
}

export class Delivery {
  readonly runs = new Uint32Array(RUNS_MAX * RUN_WORDS)
  readonly #host: Host
  readonly #raise: (error: unknown) => void
  readonly #isolation = new Isolation()
  /** By the lower half of a link, which no two have at the same time. */
  readonly #inboxes: (Inbox | undefined)[] = []
  #noticed: Noticing[] = []
  #thrown: unknown[] = []
  #isDelivering = false
  // How far the batch has been delivered: the run, and the place in it, or -1 in front of its first.
  #run = 0
  #at = -1
  #end = 0
  #extras: Extras = null

  /** `raise` makes something an uncaught exception. */
  constructor(host: Host, raise: (error: unknown) => void) {
    this.#host = host
    this.#raise = raise
  }

  /** Delivers a batch of so many runs. */
  deliver(count: number, extras: Extras): void {
    this.#isDelivering = true
    this.#extras = extras
    this.#end = count * RUN_WORDS
    this.#run = 0
    this.#at = -1
    while (this.#run < this.#end || this.#noticed.length > 0) this.#isolation.run(this.#goOn)
    this.#isDelivering = false
    this.#extras = null
  }

  /** Something has come for a stream, which hears of it when the batch has been read. */
  notice(reader: Noticing): void {
    this.#noticed.push(reader)
    if (!this.#isDelivering && this.#noticed.length === 1) void SETTLED.then(this.#tellNoticed)
  }

  /** Delivers something that came before, by itself. */
  redeliver(work: () => void): void {
    this.#isolation.run(() => this.guard(work))
  }

  /** Runs code of others. What it throws becomes an uncaught exception when the batch is delivered. */
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
    if (!this.#isDelivering && this.#thrown.length === 1) void SETTLED.then(() => this.raise())
  }

  get hasThrown(): boolean {
    return this.#thrown.length > 0
  }

  /** Makes uncaught exceptions of what was thrown. */
  raise(): void {
    for (let error; this.#thrown.length > 0; ) {
      error = this.#thrown.shift()
      this.#raise(error)
    }
  }

  readonly #tellNoticed = (): void => {
    while (this.#noticed.length > 0) this.#isolation.run(this.#goOn)
  }

  /** Goes on until all is delivered, or something was left behind that the next must not see. */
  readonly #goOn = (): void => {
    while (this.#run < this.#end) if (!this.#readRun()) return
    while (this.#noticed.length > 0) {
      const reader = this.#noticed.shift()!
      this.guard(() => reader.arrived())
      if (this.#isolation.isSpoiled) return
    }
  }

  /** Reads a run, or what is left of it. Returns whether to go on. */
  #readRun(): boolean {
    const { runs } = this
    const run = this.#run
    const link = runs[run]
    const place = link & 0xffff
    let at = this.#at
    if (at < 0) {
      const fresh = runs[run + 3]
      if (fresh !== 0) {
        const memory = this.#extras![fresh - 1] as ArrayBuffer
        this.#inboxes[place] = new Inbox(link, memory, this.#inboxes[place])
      }
      this.#inboxes[place]!.begin()
      at = runs[run + 1] >>> 2
    }
    const inbox = this.#inboxes[place]!
    const end = runs[run + 2] >>> 2
    at = inbox.isGone ? this.#lost(link) : this.#read(link, inbox, at, end)
    if (at < end) {
      this.#at = at
      return false
    }
    runs[run + 3] = inbox.flags
    this.#run = run + RUN_WORDS
    this.#at = -1
    return !this.#isolation.isSpoiled
  }

  /** Reads records. Returns the place of the first that was not read. */
  #read(link: number, inbox: Inbox, start: number, end: number): number {
    const isolation = this.#isolation
    const host = this.#host
    const extras = this.#extras
    let receiver = host.receiver(link)
    let at = start
    while (at < end) {
      try {
        const kind = inbox.kind(at)
        if (kind < EVENT_CONNECTED) {
          receiver?.received(inbox, at, kind, extras)
        } else {
          host.event(link, kind, inbox, at)
          receiver = host.receiver(link)
        }
      } catch (error) {
        this.uncaught(error)
      }
      const next = inbox.next(at)
      if (!(next > at)) return this.#lost(link)
      at = next
      if (isolation.isSpoiled) break
    }
    return at
  }

  /** The arena is gone, with all that has not been read. */
  #lost(link: number): number {
    this.guard(() => this.#host.lost(link))
    return Infinity
  }
}
