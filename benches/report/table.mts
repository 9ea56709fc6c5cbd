// Tables for people, line by line as figures become known.

import { budgets, judge } from '../budgets.mjs'
import { median, timesBetter, type Row } from '../compare.mjs'
import type { MachineState } from '../machine.mjs'
import { checkInWords } from '../missed.mjs'
import type { Measurement, Results, Soak } from '../results.mjs'
import { TRANSPORTS } from '../transports.mjs'
import { human, round } from '../words.mjs'
import { coresInWords } from './tables.mjs'

const NAME = 56
const COLUMN = 10

export class Table {
  readonly #print: (line: string) => void
  /** What the lines before are about. */
  #id = ''
  /** Ringpost's own figures, which the others are compared with. */
  #ours: Measurement | undefined
  #hasRows = false

  constructor(print: (line: string) => void) {
    this.#print = print
  }

  heading({ machine, settings, command }: Results): void {
    const { processor, cores, kernel, node, commit } = machine
    this.#print(`${processor}, ${cores} cores, Linux ${kernel}, Node ${node}, commit ${commit}`)
    this.#print(
      `npm run bench -- ${command.join(' ')}: ` +
        `${settings.repeats} turns of ${settings.ms} ms each; ` +
        'medians of turns, lowest to highest in brackets',
    )
  }

  say(line: string): void {
    this.#print(line)
  }

  measurement(one: Measurement): void {
    // A curve is one table, which its suite prints.
    if (one.suite === 'scale') return
    const about = `${one.id} ${one.pair}`
    if (about !== this.#id) {
      this.#id = about
      this.#ours = one.transport === 'ringpost' ? one : undefined
      this.#print(`\n${`${one.name} (${one.pair})`.padEnd(NAME)}${columns(titles(one))}`)
    }
    const label = TRANSPORTS.find(({ name }) => name === one.transport)!.label
    const ratio =
      this.#ours === undefined || this.#ours === one ? '' : ratioOf(this.#ours, one)
    const figures = one.repeats.length > 0 ? columns(cells(one)) : ''
    this.#print(`  ${label.padEnd(NAME - 2)}${figures}  ${ratio}`.trimEnd())
    for (const check of one.checks) {
      this.#print(`    ${check.ok ? 'met   ' : 'MISSED'} ${checkInWords(check)}`)
    }
    if (one.failed !== null) this.#print(`    FAILED: ${one.failed}`)
  }

  row(row: Row): void {
    if (!this.#hasRows) {
      const names = ['Ringpost', 'expert', 'ratio', '', 'plain']
      const titles = [...names.map((title) => title.padStart(12)), 'cores used'.padStart(18)]
      this.#print(`\n${'beside Unix sockets'.padEnd(NAME)} ${titles.join(' ')}  bar / aim`)
      this.#hasRows = true
    }
    this.#print(rowLine(row))
  }

  soak({ rate, size, secondsSeen, samples, trends, verdict, throughputVariation }: Soak): void {
    const p99 = median(samples.map(({ latency }) => latency.p99))
    const cores = (['client', 'server'] as const).map((side) =>
      round(median(samples.map((sample) => sample[side].cpu))),
    )
    this.#print(`\nsoak: ${rate}/s of ${size} B for ${secondsSeen} s: ${verdict}`)
    this.#print(
      `  p99 ${human(p99, 'ns')} in the median of samples, ` +
        `cores ${cores.join(' / ')}, throughput varies by ${round(throughputVariation * 100)} %`,
    )
    for (const { of, unit, slope, low, high, verdict } of trends) {
      const words = [slope, low, high].map((value) => perHour(value, unit))
      this.#print(`  ${of.padEnd(22)} ${words[0]} (${words[1]} to ${words[2]}): ${verdict}`)
    }
  }
}

/** What may have spoilt comparisons, in lines. */
export function caution({ load, stolen, linePings }: MachineState): string[] {
  const pings = linePings.map((ping) => Math.round(ping))
  const [nearest, farthest] = [Math.min(...pings), Math.max(...pings)]
  const distance =
    pings.length === 0
      ? ''
      : `, a cache line to the other core and back in ${nearest} to ${farthest} ns`
  const lines = [
    `during the run: load ${round(load)}, ` +
      `${round(stolen * 100)} % of the time stolen by other guests${distance}`,
  ]
  if (stolen > STOLEN_MUCH) lines.push('CAUTION: so much stolen time spoils every figure.')
  if (farthest > nearest * FARTHER) {
    lines.push(
      'CAUTION: the cores were not equally far apart all the time; trust ratios of turns only.',
    )
  }
  return lines
}

const STOLEN_MUCH = 0.01
const FARTHER = 1.5

export function rowLine(row: Row): string {
  if (row.fault !== undefined) return `${row.name.padEnd(NAME)}  FAILED: ${row.fault}`
  const budget = budgets.find(({ id }) => id === row.id)
  const figure = (value: number) => (Number.isNaN(value) ? '' : human(value, row.unit))
  const alone = Number.isNaN(row.reference)
  const ratio = alone ? '' : `${round(row.ratio)}×`
  const spread = alone ? '' : `${round(row.spread[0])}–${round(row.spread[1])}`
  const cpu = coresInWords(row)
  const plain = row.plain === undefined ? '' : figure(row.plain)
  const cells = [figure(row.ours), figure(row.reference), ratio, spread, plain]
  const padded = [...cells.map((cell) => cell.padStart(12)), cpu.padStart(18)].join(' ')
  if (budget === undefined) return `${row.name.padEnd(NAME)} ${padded}`.trimEnd()
  const { sign, word } = judge(row, budget)
  return `${row.name.padEnd(NAME)} ${padded}  ${sign} ${budget.bar} / ${budget.aim}: ${word}`
}

function titles({ repeats: [first], metric }: Measurement): string[] {
  if (first === undefined) return []
  const cores = first.cpu === undefined ? [] : ['cores used']
  if (first.latency !== undefined) return ['p50', 'p99', 'p99.9', 'p99.99', 'max', ...cores]
  const bytes = first.bytesPerSecond === undefined ? [] : ['bytes']
  return [metric.name, ...bytes, ...cores]
}

function cells({ repeats, metric }: Measurement): string[] {
  const middle = (figure: (repeat: Measurement['repeats'][0]) => number, unit: string) =>
    human(median(repeats.map(figure)), unit)
  const [first] = repeats
  const cores =
    first.cpu === undefined
      ? []
      : [middle(({ cpu }) => cpu!.client + cpu!.server + cpu!.others, '')]
  if (first.latency !== undefined) {
    const spans = (['p50', 'p99', 'p999', 'p9999', 'max'] as const).map((name) =>
      middle(({ latency }) => latency![name], 'ns'),
    )
    return [...spans, ...cores]
  }
  const bytes =
    first.bytesPerSecond === undefined
      ? []
      : [middle(({ bytesPerSecond }) => bytesPerSecond!, 'B/s')]
  return [middle(({ value }) => value, metric.unit), ...bytes, ...cores]
}

const columns = (words: string[]) => words.map((word) => word.padStart(COLUMN + 1)).join('')

function ratioOf(ours: Measurement, theirs: Measurement): string {
  const times = timesBetter(ours, theirs)
  if (times === null) return ''
  const { ratio, low, high } = times
  return `Ringpost ${round(ratio)}× (${round(low)}–${round(high)})`
}

function perHour(value: number, unit: 'B' | ''): string {
  const amount = unit === 'B' ? `${round(value / 1024)} KiB` : round(value)
  return Number.isFinite(value) ? `${amount}/h` : 'unknown'
}
