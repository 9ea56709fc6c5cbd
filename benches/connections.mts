// A thousand connections to one native server.

import { readFileSync } from 'node:fs'
import type { Settings } from './adapter.mjs'
import { cpuMs, Process } from './process.mjs'

const PROCESSES = 20
const CONNECTIONS_EACH = 50
const REQUESTS_EACH = 10

export interface ManyConnections {
  /** Until all are open and have been answered. */
  connectMs: number
  /** Shared memory in use for them. */
  touchedBytes: number
  /** Of round trips on all connections in turn, in nanoseconds. */
  p99: number
  /** Of the clients and the server during those, in cores. */
  cores: number
}

/** Connects to the server at `address`, which is that process, from several processes, and makes
 * round trips on all connections in turn while all stay open. */
export async function connectMany(
  address: string,
  settings: Settings,
  server: Process,
): Promise<ManyConnections> {
  const sharedBefore = sharedBytes()
  const start = performance.now()
  const processes = Array.from({ length: PROCESSES }, () => new Process('rust'))
  try {
    const counts = { connections: CONNECTIONS_EACH, requests: REQUESTS_EACH }
    await Promise.all(
      processes.map((one) => one.call({ do: 'connect-many', address, settings, ...counts })),
    )
    const connectMs = performance.now() - start
    const touchedBytes = sharedBytes() - sharedBefore
    const used = () => [server, ...processes].reduce((sum, { pid }) => sum + cpuMs(pid), 0)
    const [usedBefore, asked] = [used(), performance.now()]
    const spans: number[] = []
    for (const one of processes) spans.push(...(await one.call<number[]>({ do: 'ask-many' })))
    const cores = (used() - usedBefore) / (performance.now() - asked)
    await Promise.all(processes.map((one) => one.stop()))
    // All spans, because the percentiles of all are not those of any one connection.
    spans.sort((a, b) => a - b)
    return { connectMs, touchedBytes, p99: spans[Math.ceil(spans.length * 0.99) - 1], cores }
  } finally {
    for (const one of processes) one.kill()
  }
}

/** Pages of all shared memory of the machine: what a memory file's blocks count, without needing
 * its descriptor, which is not kept. */
function sharedBytes(): number {
  const [, kib] = /^Shmem:\s+(\d+) kB$/m.exec(readFileSync('/proc/meminfo', 'utf8'))!
  return Number(kib) * 1024
}
