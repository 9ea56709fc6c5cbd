// A fixed rate for long, and what grows meanwhile.

import { appendFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { Pair } from '../pair.mjs'
import { residentBytes } from '../process.mjs'
import type { ProcessSample, Soak, SoakSample } from '../results.mjs'
import type { Run, SoakPlan } from '../run.mjs'
import { trends, variation } from '../trend.mjs'
import type { Suite } from './suite.mjs'

/** Lengths of a soak that have a name, in seconds. */
export const PRESETS: Record<string, number> = {
  minute: 60,
  hour: 3_600,
  day: 86_400,
  'two-days': 172_800,
}

/** Seconds from one sample to the next: some hundreds of them in all. */
const everyOf = (seconds: number) => Math.min(240, Math.max(1, Math.round(seconds / 600)))

/** Of the wanted rate, what has to be kept over the whole. */
const RATE_KEPT = 0.99

export const soak: Suite = { about: 'a fixed rate for long: memory, descriptors, delays', play }

async function play(run: Run): Promise<void> {
  const { soak: plan, languages } = run.plan
  const spoken = languages.find((pair) => pair.startsWith('ts')) ?? 'ts-ts'
  const keeper = new Keeper(plan, spoken)
  run.begin('soak', Math.ceil(plan.seconds / everyOf(plan.seconds)))
  for (const sample of keeper.samples) run.step(`${sample.at} s were there already`)
  const pair = await Pair.open('ringpost', {
    settings: { directory: run.directory },
    languages: spoken,
    cores: run.cores,
  })
  const stop = () => pair.kill()
  run.signal.addEventListener('abort', stop)
  try {
    await keepAsking(run, pair, keeper)
    await pair.close()
  } catch (error) {
    run.fail('soak', error)
  } finally {
    run.signal.removeEventListener('abort', stop)
    pair.kill()
  }
  run.results.soak = keeper.result()
  const { failed } = run.results.soak
  if (failed !== null) run.fail('soak', new Error(failed))
}

async function keepAsking(run: Run, pair: Pair, keeper: Keeper): Promise<void> {
  const { seconds, rate, size } = run.plan.soak
  const every = everyOf(seconds)
  const ms = every * 1e3
  // What is there before the first sample has grown by starting.
  await pair.soak({ size, ms: 1_000, rate })
  await pair.loopDelays()
  let before = (await pair.soak({ size, ms: 10, rate })).counters
  for (let at = keeper.seconds + every; at <= seconds && !run.stopped; at += every) {
    run.step(`${rate} round trips a second of ${size} B`)
    const { counters, drops, perSecond, clientCpuMs, serverCpuMs, wallMs, ...latency } =
      await pair.soak({ size, ms, rate })
    const delays = await pair.loopDelays()
    const [client, server] = pair.pids
    keeper.keep({
      at,
      latency,
      perSecond,
      drops,
      client: sampleOf(client, delays.client, clientCpuMs / wallMs),
      server: sampleOf(server, delays.server, serverCpuMs / wallMs),
      wakeups: counters.wakeups - before.wakeups,
      lostWakeups: counters.lostWakeups - before.lostWakeups,
    })
    before = counters
  }
}

/** Samples in memory, and in a file if there is to be one. */
class Keeper {
  readonly samples: SoakSample[] = []
  /** Where in the samples a run has begun: at a resumption memory begins anew. */
  readonly #begins: number[] = []
  readonly #plan: SoakPlan
  readonly #pair: Soak['pair']

  constructor(plan: SoakPlan, pair: Soak['pair']) {
    this.#plan = plan
    this.#pair = pair
    const { file, resume } = plan
    if (file !== undefined) {
      if (resume && existsSync(file)) this.#read(file)
      else writeFileSync(file, '')
      appendFileSync(file, `${JSON.stringify({ begins: this.seconds, ...plan })}\n`)
    }
    this.#begins.push(this.samples.length)
  }

  get seconds(): number {
    return this.samples.at(-1)?.at ?? 0
  }

  keep(sample: SoakSample): void {
    this.samples.push(sample)
    if (this.#plan.file !== undefined) {
      appendFileSync(this.#plan.file, `${JSON.stringify(sample)}\n`)
    }
  }

  result(): Soak {
    const { samples } = this
    const { rate, size, seconds } = this.#plan
    const grown = trends(samples, this.#begins)
    const worst = grown.find(({ verdict }) => verdict === 'grows')
    const unsure = grown.some(({ verdict }) => verdict === 'too short to tell')
    return {
      transport: 'ringpost',
      pair: this.#pair,
      rate,
      size,
      secondsWanted: seconds,
      secondsSeen: this.seconds,
      samples,
      trends: grown,
      verdict: worst ? 'leak' : unsure ? 'too short to tell' : 'no leak',
      throughputVariation: variation(samples.map(({ perSecond }) => perSecond)),
      failed: fault(samples, rate),
    }
  }

  #read(file: string): void {
    for (const entry of readState(readFileSync(file, 'utf8'))) {
      if ('begins' in entry) this.#begins.push(this.samples.length)
      else this.samples.push(entry)
    }
  }
}

/** The lines of a state file: samples, and the beginning of each stretch. */
export function readState(text: string): (SoakSample | { begins: number })[] {
  const entries = text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as SoakSample | { begins: number })
  if (entries.length === 0 || entries.some((entry) => !('begins' in entry || 'at' in entry))) {
    throw new TypeError('not the state of a soak')
  }
  return entries
}

function fault(samples: SoakSample[], rate: number): string | null {
  const sum = (figure: (sample: SoakSample) => number) =>
    samples.reduce((total, sample) => total + figure(sample), 0)
  if (samples.length === 0) return 'it ended before its first sample'
  const drops = sum(({ drops }) => drops)
  if (drops > 0) return `${drops} requests were not answered`
  const lost = sum(({ lostWakeups }) => lostWakeups)
  if (lost > 0) return `${lost} wake-ups were lost`
  const kept = sum(({ perSecond }) => perSecond) / samples.length
  return kept < rate * RATE_KEPT ? `missed its rate: ${kept.toFixed(0)} of ${rate} a second` : null
}

function sampleOf(pid: number, loopDelayP99: number | null, cpu: number): ProcessSample {
  return {
    residentBytes: residentBytes(pid),
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
    mappings: readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n').length - 1,
    loopDelayP99,
    cpu,
  }
}
