// The exit flush: before a process ends, what it has sent is written, or a warning says what was
// not.

import type { Alarm, Alarms } from './alarms.js'
import type { Receiver } from './receiver.js'
import { warn } from '../values/report.js'

/** How long a process that is about to end waits for peers that read nothing. */
const FLUSH_MS = 1000
/** How often it checks meanwhile. */
const CHECK_MS = 10

/** What the runtime has for this. */
interface Home {
  readonly alarms: Alarms
  readonly connections: Receiver[]
  hold(count: number): void
  flushAtExit(): void
}

export class ExitFlush {
  readonly #home: Home
  #alarm: Alarm | undefined
  /** Bytes that waited at the last check, and when they became so few. */
  #waiting = 0
  #since = 0
  /** Peers that have read nothing for so long that they are no longer waited for. */
  readonly #givenUp = new WeakSet<Receiver>()

  constructor(home: Home) {
    this.#home = home
  }

  listen(): void {
    process.on('beforeExit', this.#stay)
    process.on('exit', () => this.#home.flushAtExit())
  }

  /** Nothing keeps the process. What waits for room still does, while its peers read. */
  readonly #stay = (): void => {
    if (this.#alarm !== undefined || this.#bytes() === 0) return
    this.#waiting = Infinity
    this.#home.hold(1)
    this.#check()
  }

  readonly #check = (): void => {
    const { alarms } = this.#home
    const [bytes, now] = [this.#bytes(), alarms.now()]
    if (bytes < this.#waiting) this.#since = now
    this.#waiting = bytes
    if (bytes > 0 && now - this.#since < FLUSH_MS) {
      this.#alarm = alarms.set(CHECK_MS, this.#check)
      return
    }
    this.#alarm = undefined
    for (const connection of this.#left()) this.#giveUp(connection)
    this.#home.hold(-1)
  }

  #giveUp(connection: Receiver): void {
    this.#givenUp.add(connection)
    const { pid } = connection.peer
    const bytes = connection.unwritten.toLocaleString('en')
    warn(`this process ends while process ${pid} reads nothing: ${bytes} bytes for it are lost`)
  }

  #left(): Receiver[] {
    const { connections } = this.#home
    return connections.filter((one) => one.unwritten > 0 && !this.#givenUp.has(one))
  }

  #bytes(): number {
    return this.#left().reduce((sum, connection) => sum + connection.unwritten, 0)
  }
}
