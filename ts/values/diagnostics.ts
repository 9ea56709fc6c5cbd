// What is published on channels of `node:diagnostics_channel`. Where nobody subscribes, asking a
// channel costs a load, and nothing is made.

import { channel, type Channel } from 'node:diagnostics_channel'
import type * as api from '../../index.js'
import { codeOf } from './errors.js'
import { checkTrace } from './checks.js'

/** The three channels of what begins and then has one outcome. */
export class Course {
  readonly #start: Channel
  readonly #end: Channel
  readonly #error: Channel
  /** Whether there were subscribers when that was looked for last. */
  isWatched = false

  constructor(what: string) {
    this.#start = channel(`ringpost:${what}:start`)
    this.#end = channel(`ringpost:${what}:end`)
    this.#error = channel(`ringpost:${what}:error`)
  }

  /** Looks whether there are subscribers. */
  look(): boolean {
    const hasEnd = this.#end.hasSubscribers || this.#error.hasSubscribers
    return (this.isWatched = hasEnd || this.#start.hasSubscribers)
  }

  begin(message: CallMessage): void {
    this.#start.publish(message)
  }

  /** Begins, and runs `work` in the stores that are bound to the start. */
  run(message: HandlerMessage, work: () => unknown): unknown {
    return this.#start.runStores(message, () => message.run(work))
  }

  end(message: CallMessage): void {
    message.stop()
    this.#end.publish(message)
  }

  fail(message: CallMessage, error: unknown): void {
    message.stop()
    message.error = error
    message.code = codeOf(error)
    this.#error.publish(message)
  }
}

export const requests = new Course('request')
export const streams = new Course('stream')
/** Looked at once for each batch of messages. */
export const handlings = new Course('handler')
export const sentEvents = channel('ringpost:event:send')
export const opened = channel('ringpost:connection:open')
export const closed = channel('ringpost:connection:close')

/** What has a name: a contract. */
interface Named {
  readonly kind: 'method' | 'event' | 'stream'
  readonly name: string
}

/** What is known of a message, and of what comes of it. */
export class CallMessage implements api.CallMessage {
  readonly kind: 'method' | 'event' | 'stream'
  readonly name: string
  readonly connection: api.Connection
  readonly lane: api.Lane
  readonly context: Record<PropertyKey, unknown> = {}
  durationMs: number | undefined
  error: unknown
  code: string | undefined
  #traceparent: string | undefined
  readonly #startedAt = performance.now()

  constructor(
    { kind, name }: Named,
    connection: api.Connection,
    lane: api.Lane,
    traceparent: string | undefined,
  ) {
    this.kind = kind
    this.name = name
    this.connection = connection
    this.lane = lane
    this.#traceparent = traceparent
  }

  get peer(): api.Peer {
    return this.connection.peer
  }

  get traceparent(): string | undefined {
    return this.#traceparent
  }

  set traceparent(value: string | undefined) {
    if (value !== undefined) checkTrace('traceparent', value)
    this.#traceparent = value
  }

  stop(): void {
    this.durationMs = performance.now() - this.#startedAt
  }
}

/** The same of a message that has arrived. */
export class HandlerMessage extends CallMessage implements api.HandlerMessage {
  #around: ((work: () => unknown) => unknown) | undefined

  around(wrap: (work: () => unknown) => unknown): void {
    const outer = this.#around
    this.#around = outer === undefined ? wrap : (work) => outer(() => wrap(work))
  }

  run(work: () => unknown): unknown {
    return this.#around === undefined ? work() : this.#around(work)
  }
}
