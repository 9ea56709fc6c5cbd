// What waits while there is no session, in the order in which it was asked for.

import type * as api from '../../index.js'
import { IpcError } from '../values/errors.js'
import { onAbort } from '../values/signals.js'
import type { Alarm } from '../runtime/alarms.js'
import { Waiters } from '../connection/wait.js'
import type { Connection } from '../connection/connection.js'
import type { Runtime } from '../runtime/runtime.js'

/** Bytes that a message counts beside its payload: more than the header of its frame, so that what
 * waits can be sent, and so that empty ones cannot wait without end. */
export const MESSAGE_BYTES = 256

/** Something that needs a session. */
export interface Waiting {
  /** Bytes it keeps meanwhile; none, if it is no message. */
  readonly bytes: number
  /** Whether the process stays alive for it. @default true */
  readonly keepsAlive?: boolean
  /** There is a session. Throws what keeps it from being sent. */
  start(session: Connection): void
  /** There will be none in time. */
  fail(reason: unknown): void
}

/** How long something may wait. */
export interface Limits {
  readonly signals: readonly AbortSignal[]
  readonly timeoutMs: number
  /** What is missing when the time is over. */
  readonly what: string
}

export class Away {
  readonly #runtime: Runtime
  readonly #bytesMax: number
  /** With what takes back the limits of each. */
  readonly #waiting = new Map<Waiting, () => void>()
  #bytes = 0
  /** Who waits until no message does. */
  readonly #handingOver: Waiters

  constructor(runtime: Runtime, bytesMax: number) {
    this.#runtime = runtime
    this.#handingOver = this.waiters('session for what waits')
    this.#bytesMax = bytesMax
  }

  /** What waits, as of now. */
  get all(): Waiting[] {
    return [...this.#waiting.keys()]
  }

  /** How much waits. */
  get size(): number {
    return this.#waiting.size
  }

  /** Throws if there is no room for so many bytes more. */
  #check(bytes: number): void {
    if (this.#bytes + bytes <= this.#bytesMax) return
    const message = `the server is away, and ${this.#bytes} bytes wait for it already`
    throw new IpcError('ERR_FULL', message)
  }

  /** Lets something wait, and keeps the process alive, if it is to do so, until it has its outcome.
   * Throws if it may not wait, or not any more. */
  add(waiting: Waiting, { signals, timeoutMs, what }: Limits): void {
    this.#check(waiting.bytes)
    for (const signal of signals) signal.throwIfAborted()
    const { alarms } = this.#runtime
    const giveUp = (reason: unknown) => {
      if (this.take(waiting)) waiting.fail(reason)
    }
    const late = () => giveUp(new IpcError('ERR_TIMEOUT', `no ${what} within ${timeoutMs} ms`))
    const alarm: Alarm | undefined =
      timeoutMs === Infinity ? undefined : alarms.set(timeoutMs, late)
    const stops = signals.map((signal) => onAbort(signal, () => giveUp(signal.reason)))
    this.#waiting.set(waiting, () => {
      if (alarm !== undefined) alarms.clear(alarm)
      for (const stop of stops) stop()
    })
    this.#bytes += waiting.bytes
    this.#hold(waiting, 1)
  }

  #hold({ keepsAlive = true }: Waiting, count: number): void {
    if (keepsAlive) this.#runtime.hold(count)
  }

  /** The next session there is. */
  session({ signal, timeoutMs = Infinity }: api.WaitOptions): Promise<Connection> {
    const signals = signal === undefined ? [] : [signal]
    return new Promise((start, fail) => {
      this.add({ bytes: 0, start, fail }, { signals, timeoutMs, what: 'session' })
    })
  }

  /** Those who wait for something that waits here itself. */
  waiters(what: string): Waiters {
    return new Waiters(this.#runtime, what)
  }

  /** It waits no longer. Returns whether it did. */
  take(waiting: Waiting): boolean {
    const release = this.#waiting.get(waiting)
    if (release === undefined) return false
    this.#waiting.delete(waiting)
    release()
    this.#bytes -= waiting.bytes
    this.#hold(waiting, -1)
    if (this.#bytes === 0) this.#handingOver.resolve()
    return true
  }

  /** There is a session: all that waits now goes there. What it makes wait again comes behind. */
  start(session: Connection): void {
    for (const waiting of this.#takeAll()) this.#begin(waiting, session)
  }

  /** There is a session for this one, if it still waits. */
  startOne(waiting: Waiting, session: Connection): void {
    if (this.take(waiting)) this.#begin(waiting, session)
  }

  /** A failure is this one's alone: others wait behind it. */
  #begin(waiting: Waiting, session: Connection): void {
    try {
      waiting.start(session)
    } catch (error) {
      waiting.fail(error)
    }
  }

  /** Resolves when no message waits any more, whatever has become of it. */
  async handedOver(options: api.WaitOptions): Promise<void> {
    if (this.#bytes > 0) await this.#handingOver.wait(options, true)
  }

  /** There will be no session any more. */
  fail(reason: unknown): void {
    this.#handingOver.reject(reason)
    for (const waiting of this.#takeAll()) waiting.fail(reason)
  }

  #takeAll(): Waiting[] {
    const { all } = this
    for (const waiting of all) this.take(waiting)
    return all
  }
}
