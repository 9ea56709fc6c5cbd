// One bridge, in a process of its own: reports what was dropped and how it ends, and answers with its
// counters when it is asked.

import { connect } from '@nats-io/transport-node'
import { exportService, exportTopic, importService, importTopic } from '../../src/index.mjs'
import type { BridgeOptions } from '../../src/index.mjs'
import * as contracts from '../helpers/contracts.mjs'

/** Which bridge it is. */
export interface Job {
  make: 'exportService' | 'importService' | 'exportTopic' | 'importTopic'
  /** The name of what it carries, in the contracts. */
  what: string
  nats: object
  options: BridgeOptions & Record<string, unknown>
}

const { make, what, nats, options } = JSON.parse(process.argv[2]) as Job
const subject = (contracts as Record<string, any>)[what]
const functions = { exportService, importService, exportTopic, importTopic } as Record<string, any>
const connection = await connect({ maxReconnectAttempts: -1, reconnectTimeWait: 100, ...nats })
const onDrop = (drop: unknown) => process.send!({ drop })
try {
  const bridge = await functions[make](connection, subject, { ...options, onDrop })
  process.on('message', () => process.send!({ stats: bridge.stats() }))
  bridge.closed.then((reason: { code: string } | null) => process.send!({ closed: reason?.code }))
  process.send!({ ready: true })
} catch (error) {
  const { code, message } = error as { code?: string; message: string }
  process.send!({ failed: { code, message } })
  await connection.close()
  process.disconnect()
}
