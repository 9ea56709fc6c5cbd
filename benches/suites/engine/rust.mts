// Rows of Rust: beside a bare ring, one line that crosses and nothing else, beside the reference in
// Rust, and beside copying in memory.

import { alternate, row, type Figure, type Row } from '../../compare.mjs'
import type { Rate } from '../../commands.mjs'
import { Pair, type Cost } from '../../pair.mjs'
import type { Latency } from '../../results.mjs'
import { compare, cpu, perSecond, type Effort } from './sides.mjs'

export async function rustRows(effort: Effort, directory: string): Promise<Row[]> {
  const pairs: Pair[] = []
  const open = async (name: string) => {
    const pair = await Pair.open(name, { settings: { directory }, languages: 'rust-rust' })
    pairs.push(pair)
    return pair
  }
  try {
    const ours = await open('ringpost')
    const rows = await besideSocket(effort, ours, await open('expert'))
    rows.push(...(await besideBareRing(effort, ours, await open('bare'))))
    for (const pair of pairs) await pair.close()
    return rows
  } finally {
    for (const pair of pairs) pair.kill()
  }
}

const besideSocket = (effort: Effort, ours: Pair, reference: Pair): Promise<Row[]> =>
  compare(
    effort,
    { ours, reference },
    [perSecond('rust.one-way.64', 'Rust one-way 64 B')],
    (pair) => pair.oneWay({ size: 64, ms: effort.ms }),
  )

async function besideBareRing({ turns, ms }: Effort, ours: Pair, bare: Pair): Promise<Row[]> {
  const figure = (value: number, cost: Cost): Figure => ({ value, cpu: cpu(cost) })
  const p50Of = (result: Latency & Cost) => figure(result.p50, result)
  const perSecondOf = (result: Rate & Cost) => figure(result.perSecond, result)
  const bytesPerSecondOf = (result: Rate & Cost) => figure(result.bytesPerSecond, result)
  // The bare ring never sleeps: while it is not measured it would take a core from the other pair.
  bare.pause()
  const alone = async <T,>(measure: () => Promise<T>) => {
    bare.resume()
    const result = await measure()
    bare.pause()
    return result
  }
  const latency = await alternate(
    turns,
    async () => p50Of(await ours.latency({ size: 64, ms })),
    async () => p50Of(await alone(() => bare.latency({ size: 64, ms }))),
  )
  const oneWay = await alternate(
    turns,
    async () => perSecondOf(await ours.oneWay({ size: 64, ms })),
    async () => perSecondOf(await alone(() => bare.oneWay({ size: 64, ms }))),
  )
  const stream = await alternate(
    turns,
    async () => bytesPerSecondOf(await ours.stream({ size: 65_536, ms })),
    async () => bytesPerSecondOf(await ours.memcpy({ size: 65_536, ms })),
  )
  bare.resume()
  return [
    row('rust.latency.64.p50', 'Rust round trip 64 B, against a bare ring', 'ns', 'more', latency),
    row('rust.bare.one-way.64', 'Rust one-way 64 B, against a bare ring', '/s', 'more', oneWay),
    row('rust.stream.65536', 'Rust stream of 64 KiB items, against memcpy', 'B/s', 'more', stream),
  ]
}
