// A local topic, for other machines. What is published is read from the ring as fast as the NATS
// server takes it: whatever that does, local publishers and subscribers do not notice.

import { setImmediate as turn } from 'node:timers/promises'
import type { StreamConfig } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import { IpcError, subscribe, type Topic, type TopicItem, type TopicSubscription } from 'ringpost'
import { made, OpenBridge } from './bridge.mjs'
import { checkTopic, formatOf, passedTopic, valuesOf } from './contracts.mjs'
import { bridgeOptions, type Bridge, type BridgeOptions } from './options.mjs'
import { checkConnection } from './post.mjs'
import { topicSubject } from './subjects.mjs'
import { findStream, StoredMessages } from './stored.mjs'

/** How a topic is exported. */
export interface ExportTopicOptions extends BridgeOptions {
  /** The private directory, as that of `subscribe` of `ringpost`. */
  directory?: string
  /** The stream of JetStream that keeps the messages, so that they survive a cut. If there is none
   * of its `name`, it is made, with these options of NATS and for this topic's subject. Without it,
   * messages reach those that listen at the moment. */
  stream?: Partial<StreamConfig> & { name: string }
}

const OPTIONS = ['prefix', 'inboxPrefix', 'onDrop', 'directory', 'stream']
/** Messages after which the event loop turns, if there are always more. */
const TURN_AFTER = 64

/**
 * Passes what is published in a topic of this machine on, from now on.
 *
 * While there is no NATS server, or it takes less than is published, messages stay in the topic's
 * ring and are sent later; those that are overwritten until then are counted as `overwritten`.
 * @param nats a connection of `@nats-io/transport-node`. It stays its owner's.
 * @throws TypeError or RangeError for wrong options
 * @throws IpcError what `subscribe` of `ringpost` throws; `ERR_NO_SERVER` if there is no connection
 * to the NATS server, `ERR_SYSTEM` if the stream cannot be found or made, `ERR_INVALID_ARGUMENT` if
 * it does not keep this topic
 */
export async function exportTopic(
  nats: NatsConnection,
  topic: Topic,
  options: ExportTopicOptions,
): Promise<Bridge> {
  checkTopic(topic)
  const complete = bridgeOptions(options, OPTIONS)
  const { stream, prefix, directory } = complete
  checkConnection(nats)
  // Before anything else, so that nothing is missed from the call on.
  const subscription = subscribe(passedTopic(topic), { directory })
  const bridge = await made(
    () => new ExportedTopic(nats, topic, subscription, complete),
    () => subscription.close(),
  )
  try {
    await bridge.confirm()
    if (stream !== undefined) await findStream(nats, stream, topicSubject(prefix, topic.name))
  } catch (error) {
    await bridge.close()
    throw error
  }
  bridge.start()
  return bridge
}

class ExportedTopic extends OpenBridge {
  readonly #subject: string
  readonly #topic: Topic
  readonly #subscription: TopicSubscription
  readonly #stored: StoredMessages | undefined
  /** Messages that there were, with those that were overwritten. */
  #count = 0

  constructor(
    nats: NatsConnection,
    topic: Topic,
    subscription: TopicSubscription,
    options: ExportTopicOptions & { inboxPrefix: string },
  ) {
    super(nats, options)
    this.#subject = topicSubject(options.prefix, topic.name)
    this.#topic = topic
    this.#subscription = subscription
    if (options.stream !== undefined) {
      const refused = () => {
        this.passed--
        this.drops.add(topic.name, 'tooLarge')
      }
      this.#stored = new StoredMessages(this.post, this.#subject, this.post.id, refused)
    }
  }

  start(): void {
    this.#run().catch((error: unknown) => this.end(error as IpcError))
  }

  protected async stop(): Promise<void> {
    this.#subscription.close()
    const { name } = this.#topic
    this.drops.add(name, 'unconfirmed', this.#stored?.close() ?? 0)
  }

  /** Until the subscription is closed, or fails: it is of another format, for instance. */
  async #run(): Promise<void> {
    const { encode } = valuesOf(this.#topic)
    for (let count = 1; ; count++) {
      const item = this.#subscription.take() ?? (await this.#subscription.next()).value
      if (item === undefined) return
      this.drops.add(this.#topic.name, 'overwritten', item.skipped)
      this.#count += item.skipped + 1
      await this.#pass(item, encode(item.value))
      if (this.isEnding) return
      if (count % TURN_AFTER === 0) await turn()
    }
  }

  async #pass({ number }: TopicItem, payload: Uint8Array): Promise<void> {
    const { name } = this.#topic
    const fields = {
      ...({ kind: 'topic', codec: formatOf(this.#topic) } as const),
      ...{ n: this.#count, from: this.post.id },
    }
    if (this.post.isAway || this.post.isFull) await this.post.ready()
    if (this.isEnding) return
    if (this.#stored === undefined) {
      if (this.post.publishOneWay(this.#subject, fields, payload, name)) this.passed++
      return
    }
    try {
      const headers = this.post.headers(fields, payload, `message ${number} of "${name}"`)
      await this.#stored.add(headers, payload, this.#count)
      this.passed++
    } catch {
      this.drops.add(name, 'tooLarge')
    }
  }
}
