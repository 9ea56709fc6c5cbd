// Messages on their way into a stream of JetStream, which confirms each.

import { setTimeout as delay } from 'node:timers/promises'
import { jetstream, jetstreamManager, JetStreamApiError } from '@nats-io/jetstream'
import type { JetStreamClient, StreamConfig } from '@nats-io/jetstream'
import { InvalidArgumentError } from '@nats-io/transport-node'
import type { MsgHdrs, NatsConnection } from '@nats-io/transport-node'
import { IpcError } from 'ringpost'
import type { Post } from './post.mjs'

/** Messages that are sent before the oldest is confirmed. */
const UNCONFIRMED_MAX = 64
/** Milliseconds to wait for a confirmation, and before what was not confirmed is sent again. */
const CONFIRMED_WITHIN_MS = 2_000
const AGAIN_AFTER_MS = 250
/** The code of JetStream for a stream that there is not. */
const STREAM_NOT_FOUND = 10059
/** Those for a message, or its headers, that is longer than the stream takes. */
const TOO_LARGE: readonly number[] = [10054, 10097]

interface Message {
  readonly id: string
  readonly headers: MsgHdrs
  readonly payload: Uint8Array
  /** Unless it was not sent yet. */
  confirmed: Promise<unknown> | undefined
}

export class StoredMessages {
  readonly #post: Post
  readonly #subject: string
  readonly #id: string
  readonly #stream: JetStreamClient
  readonly #refused: () => void
  /** In order; what was sent again may be there already, which the stream knows by its id. */
  readonly #messages: Message[] = []
  #isConfirming = false
  /** Whether all that is not confirmed is about to be sent again. */
  #isBehind = false
  /** How often the connection had been lost when all of them were sent. */
  #cuts = 0
  #isClosed = false
  #room: (() => void) | undefined

  /** `refused` is called for each message that is longer than the stream takes. */
  constructor(post: Post, subject: string, id: string, refused: () => void) {
    this.#post = post
    this.#subject = subject
    this.#id = id
    this.#stream = jetstream(post.nats)
    this.#refused = refused
  }

  /** Sends a message, again and again until it is confirmed. Resolves when there is room for
   * another one. */
  async add(headers: MsgHdrs, payload: Uint8Array, number: number): Promise<void> {
    const id = `${this.#id}.${number}`
    const message = { id, headers, payload, confirmed: undefined }
    if (this.#messages.length === 0) this.#cuts = this.#post.cuts
    this.#messages.push(message)
    // Before it those are sent again that were on their way when the connection was lost.
    if (!this.#isBehind && this.#cuts === this.#post.cuts) this.#send(message)
    if (!this.#isConfirming) void this.#confirm()
    if (this.#messages.length < UNCONFIRMED_MAX) return
    await new Promise<void>((resolve) => (this.#room = resolve))
  }

  /** Gives up what is not confirmed; returns how many that are. */
  close(): number {
    this.#isClosed = true
    this.#room?.()
    return this.#messages.length
  }

  #send(message: Message): void {
    const { id: msgID, headers, payload } = message
    const options = { msgID, headers, timeout: CONFIRMED_WITHIN_MS }
    message.confirmed = this.#stream.publish(this.#subject, payload, options)
    // It is looked at when it is the oldest.
    message.confirmed.catch(() => {})
  }

  async #confirm(): Promise<void> {
    this.#isConfirming = true
    while (this.#messages.length > 0 && !this.#isClosed) {
      const outcome = await outcomeOf(this.#messages[0])
      if (outcome === 'unknown') {
        await this.#sendAgain()
      } else {
        this.#messages.shift()
        if (outcome === 'refused') this.#refused()
        this.#room?.()
      }
    }
    this.#isConfirming = false
  }

  /** All of them, so that they stay in order. */
  async #sendAgain(): Promise<void> {
    this.#isBehind = true
    await delay(AGAIN_AFTER_MS)
    await this.#post.ready()
    this.#isBehind = false
    this.#cuts = this.#post.cuts
    if (!this.#isClosed) for (const message of this.#messages) this.#send(message)
  }
}

/** What has become of a message. One that is refused now always would be. */
async function outcomeOf({ confirmed }: Message): Promise<'kept' | 'refused' | 'unknown'> {
  try {
    await confirmed
    return confirmed === undefined ? 'unknown' : 'kept'
  } catch (error) {
    // The latter is the client's, where it is longer than the server takes.
    const isTooLarge =
      error instanceof JetStreamApiError
        ? TOO_LARGE.includes(error.code)
        : error instanceof InvalidArgumentError
    return isTooLarge ? 'refused' : 'unknown'
  }
}

/**
 * Finds the stream that keeps a subject, or makes it.
 * @throws IpcError `ERR_SYSTEM`, `ERR_INVALID_ARGUMENT`
 */
export async function findStream(
  nats: NatsConnection,
  config: Partial<StreamConfig> & { name: string },
  subject: string,
): Promise<void> {
  const { name } = config
  const { streams } = await attempt(jetstreamManager(nats))
  try {
    await streams.info(name)
  } catch (error) {
    const isMissing = error instanceof JetStreamApiError && error.code === STREAM_NOT_FOUND
    const made = isMissing ? streams.add({ subjects: [subject], ...config }) : Promise.reject(error)
    await attempt(made)
  }
  const found = await streams.find(subject).catch(() => 'none')
  if (found === name) return
  const message = `the stream "${name}" does not keep ${subject}: ${found} does`
  throw new IpcError('ERR_INVALID_ARGUMENT', message)
}

/** @throws IpcError `ERR_SYSTEM` in place of what JetStream says. */
export async function attempt<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (cause) {
    const message = `JetStream: ${cause instanceof Error ? cause.message : String(cause)}`
    throw new IpcError('ERR_SYSTEM', message, { cause })
  }
}
