// What a figure was measured on, and what may have spoilt it.

import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os'

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

/** What else was going on: the load, and the share of time a hypervisor gave to others. */
export interface Noise {
  load: number
  stolen: number
}

/** Starts watching; the function returned says what was seen. */
export function watchNoise(): () => Noise {
  const before = cpuTimes()
  return () => {
    const after = cpuTimes()
    const total = after.total - before.total
    return { load: loadavg()[0], stolen: total > 0 ? (after.steal - before.steal) / total : 0 }
  }
}

function cpuTimes(): { total: number; steal: number } {
  const [line] = readFileSync('/proc/stat', 'utf8').split('\n')
  const times = line.split(/\s+/).slice(1).map(Number)
  return { total: times.reduce((sum, time) => sum + time, 0), steal: times[7] ?? 0 }
}

function commit(): string {
  try {
    const git = (...args: string[]) => execFileSync('git', args, { encoding: 'utf8' }).trim()
    return git('rev-parse', '--short', 'HEAD') + (git('status', '--porcelain') ? ' and changes' : '')
  } catch {
    return 'unknown'
  }
}
