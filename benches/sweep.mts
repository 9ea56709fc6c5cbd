// Cases measured under all transports in turns: in every repeat each transport has one turn, and
// each repeat begins with another, so that a change of the machine affects all of them.

import { processorMs, Pair, type Cost } from './pair.mjs'
import type { Languages, Measurement, Repeat } from './results.mjs'
import type { Plan, Run } from './run.mjs'
import type { Case } from './suites/suite.mjs'
import { missing, speaks, type TransportEntry } from './transports.mjs'

/** Who takes part. */
export type Entrants = Pick<Plan, 'languages' | 'transports'>

/** Measures `cases` in the languages and transports of the run, or in others. */
export async function sweep(
  run: Run,
  cases: Case[],
  { languages: all, transports }: Entrants = run.plan,
): Promise<void> {
  for (const languages of all) {
    const field = new Field(run, languages, transports)
    try {
      await field.open()
      for (const one of cases) {
        if (!run.stopped && !(one.asksInTypeScript && languages === 'rust-rust')) {
          await field.measure(one)
        }
      }
      await field.close()
    } finally {
      field.kill()
    }
  }
}

/** How many turns `sweep` will take, for the progress of the run. */
export function turns(
  run: Run,
  cases: Case[],
  { languages: all, transports }: Entrants = run.plan,
): number {
  const taken = all.map((languages) => {
    const entrants = entries(transports, languages).length
    const played = cases.filter((one) => !(one.asksInTypeScript && languages === 'rust-rust'))
    return entrants * played.length * run.plan.repeats
  })
  return taken.reduce((sum, count) => sum + count, 0)
}

function entries(transports: TransportEntry[], languages: Languages): TransportEntry[] {
  return transports.filter(
    (transport) => speaks(transport, languages) && missing(transport, languages) === null,
  )
}

/** All transports in one pair of languages, each with its two processes. */
class Field {
  readonly #run: Run
  readonly #languages: Languages
  readonly #transports: TransportEntry[]
  readonly #pairs = new Map<TransportEntry, Pair>()

  constructor(run: Run, languages: Languages, transports: TransportEntry[]) {
    this.#run = run
    this.#languages = languages
    this.#transports = transports
  }

  async open(): Promise<void> {
    for (const transport of this.#transports.filter((one) => speaks(one, this.#languages))) {
      const reason = missing(transport, this.#languages)
      if (reason === null) await this.#enter(transport)
      else this.#run.lacks(transport, this.#languages, reason)
    }
  }

  async measure(one: Case): Promise<void> {
    const { repeats } = this.#run.plan
    const entrants = [...this.#pairs.keys()].filter(({ lacks }) => !lacks?.includes(one.command))
    const results = new Map(entrants.map((entrant) => [entrant, this.#blank(one, entrant)]))
    for (let repeat = 0; repeat < repeats; repeat++) {
      await this.#run.watch.ping()
      for (let place = 0; place < entrants.length; place++) {
        if (this.#run.stopped) break
        const entrant = entrants[(place + repeat) % entrants.length]
        this.#run.step(`${entrant.label}: ${one.name}`)
        await this.#turn(one, entrant, results.get(entrant)!)
      }
    }
    for (const measurement of results.values()) {
      if (measurement.repeats.length > 0 || measurement.failed !== null) this.#run.add(measurement)
    }
  }

  async close(): Promise<void> {
    for (const [transport, pair] of this.#pairs) {
      if (transport.busy) pair.resume()
      // A process that does not exit is killed: its figures are complete.
      await this.#limited(pair, pair.close()).catch(() => pair.kill())
    }
    this.#pairs.clear()
  }

  kill(): void {
    for (const pair of this.#pairs.values()) pair.kill()
  }

  async #enter(transport: TransportEntry): Promise<void> {
    const { directory, cores } = this.#run
    const options = { settings: { directory }, languages: this.#languages, cores }
    try {
      const pair = await Pair.open(transport.name, options)
      this.#pairs.set(transport, pair)
      this.#run.has(transport, pair.description.version)
      if (transport.busy) pair.pause()
    } catch (error) {
      this.#run.lacks(transport, this.#languages, (error as Error).message.split('\n')[0])
    }
  }

  /** Plays a case once. A failure is recorded, and the other transports continue. */
  async #turn(one: Case, entrant: TransportEntry, measurement: Measurement): Promise<void> {
    const pair = this.#pairs.get(entrant)
    if (pair === undefined || measurement.failed !== null) return
    try {
      if (entrant.busy) pair.resume()
      if (measurement.repeats.length === 0) await this.#limited(pair, one.warmUp(pair))
      const { cost, count, ...repeat } = await this.#limited(pair, one.play(pair))
      const cpuEach = (processorMs(cost) * 1e6) / count
      measurement.repeats.push({ ...repeat, cpu: cores(cost), cpuEach })
      measurement.failed = one.fault?.(repeat) ?? null
      if (entrant.busy) pair.pause()
    } catch (error) {
      if (this.#run.stopped) return
      measurement.failed = (error as Error).message.split('\n')[0]
      pair.kill()
      this.#pairs.delete(entrant)
      await this.#enter(entrant)
    }
  }

  /** Kills a pair that takes too long. */
  async #limited<T>(pair: Pair, work: Promise<T>): Promise<T> {
    const limit = setTimeout(() => pair.kill(), this.#run.plan.ms * 20 + 30_000)
    const stop = () => pair.kill()
    this.#run.signal.addEventListener('abort', stop)
    try {
      return await work
    } finally {
      clearTimeout(limit)
      this.#run.signal.removeEventListener('abort', stop)
    }
  }

  #blank(one: Case, { name }: TransportEntry): Measurement {
    const { suite, id, name: what, metric, settings } = one
    return {
      ...{ suite, id, name: what, transport: name, pair: this.#languages, metric, settings },
      ...{ repeats: [], checks: one.checks ?? [], failed: null },
    }
  }
}

function cores(cost: Cost): NonNullable<Repeat['cpu']> {
  return {
    client: cost.clientCpuMs / cost.wallMs,
    server: cost.serverCpuMs / cost.wallMs,
    others: cost.othersCpuMs / cost.wallMs,
  }
}
