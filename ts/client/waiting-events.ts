// One-way messages that are sent while there is no session: each lane does with them what it does
// when it is full.

import type * as api from '../../index.js'
import type { EventContract } from '../values/contract.js'
import { IpcError, isLoss } from '../values/errors.js'
import { LANES, laneNumber, type ClientSettings } from '../values/options.js'
import type { Connection } from '../connection/connection.js'
import { MESSAGE_BYTES, type Waiting } from './away.js'
import type { Home } from './lasting.js'

/** A sender that waits for what becomes of its message. */
export interface Sender {
  resolve(): void
  reject(reason: unknown): void
}

/** Called for each event that is dropped, with whether its sender is told. */
export type Dropped = (drop: api.Drop, isTold: boolean) => void

/** Where a lane has no ring yet whose length would say how much may wait. */
const OLDEST_BYTES = 64 << 10

export class WaitingEvents {
  /** Events dropped, by lane. */
  readonly dropped = [0, 0, 0, 0]
  readonly #home: Home
  readonly #settings: ClientSettings
  readonly #announce: Dropped
  readonly #lanes = LANES.map(() => new Set<WaitingEvent>())

  constructor(home: Home, settings: ClientSettings, announce: Dropped) {
    this.#home = home
    this.#settings = settings
    this.#announce = announce
  }

  /** Throws if the message is refused. */
  add(
    contract: EventContract,
    payload: Uint8Array,
    { lane, traceparent }: api.NotifyOptions,
    sender?: Sender,
  ): void {
    this.#home.checkWaits()
    const number = laneNumber(lane)
    const policy = this.#settings.native.overflow[number]
    const send = (session: Connection) => {
      if (sender === undefined) {
        session.sends.notify(contract, payload, lane, traceparent)
      } else {
        const sent = session.sends.send(contract, payload, { lane, traceparent })
        sent.then(sender.resolve, sender.reject)
      }
    }
    const event = new WaitingEvent(payload.length, this.#lanes[number], send, (reason) => {
      this.#drop(number, sender !== undefined)
      sender?.reject(reason)
    })
    if (policy === 'fail') throw new IpcError('ERR_FULL', 'the server is away')
    if (policy === 'dropNewest') return event.fail(new IpcError('ERR_FULL', 'the server is away'))
    if (policy === 'dropOldest') this.#makeRoom(number, payload.length)
    const timeoutMs = typeof policy === 'number' ? policy : Infinity
    this.#home.away.add(event, { signals: [], timeoutMs, what: 'session' })
    this.#lanes[number].add(event)
  }

  /** How many were dropped, in all lanes. */
  get droppedInAll(): number {
    return this.dropped.reduce((sum, count) => sum + count)
  }

  #makeRoom(lane: number, length: number): void {
    const max = this.#settings.native.rings[lane] || OLDEST_BYTES
    let waiting = length
    for (const event of this.#lanes[lane]) waiting += event.length
    for (const event of this.#lanes[lane]) {
      if (waiting <= max) return
      waiting -= event.length
      this.#home.away.take(event)
      event.fail(new IpcError('ERR_FULL', 'a later message has taken the place of this one'))
    }
  }

  #drop(lane: number, isTold: boolean): void {
    this.dropped[lane]++
    this.#announce({ lane: LANES[lane], count: 1 }, isTold)
  }
}

class WaitingEvent implements Waiting {
  readonly bytes: number

  constructor(
    readonly length: number,
    readonly lane: Set<WaitingEvent>,
    readonly send: (session: Connection) => void,
    readonly dropped: (reason: unknown) => void,
  ) {
    this.bytes = length + MESSAGE_BYTES
  }

  start(session: Connection): void {
    this.lane.delete(this)
    try {
      this.send(session)
    } catch (error) {
      // Where the session has ended meanwhile, it is one of those that had no other.
      if (isLoss(error)) throw error
      session.report(error, 'an event that was to be sent')
    }
  }

  fail(reason: unknown): void {
    this.lane.delete(this)
    this.dropped(reason)
  }
}
