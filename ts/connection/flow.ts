// The two directions of a stream: what is written, as far as credit goes, and what has come and
// waits to be read.

import type * as api from '../../index.js'
import { BYTES, decodeWith, encodeWith, OWN } from '../values/codec.js'
import type { StreamContract } from '../values/contract.js'
import { Costs } from '../values/costs.js'
import { IpcError } from '../values/errors.js'
import { Fifo } from '../values/fifo.js'
import type { Inbox } from '../runtime/inbox.js'
import type { Link } from './link.js'
import { native, type Extras } from '../native.js'
import { waitOptions } from '../values/options.js'
import { withinContext } from '../runtime/isolation.js'
import { promised } from '../values/thenable.js'
import { Waiters } from './wait.js'

const { GRANTS_PER_WINDOW, ITEM_OVERHEAD, ORDER_CONSUMED, ORDER_END } = native

/** What an item takes of the credit: what its frame takes in a ring. */
const itemCost = (length: number): number => (length + ITEM_OVERHEAD + 7) & ~7

/** By this streams of every copy of the package are known; its value says which end they are. */
export const STREAM = Symbol.for('ringpost.stream')

/** Which stream on which link, as its frames have it. */
export interface Address {
  readonly link: Link
  readonly contract: StreamContract
  readonly lane: number
  readonly code: number
  readonly slot: number
  readonly generation: number
  readonly window: number
}

interface Asking<T> {
  resolve(value: T): void
  reject(reason: unknown): void
}

export class ItemWriter {
  readonly #address: Address
  readonly #kind: number
  #sent = 0
  #granted: number
  /** Why nothing can be written, once that is so. */
  #end: unknown
  #waiting: Waiters | undefined

  constructor(address: Address, kind: number) {
    this.#address = address
    this.#kind = kind
    this.#granted = address.window
  }

  get isOpen(): boolean {
    return this.#end === undefined
  }

  get isReady(): boolean {
    const { link, lane } = this.#address
    return this.#sent < this.#granted && link.queued(lane) === 0
  }

  write(item: unknown): boolean {
    if (this.#end !== undefined) throw this.#end
    return this.writeEncoded(encodeWith(this.#address.contract.codec, item, 'item'))
  }

  /** Writes an item that is bytes already. */
  writeEncoded(payload: Uint8Array): boolean {
    // A getter of the item's may have ended the stream.
    if (this.#end !== undefined) throw this.#end
    const { link, contract, lane, code, slot, generation } = this.#address
    const length = link.check(payload)
    if (this.#sent >= this.#granted) throw tooMany()
    this.#sent += itemCost(length)
    const { outbox } = link.runtime
    outbox.kind = this.#kind
    outbox.link = link.number
    outbox.lane = lane
    outbox.format = contract.codecNumber
    outbox.code = code
    outbox.slot = slot
    outbox.generation = generation
    outbox.append(payload, length, undefined)
    return this.isReady
  }

  ready(options?: api.WaitOptions): Promise<void> {
    try {
      const checked = waitOptions(options)
      if (this.#end !== undefined) throw this.#end
      return this.isReady ? Promise.resolve() : this.#wait(checked)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  #wait(options: api.WaitOptions): Promise<void> {
    const { link } = this.#address
    const emptied = () => link.stalled.delete(this)
    this.#waiting ??= new Waiters(link.runtime, 'room for another item', emptied)
    link.stalled.add(this)
    return this.#waiting.wait(options, false)
  }

  /** Says that no more items go with the request. */
  end(reason: unknown): void {
    if (this.#end !== undefined) return
    this.stop(reason)
    const { link, lane, slot, generation } = this.#address
    if (link.end !== undefined) return
    const { outbox } = link.runtime
    outbox.kind = ORDER_END
    outbox.link = link.number
    outbox.lane = lane
    outbox.slot = slot
    outbox.generation = generation
    outbox.appendOrder()
  }

  /** The peer grants credit, so much in all. */
  granted(total: number): void {
    this.#granted = total
    this.wake()
  }

  /** There may be room again. */
  wake(): void {
    if (this.#waiting === undefined || !this.isReady) return
    this.#address.link.stalled.delete(this)
    this.#waiting.resolve()
  }

  /** Nothing can be written any more. */
  stop(reason: unknown): void {
    this.#end ??= reason
    this.#address.link.stalled.delete(this)
    this.#waiting?.reject(this.#end)
  }
}

/** A callback that takes items. */
interface Taker {
  take(items: unknown[]): unknown
  borrowed: boolean
  done: Asking<void>
}

export class ItemReader implements AsyncIterableIterator<any> {
  readonly #address: Address
  readonly #kind: number
  readonly #schema: api.StandardSchema | undefined
  /** What is to be done when the reader wants no more. */
  readonly #close: (reason?: unknown) => void
  readonly #items = new Fifo<unknown>()
  readonly #costs = new Costs()
  /** Items that have come. */
  count = 0
  /** What was read and not reported. */
  #consumed = 0
  #end: { error: unknown } | undefined
  /** Why it has ended, also once that was reported. */
  failure: unknown
  readonly #waiting = new Fifo<Asking<IteratorResult<any>>>()
  #taker: Taker | undefined
  /** The taker works on what it was given. */
  #busy = false
  #noticed = false
  #closed = false

  constructor(
    address: Address,
    kind: number,
    schema: api.StandardSchema | undefined,
    close: (reason?: unknown) => void,
  ) {
    this.#address = address
    this.#kind = kind
    this.#schema = schema
    this.#close = close
  }

  /** An item has come. What comes together is handed over together, at the end of the batch. */
  received(inbox: Inbox, at: number, extras: Extras): void {
    // Behind one that could not be read there are no others.
    if (this.#closed || this.#end !== undefined) return
    const { codec, codecNumber } = this.#address.contract
    const found = inbox.codec(at)
    let payload: Uint8Array
    let item: unknown
    try {
      item = payload = this.#payload(inbox, at, extras)
      if (codecNumber !== BYTES || found !== BYTES || this.#schema !== undefined) {
        item = decodeWith(codec, codecNumber, this.#schema, payload, found, 'item')
      }
    } catch (error) {
      return this.#close(error)
    }
    this.count++
    this.#items.push(item)
    this.#costs.push(itemCost(payload.length))
    if (!this.#noticed) this.#notice()
  }

  #payload(inbox: Inbox, at: number, extras: Extras): Uint8Array {
    const { codecNumber } = this.#address.contract
    // A taker that is busy would read this only after it was overwritten.
    const borrows = this.#taker?.borrowed === true && !this.#busy
    if (codecNumber === BYTES) return borrows ? inbox.exposed(at, extras) : inbox.kept(at, extras)
    return codecNumber === OWN ? inbox.exposed(at, extras) : inbox.borrowed(at, extras)
  }

  /** No more come: that was the last, or an error says why. */
  end(error?: unknown): void {
    if (this.#end !== undefined) return
    this.#end = { error }
    this.failure = error
    this.#notice()
  }

  #notice(): void {
    if (this.#noticed) return
    this.#noticed = true
    this.#address.link.runtime.delivery.notice(this)
  }

  /** A batch has come to its end. */
  arrived(): void {
    this.#noticed = false
    if (this.#taker !== undefined) return this.#give(this.#taker)
    while (this.#waiting.length > 0 && this.#hasNext()) this.#next(this.#waiting.shift())
  }

  // ---- one by one ----

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<IteratorResult<any>> {
    if (this.#items.length > 0) return Promise.resolve({ value: this.#shift(), done: false })
    return new Promise((resolve, reject) => {
      if (this.#hasNext()) this.#next({ resolve, reject })
      else this.#waiting.push({ resolve, reject })
    })
  }

  return(): Promise<IteratorResult<any>> {
    this.close()
    return Promise.resolve({ value: undefined, done: true })
  }

  /** The reader wants no more. */
  close(reason?: unknown): void {
    if (this.#closed) return
    this.#closed = true
    this.#items.clear()
    this.#costs.clear()
    this.end()
    this.#close(reason)
  }

  #hasNext(): boolean {
    return this.#items.length > 0 || this.#end !== undefined
  }

  #next({ resolve, reject }: Asking<IteratorResult<any>>): void {
    if (this.#items.length > 0) return resolve({ value: this.#shift(), done: false })
    const { error } = this.#end!
    if (error === undefined) return resolve({ value: undefined, done: true })
    // An error is reported once; then the iteration has ended.
    this.#end = { error: undefined }
    reject(error)
  }

  #shift(): unknown {
    const item = this.#items.shift()
    this.#done(this.#costs.shift())
    return item
  }

  // ---- all that came together ----

  forEach(take: (items: any[]) => unknown, borrowed: boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      // It is called when items arrive, and in the async context of whoever wants them.
      this.#taker = { take: withinContext(take), borrowed, done: { resolve, reject } }
      this.#notice()
    })
  }

  #give(taker: Taker): void {
    while (!this.#busy && this.#items.length > 0) {
      const items = this.#items.takeAll()
      const cost = this.#costs.takeAll()
      let result
      try {
        result = promised(taker.take(items))
      } catch (error) {
        return this.#fail(taker, error)
      }
      if (result !== undefined) this.#await(taker, result, cost)
      else this.#done(cost)
    }
    if (this.#busy || this.#end === undefined || this.#items.length > 0) return
    const { error } = this.#end
    if (error === undefined) taker.done.resolve()
    else taker.done.reject(error)
  }

  /** No more is given before it is done with this. */
  #await(taker: Taker, result: Promise<unknown>, cost: number): void {
    this.#busy = true
    result.then(
      () => {
        this.#busy = false
        this.#done(cost)
        this.#give(taker)
      },
      (error: unknown) => {
        this.#busy = false
        this.#fail(taker, error)
      },
    )
  }

  #fail(taker: Taker, error: unknown): void {
    taker.done.reject(error)
    this.close(error)
  }

  /** The application has consumed items: the credit is returned, some parts of a window at a
   * time. */
  #done(cost: number): void {
    this.#consumed += cost
    const { link, window } = this.#address
    if (this.#consumed >= window / GRANTS_PER_WINDOW || link.hasUnread) this.report()
  }

  /** Says what was read since the last time. */
  report(): void {
    const { link, lane, slot, generation } = this.#address
    // Behind the last item no more credit is needed.
    const isUseless = this.#end !== undefined && !link.hasUnread
    if (this.#consumed === 0 || isUseless || link.end !== undefined) return
    const { outbox } = link.runtime
    outbox.kind = ORDER_CONSUMED
    outbox.link = link.number
    outbox.lane = lane
    outbox.item = this.#kind
    outbox.slot = slot
    outbox.generation = generation
    outbox.count = this.#consumed
    outbox.appendOrder()
    this.#consumed = 0
  }
}

/** The failure of a writer that does not wait. */
export function tooMany(): IpcError {
  return new IpcError(
    'ERR_FULL',
    'the window is full: after write() has returned false, await ready()',
  )
}
