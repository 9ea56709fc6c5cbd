// What a durable consumer of JetStream delivers, in the order of the stream. It delivers again what
// was lost on the way, or was not acknowledged by a process that was killed, but behind what is
// newer: as soon as a delivery is missing, what was in it is read from the stream itself.

import { setTimeout as delay } from 'node:timers/promises'
import { JetStreamApiError } from '@nats-io/jetstream'
import type { ConsumerInfo, ConsumerMessages, StoredMsg, StreamAPI } from '@nats-io/jetstream'
import { errors } from '@nats-io/transport-node'
import type { Received } from './post.mjs'

/** Milliseconds before the stream is asked again. */
const AGAIN_AFTER_MS = 250

export class DurableMessages implements AsyncIterable<Received> {
  readonly #streams: StreamAPI
  readonly #subject: string
  readonly #info: ConsumerInfo
  readonly #messages: ConsumerMessages
  /** The number in the stream of the last message that was taken. */
  #taken: number
  /** The number of the next delivery, if none is lost. */
  #expected: number
  #isClosed = false
  #close!: () => void
  readonly #closed = new Promise<void>((resolve) => (this.#close = resolve))

  /** `info` is what is known of the consumer before it delivers `messages`. */
  constructor(
    streams: StreamAPI,
    subject: string,
    info: ConsumerInfo,
    messages: ConsumerMessages,
  ) {
    this.#streams = streams
    this.#subject = subject
    this.#info = info
    this.#messages = messages
    const { delivered, ack_floor, config } = info
    // Before the first acknowledgment the floor is 0, wherever it has begun.
    const floor = Math.max(ack_floor.stream_seq, (config.opt_start_seq ?? 1) - 1)
    this.#taken = info.num_ack_pending === 0 ? delivered.stream_seq : floor
    this.#expected = delivered.consumer_seq + 1
  }

  /** Each is acknowledged when the next one is asked for; one at which the loop is left is
   * delivered again, to whoever has the name then. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Received, void> {
    try {
      // What was delivered before, and not acknowledged.
      yield* this.#stored(this.#info.delivered.stream_seq)
      if (this.#isClosed) return
      for await (const message of this.#messages) {
        const { streamSequence: number, deliverySequence } = message.info
        const isExpected = deliverySequence === this.#expected
        if (number > this.#taken) {
          if (!isExpected) yield* this.#stored(number - 1)
          if (this.#isClosed) return
          let isTaken = false
          try {
            yield { data: message.data, headers: message.headers }
            isTaken = true
          } finally {
            if (!isTaken) message.nak()
          }
          this.#taken = number
          this.#expected = deliverySequence + 1
        } else if (isExpected) {
          this.#expected++
        }
        message.ack()
      }
    } finally {
      void this.#messages.close()
    }
  }

  close(): void {
    this.#isClosed = true
    this.#close()
    void this.#messages.close()
  }

  /** Those after the last one that was taken, up to this number. */
  async *#stored(last: number): AsyncGenerator<Received, void> {
    while (this.#taken < last) {
      const found = await this.#next()
      if (found === null || found.seq > last) return
      yield { data: found.data, headers: found.header }
      this.#taken = found.seq
    }
  }

  /** The next one that the stream still has, unless this is closed. */
  async #next(): Promise<StoredMsg | null> {
    const next = { seq: this.#taken + 1, next_by_subj: this.#subject }
    while (!this.#isClosed) {
      try {
        const found = this.#streams.getMessage(this.#info.stream_name, next)
        return await Promise.race([found, this.#closed.then(() => null)])
      } catch (error) {
        if (isFinal(error)) throw error
        await Promise.race([delay(AGAIN_AFTER_MS), this.#closed])
      }
    }
    return null
  }
}

/** Whether asking again is of no use. */
function isFinal(error: unknown): boolean {
  const { PermissionViolationError, RequestError } = errors
  const cause = error instanceof RequestError ? error.cause : error
  return error instanceof JetStreamApiError || cause instanceof PermissionViolationError
}
