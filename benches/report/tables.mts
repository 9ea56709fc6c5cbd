// The tables of a run, of which pages and documents show the same.

import { budgets, judge } from '../budgets.mjs'
import { median, type Row } from '../compare.mjs'
import type { Check, Languages, Measurement, Repeat, Results } from '../results.mjs'
import type { Soak, SoakSample } from '../results.mjs'
import { round } from '../words.mjs'
import { bad, good, type Cell, type Column, type Group, type Line, type Sheet } from './sheet.mjs'
import { anHour } from './soak.mjs'
import {
  byId,
  COMPARED,
  count,
  counts,
  figure,
  groupBy,
  labelOf,
  lookOf,
  measurementsOf,
  middle,
  OURS,
  PAIRS,
  pairsOf,
  ratioOf,
  ratios,
  rivalRatios,
  times,
} from './view.mjs'

const words = (title: string): Column => ({ title, words: true })
const figures = (...titles: string[]): Column[] => titles.map((title) => ({ title }))

// ---- transports beside each other ----

const SPANS = {
  ...({ p50: 'p50', p90: 'p90', p99: 'p99' } as const),
  ...({ 'p99.9': 'p999', 'p99.99': 'p9999', max: 'max' } as const),
}
const SIDES = ['client', 'server', 'others'] as const

/** Every transport of a suite, with what it cost in processor time. */
export function comparison(results: Results, suite: string, pair: Languages): Sheet {
  const all = measurementsOf(results, suite, pair)
  const isTimed = all.some(({ repeats }) => repeats[0]?.latency !== undefined)
  const label = labelOf(results, OURS)
  const columns = [
    words('transport'),
    ...figures(...(isTimed ? Object.keys(SPANS) : ['messages', 'bytes', 'lowest–highest'])),
    ...figures(...SIDES.map((side) => `cores, ${side}`), `${label} is better by`),
  ]
  const groups = byId(results, all).map(([, same]): Group => ({
    title: same[0].name,
    lines: same.map((one) => comparedLine(results, one, isTimed)),
  }))
  return { columns, groups }
}

function comparedLine(results: Results, one: Measurement, isTimed: boolean): Line {
  const label = labelOf(results, one.transport)
  const seen = (of: (repeat: Repeat) => number | undefined, unit: string) =>
    figure(middle(one, of), unit)
  const shown = isTimed
    ? Object.values(SPANS).map((span) => seen(({ latency }) => latency?.[span], 'ns'))
    : [
        seen(({ value }) => value, one.metric.unit),
        seen(({ bytesPerSecond }) => bytesPerSecond, 'B/s'),
        spread(one),
      ]
  const cores = SIDES.map((side) => seen(({ cpu }) => cpu?.[side], ''))
  return {
    cells: [label, ...shown, ...cores, ratioCell(results, one)],
    failed: one.failed,
    strong: one.transport === OURS,
  }
}

/** The lowest and the highest of all repeats. */
function spread({ repeats, metric }: Measurement): string {
  const values = repeats.map(({ value }) => value)
  if (values.length < 2) return '–'
  const ends = [Math.min(...values), Math.max(...values)]
  return ends.map((value) => figure(value, metric.unit)).join('–')
}

function ratioCell(results: Results, one: Measurement): Cell {
  const ratio = ratioOf(results, one)
  return ratio === null ? '' : timesCell(ratio)
}

function timesCell({ ratio, low, high }: { ratio: number; low: number; high: number }): Cell {
  return marked(ratio, `${times(ratio)} (${round(low)}–${round(high)})`)
}

/** Not by color alone. */
const marked = (ratio: number, text: string): Cell =>
  ratio < 1 ? { text: `▼ ${text}`, tone: 'bad' } : text

/** The ratio of every case beside every transport. */
export function glance(results: Results, pair: Languages): Sheet {
  const all = ratios(results).filter(({ measurement }) => measurement.pair === pair)
  const names = [...new Set(all.map(({ measurement }) => measurement.transport))].sort(
    (a, b) => lookOf(results, a) - lookOf(results, b),
  )
  const groups = groupBy(all, ({ measurement }) => measurement.suite).map(([suite, of]): Group => {
    const cases = byId(results, of.map(({ measurement }) => measurement))
    const lines = cases.map(([id, [{ name }]]): Line => {
      const cells = names.map((transport): Cell => {
        const is = (one: Measurement) => one.id === id && one.transport === transport
        const found = of.find(({ measurement }) => is(measurement))
        return found === undefined ? '–' : marked(found.ratio, times(found.ratio))
      })
      return { cells: [name, ...cells] }
    })
    return { title: suite, lines }
  })
  const labels = names.map((name) => labelOf(results, name))
  return { columns: [words(''), ...figures(...labels)], groups }
}

/** Where an alternative is better in any figure, in the median of turns, with what both take of the
 * processor. */
export function worse(results: Results): Sheet {
  const label = labelOf(results, OURS)
  const worse = rivalRatios(results).filter(({ ratio }) => ratio < 1)
  const lines = worse.map(({ measurement: theirs, label, figure: compared, ...ratio }): Line => {
    const { name, unit, of } = compared
    const { id, pair } = theirs
    const ours = results.measurements.find(
      (one) => one.transport === OURS && one.id === id && one.pair === pair,
    )!
    const both = [ours, theirs]
    const figures = both.map((one) => figure(middle(one, of), unit))
    const cores = both.map((one) => figure(middle(one, coresOf), '')).join(' / ')
    const what = name === null ? theirs.name : `${theirs.name}: ${name}`
    const often = ratio.high < 1 ? 'in every turn' : 'in most turns'
    return { cells: [what, PAIRS[pair], label, ...figures, cores, timesCell(ratio), often] }
  })
  return {
    columns: [
      ...[words('what'), words('languages'), words('better is')],
      ...figures(label, 'the other', `cores, ${label} / the other`, `${label} is better by`),
      words(''),
    ],
    groups: [{ title: null, lines }],
  }
}

/** Of both sides, and of a broker. */
const coresOf = ({ cpu }: Repeat) =>
  cpu === undefined ? undefined : cpu.client + cpu.server + cpu.others

/** How many comparisons there were, and in how many an alternative was better, in a sentence. */
export function tally(results: Results): string {
  const all = rivalRatios(results)
  const worse = all.filter(({ ratio }) => ratio < 1).length
  if (all.length === 0) return 'Nothing was compared in this run.'
  const label = labelOf(results, OURS)
  const who = worse === 0 ? `${label} was better in each` : `another was better in ${count(worse)}`
  const names = [...new Set(all.map(({ figure }) => figure.name ?? 'median or rate'))].join(', ')
  return (
    `${count(all.length)} comparisons of ${label} with another transport, by ${names}: ` +
    `${who} of them.`
  )
}

// ---- what is held to something ----

/** The scenarios, each with its floors. */
export function scenarioSheet(results: Results): Sheet {
  const groups = measurementsOf(results, 'scenarios').map((one): Group => {
    const { name, metric, checks, failed } = one
    const value = figure(middle(one, ({ value }) => value), metric.unit)
    const turns = one.repeats.length
    const what = turns === 1 ? metric.name : `${metric.name}, median of ${turns} turns`
    const seen: Line[] = turns === 0 ? [] : [{ cells: [what, '', value, ''] }]
    const fault: Line[] = failed === null ? [] : [{ cells: ['all of it'], failed }]
    const cores = coresLine(one).map(([what, value]): Line => ({ cells: [what, '', value, ''] }))
    return { title: name, lines: [...fault, ...seen, ...checks.map(checkLine), ...cores] }
  })
  return { columns: [words('scenario'), ...figures('wanted', 'seen'), words('')], groups }
}

/** What the processes of each side took together, where that is known. */
function coresLine(one: Measurement): [what: string, cores: string][] {
  const used = SIDES.map((side) => middle(one, ({ cpu }) => cpu?.[side]))
  if (used.includes(null)) return []
  return [[`cores, ${SIDES.join(' / ')}`, used.map((value) => figure(value, '')).join(' / ')]]
}

function checkLine({ what, unit, floor, atMost, seen, ok }: Check): Line {
  const wanted = `${atMost ? '≤' : '≥'} ${figure(floor, unit)}`
  return { cells: [what, wanted, figure(seen, unit), ok ? good('met') : bad('missed')] }
}

/** Further figures of scenarios, with times in nanoseconds. */
export function detailSheet(results: Results): Sheet {
  const groups = measurementsOf(results, 'scenarios').map((one): Group => {
    const names = new Set(one.repeats.flatMap(({ details }) => Object.keys(details ?? {})))
    const lines = [...names].map((name): Line => {
      const value = middle(one, ({ details }) => details?.[name])
      return { cells: [name, value === null ? '–' : count(value)] }
    })
    const cores = lines.length === 0 ? [] : coresLine(one).map((cells): Line => ({ cells }))
    return { title: one.name, lines: [...lines, ...cores] }
  })
  const filled = groups.filter(({ lines }) => lines.length > 0)
  return { columns: [words('scenario'), ...figures('median of turns')], groups: filled }
}

/** The rows the engine is held to. */
export function engineSheet({ rows }: Results): Sheet {
  return {
    columns: [
      words('row'),
      ...figures('Ringpost', 'reference', 'ratio', 'lowest–highest', 'plain socket'),
      ...figures('cores, Ringpost / reference / plain', 'bar', 'aim'),
      words(''),
    ],
    groups: [{ title: null, lines: rows.map(engineLine) }],
  }
}

function engineLine(row: Row): Line {
  const budget = budgets.find(({ id }) => id === row.id)
  // In JSON what has no reference has null there.
  const isAlone = row.reference === null || !Number.isFinite(row.reference)
  const [low, high] = row.spread
  const sign = budget?.atMost ? '≤' : '≥'
  return {
    cells: [
      ...[row.name, figure(row.ours, row.unit), isAlone ? '' : figure(row.reference, row.unit)],
      ...(isAlone ? ['', ''] : [`${round(row.ratio)}×`, `${round(low)}–${round(high)}`]),
      row.plain === undefined ? '' : figure(row.plain, row.unit),
      coresInWords(row),
      ...(budget === undefined ? ['', '', ''] : [`${sign} ${budget.bar}`, `${sign} ${budget.aim}`]),
      ...(budget === undefined ? [] : [verdict(judge(row, budget).word)]),
    ],
    failed: row.fault,
  }
}

/** Of both sides together, for each transport of a row that was measured beside it. */
export function coresInWords({ cpu }: Row): string {
  const used = [cpu?.ours, cpu?.reference, cpu?.plain].filter((cores) => cores! > 0)
  return used.map((cores) => round(cores!)).join(' / ')
}

function verdict(word: string): Cell {
  if (word === 'aim') return good('aim reached')
  return word === 'bar' ? good('bar reached') : bad('missed')
}

// ---- the rest ----

export function microSheet(results: Results): Sheet {
  const groups = pairsOf(results, 'micro').map((pair): Group => {
    const lines = measurementsOf(results, 'micro', pair).map((one): Line => {
      const value = figure(middle(one, ({ value }) => value), one.metric.unit)
      return { cells: [one.name, value, spread(one)], failed: one.failed }
    })
    return { title: pair === 'rust-rust' ? 'Rust' : 'TypeScript', lines }
  })
  return { columns: [words('piece'), ...figures('one operation', 'lowest–highest')], groups }
}

/** What a soak saw, in medians and sums of its samples. */
export function soakSheet({ samples }: Soak): Sheet {
  const sides = ['client', 'server'] as const
  const middle = (name: string, unit: string, of: (sample: SoakSample) => number | null): Line => {
    const values = samples.map(of).filter((value) => Number.isFinite(value)) as number[]
    return { cells: [name, values.length === 0 ? '–' : figure(median(values), unit)] }
  }
  const sum = (name: string, of: (sample: SoakSample) => number): Line => ({
    cells: [name, count(samples.reduce((total, sample) => total + of(sample), 0))],
  })
  const lines = [
    ...(['p50', 'p99', 'p9999', 'max'] as const).map((span) =>
      middle(`round trip, ${NAMES[span]}`, 'ns', ({ latency }) => latency[span]),
    ),
    middle('rate', '/s', ({ perSecond }) => perSecond),
    ...sides.map((side) => middle(`cores, ${side}`, '', (sample) => sample[side].cpu)),
    ...sides.map((side) =>
      middle(`delay of the event loop, ${side}, p99`, 'ns', (sample) => sample[side].loopDelayP99),
    ),
    sum('not answered', ({ drops }) => drops),
    sum('wake-ups', ({ wakeups }) => wakeups),
    sum('lost wake-ups', ({ lostWakeups }) => lostWakeups),
  ]
  const columns = [words('seen'), ...figures('median of samples, or sum')]
  return { columns, groups: [{ title: null, lines }] }
}

const NAMES = { p50: 'p50', p99: 'p99', p9999: 'p99.99', max: 'max' }

/** What could grow. */
export function trendSheet({ trends }: Soak): Sheet {
  const lines = trends.map(({ of, unit, slope, low, high, verdict }): Line => {
    const [side, what] = of.split('.')
    const name = `${what === 'residentBytes' ? 'resident memory' : what}, ${side}`
    const [middle, from, to] = [slope, low, high].map((value) => anHour(value, unit))
    const sure = verdict === 'grows' ? bad(verdict) : good(verdict)
    const word = verdict === 'too short to tell' ? verdict : sure
    return { cells: [name, middle, `${from} to ${to}`, word] }
  })
  const columns = [words('trend'), ...figures('slope', 'with 95 % between'), words('')]
  return { columns, groups: [{ title: null, lines }] }
}

export function transportSheet({ transports }: Results): Sheet {
  const lines = transports.map(({ label, name, version, missing }): Line => {
    const absent: Cell = { text: `left out: ${missing}`, tone: 'quiet' }
    return { cells: [label, name, version || '–', missing === null ? 'measured' : absent] }
  })
  const columns = ['transport', '--peers', 'version', ''].map(words)
  return { columns, groups: [{ title: null, lines }] }
}

/** Suites with anything in them in which transports are beside each other. */
export const comparedSuites = (results: Results) =>
  COMPARED.filter((suite) => results.measurements.some((one) => one.suite === suite))

/** Whether something of one suite has failed, in these languages. */
export const hasFailed = (results: Results, suite: string, pair: Languages): boolean =>
  measurementsOf(results, suite, pair).some((one) => !counts(one))
