// What it costs to be there: processor time, memory, and many connections.

import type { Row } from '../../compare.mjs'
import { bareNode } from '../../bare-node.mjs'
import { connectMany } from '../../connections.mjs'
import { serve, type Pair } from '../../pair.mjs'
import { residentBytes } from '../../process.mjs'
import { cpu, single } from './sides.mjs'

/** What the native server is called that all come to. */
const MANY = 'many-connections'

export async function idleCpu(ours: Pair): Promise<Row> {
  const cost = await ours.idle(3000)
  // The runner's questions and the timer that waits take a little by themselves.
  const percent = Math.round(cpu(cost) * 100)
  return single('idle.cpu', 'idle connected pair, both processes', '% of a core', percent)
}

export async function memoryInNode(directory: string): Promise<Row> {
  const [bare, loaded] = await bareNode(directory)
  const mib = (loaded - bare) / 2 ** 20
  return single('memory.node', 'added to a bare Node process', 'MiB', mib)
}

/** A server in Rust: at rest, and with a thousand connections. */
export async function nativeServer(directory: string): Promise<Row[]> {
  const server = await serve('ringpost', MANY, { directory }, 'rust')
  try {
    const memory = residentBytes(server.pid) / 2 ** 20
    const many = await connectMany(MANY, { directory }, server)
    const { connectMs, touchedBytes, p99, cores } = many
    return [
      single('memory.server', 'native server at rest', 'MiB', memory),
      single('connections.connect', '1,000 connections, until all are open', 's', connectMs / 1e3),
      single('connections.memory', 'the same, shared memory touched', 'MB', touchedBytes / 1e6),
      single('connections.p99', 'the same, requests in turn on all, p99', 'µs', p99 / 1e3, cores),
    ]
  } finally {
    server.kill()
  }
}
