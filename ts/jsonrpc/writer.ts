// Writes messages to a channel, as `vscode-jsonrpc` wants it.

import type { Message, MessageWriter } from 'vscode-jsonrpc'
import { IpcError } from '../values/errors.js'
import { asError } from '../values/report.js'
import type { Channel } from './channel.js'
import { Emitter } from './emitter.js'
import { encode } from './message.js'

const NO_BYTES = new Uint8Array()
/** How long what was written may wait for room once the writer was disposed. */
const LEAVE_MS = 1_000
const ADVICE = ': raise messageLenMax on both sides, or send it in parts'

export class Writer implements MessageWriter {
  readonly #opening: Promise<Channel>
  readonly #backlogMax: number
  readonly #errors = new Emitter<[Error, Message | undefined, number | undefined]>()
  readonly #closes = new Emitter<void>()
  #channel: Channel | undefined
  /** Resolves when there is room behind the message that was written last. */
  #room: Promise<unknown>
  /** Messages, and their bytes, whose writing has not settled. */
  #unsettled = 0
  #unsettledBytes = 0
  #isEnded = false
  #errorCount = 0

  readonly onError = this.#errors.event
  readonly onClose = this.#closes.event

  constructor(opening: Promise<Channel>, backlogMax: number) {
    this.#opening = opening
    this.#backlogMax = backlogMax
    this.#room = opening
    void this.#watch()
  }

  async write(message: Message): Promise<void> {
    try {
      if (this.#isEnded) throw new IpcError('ERR_CLOSED', 'end() was called before')
      const payload = encode(message)
      this.#checkBacklog(payload.length)
      await this.#inTurn(payload)
    } catch (error) {
      const reason = asError(error, 'a message')
      this.#errors.emit([reason, message, ++this.#errorCount])
      throw reason
    }
  }

  end(): void {
    if (this.#isEnded) return
    this.#isEnded = true
    this.#inTurn(NO_BYTES).then(() => this.#channel!.ended(), () => {})
  }

  dispose(): void {
    this.end()
    this.#opening.then((channel) => leave(channel, this.#room), () => {})
    this.#errors.dispose()
    this.#closes.dispose()
  }

  /** Writes at once if nothing waits, and otherwise behind what does. */
  async #inTurn(payload: Uint8Array): Promise<void> {
    const isFirst = this.#channel !== undefined && this.#unsettled === 0
    this.#unsettled++
    this.#unsettledBytes += payload.length
    try {
      const write = () => this.#put(payload)
      await (this.#room = isFirst ? write() : this.#room.then(write, write))
    } finally {
      this.#unsettled--
      this.#unsettledBytes -= payload.length
    }
  }

  async #put(payload: Uint8Array): Promise<void> {
    this.#channel ??= await this.#opening
    const { items, over } = this.#channel
    try {
      if (!items.write(payload)) await items.ready()
    } catch (error) {
      const { code, message } = error as IpcError
      if (code === 'ERR_TOO_LARGE') throw new IpcError(code, message + ADVICE, { cause: error })
      throw (await over) ?? new IpcError('ERR_CLOSED', 'the connection has ended', { cause: error })
    }
  }

  #checkBacklog(length: number): void {
    // A message that is alone may be as long as any.
    if (this.#unsettled === 0 || this.#unsettledBytes + length <= this.#backlogMax) return
    const waiting = `${this.#unsettledBytes} bytes wait for the other side`
    const advice = `at most ${this.#backlogMax} may: await write(), or raise backlogMax`
    throw new IpcError('ERR_FULL', `${waiting}, ${advice}`)
  }

  async #watch(): Promise<void> {
    try {
      this.#channel = await this.#opening
      await this.#channel.over
    } catch {
      // Whoever reads or writes is told.
    }
    this.#closes.emit()
  }
}

/** Closes a channel behind all that was written, if that finds room in time. */
async function leave(channel: Channel, written: Promise<unknown>): Promise<void> {
  const timer = setTimeout(() => void channel.close(), LEAVE_MS)
  await written.then(channel.finish, () => {})
  await channel.over
  clearTimeout(timer)
}
