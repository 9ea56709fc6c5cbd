// Messages that wait for a handler of their name to be registered.

import type { Alarm, Alarms } from '../runtime/alarms.js'
import type { Inbox } from '../runtime/inbox.js'
import { native, type Extras } from '../native.js'

const { KIND_REQUEST, KIND_REQUEST_ITEM } = native

/** Bytes that may wait, of one connection. */
const BYTES_MAX = 1 << 20

const SETTLED = Promise.resolve()

/** Who the messages are for. */
interface Host {
  nameOf(code: number): string
  isHandled(name: string, kind: number): boolean
  take(inbox: Inbox, at: number, kind: number, extras: Extras): void
  /** Delivers something that came before. */
  redeliver(work: () => void): void
}

/** A message in an inbox of its own, and what came after it and goes with it. */
interface Parked {
  readonly name: string
  readonly kind: number
  readonly inbox: Inbox
  readonly extras: Extras
  readonly until: number
  bytes: number
  readonly later: (() => void)[]
}

export class Parking {
  readonly #host: Host
  readonly #alarms: Alarms
  readonly #waitMs: number
  /** In the order in which they came, which is that of their ends. */
  #parked: Parked[] = []
  #bytes = 0
  #alarm: Alarm | undefined
  #isChecking = false

  constructor(host: Host, alarms: Alarms, waitMs: number) {
    this.#host = host
    this.#alarms = alarms
    this.#waitMs = waitMs
  }

  /** Lets a message wait, if it has to and there is room. Returns whether it does. */
  waits(inbox: Inbox, at: number, kind: number, extras: Extras): boolean {
    if (kind === KIND_REQUEST_ITEM) {
      return this.#parked.length > 0 && this.#itemWaits(inbox, at, extras)
    }
    const name = this.#host.nameOf(inbox.code(at))
    // What came before goes before, if there is a handler by now.
    if (this.#parked.some((parked) => parked.name === name)) this.#deliverHandled()
    if (this.#host.isHandled(name, kind)) return false
    const bytes = inbox.size(at)
    if (this.#bytes + bytes > BYTES_MAX) return false
    const until = this.#alarms.now() + this.#waitMs
    this.#bytes += bytes
    this.#parked.push({ name, kind, ...inbox.copy(at, extras), until, bytes, later: [] })
    if (this.#parked.length === 1) this.#watch()
    return true
  }

  #itemWaits(inbox: Inbox, at: number, extras: Extras): boolean {
    const found = this.#find(inbox.slot(at), inbox.generation(at))
    if (found === undefined) return false
    // There is not much of them: a stream has its window.
    const bytes = inbox.size(at)
    this.#bytes += bytes
    found.bytes += bytes
    const item = inbox.copy(at, extras)
    found.later.push(() => this.#host.take(item.inbox, 0, KIND_REQUEST_ITEM, item.extras))
    return true
  }

  /** Does something now, or when a request that waits has found its handler. */
  follow(slot: number, generation: number, then: () => void): void {
    const found = this.#find(slot, generation)
    if (found === undefined) then()
    else found.later.push(then)
  }

  /** The reply to a request is no longer wanted. */
  drop(slot: number, generation: number): void {
    const found = this.#find(slot, generation)
    if (found !== undefined) this.#take((parked) => parked === found)
  }

  /** Handlers have changed. They are not called before the code that registers them has
   * returned. */
  changed(): void {
    if (this.#parked.length === 0 || this.#isChecking) return
    this.#isChecking = true
    void SETTLED.then(() => {
      this.#isChecking = false
      this.#deliverHandled()
    })
  }

  /** Nothing will be delivered any more. Returns how many were no requests. */
  clear(): number {
    return this.#take(() => true).filter(({ kind }) => kind !== KIND_REQUEST).length
  }

  /** Delivers what has a handler by now. */
  #deliverHandled(): void {
    this.#deliver(({ name, kind }) => this.#host.isHandled(name, kind))
  }

  #deliver(isMeant: (parked: Parked) => boolean): void {
    for (const { inbox, kind, extras, later } of this.#take(isMeant)) {
      this.#host.redeliver(() => this.#host.take(inbox, 0, kind, extras))
      for (const then of later) this.#host.redeliver(then)
    }
  }

  #find(slot: number, generation: number): Parked | undefined {
    return this.#parked.find(
      ({ kind, inbox }) =>
        kind === KIND_REQUEST && inbox.slot(0) === slot && inbox.generation(0) === generation,
    )
  }

  #take(isMeant: (parked: Parked) => boolean): Parked[] {
    const taken = this.#parked.filter(isMeant)
    if (taken.length === 0) return taken
    this.#parked = this.#parked.filter((parked) => !taken.includes(parked))
    for (const { bytes } of taken) this.#bytes -= bytes
    this.#watch()
    return taken
  }

  /** The first is the next whose time is over. */
  #watch(): void {
    if (this.#alarm !== undefined) this.#alarms.clear(this.#alarm)
    this.#alarm = undefined
    if (this.#parked.length === 0) return
    const left = this.#parked[0].until - this.#alarms.now()
    this.#alarm = this.#alarms.set(Math.max(0, left), () => {
      const now = this.#alarms.now()
      this.#deliver(({ until }) => until <= now)
    })
  }
}
