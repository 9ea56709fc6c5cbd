// What was posted and waits for room: the other side grants it as it reads.

import type * as api from '../../index.js'
import { IpcError } from '../values/errors.js'
import { Fifo } from '../values/fifo.js'

/** What a message takes beside its bytes. */
const MESSAGE_OVERHEAD = 32

const costOf = (message: Uint8Array): number => message.length + MESSAGE_OVERHEAD

export class Outgoing {
  readonly #writer: api.ItemWriter<Uint8Array>
  readonly #bytesMax: number
  readonly #waiting = new Fifo<Uint8Array>()
  #bytes = 0
  #hasRoom = true
  #isOver = false

  constructor(writer: api.ItemWriter<Uint8Array>, bytesMax: number) {
    this.#writer = writer
    this.#bytesMax = bytesMax
  }

  /** Throws if a message can neither be written nor wait. */
  check(message: Uint8Array): void {
    const bytes = this.#bytes + costOf(message)
    if (this.#hasRoom || this.#isOver || bytes <= this.#bytesMax) return
    const full = `${this.#bytes} bytes wait for the other side to read`
    const advice = 'post less, or raise queuedMax'
    throw new IpcError('ERR_FULL', `${full}, at most ${this.#bytesMax} may: ${advice}`)
  }

  push(message: Uint8Array): void {
    if (this.#isOver) return
    if (this.#hasRoom) return this.#write(message)
    this.#bytes += costOf(message)
    this.#waiting.push(message)
  }

  /** Nothing can be written any more. */
  stop(): void {
    this.#isOver = true
    this.#bytes = 0
    this.#waiting.clear()
  }

  #write(message: Uint8Array): void {
    try {
      this.#hasRoom = this.#writer.write(message)
      if (!this.#hasRoom) void this.#await()
    } catch {
      // The stream has ended, and its reader gets the reason.
      this.stop()
    }
  }

  async #await(): Promise<void> {
    try {
      await this.#writer.ready()
    } catch {
      return this.stop()
    }
    this.#hasRoom = true
    while (this.#hasRoom && this.#waiting.length > 0) {
      const message = this.#waiting.shift()
      this.#bytes -= costOf(message)
      this.#write(message)
    }
  }
}
