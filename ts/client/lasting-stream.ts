// A stream that may outlive a session: one that is asked for while there is none, or one whose
// contract is resumable, so that it is asked for again, with the number of items that have come.

import type * as api from '../../index.js'
import { ClientStream } from '../connection/client-stream.js'
import type { Connection } from '../connection/connection.js'
import { STREAM, tooMany, type ItemReader } from '../connection/flow.js'
import type { Waiters } from '../connection/wait.js'
import { encodeToKeep } from '../values/codec.js'
import { Deferred } from '../values/deferred.js'
import type { StreamContract } from '../values/contract.js'
import { IpcError, isLoss } from '../values/errors.js'
import { checkFunction } from '../values/checks.js'
import { handleOptions, waitOptions } from '../values/options.js'
import { promised } from '../values/thenable.js'
import { Lasting, type Home } from './lasting.js'

export class LastingStream
  extends Lasting<StreamContract>
  implements api.ClientStream, AsyncIterableIterator<any>
{
  readonly result: Promise<any>
  readonly keepsAlive: boolean
  readonly #options: api.StreamCallOptions
  #resolve!: (value: unknown) => void
  #reject!: (reason: unknown) => void
  /** On the session there is. */
  #current: ClientStream | undefined
  /** Those that may have items to read, the first of them first. */
  readonly #readers: ItemReader[] = []
  /** Items that have come on sessions that are over. */
  #taken = 0
  /** Written before there was a session. */
  #early: Uint8Array | undefined
  #hasEnded = false
  /** Why nothing can be written, once that is so. */
  #end: { reason: unknown } | undefined
  /** What `cancel` was called with. The session may be lost already, and the stream on it know of
   * nothing to cancel. */
  #cancelled: { reason: unknown } | undefined
  /** Writers that wait for a session. */
  #waiting: Waiters | undefined
  /** Settles when there is a stream on another session, or never will be. */
  #next = new Deferred<void>()

  /** Throws what keeps it from being asked for at all. */
  constructor(
    home: Home,
    contract: StreamContract,
    params: unknown,
    options: api.StreamCallOptions,
  ) {
    super(home, contract, params, options, Infinity)
    this.#options = options
    this.keepsAlive = options.keepsAlive ?? true
    this.result = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    // A program that reads the items gets a failure there, and need not handle it here.
    this.result.catch(() => {})
    this.begin()
  }

  // ---- sessions ----

  start(session: Connection): void {
    this.checkWanted()
    const { lane, windowBytes } = this.#options
    const replayed = this.session === undefined ? undefined : this.#taken
    const options = { lane, windowBytes, keepsAlive: this.keepsAlive, replayed }
    let stream: ClientStream
    try {
      stream = session.streamEncoded(this.contract, this.payload, options, this.terms)
    } catch (error) {
      return this.fail(error)
    }
    this.session = session
    this.#current = stream
    this.#readers.push(stream.reader)
    stream.result.then(
      (value) => this.#succeed(value),
      (error: unknown) => this.#failed(stream, error),
    )
    if (this.#cancelled === undefined) this.#writeEarly(stream)
    else stream.cancel(this.#cancelled.reason)
    this.#waiting?.resolve()
    const { resolve } = this.#next
    this.#next = new Deferred()
    resolve()
  }

  protected override checkWanted(): void {
    if (this.#cancelled !== undefined) throw this.#cancelled.reason
    super.checkWanted()
  }

  #writeEarly(stream: ClientStream): void {
    try {
      if (this.#early !== undefined) stream.writer.writeEncoded(this.#early)
      this.#early = undefined
      if (this.#hasEnded) stream.end()
    } catch (error) {
      stream.cancel(error)
    }
  }

  #succeed(value: unknown): void {
    this.#stop(ended())
    this.#resolve(value)
    this.#next.resolve()
  }

  #failed(stream: ClientStream, error: unknown): void {
    if (this.contract.options.resumable !== true || !isLoss(error)) return this.fail(error)
    if (this.#cancelled !== undefined) return this.fail(this.#cancelled.reason)
    this.#current = undefined
    this.#taken += stream.reader.count
    this.beginAgain(error)
  }

  fail(reason: unknown): void {
    this.#stop(reason)
    this.#reject(reason)
    this.#next.reject(reason)
  }

  /** Nothing can be written any more. */
  #stop(reason: unknown): void {
    this.#end ??= { reason }
    this.#waiting?.reject(reason)
  }

  /** The reader whose turn it is. */
  async #reader(): Promise<ItemReader> {
    while (this.#readers.length === 0) await this.#next.promise
    return this.#readers[0]
  }

  /** Whether a reader has failed because its session was lost, so that the next goes on. */
  async #goesOn(reader: ItemReader, error: unknown): Promise<boolean> {
    if (this.contract.options.resumable !== true || !isLoss(error)) return false
    if (this.#cancelled !== undefined) throw this.#cancelled.reason
    // What the loss means for the stream is decided where its result is.
    if (this.#readers.at(-1) === reader) await this.#next.promise
    if (this.#readers[0] === reader) this.#readers.shift()
    return true
  }

  /** The same for who waits behind another, which alone is told of the failure. */
  #goesOnBehind(reader: ItemReader): Promise<boolean> {
    return this.#goesOn(reader, reader.failure).catch(() => false)
  }

  // ---- reading ----

  [Symbol.asyncIterator](): AsyncIterableIterator<any> {
    return this
  }

  async next(): Promise<IteratorResult<any>> {
    for (;;) {
      const reader = await this.#reader()
      try {
        const result = await reader.next()
        if (result.done !== true || !(await this.#goesOnBehind(reader))) return result
      } catch (error) {
        if (!(await this.#goesOn(reader, error))) throw error
      }
    }
  }

  return(): Promise<IteratorResult<any>> {
    this.cancel()
    return Promise.resolve({ value: undefined, done: true })
  }

  async forEach(take: (items: any[]) => unknown, options?: api.HandleOptions): Promise<void> {
    checkFunction('take', take)
    const { borrowed = false } = handleOptions(options)
    const taking = this.#cancelling(take)
    for (;;) {
      const reader = await this.#reader()
      try {
        return await reader.forEach(taking, borrowed)
      } catch (error) {
        if (!(await this.#goesOn(reader, error))) throw error
      }
    }
  }

  /** What it throws cancels the stream, also where the session is lost already. */
  #cancelling(take: (items: any[]) => unknown): (items: any[]) => unknown {
    const failed = (error: unknown): never => {
      this.cancel(error)
      throw error
    }
    return (items) => {
      try {
        return promised(take(items))?.catch(failed)
      } catch (error) {
        return failed(error)
      }
    }
  }

  // ---- writing ----

  write(item: unknown): boolean {
    if (this.#current !== undefined) return this.#current.write(item)
    this.#checkEarly()
    const payload = encodeToKeep(this.contract.codec, item, 'item')
    // A getter of the item's may have ended the stream, or have written to it.
    this.#checkEarly()
    this.#early = payload
    return false
  }

  /** Throws if nothing can be written before there is a session. */
  #checkEarly(): void {
    if (this.#end !== undefined) throw this.#end.reason
    if (this.#early !== undefined) throw tooMany()
  }

  async ready(options?: api.WaitOptions): Promise<void> {
    const { signal, timeoutMs = Infinity } = waitOptions(options)
    const endsAt = this.home.now() + timeoutMs
    let leftMs = timeoutMs
    while (this.#current === undefined) {
      if (this.#end !== undefined) throw this.#end.reason
      this.#waiting ??= this.home.away.waiters('session')
      // The stream itself waits for one, and keeps the process alive if it is to do so.
      await this.#waiting.wait({ signal, timeoutMs: leftMs }, false)
      leftMs = Math.max(endsAt - this.home.now(), 1e-3)
    }
    return this.#current.ready({ signal, timeoutMs: leftMs })
  }

  end(): void {
    this.#hasEnded = true
    this.#stop(ended())
    this.#current?.end()
  }

  cancel(reason?: unknown): void {
    this.#cancelled ??= { reason: reason ?? wasCancelled() }
    const why = this.#cancelled.reason
    if (this.#current !== undefined) this.#current.cancel(why)
    else if (this.home.away.take(this)) this.fail(why)
  }
}
Object.defineProperty(LastingStream.prototype, STREAM, { value: 'client' })

function wasCancelled(): IpcError {
  return new IpcError('ERR_CANCELLED', 'the stream was cancelled here')
}

function ended(): IpcError {
  return new IpcError('ERR_CANCELLED', 'the stream has ended')
}
