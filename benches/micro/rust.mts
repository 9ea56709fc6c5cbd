// The pieces of the core in Rust: crates/ipc-core/benches/micro.rs, measured by criterion in a
// process of its own, whose figures are read from the files it leaves.

import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import type { Measurement } from '../results.mjs'
import { scratch } from '../scratch.mjs'
import { ROOT } from '../transports.mjs'
import { PER_OPERATION, type MicroOptions } from './case.mjs'

export interface RustMicroOptions extends MicroOptions {
  /** Called with the reason if nothing can be measured. */
  leftOut?(what: string): void
}

/** Shares of its time that criterion spends before it measures, and samples it takes. */
const WARM_UP = 0.3
const SAMPLES = 50
/** It refuses to draw conclusions from less. */
const SAMPLES_MIN = 10

/** Measures what was asked for, or says why it cannot. Criterion repeats by itself, so that the
 * time of all repeats goes into one. */
export async function rustMicroSuite(options: RustMicroOptions): Promise<Measurement[]> {
  const filter = filterOf(options.only)
  if (filter === null || options.signal?.aborted) return []
  const reason = missing()
  if (reason !== null) {
    options.leftOut?.(`micro benchmarks in Rust: ${reason}`)
    return []
  }
  options.step?.('the pieces in Rust')
  const folder = scratch()
  await measure(options, filter, folder)
  return estimates(folder)
}

function missing(): string | null {
  const { error } = spawnSync('cargo', ['--version'])
  return error === undefined ? null : 'they need cargo, see https://rustup.rs'
}

/** The ids asked for as a regular expression of criterion's, whose ids are `ring/push-pop-64`; null
 * if none of them can be one of its. */
export function filterOf(only: MicroOptions['only']): string | null {
  if (only === undefined) return ''
  const rust = [only].flat().map((parts) => parts.replace(/^micro(\.|$)/, ''))
  const asked = rust.filter((parts) => !/^js(\.|$)/.test(parts))
  if (asked.length === 0) return null
  const filters = asked.map((parts) => {
    const rest = parts.replace(/^rust(\.|$)/, '').replaceAll('.', '/')
    return rest === '' ? '' : `(^|/)${rest.replace(/[^\w/-]/g, '\\$&')}(/|$)`
  })
  return filters.includes('') ? '' : filters.join('|')
}

async function measure(
  { seconds, repeats, signal }: MicroOptions,
  filter: string,
  folder: string,
): Promise<void> {
  const time = seconds * repeats
  const samples = Math.min(SAMPLES, Math.max(SAMPLES_MIN, Math.round(time * SAMPLES)))
  const child = spawn(
    'cargo',
    [
      ...['bench', '--package', 'ipc-core', '--bench', 'micro', '--features', 'testing', '--'],
      ...['--measurement-time', String(time), '--warm-up-time', String(time * WARM_UP)],
      ...['--sample-size', String(samples), '--noplot', ...(filter === '' ? [] : [filter])],
    ],
    {
      cwd: fileURLToPath(ROOT),
      env: { ...process.env, CRITERION_HOME: folder },
      stdio: ['ignore', 'ignore', 'pipe'],
      // A group of its own, so that what cargo has started ends with it.
      detached: true,
    },
  )
  const stop = () => process.kill(-child.pid!)
  signal?.addEventListener('abort', stop)
  try {
    const [[code], said] = await Promise.all([once(child, 'exit'), text(child.stderr)])
    if (code === 0 || signal?.aborted) return
    const last = said.trim().split('\n').slice(-20).join('\n')
    throw new Error(`cargo bench ended with ${code}:\n${last}`)
  } finally {
    signal?.removeEventListener('abort', stop)
  }
}

/** What criterion has left in a folder, as measurements. */
export function estimates(folder: string): Measurement[] {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  const found = files.filter((file) => file.endsWith(join('new', 'benchmark.json'))).sort()
  return found.map((file) => {
    const at = join(folder, dirname(file))
    const { group_id, function_id, throughput } = read<Identity>(join(at, 'benchmark.json'))
    const { median } = read<Estimates>(join(at, 'estimates.json'))
    const operations = throughput?.Elements ?? 1
    const { lower_bound, upper_bound } = median.confidence_interval
    const details = { low: lower_bound / operations, high: upper_bound / operations }
    return {
      ...{ suite: 'micro', id: `micro.rust.${group_id}.${function_id}`, transport: 'ringpost' },
      ...{ name: `${group_id}: ${function_id}`, pair: 'rust-rust', metric: PER_OPERATION },
      settings: { operations },
      repeats: [{ value: median.point_estimate / operations, details }],
      ...{ checks: [], failed: null },
    }
  })
}

function read<T>(path: string): T {
  return JSON.parse(readFileSync(path, 'utf8')) as T
}

/** What matters of criterion's files: nanoseconds of one iteration, which does so many elements. */
interface Identity {
  group_id: string
  function_id: string
  throughput: { Elements?: number } | null
}

interface Estimates {
  median: {
    point_estimate: number
    confidence_interval: { lower_bound: number; upper_bound: number }
  }
}
