// The machine of a figure, and what may have disturbed it.

import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os'
import { fileURLToPath } from 'node:url'
import { Worker, isMainThread, workerData } from 'node:worker_threads'
import { TICK_MS } from './process.mjs'

export interface Machine {
  processor: string
  cores: number
  memoryBytes: number
  kernel: string
  node: string
  commit: string
}

export function machine(): Machine {
  return {
    processor: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    kernel: release(),
    node: process.version,
    commit: commit(),
  }
}

/** What else was going on. */
export interface MachineState {
  /** Runnable processes, ours included, on average over the last minute. */
  load: number
  /** The share of the time that a hypervisor gave to other guests. */
  stolen: number
  /** Nanoseconds for a cache line to go to another core and back, each time it was measured. How
   * far apart the cores are in terms of caches changes when a virtual machine is moved. */
  linePings: number[]
}

/** Observes the machine from now on. */
export class Watch {
  readonly #before = cpuTimes()
  readonly #linePings: number[] = []

  /** Sends a cache line to and fro for a few milliseconds; nothing else should run meanwhile. */
  async ping(): Promise<void> {
    this.#linePings.push(await pingLine())
  }

  get state(): MachineState {
    const after = cpuTimes()
    const total = after.total - this.#before.total
    const stolen = total > 0 ? (after.steal - this.#before.steal) / total : 0
    return { load: loadavg()[0], stolen, linePings: [...this.#linePings] }
  }
}

/** Ticks of all cores since the machine has started: user, nice, system, idle, iowait, irq,
 * softirq, steal. */
function cpuTimes(): { total: number; busy: number; steal: number } {
  const [line] = readFileSync('/proc/stat', 'utf8').split('\n')
  const times = line.split(/\s+/).slice(1, 9).map(Number)
  const total = times.reduce((sum, time) => sum + time, 0)
  return { total, busy: total - times[3] - times[4], steal: times[7] ?? 0 }
}

/** Observes how busy the machine is; the function returned gives the share of all cores that other
 * programs used, given the milliseconds that were ours. */
export function watchOthers(): (oursMs: number) => number {
  const before = cpuTimes()
  return (oursMs) => {
    const after = cpuTimes()
    const total = after.total - before.total
    return total > 0 ? Math.max(0, (after.busy - before.busy - oursMs / TICK_MS) / total) : 0
  }
}

function commit(): string {
  try {
    const root = fileURLToPath(new URL('../..', import.meta.url))
    const git = (...args: string[]) =>
      execFileSync('git', args, { cwd: root, encoding: 'utf8', stdio: 'pipe' }).trim()
    const changes = git('status', '--porcelain') ? ' and changes' : ''
    return git('rev-parse', '--short', 'HEAD') + changes
  } catch {
    return 'unknown'
  }
}

/** Round trips of a line in one burst, and bursts of which the fastest counts: a burst during which
 * both threads were on one core, or others ran, says nothing about the distance. */
const PINGS = 2_000
const BURSTS = 10
const SLOTS = { ping: 0, pong: 16, end: 32 }

/** Nanoseconds a cache line takes to another core and back, between two threads. */
async function pingLine(): Promise<number> {
  const shared = new Int32Array(new SharedArrayBuffer(256))
  const partner = new Worker(fileURLToPath(import.meta.url), { workerData: shared })
  try {
    await new Promise((online) => partner.once('message', online))
    let best = Infinity
    let value = 0
    for (let burst = 0; burst < BURSTS; burst++) {
      const start = performance.now()
      for (let turn = 0; turn < PINGS; turn++) {
        Atomics.store(shared, SLOTS.ping, ++value)
        while (Atomics.load(shared, SLOTS.pong) !== value);
      }
      best = Math.min(best, ((performance.now() - start) * 1e6) / PINGS)
    }
    return best
  } finally {
    Atomics.store(shared, SLOTS.end, 1)
    await partner.terminate()
  }
}

if (!isMainThread && workerData instanceof Int32Array) {
  const shared = workerData
  const { parentPort } = await import('node:worker_threads')
  parentPort!.postMessage('ready')
  let value = 0
  while (Atomics.load(shared, SLOTS.end) === 0) {
    const seen = Atomics.load(shared, SLOTS.ping)
    if (seen !== value) Atomics.store(shared, SLOTS.pong, (value = seen))
  }
}
