// What Prometheus would read, by a parser that is not ours.

import { createRequire } from 'node:module'

interface Sample {
  value: string
  labels?: Record<string, string>
}
interface Family {
  name: string
  type: string
  metrics: Sample[]
}

const require = createRequire(import.meta.url)
const parse = require('parse-prometheus-text-format') as (text: string) => Family[]

/** A scrape, by the names of its series without `ringpost_`. */
export class Scrape {
  readonly types: Map<string, string>
  readonly #samples = new Map<string, Sample[]>()

  constructor(text: string) {
    this.types = new Map(parse(text).map(({ name, type }) => [name, type]))
    // The parser takes all series of a histogram for one, unless it takes each for what it is.
    const plain = text.replaceAll(/^# HELP (\S+) .*\n# TYPE \1 histogram\n/gm, '')
    for (const { name, metrics } of parse(plain)) {
      this.#samples.set(name, [...(this.#samples.get(name) ?? []), ...metrics])
    }
  }

  /** The samples of a metric that have these labels. */
  all(metric: string, labels: Record<string, string> = {}): Sample[] {
    return (this.#samples.get(`ringpost_${metric}`) ?? []).filter((sample) => {
      return Object.entries(labels).every(([key, value]) => sample.labels?.[key] === value)
    })
  }

  /** The sum of their values. */
  value(metric: string, labels: Record<string, string> = {}): number {
    return this.all(metric, labels).reduce((sum, { value }) => sum + Number(value), 0)
  }

  /** Each series that never goes down, by its name and labels. */
  counters(): Map<string, number> {
    const series = [...this.#samples].filter(([name]) => this.types.get(name) !== 'GAUGE')
    const counters = series.flatMap(([name, samples]) => {
      return samples.map(({ value, labels }) => {
        return [`${name} ${JSON.stringify(labels)}`, Number(value)] as const
      })
    })
    return new Map(counters)
  }
}
