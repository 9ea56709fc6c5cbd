// Items of a stream between two bridges. Each is a message with a number, so that one that is lost
// is noticed; their sender sends no more than the receiver's local side has room for.

import { IpcError, type ItemWriter } from 'ringpost'

/** What an item counts besides its payload. */
const ITEM_COST = 64
/** Credit is returned this many times in a window. */
const CREDITS_PER_WINDOW = 8

const costOf = (item: Uint8Array): number => item.length + ITEM_COST

/** Sends items as far as there is credit. */
export class ItemSender {
  /** Items that were sent. */
  count = 0
  readonly #send: (item: Uint8Array, number: number) => void
  #cost = 0
  #credit: number
  #stopped: { reason: unknown } | undefined
  #wake: (() => void) | undefined

  constructor(window: number, send: (item: Uint8Array, number: number) => void) {
    this.#credit = window
    this.#send = send
  }

  /** Resolves when it is sent.
   * @throws the reason for which the stream has ended, or what sending throws. */
  async send(item: Uint8Array): Promise<void> {
    while (this.#cost >= this.#credit && this.#stopped === undefined) {
      await new Promise<void>((resolve) => (this.#wake = resolve))
    }
    if (this.#stopped !== undefined) throw this.#stopped.reason
    this.#cost += costOf(item)
    this.#send(item, ++this.count)
  }

  /** There is credit for so much, since the beginning. */
  granted(credit: number): void {
    this.#credit = Math.max(this.#credit, credit)
    this.#wake?.()
  }

  stop(reason: unknown): void {
    this.#stopped ??= { reason }
    this.#wake?.()
  }
}

/** Passes items that arrive on to the local side, and returns credit as that takes them. */
export class ItemTaker {
  readonly #window: number
  readonly #writer: ItemWriter<Uint8Array>
  readonly #grant: (credit: number) => void
  #count = 0
  /** What has arrived, what was passed on, and what the sender knows of that. */
  #arrived = 0
  #passed = 0
  #granted = 0
  #passing = Promise.resolve()

  constructor(
    window: number,
    writer: ItemWriter<Uint8Array>,
    grant: (credit: number) => void,
  ) {
    this.#window = window
    this.#writer = writer
    this.#grant = grant
  }

  /**
   * An item has arrived.
   * @returns A promise that rejects with what the local side has thrown.
   * @throws IpcError `ERR_PEER_LOST` if one before it was lost, `ERR_CORRUPT` if there was no
   * credit for it
   */
  received(item: Uint8Array, number: number | undefined): Promise<void> {
    this.#check(number, this.#count + 1)
    this.#count++
    // The last item may exceed the credit: a longer one than the window must be possible.
    if (this.#arrived >= this.#granted + this.#window) {
      throw new IpcError('ERR_CORRUPT', 'the other bridge has sent more items than it may')
    }
    this.#arrived += costOf(item)
    this.#passing = this.#passing.then(() => this.#pass(item))
    return this.#passing
  }

  /**
   * There were so many items, and no more will arrive.
   * @returns A promise that resolves when all are passed on.
   * @throws IpcError `ERR_PEER_LOST` if any were lost
   */
  ended(count: number | undefined): Promise<void> {
    this.#check(count, this.#count)
    return this.#passing
  }

  #check(found: number | undefined, expected: number): void {
    if (found === expected) return
    const message = `items of the stream were lost on the way: ${expected} expected, ${found} found`
    throw new IpcError('ERR_PEER_LOST', message)
  }

  async #pass(item: Uint8Array): Promise<void> {
    if (!this.#writer.write(item)) await this.#writer.ready()
    this.#passed += costOf(item)
    if (this.#passed - this.#granted < this.#window / CREDITS_PER_WINDOW) return
    this.#granted = this.#passed
    this.#grant(this.#granted + this.#window)
  }
}

/** Says regularly that a call is alive here, and notices when the other side no longer does. */
export class Pulse {
  /** Beats without a word from the other side after which it is gone. */
  static readonly SILENT_MAX = 3
  readonly #timer: NodeJS.Timeout
  #silent = 0

  constructor(beatMs: number, beat: () => void, gone: () => void) {
    this.#timer = setInterval(() => {
      this.#silent++
      if (this.#silent >= Pulse.SILENT_MAX) gone()
      else beat()
    }, beatMs)
    this.#timer.unref()
  }

  heard(): void {
    this.#silent = 0
  }

  stop(): void {
    clearInterval(this.#timer)
  }
}
