// The scenarios, one after the other. Each is a file of its own in scenarios/, which its processes
// load too.

import type { Measurement } from '../results.mjs'
import type { Run } from '../run.mjs'
import type { Scenario } from '../scenarios/scenario.mjs'
import { scratch } from '../scratch.mjs'
import type { Suite } from './suite.mjs'

export const SCENARIOS = [
  'mixed',
  'bursts',
  'variable-load',
  'steady',
  'many-to-many',
  'tasks',
  'oversized',
  'extremes',
  'measured-under-load',
  'thousand-connections',
  'large-beside-small',
  'urgent-among-bulk',
  'greedy-neighbor',
  'compression',
  'leak-cycles',
  'reconnect',
  'handover',
  'restart',
  'state-frame',
  'topic',
  'map',
  'pool',
  'scrape',
  'language-server',
  'audio',
  'alerts',
  'perception',
  'dashboard',
  'ai-backend',
  'ai-backend-crowd',
  'chaos',
] as const

export interface ScenarioOptions {
  /** Seconds each, instead of up to half an hour. */
  short: boolean
  /** Only those of these names. */
  only?: string[]
  signal: AbortSignal
  /** So much is done, of so many scenarios. */
  progress: (done: number, of: number, word: string) => void
  /** One is over. */
  done: (measurement: Measurement) => void
}

/** @throws RangeError if there is no scenario of a name in `only`. */
export async function scenarioSuite(options: ScenarioOptions): Promise<Measurement[]> {
  const { short, only, signal, progress, done } = options
  const names = chosen(only)
  const directory = scratch()
  const measurements: Measurement[] = []
  for (const [index, name] of names.entries()) {
    if (signal.aborted) break
    const { scenario } = (await import(`../scenarios/${name}.mjs`)) as { scenario: Scenario }
    // What is done is done when its result is there.
    const report = (share: number, word: string) =>
      progress(index + Math.min(share, 0.99), names.length, `${scenario.name}: ${word}`)
    report(0, 'starting')
    const form = { short, scale: 1, directory, progress: report, signal }
    const measurement = await measure(scenario, form)
    // What was interrupted has neither failed nor a result.
    if (signal.aborted && measurement.failed !== null) break
    measurements.push(measurement)
    done(measurement)
  }
  return measurements
}

function chosen(only: string[] | undefined): readonly string[] {
  const unknown = only?.find((name) => !SCENARIOS.some((known) => known === name))
  if (unknown !== undefined) {
    throw new RangeError(`there is no scenario '${unknown}'; there are: ${SCENARIOS.join(', ')}`)
  }
  return only === undefined ? SCENARIOS : SCENARIOS.filter((name) => only.includes(name))
}

async function measure(
  scenario: Scenario,
  form: Parameters<Scenario['run']>[0],
): Promise<Measurement> {
  const { name, title, metric } = scenario
  const about = {
    ...({ suite: 'scenarios', transport: 'ringpost', pair: 'ts-ts' } as const),
    ...{ id: `scenarios.${name}`, name: title, metric },
  }
  const length = form.short ? 'short' : 'full'
  try {
    const { settings, ...outcome } = await scenario.run(form)
    return { ...about, settings: { form: length, ...settings }, ...outcome }
  } catch (error) {
    const [failed] = (error instanceof Error ? error.message : String(error)).split('\n')
    return { ...about, settings: { form: length }, repeats: [], checks: [], failed }
  }
}

/** The same as a part of a run. */
export const scenarios: Suite = {
  about: 'workloads of real systems, each beside the figures it has to reach',

  async play(run: Run) {
    const { quick: short, suites } = run.plan
    // With the micro benchmarks asked for, the other names are theirs.
    const isScenario = (name: string) => SCENARIOS.some((own) => own === name)
    const only = run.plan.only?.filter((name) => !suites.includes('micro') || isScenario(name))
    if (only?.length === 0) return
    let begun = -1
    const progress = (done: number, of: number, word: string) => {
      if (begun === -1) run.begin('scenarios', of)
      if (Math.floor(done) > begun) run.step(word)
      begun = Math.floor(done)
    }
    const done = (measurement: Measurement) => run.add(measurement)
    try {
      await scenarioSuite({ short, only, signal: run.signal, progress, done })
    } catch (error) {
      run.fail('scenarios', error)
    }
  },
}
