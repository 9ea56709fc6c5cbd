/**
 * Carries services and topics of Ringpost from one machine to another, over NATS.
 *
 * @packageDocumentation
 */

export type { Config } from './config.mjs'
export type { Service } from './contracts.mjs'
export type { Drop, DropReason } from './drops.mjs'
export { exportService } from './export-service.mjs'
export { importService } from './import-service.mjs'
export type {
  Bridge,
  BridgeOptions,
  BridgeStats,
  ExportServiceOptions,
  ImportServiceOptions,
} from './options.mjs'
export { exportTopic, type ExportTopicOptions } from './export-topic.mjs'
export { importTopic, type ImportTopicOptions } from './import-topic.mjs'
