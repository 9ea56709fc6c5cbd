// Last words: what a process has sent is written before it ends, or it is said what was not.

import type { Alarm, Alarms } from './alarms.js'
import type { Receiver } from './receiver.js'
import { warn } from '../values/report.js'

/** How long a process that has come to its end waits for peers that read nothing. */
const PATIENCE_MS = 1000
/** How often it looks meanwhile. */
const LOOK_MS = 10

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
  /** Bytes that waited at the last look, and when they became so few. */
  #waiting = 0
  #since = 0
  /** Peers that have read nothing for so long that nobody waits for them. */
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
    this.#look()
  }

  readonly #look = (): void => {
    const { alarms } = this.#home
    const [bytes, now] = [this.#bytes(), alarms.now()]
    if (bytes < this.#waiting) this.#since = now
    this.#waiting = bytes
    if (bytes > 0 && now - this.#since < PATIENCE_MS) {
      this.#alarm = alarms.set(LOOK_MS, this.#look)
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
    warn(`this process ends, and process ${pid} reads nothing: ${bytes} bytes for it are not written`)
  }

  #left(): Receiver[] {
    const { connections } = this.#home
    return connections.filter((one) => one.unwritten > 0 && !this.#givenUp.has(one))
  }

  #bytes(): number {
    return this.#left().reduce((sum, connection) => sum + connection.unwritten, 0)
  }
}
