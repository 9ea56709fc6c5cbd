// Publishing to a topic: at once, unless lossless subscribers have to read first.

import type * as api from '../../index.js'
import type { NativeTopicPublisher } from '../../native/binding.js'
import { native } from '../native.js'
import type { Alarm } from '../runtime/alarms.js'
import { theRuntime } from '../runtime/runtime.js'
import { encodeWith } from '../values/codec.js'
import { IpcError, ours, raised } from '../values/errors.js'
import { Fifo } from '../values/fifo.js'
import { createTopicOptions, publishMessageOptions } from './options.js'
import { asTopic, type TopicContract } from './contract.js'
import { hold, release } from './owners.js'
import { Watch } from './watch.js'

/** Messages that may wait for subscribers. */
const WAITING_MAX = 65_536
/** Subscribers ring when there is much room; between looks whether there is a little. */
const LOOK_MS = 50

/** A message that waits. */
interface Waiting {
  readonly bytes: Uint8Array
  /** On the clock of alarms. */
  readonly until: number
  resolve(number: number): void
  reject(reason: unknown): void
}

export function createTopic<T>(
  topic: api.Topic<T>,
  options?: api.CreateTopicOptions,
): api.TopicPublisher<T> {
  return new TopicPublisher(asTopic(topic), options)
}

class TopicPublisher implements api.TopicPublisher {
  readonly name: string
  readonly #contract: TopicContract
  readonly #timeoutMs: number
  readonly #native: NativeTopicPublisher
  readonly #publish: (message: Uint8Array) => number
  /** The number of the last message, as the binding leaves it. */
  readonly #numbers = new Float64Array(1)
  readonly #waiting = new Fifo<Waiting>()
  #watch: Watch | undefined
  #alarm: Alarm | undefined

  constructor(contract: TopicContract, options: api.CreateTopicOptions | undefined) {
    const { place, takeOver, timeoutMs } = createTopicOptions(options)
    const { name, format } = contract
    const capacity = contract.options.capacity ?? native.TOPIC_CAPACITY_DEFAULT
    this.name = name
    this.#contract = contract
    this.#timeoutMs = timeoutMs
    const asked = { capacity, format, takeOver }
    const { buffer } = this.#numbers
    this.#native = raised(() => new native.NativeTopicPublisher(name, place, asked, buffer))
    this.#publish = this.#native.direct()
    hold(this)
  }

  get number(): number {
    return this.#numbers[0]
  }

  publish(value: any, options?: api.PublishMessageOptions): number | Promise<number> {
    const { codec, shown } = this.#contract
    const bytes = encodeWith(codec, value, shown)
    const timeoutMs = options && publishMessageOptions(options).timeoutMs
    if (this.#waiting.length === 0) {
      try {
        if (this.#publish(bytes) !== 0) return this.#numbers[0]
      } catch (error) {
        throw ours(error)
      }
    }
    return this.#wait(bytes, timeoutMs ?? this.#timeoutMs)
  }

  #wait(bytes: Uint8Array, timeoutMs: number): Promise<number> {
    if (this.#waiting.length === WAITING_MAX) {
      const message = `${WAITING_MAX} messages of ${this.#contract.shown} wait for subscribers`
      throw new IpcError('ERR_FULL', message)
    }
    return new Promise((resolve, reject) => {
      const until = theRuntime().alarms.now() + timeoutMs
      // The memory of the encoder is used again by the next message.
      this.#waiting.push({ bytes: new Uint8Array(bytes), until, resolve, reject })
      if (this.#waiting.length > 1) return
      try {
        const watch = new Watch(this.#native, () => this.#goOn())
        // It has looked already, and there may have been room by then.
        if (this.#waiting.length === 0) watch.end()
        else this.#watch = watch
      } catch (error) {
        this.#fail(error)
      }
      this.#limit()
    })
  }

  /** Publishes what there is room for by now. Returns whether there was any. */
  #goOn(): boolean {
    for (let any = false; this.#waiting.length > 0; any = true) {
      try {
        if (this.#publish(this.#waiting.first().bytes) === 0) return any
        this.#waiting.shift().resolve(this.#numbers[0])
      } catch (error) {
        // It may be about this message alone.
        this.#waiting.shift().reject(ours(error))
      }
    }
    this.#stopWaiting()
    return false
  }

  /** Looks now and then, and goes on without those who hold the first message up once its time is
   * over. */
  #limit(): void {
    const { alarms } = theRuntime()
    if (this.#waiting.length === 0) return
    const { until } = this.#waiting.first()
    const left = Math.max(0, until - alarms.now())
    this.#alarm = alarms.set(Math.min(left, LOOK_MS), () => {
      this.#alarm = undefined
      this.#goOn()
      if (this.#waiting.length > 0 && this.#waiting.first().until <= alarms.now()) {
        this.#native.cutOff()
        this.#goOn()
      }
      this.#limit()
    })
  }

  #fail(error: unknown): void {
    for (const { reject } of this.#waiting.takeAll()) reject(error)
  }

  #stopWaiting(): void {
    if (this.#alarm !== undefined) theRuntime().alarms.clear(this.#alarm)
    this.#alarm = undefined
    this.#watch?.end()
    this.#watch = undefined
  }

  stats(): api.TopicPublisherStats {
    return this.#native.stats() ?? { published: 0, waits: 0, cutOff: 0 }
  }

  close({ remove = false }: api.PublishedCloseOptions = {}): void {
    this.#stopWaiting()
    this.#fail(new IpcError('ERR_CLOSED', `the topic ${this.#contract.shown} is closed`))
    this.#native.close(remove)
    release(this)
  }

  [Symbol.dispose](): void {
    this.close()
  }
}
