// Subscribing to a topic: messages are read from its ring when they are asked for, not before, so
// that a subscriber that is slow is so by its own ring's measure.

import type * as api from '../../index.js'
import type { NativeTopicSubscriber } from '../../native/binding.js'
import { native } from '../native.js'
import { withinContext } from '../runtime/isolation.js'
import { IpcError, ours, raised } from '../values/errors.js'
import { Fifo } from '../values/fifo.js'
import { checkFunction } from '../values/checks.js'
import { changesOptions, subscribeOptions } from './options.js'
import { onAbort } from '../values/signals.js'
import { asTopic, Decoder, type TopicContract } from './contract.js'
import { Watch } from './watch.js'

const MODES = {
  latest: native.TOPIC_LATEST,
  lossy: native.TOPIC_LOSSY,
  lossless: native.TOPIC_LOSSLESS,
}

/** What the binding leaves in the numbers of a subscriber. */
const NUMBERS = 7
const LENGTH = 0

/** Messages that a listener gets at once, at most. */
const BATCH_MAX = 1024

/** What a lossless subscription ends with. */
const OVER: unknown[] = ['ERR_LAGGED', 'ERR_CORRUPT']

type Step = IteratorResult<api.TopicItem, undefined>

interface Asking {
  resolve(step: Step): void
  reject(reason: unknown): void
}

export function subscribe<T>(
  topic: api.Topic<T>,
  options?: api.SubscribeOptions,
): api.TopicSubscription<T> {
  return new TopicSubscription(asTopic(topic), options)
}

class TopicSubscription implements api.TopicSubscription {
  readonly name: string
  readonly #contract: TopicContract
  readonly #numbers = new Float64Array(NUMBERS)
  readonly #native: NativeTopicSubscriber
  readonly #next: (into: Uint8Array) => number
  /** Where messages are copied to before they are decoded. */
  #bytes = new Uint8Array(256)
  readonly #decoder: Decoder
  readonly #asking = new Fifo<Asking>()
  /** Gets what is new, while there is one. */
  #listener: (() => boolean) | undefined
  #ended: (() => void) | undefined
  #watch: Watch | undefined
  /** What has ended a batch that was not empty. */
  #failure: { error: unknown } | undefined
  #isClosed = false

  constructor(contract: TopicContract, options: api.SubscribeOptions | undefined) {
    const { place, mode, from, retained } = subscribeOptions(options)
    const { name } = contract
    const { TOPIC_FROM_NEWEST, TOPIC_FROM_NEXT, TOPIC_FROM_OLDEST } = native
    const behind = retained ? TOPIC_FROM_NEWEST : TOPIC_FROM_NEXT
    const start = from === 'oldest' ? TOPIC_FROM_OLDEST : behind
    this.name = name
    this.#contract = contract
    const { buffer } = this.#numbers
    const Subscriber = native.NativeTopicSubscriber
    this.#native = raised(() => new Subscriber(name, place, MODES[mode], start, buffer))
    this.#next = this.#native.direct()
    this.#decoder = new Decoder(contract, () => this.#native.format())
  }

  get hasPublisher(): boolean {
    return this.#native.hasPublisher()
  }

  take(): api.TopicItem | undefined {
    return raised(() => this.#take())
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<Step> {
    return new Promise((resolve, reject) => {
      if (this.#isClosed) return resolve({ value: undefined, done: true })
      // It gets all there is, and those who ask would get nothing.
      if (this.#listener !== undefined) return reject(this.#isRead())
      // Those that ask first are answered first.
      if (this.#asking.length === 0 && this.#answer({ resolve, reject })) return
      this.#asking.push({ resolve, reject })
      try {
        this.#await()
      } catch (error) {
        // Nothing would wake those who ask.
        for (const asking of this.#asking.takeAll()) asking.reject(error)
      }
    })
  }

  return(): Promise<Step> {
    this.close()
    return Promise.resolve({ value: undefined, done: true })
  }

  batches(
    listener: (items: api.TopicItem[]) => unknown,
    options?: api.ChangesOptions,
  ): Promise<void> {
    checkFunction('listener', listener)
    const { signal } = changesOptions(options)
    if (this.#isWanted) throw this.#isRead()
    if (this.#isClosed) return Promise.resolve()
    const call = withinContext((items: api.TopicItem[]) => void listener(items))
    return new Promise((resolve, reject) => {
      const settle = (settled: () => void) => {
        stop?.()
        this.#listener = this.#ended = undefined
        settled()
      }
      const fail = (reason: unknown) => settle(() => reject(reason))
      if (signal?.aborted) return reject(signal.reason)
      const stop = signal && onAbort(signal, () => {
        fail(signal.reason)
        this.#rest()
      })
      this.#ended = () => settle(resolve)
      this.#listener = () => {
        try {
          const items = this.#batch()
          if (items.length > 0) call(items)
          return items.length > 0
        } catch (error) {
          fail(error)
          this.#rest()
          this.#closeIfOver(error)
          return false
        }
      }
      try {
        this.#await()
      } catch (error) {
        fail(error)
      }
    })
  }

  /** Whether anybody waits for what comes. */
  get #isWanted(): boolean {
    return this.#listener !== undefined || this.#asking.length > 0
  }

  #isRead(): IpcError {
    const message = `the subscription to ${this.#contract.shown} is read already`
    return new IpcError('ERR_INVALID_ARGUMENT', message)
  }

  #batch(): api.TopicItem[] {
    const items: api.TopicItem[] = []
    try {
      while (items.length < BATCH_MAX) {
        const item = this.#take()
        if (item === undefined) break
        items.push(item)
      }
    } catch (error) {
      if (items.length === 0) throw ours(error)
      // Those before it were read, and are handed out first.
      this.#failure = { error }
    }
    return items
  }

  /** Reads and decodes one message, if there is one. */
  #take(): api.TopicItem | undefined {
    if (this.#failure !== undefined) {
      const { error } = this.#failure
      this.#failure = undefined
      throw error
    }
    if (this.#next(this.#bytes) === 0) return undefined
    const [length, number, generation, skipped, restarted, ageMs, file] = this.#numbers
    if (length > this.#bytes.length) {
      this.#bytes = new Uint8Array(2 * length)
      this.#native.copy(this.#bytes)
    }
    const bytes = this.#bytes.subarray(0, this.#numbers[LENGTH])
    const value: unknown = this.#decoder.decode(file, bytes)
    return { value, number, generation, skipped, restarted: restarted === 1, ageMs }
  }

  /** Answers one who asks, if that can be done at once. */
  #answer({ resolve, reject }: Asking): boolean {
    try {
      const value = this.#take()
      if (value === undefined) return false
      resolve({ value, done: false })
    } catch (error) {
      reject(ours(error))
      this.#closeIfOver(error)
    }
    return true
  }

  /** One that must miss nothing, and has, is over. */
  #closeIfOver(error: unknown): void {
    if (OVER.includes((error as { code?: unknown }).code)) this.close()
  }

  /** From now on whatever comes is read, for those who ask or for the listener. */
  #await(): void {
    if (this.#watch !== undefined) {
      this.#watch.hold(true)
      return this.#watch.lookAgain()
    }
    const watch = new Watch(this.#native, () => this.#look())
    // It has looked already, and what came of that may have been the last that was wanted.
    if (this.#isWanted) this.#watch = watch
    else watch.end()
  }

  #look(): boolean {
    if (this.#listener !== undefined) return this.#listener()
    let any = false
    while (this.#asking.length > 0 && this.#answer(this.#asking.first())) {
      // Closed meanwhile, it has answered all.
      if (this.#asking.length > 0) this.#asking.shift()
      any = true
    }
    // It goes on watching for the next who asks, but nobody waits until then.
    this.#watch?.hold(this.#isWanted)
    return any
  }

  /** Nothing is read any more, for now. */
  #rest(): void {
    this.#watch?.end()
    this.#watch = undefined
  }

  stats(): api.TopicStats {
    return this.#native.stats() ?? { received: 0, skipped: 0, corrupt: 0, generations: 0 }
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#rest()
    this.#native.close()
    for (const { resolve } of this.#asking.takeAll()) resolve({ value: undefined, done: true })
    this.#ended?.()
  }

  [Symbol.dispose](): void {
    this.close()
  }
}
