// One-way messages that are bytes already.

import type * as api from '../../index.js'
import type { EventContract } from '../values/contract.js'
import { sentEvents } from '../values/diagnostics.js'
import { IpcError, parseError } from '../values/errors.js'
import type { Link } from './link.js'
import { native } from '../native.js'
import { laneNumber } from '../values/options.js'
import { Pending } from './pending.js'
import { traceBytes } from '../values/trace.js'
import { watchedEvent } from './watched.js'

const { KIND_ONE_WAY } = native

/** The connection they are sent on. */
interface Home {
  /** As programs see it. */
  readonly front: api.Connection
}

/** A sender that waits until its message is written. */

interface Waiting {
  resolve(): void
  reject(error: Error): void
}

export class Sends {
  readonly #link: Link
  readonly #home: Home
  readonly #pending = new Pending<Waiting>()

  constructor(link: Link, home: Home) {
    this.#link = link
    this.#home = home
  }

  /** Sends a message. Returns whether it is written, or will be as soon as the turn ends. */
  notify(
    contract: EventContract,
    bytes: Uint8Array,
    lane: api.Lane | undefined,
    traceparent: string | undefined,
  ): boolean {
    const link = this.#link
    const { outbox } = link.runtime
    const length = link.check(bytes)
    const number = laneNumber(lane)
    const { unsure, laneShare } = link.settings
    if (!unsure[number] && outbox.used + link.queued(number) <= laneShare) {
      this.#append(contract, bytes, length, number, traceparent, 0, 0)
      return link.queued(number) === 0
    }
    // What came before goes first, so that what is refused or dropped now is this message.
    outbox.submit()
    const { refused, dropped } = outbox
    this.#append(contract, bytes, length, number, traceparent, 0, 0)
    outbox.submit()
    if (outbox.refused !== refused) throw isFull(link.peer.pid)
    return outbox.dropped === dropped && link.queued(number) === 0
  }

  /** Sends a message under an id of its own, and waits for what becomes of it. */
  async send(
    contract: EventContract,
    bytes: Uint8Array,
    { lane, traceparent }: api.NotifyOptions,
  ): Promise<void> {
    const link = this.#link
    const length = link.check(bytes)
    return new Promise((resolve, reject) => {
      const slot = this.#pending.add({ resolve, reject })
      link.runtime.addReferences(1)
      const generation = this.#pending.generation(slot)
      this.#append(contract, bytes, length, laneNumber(lane), traceparent, slot, generation)
    })
  }

  #append(
    contract: EventContract,
    bytes: Uint8Array,
    length: number,
    lane: number,
    traceparent: string | undefined,
    slot: number,
    generation: number,
  ): void {
    const link = this.#link
    if (sentEvents.hasSubscribers) {
      // Subscribers may encode something themselves, which takes the place of what is only lent
      // here, and may close the connection.
      bytes = new Uint8Array(bytes)
      traceparent = watchedEvent(this.#home.front, contract, lane, traceparent)
      if (link.end !== undefined) throw link.end
    }
    const code = link.code(contract)
    const { outbox } = link.runtime
    const trace = traceparent === undefined ? undefined : traceBytes(traceparent)
    outbox.kind = KIND_ONE_WAY
    outbox.link = link.number
    outbox.lane = lane
    outbox.format = contract.format
    outbox.code = code
    outbox.slot = slot
    outbox.generation = generation
    outbox.append(bytes, length, trace)
  }

  /** It is being written, or will never be: `reason` says why. */
  settled(slot: number, generation: number, reason: string): void {
    const waiting = this.#pending.take(slot, generation)
    if (waiting === undefined) return
    this.#link.runtime.addReferences(-1)
    if (reason === '') waiting.resolve()
    else waiting.reject(parseError(reason))
  }

  /** The connection is over, and no more outcomes will arrive. */
  end(reason: Error): void {
    for (const waiting of this.#pending.takeAll()) {
      this.#link.runtime.addReferences(-1)
      waiting.reject(reason)
    }
  }
}

/** The failure of a wait during which so many events were dropped. */
export function wereDropped(count: number): IpcError {
  return new IpcError('ERR_FULL', `${count} events were dropped because their lane was full`)
}

function isFull(pid: number): IpcError {
  const message = `process ${pid} does not read, and too many bytes wait for it already`
  return new IpcError('ERR_FULL', message)
}
