// What the command `ringpost-nats` is configured with.

import type { NodeConnectionOptions } from '@nats-io/transport-node'
import type { Topic } from 'ringpost'
import type { Service } from './contracts.mjs'
import type { ExportTopicOptions } from './export-topic.mjs'
import type { ImportTopicOptions } from './import-topic.mjs'
import type { BridgeOptions, ExportServiceOptions, ImportServiceOptions } from './options.mjs'

type Own<Options extends BridgeOptions> = Omit<Options, keyof BridgeOptions>

/** The default export of a configuration of the command `ringpost-nats`. */
export interface Config extends Omit<BridgeOptions, 'onDrop'> {
  /** Where the NATS server is, and how it is connected to: the options of
   * `@nats-io/transport-node`. It is tried for ever, unless they say otherwise. */
  nats: NodeConnectionOptions
  /** Services of this machine for others. @default none */
  exportServices?: readonly ({ service: Service } & Own<ExportServiceOptions>)[]
  /** Services of other machines for this one. @default none */
  importServices?: readonly ({ service: Service } & Own<ImportServiceOptions>)[]
  /** Topics of this machine for others. @default none */
  exportTopics?: readonly ({ topic: Topic } & Own<ExportTopicOptions>)[]
  /** Topics of other machines for this one. @default none */
  importTopics?: readonly ({ topic: Topic } & Own<ImportTopicOptions>)[]
}
