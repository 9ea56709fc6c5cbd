// The pieces of the TypeScript side, each by itself and without the binding: what a message costs
// there, and which piece has changed when a round trip has.

import { setImmediate } from 'node:timers/promises'
import type Benchmark from 'benchmark'
import { median } from '../compare.mjs'
import type { Measurement, Repeat } from '../results.mjs'
import { PER_OPERATION, isAsked, type MicroCase, type MicroOptions } from './case.mjs'
import { codec } from './codec.mjs'
import { dispatch } from './dispatch.mjs'
import { pending } from './pending.mjs'
import { records } from './records.mjs'

export type { MicroOptions } from './case.mjs'
export { rustMicroSuite } from './rust.mjs'

/** Samples of a repeat, of which the median counts. */
const SAMPLES = 20

/** The cases of {@link microSuite}. */
export function microCases(only?: MicroOptions['only']): MicroCase[] {
  const all = [...records, ...codec, ...dispatch, ...pending]
  return all.filter(({ id }) => isAsked(`micro.js.${id}`, only))
}

/** Measures the pieces in turns, each once in every repeat. */
export async function microSuite(options: MicroOptions): Promise<Measurement[]> {
  const { seconds, repeats, only, step, signal } = options
  const library = await load()
  const cases = microCases(only)
  const measurements = await Promise.all(cases.map(blank))
  for (let repeat = 0; repeat < repeats; repeat++) {
    for (const [index, one] of cases.entries()) {
      // Nothing else has a turn while one is measured.
      await setImmediate()
      if (signal?.aborted) break
      const measurement = measurements[index]
      if (measurement.failed !== null) continue
      step?.(one.name)
      measurement.repeats.push(measure(library, one, seconds))
    }
  }
  return measurements.filter(({ repeats, failed }) => repeats.length > 0 || failed !== null)
}

async function load(): Promise<typeof Benchmark> {
  try {
    return (await import('benchmark')).default
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw cause
    const message = 'the micro benchmarks need the npm package `benchmark`: run `npm install` first'
    throw new Error(message, { cause })
  }
}

/** What has not been measured yet; with the reason why it cannot be, if its answer is wrong. */
async function blank(one: MicroCase): Promise<Measurement> {
  let failed = null
  try {
    await one.prove()
  } catch (error) {
    failed = `a wrong answer: ${(error as Error).message.split('\n')[0]}`
  }
  const { name, settings, operations } = one
  return {
    ...{ suite: 'micro', id: `micro.js.${one.id}`, name, transport: 'ringpost', pair: 'ts-ts' },
    ...{ metric: PER_OPERATION, settings: { ...settings, operations } },
    ...{ repeats: [], checks: [], failed },
  }
}

function measure(library: typeof Benchmark, one: MicroCase, seconds: number): Repeat {
  const benchmark = new library(one.id, () => one.run(), {
    ...{ minTime: seconds / SAMPLES, maxTime: seconds, minSamples: SAMPLES / 4 },
  })
  benchmark.run({ async: false })
  if (benchmark.error) throw benchmark.error
  const sample = benchmark.stats.sample as number[]
  const times = sample.map((period) => (period * 1e9) / one.operations)
  const details = { low: Math.min(...times), high: Math.max(...times), samples: times.length }
  return { value: median(times), details }
}
