// A stream, from the side that asked for it.

import type * as api from '../../index.js'
import { IpcError } from '../values/errors.js'
import { ItemReader, ItemWriter, STREAM, type Address } from './flow.js'
import type { Inbox } from '../runtime/inbox.js'
import { native, type Extras } from '../native.js'
import { checkFunction } from '../values/checks.js'
import { handleOptions } from '../values/options.js'

const { KIND_REPLY_ITEM, KIND_REQUEST_ITEM } = native

export class ClientStream implements api.ClientStream {
  readonly result: Promise<any>
  readonly writer: ItemWriter
  readonly reader: ItemReader
  readonly #cancel: (reason: unknown) => void
  #resolve!: (value: unknown) => void
  #reject!: (reason: unknown) => void

  /** `cancel` gives the request up. */
  constructor(address: Address, cancel: (reason: unknown) => void) {
    this.#cancel = cancel
    this.result = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    // A program that reads the items gets a failure there, and need not handle it here.
    this.result.catch(() => {})
    this.writer = new ItemWriter(address, KIND_REQUEST_ITEM)
    const { item } = address.contract.options
    this.reader = new ItemReader(address, KIND_REPLY_ITEM, item, (reason) => this.cancel(reason))
  }

  /** The reply has come. */
  succeed(value: unknown): void {
    this.writer.stop(new IpcError('ERR_CANCELLED', 'the stream has ended'))
    this.reader.end()
    this.#resolve(value)
  }

  /** There will be none. */
  fail(reason: unknown): void {
    this.writer.stop(reason)
    this.reader.end(reason)
    this.#reject(reason)
  }

  received(inbox: Inbox, at: number, extras: Extras): void {
    this.reader.received(inbox, at, extras)
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<any> {
    return this.reader
  }

  async forEach(take: (items: any[]) => unknown, options?: api.HandleOptions): Promise<void> {
    checkFunction('take', take)
    const { borrowed = false } = handleOptions(options)
    return this.reader.forEach(take, borrowed)
  }

  write(item: unknown): boolean {
    return this.writer.write(item)
  }

  ready(options?: api.WaitOptions): Promise<void> {
    return this.writer.ready(options)
  }

  end(): void {
    this.writer.end(new IpcError('ERR_CANCELLED', 'end() was called before'))
  }

  cancel(reason?: unknown): void {
    this.#cancel(reason ?? new IpcError('ERR_CANCELLED', 'the stream was cancelled here'))
  }
}
Object.defineProperty(ClientStream.prototype, STREAM, { value: 'client' })
