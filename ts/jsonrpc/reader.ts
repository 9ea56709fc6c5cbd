// Reads messages from a channel, as `vscode-jsonrpc` wants them.

import type { DataCallback, Disposable, MessageReader, PartialMessageInfo } from 'vscode-jsonrpc'
import { IpcError } from '../values/errors.js'
import { asError } from '../values/report.js'
import type { Channel } from './channel.js'
import { Emitter } from './emitter.js'
import { decode } from './message.js'

export class Reader implements MessageReader {
  readonly #opening: Promise<Channel>
  readonly #errors = new Emitter<Error>()
  readonly #closes = new Emitter<void>()
  #callback: DataCallback | undefined
  #isListening = false
  #isClosed = false

  readonly onError = this.#errors.event
  readonly onClose = this.#closes.event
  readonly onPartialMessage = new Emitter<PartialMessageInfo>().event

  constructor(opening: Promise<Channel>) {
    this.#opening = opening
  }

  listen(callback: DataCallback): Disposable {
    if (this.#isListening) throw new IpcError('ERR_INVALID_ARGUMENT', 'listen() was called before')
    this.#isListening = true
    this.#callback = callback
    void this.#read()
    return { dispose: () => (this.#callback = undefined) }
  }

  dispose(): void {
    this.#callback = undefined
    this.#errors.dispose()
    this.#closes.dispose()
  }

  async #read(): Promise<void> {
    try {
      const channel = await this.#opening
      await this.#readAll(channel)
    } catch (error) {
      if (!this.#isClosed) this.#errors.emit(asError(error, 'a transport'))
    }
    this.#close()
  }

  async #readAll(channel: Channel): Promise<void> {
    try {
      // Each is made a message at once, so that no copy of its bytes is needed.
      await channel.items.forEach((items) => this.#take(items, channel), { borrowed: true })
      // The other side has left altogether.
      channel.finish()
    } catch (error) {
      // Unless it was over before, which is why.
      channel.fail(error)
      throw (await channel.over) ?? error
    }
  }

  #take(items: Uint8Array[], channel: Channel): void {
    for (const item of items) {
      if (this.#isClosed) return
      if (item.length > 0) this.#deliver(item)
      else {
        this.#close()
        channel.ended()
      }
    }
  }

  #deliver(item: Uint8Array): void {
    try {
      this.#callback?.(decode(item))
    } catch (error) {
      this.#errors.emit(asError(error, 'a listener of messages'))
    }
  }

  #close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#closes.emit()
  }
}
