// A topic of other machines, as a local one.

import { AckPolicy, DeliverPolicy, jetstream, jetstreamManager } from '@nats-io/jetstream'
import type { Consumer, ConsumerMessages, JsMsg } from '@nats-io/jetstream'
import type { NatsConnection, Subscription } from '@nats-io/transport-node'
import { createTopic, IpcError, type Topic, type TopicPublisher } from 'ringpost'
import { OpenBridge } from './bridge.mjs'
import { checkTopic, formatOf, passedTopic, valuesOf } from './contracts.mjs'
import { Gaps } from './gaps.mjs'
import { bridgeOptions, type Bridge, type BridgeOptions } from './options.mjs'
import type { Received } from './post.mjs'
import { attempt } from './stored.mjs'
import { topicSubject } from './subjects.mjs'
import { checkCodec } from './wire.mjs'

/** How a topic is imported. */
export interface ImportTopicOptions extends BridgeOptions {
  /** The private directory, as that of `createTopic` of `ringpost`. */
  directory?: string
  /** Takes the local topic over from a publisher that lives. @default false */
  takeOver?: boolean
  /** The name of the stream of JetStream that keeps the messages: those that were published while
   * this machine was cut off are read from it. */
  stream?: string
  /** The name under which the stream remembers how far this machine has read, so that it goes on
   * there after a restart. Letters, digits, `-` and `_`. Each machine needs its own.
   * @default none: it begins with `from` */
  durable?: string
  /** Which messages of the stream to begin with: those from now on, or all it has.
   * @default 'new' */
  from?: 'new' | 'all'
}

const OPTIONS = [
  ...['prefix', 'inboxPrefix', 'onDrop'],
  ...['directory', 'takeOver', 'stream', 'durable', 'from'],
]

/**
 * Publishes what is published in a topic of other machines in the local one of the same name.
 *
 * With a `stream`, each message arrives once, in order, for as long as the stream keeps it; with
 * `durable`, a bridge that is killed may publish the last one again when it comes back. Without a
 * `stream`, a message is missed while this machine is cut off, or too slow. Either way, what was
 * missed is counted.
 * @param nats a connection of `@nats-io/transport-node`. It stays its owner's.
 * @throws TypeError or RangeError for wrong options
 * @throws IpcError what `createTopic` of `ringpost` throws; `ERR_ACCESS` if the NATS server does
 * not permit it, `ERR_NO_SERVER` if there is no connection to it, `ERR_SYSTEM` if there is no such
 * stream
 */
export async function importTopic(
  nats: NatsConnection,
  topic: Topic,
  options: ImportTopicOptions,
): Promise<Bridge> {
  checkTopic(topic)
  const complete = bridgeOptions(options, OPTIONS)
  checkStreamOptions(complete)
  const { directory, takeOver } = complete
  const publisher = createTopic(passedTopic(topic), { directory, takeOver })
  const bridge = new ImportedTopic(nats, topic, publisher, complete)
  try {
    await bridge.open(complete)
  } catch (error) {
    await bridge.close()
    throw error
  }
  return bridge
}

function checkStreamOptions({ stream, durable, from }: ImportTopicOptions): void {
  if (from !== undefined && from !== 'new' && from !== 'all') {
    throw new RangeError(`from must be 'new' or 'all', got ${JSON.stringify(from)}`)
  }
  if (stream === undefined && (durable !== undefined || from !== undefined)) {
    throw new IpcError('ERR_INVALID_ARGUMENT', '"durable" and "from" are about a "stream"')
  }
}

class ImportedTopic extends OpenBridge {
  readonly #nats: NatsConnection
  readonly #topic: Topic
  readonly #publisher: TopicPublisher
  readonly #decode: (payload: Uint8Array) => unknown
  readonly #gaps = new Gaps()
  #subscription: Subscription | undefined
  #messages: ConsumerMessages | undefined

  constructor(
    nats: NatsConnection,
    topic: Topic,
    publisher: TopicPublisher,
    options: ImportTopicOptions & { inboxPrefix: string },
  ) {
    super(nats, options)
    this.#nats = nats
    this.#topic = topic
    this.#publisher = publisher
    this.#decode = valuesOf(topic).decode
  }

  async open(options: ImportTopicOptions): Promise<void> {
    const subject = topicSubject(options.prefix, this.#topic.name)
    if (options.stream === undefined) {
      this.#subscription = this.#nats.subscribe(subject, {
        callback: (error, message) => {
          if (error) this.denied(subject, error)
          else void this.#deliver(message)
        },
      })
    } else {
      const consumer = await attempt(consumerOf(this.#nats, subject, options))
      this.#messages = await attempt(consumer.consume())
      const isDurable = options.durable !== undefined
      this.#consume(this.#messages, isDurable).catch((error: unknown) => {
        const message = `JetStream: ${String(error)}`
        return this.end(new IpcError('ERR_SYSTEM', message, { cause: error }))
      })
    }
    await this.confirm()
  }

  protected async stop(): Promise<void> {
    this.#subscription?.unsubscribe()
    await this.#messages?.close()
    this.#publisher.close()
  }

  async #consume(messages: AsyncIterable<JsMsg>, isDurable: boolean): Promise<void> {
    for await (const message of messages) {
      await this.#deliver({ data: message.data, headers: message.headers })
      if (isDurable) message.ack()
    }
  }

  /** Resolves when it is published here, or counted. */
  async #deliver(message: Received): Promise<void> {
    const { name } = this.#topic
    let value
    try {
      const { fields, payload } = this.post.read(message)
      checkCodec(fields, formatOf(this.#topic), 'the message')
      const missed = this.#gaps.before(fields.from ?? '', fields.n ?? 0)
      // It was here before the connection to the stream was lost.
      if (missed < 0) return
      this.drops.add(name, 'missed', missed)
      value = this.#decode(payload)
    } catch {
      return this.drops.add(name, 'refused')
    }
    try {
      await this.#publisher.publish(value)
      this.passed++
    } catch (error) {
      this.drops.add(name, 'local')
      // It has another publisher now.
      if ((error as IpcError).code === 'ERR_NAME_IN_USE') void this.end(error as IpcError)
    }
  }
}

async function consumerOf(
  nats: NatsConnection,
  subject: string,
  { stream = '', durable, from = 'new' }: ImportTopicOptions,
): Promise<Consumer> {
  const deliver_policy = from === 'all' ? DeliverPolicy.All : DeliverPolicy.New
  const { consumers } = jetstream(nats)
  if (durable === undefined) {
    return consumers.get(stream, { filter_subjects: subject, deliver_policy })
  }
  const manager = await jetstreamManager(nats)
  const config = { durable_name: durable, filter_subject: subject }
  // One that is there already goes on where it was.
  await manager.consumers.info(stream, durable).catch(() =>
    manager.consumers.add(stream, { ...config, deliver_policy, ack_policy: AckPolicy.Explicit }),
  )
  return consumers.get(stream, durable)
}
