#!/usr/bin/env node
// The command `ringpost-nats <config module>`: runs the bridges that the module names, until it is
// interrupted, or one of them ends.

import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import type { Config } from './config.mjs'
import { exportService } from './export-service.mjs'
import { exportTopic } from './export-topic.mjs'
import { importService } from './import-service.mjs'
import { importTopic } from './import-topic.mjs'
import type { Drop } from './drops.mjs'
import type { Bridge } from './options.mjs'

/** How a mistake in the command line ends. */
const MISTAKEN = 2

const [path, ...rest] = process.argv.slice(2)
if (path === undefined || rest.length > 0 || path.startsWith('-')) {
  console.error('usage: ringpost-nats <config module>\n\nSee the README of ringpost-nats.')
  process.exit(MISTAKEN)
}
try {
  process.exitCode = await run(await load(path))
} catch (error) {
  console.error(`ringpost-nats: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
}

async function load(path: string): Promise<Config> {
  const module = (await import(pathToFileURL(resolve(path)).href)) as { default?: Config }
  if (module.default?.nats !== undefined) return module.default
  throw new TypeError(`${path} must export a configuration with "nats" as its default`)
}

/** Runs all bridges; resolves to the exit code when they are over. */
async function run(config: Config): Promise<number> {
  const nats = await connect({ maxReconnectAttempts: -1, ...config.nats })
  const bridges: [name: string, bridge: Bridge][] = []
  try {
    for await (const opened of open(nats, config)) {
      bridges.push(opened)
      console.log(opened[0])
    }
    return await over(bridges)
  } finally {
    await Promise.all(bridges.map(([, bridge]) => bridge.close()))
    await nats.close()
  }
}

async function* open(nats: NatsConnection, config: Config): AsyncGenerator<[string, Bridge]> {
  const { prefix, inboxPrefix } = config
  const common = { prefix, inboxPrefix, onDrop }
  for (const { service, ...options } of config.exportServices ?? []) {
    const bridge = await exportService(nats, service, { ...options, ...common })
    yield [`exports the service ${service.name}`, bridge]
  }
  for (const { service, ...options } of config.importServices ?? []) {
    const bridge = await importService(nats, service, { ...options, ...common })
    yield [`imports the service ${service.name}`, bridge]
  }
  for (const { topic, ...options } of config.exportTopics ?? []) {
    const bridge = await exportTopic(nats, topic, { ...options, ...common })
    yield [`exports the topic ${topic.name}`, bridge]
  }
  for (const { topic, ...options } of config.importTopics ?? []) {
    const bridge = await importTopic(nats, topic, { ...options, ...common })
    yield [`imports the topic ${topic.name}`, bridge]
  }
}

function onDrop({ name, reason, count }: Drop): void {
  console.error(`ringpost-nats: ${count} of ${name} not delivered: ${reason}`)
}

/** Resolves to 0 when the program is to end, and to 1 when a bridge has ended. */
function over(bridges: readonly [name: string, bridge: Bridge][]): Promise<number> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve(0))
    for (const [name, bridge] of bridges) {
      void bridge.closed.then((reason) => {
        if (reason !== null) console.error(`ringpost-nats: ${name}: ended: ${reason.message}`)
        resolve(1)
      })
    }
  })
}
