// What it costs to be there: processor time, memory, and many connections.

import { alternate, row, type Row } from '../../compare.mjs'
import { bareNode } from '../../bare-node.mjs'
import { connectMany } from '../../connections.mjs'
import { serve, type Pair } from '../../pair.mjs'
import { residentBytes } from '../../process.mjs'
import { Starts } from '../../start.mjs'
import { cpu, single, type Effort } from './sides.mjs'

/** What the native server is called that all come to. */
const MANY = 'many-connections'

export async function idleCpu(ours: Pair): Promise<Row> {
  const cost = await ours.idle(3000)
  // The runner's questions and the timer that waits take a little by themselves.
  const percent = Math.round(cpu(cost) * 100)
  return single('idle.cpu', 'idle connected pair, both processes', '% of a core', percent)
}

/** From the start of a process to its first answer, in terms of the same over a socket. */
export async function firstAnswer({ turns }: Effort, directory: string): Promise<Row> {
  const opened: Starts[] = []
  const open = async (transport: 'ringpost' | 'expert') => {
    const starts = await Starts.open(transport, directory)
    opened.push(starts)
    return starts
  }
  try {
    const [ours, reference] = [await open('ringpost'), await open('expert')]
    const both = await alternate(turns, () => ours.turn(), () => reference.turn())
    const name = 'from the start of a process to its first answer, against the socket'
    return row('start.first-answer', name, 'ns', 'more', both)
  } finally {
    for (const starts of opened) starts.kill()
  }
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
