// A stream, from the side that works: what a handler knows of it, and how what the handler returns
// becomes items.

import type * as api from '../../index.js'
import type { Cancellation } from './cancellation.js'
import { Context, type Owner } from './context.js'
import { IpcError } from '../values/errors.js'
import { ItemReader, ItemWriter, STREAM, type Address } from './flow.js'
import type { Inbox } from '../runtime/inbox.js'
import { native, type Extras } from '../native.js'
import { checkFunction } from '../values/checks.js'
import { handleOptions } from '../values/options.js'

const { KIND_REPLY_ITEM, KIND_REQUEST_ITEM } = native

export class ServerStream extends Context implements api.ServerStream {
  readonly writer: ItemWriter
  readonly reader: ItemReader

  constructor(
    owner: Owner,
    connectionEnd: Cancellation,
    address: Address,
    deadline: number,
    trace: Uint8Array | undefined,
    replayed: number,
  ) {
    const { slot, generation, code, lane } = address
    super(owner, connectionEnd, slot, generation, code, lane, deadline, trace, replayed)
    this.writer = new ItemWriter(address, KIND_REPLY_ITEM)
    const { upload } = address.contract.options
    // Unread uploads stay with the caller, which gets no more credit; an undecodable one ends the
    // stream.
    this.reader = new ItemReader(address, KIND_REQUEST_ITEM, upload, (reason) => {
      if (reason !== undefined) this.reader.end(reason)
    })
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

  override abort(reason: unknown): void {
    super.abort(reason)
    this.writer.stop(reason)
    this.reader.end(reason)
  }

  /** The handler has answered. */
  finish(): void {
    const reason = new IpcError('ERR_CANCELLED', 'the handler has answered')
    this.writer.stop(reason)
    this.reader.end()
  }
}

Object.defineProperty(ServerStream.prototype, STREAM, { value: 'server' })

type Source = AsyncIterator<unknown, unknown> | Iterator<unknown, unknown>

/** What yields items: a generator, or anything that can be iterated asynchronously. */
export function sourceOf(value: unknown): Source | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  if (Symbol.asyncIterator in value) {
    return (value as unknown as AsyncIterable<unknown>)[Symbol.asyncIterator]()
  }
  const { next } = value as Partial<Iterator<unknown>>
  const isGenerator = Symbol.iterator in value && typeof next === 'function'
  return isGenerator ? (value as unknown as Source) : undefined
}

/** Sends what a source yields, as far as the other side keeps up. Returns what it returns. */
export async function pump(source: Source, writer: ItemWriter): Promise<unknown> {
  try {
    for (;;) {
      const { value, done } = await source.next()
      if (done) return value
      if (!writer.write(value)) await writer.ready()
    }
  } catch (error) {
    // The source is no longer needed, and may have something to clean up.
    await source.return?.()
    throw error
  }
}
