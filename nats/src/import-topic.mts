// A topic of other machines, as a local one.

import { AckPolicy, DeliverPolicy, jetstream, jetstreamManager } from '@nats-io/jetstream'
import type { ConsumerConfig, ConsumerInfo, ConsumerMessages } from '@nats-io/jetstream'
import type { JetStreamManager } from '@nats-io/jetstream'
import type { NatsConnection, Subscription } from '@nats-io/transport-node'
import { createTopic, IpcError, type Topic, type TopicPublisher } from 'ringpost'
import { made, OpenBridge } from './bridge.mjs'
import { checkTopic, formatOf, passedTopic, valuesOf } from './contracts.mjs'
import { DurableMessages } from './durable.mjs'
import { Gaps } from './gaps.mjs'
import { bridgeOptions, type Bridge, type BridgeOptions } from './options.mjs'
import { checkConnection, type Received } from './post.mjs'
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
 * `durable`, a bridge that is killed may publish the last ones again when it comes back. Without a
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
  checkConnection(nats)
  const publisher = createTopic(passedTopic(topic), { directory, takeOver })
  const bridge = await made(
    () => new ImportedTopic(nats, topic, publisher, complete),
    () => publisher.close(),
  )
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
  #messages: DurableMessages | ConsumerMessages | undefined
  #consuming: Promise<unknown> | undefined

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
      this.#messages = await attempt(this.#messagesOf(subject, options))
      this.#consuming = this.#consume(this.#messages).catch((error: unknown) => {
        const message = `JetStream: ${String(error)}`
        void this.end(new IpcError('ERR_SYSTEM', message, { cause: error }))
      })
    }
    await this.confirm()
  }

  protected async stop(): Promise<void> {
    this.#subscription?.unsubscribe()
    void this.#messages?.close()
    await this.#consuming
    this.#publisher.close()
  }

  async #messagesOf(
    subject: string,
    { stream = '', durable, from = 'new' }: ImportTopicOptions,
  ): Promise<DurableMessages | ConsumerMessages> {
    const { consumers } = jetstream(this.#nats)
    const manager = await jetstreamManager(this.#nats)
    // Numbers, and not the policies of JetStream: the client makes a consumer again that is lost,
    // and a bridge goes on that was killed; both may know nothing but where it was to begin.
    const { state } = await manager.streams.info(stream)
    const begin = {
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: from === 'all' ? 1 : state.last_seq + 1,
    }
    if (durable !== undefined) {
      const config = { durable_name: durable, filter_subject: subject, ...begin }
      const info = await durableOf(manager, stream, config)
      const messages = await consumers.getConsumerFromInfo(info).consume()
      return new DurableMessages(manager.streams, subject, info, messages)
    }
    const consumer = await consumers.get(stream, { filter_subjects: subject, ...begin })
    return consumer.consume()
  }

  async #consume(messages: AsyncIterable<Received>): Promise<void> {
    for await (const { data, headers } of messages) {
      if (!(await this.#deliver({ data, headers }))) return
    }
  }

  /** Resolves when it is published here, or counted; to `false` if the topic is another's now. */
  async #deliver(message: Received): Promise<boolean> {
    const { name } = this.#topic
    let value
    try {
      const { fields, payload } = this.post.read(message)
      checkCodec(fields, formatOf(this.#topic), 'the message')
      const missed = this.#gaps.before(fields.from ?? '', fields.n ?? 0)
      // It was here before the connection to the stream was lost.
      if (missed < 0) return true
      this.drops.add(name, 'missed', missed)
      value = this.#decode(payload)
    } catch {
      this.drops.add(name, 'refused')
      return true
    }
    try {
      await this.#publisher.publish(value)
      this.passed++
    } catch (error) {
      const isTaken = (error as IpcError).code === 'ERR_NAME_IN_USE'
      if (isTaken) void this.end(error as IpcError)
      // What a durable name keeps is for the bridge that has the topic now.
      const isKept = isTaken && this.#messages instanceof DurableMessages
      if (!isKept) this.drops.add(name, 'local')
      return !isTaken
    }
    return true
  }
}

/** The consumer of this name. One that is there already goes on where it was. */
function durableOf(
  { consumers }: JetStreamManager,
  stream: string,
  config: Partial<ConsumerConfig> & { durable_name: string },
): Promise<ConsumerInfo> {
  return consumers
    .info(stream, config.durable_name)
    .catch(() => consumers.add(stream, { ...config, ack_policy: AckPolicy.Explicit }))
}
