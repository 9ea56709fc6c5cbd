// The plots of a run: which there are, and what each of them shows.

import type { Languages, Latency, Measurement, Repeat, Results } from '../results.mjs'
import { bytes } from '../words.mjs'
import { plain, type Axis } from './axis.mjs'
import { ratioPlot, type Bar } from './bars.mjs'
import { linePlot, type Point, type Series } from './plot.mjs'
import { curves } from './scale.mjs'
import { soakCharts } from './soak.mjs'
import { fileName } from './svg.mjs'
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
  type Compared,
} from './view.mjs'

export interface Chart {
  /** Unique, and safe as the name of a file. */
  name: string
  suite: Compared | 'scale' | 'soak'
  pair: Languages
  kind: 'lines' | 'ratios'
  title: string
  /** What has to be known besides. */
  caption: string
  /** As part of a page, or as a file of its own. */
  svg(alone?: boolean): string
}

/** All plots there is something for, in the order in which they are shown. */
export function charts(results: Results): Chart[] {
  const compared = COMPARED.flatMap((suite) =>
    pairsOf(results, suite).flatMap((pair) => [
      ...LINES[suite](results, pair),
      ...ratioCharts(results, suite, pair),
    ]),
  )
  const scaled = curves(results).flatMap(({ charts }) => charts)
  return [...compared, ...scaled, ...(results.soak === null ? [] : soakCharts(results.soak))]
}

const LINES: Record<Compared, (results: Results, pair: Languages) => Chart[]> = {
  latency: (results, pair) => percentileCharts(results, pair, 'latency'),
  throughput: (results, pair) =>
    ['throughput.one-way', 'throughput.in-flight'].flatMap((family) => [
      ...rateCharts(results, pair, family, 'messages'),
      ...rateCharts(results, pair, family, 'bytes'),
    ]),
  burst: burstCharts,
  connect: (results, pair) => percentileCharts(results, pair, 'connect'),
}

// ---- latency ----

/** Percentiles by how rare what lies above them is; the longest of all has the place after them. */
const PERCENTILES: { of: keyof Latency; x: number; label: string }[] = [
  { of: 'p50', x: 2, label: '50 %' },
  { of: 'p90', x: 10, label: '90 %' },
  { of: 'p99', x: 100, label: '99 %' },
  { of: 'p999', x: 1e3, label: '99.9 %' },
  { of: 'p9999', x: 1e4, label: '99.99 %' },
  { of: 'max', x: 1e5, label: 'max' },
]

const PERCENTILE_AXIS: Axis = {
  title: 'percentile, rarer to the right',
  kind: 'log',
  label: (value) => PERCENTILES.find(({ x }) => x === value)?.label ?? '',
  ticks: PERCENTILES.map(({ x }) => x),
}

const percentiles = (one: Measurement): Point[] =>
  PERCENTILES.flatMap(({ of, x }) => {
    const y = middle(one, ({ latency }) => latency?.[of])
    return y === null ? [] : [{ x, y }]
  })

/** One for each id. Those of other languages have the same axes, so that they can be compared. */
function percentileCharts(results: Results, pair: Languages, suite: Compared): Chart[] {
  const timed = measurementsOf(results, suite).filter(
    (one) => counts(one) && one.repeats[0].latency !== undefined,
  )
  return byId(results, timed).flatMap(([id, all]) => {
    const shown = all.filter((one) => one.pair === pair)
    if (shown.length === 0) return []
    const holds = all.flatMap((one) => percentiles(one).map(({ y }) => y))
    const y: Axis = { title: 'time, log', kind: 'log', label: nanoseconds, holds }
    const series = shown.map((one) => seriesOf(results, one, percentiles(one)))
    const about = { pair, suite, title: capital(shown[0].name), caption: turnsOf(shown) }
    return [lines(`${id}.${pair}`, about, PERCENTILE_AXIS, y, series)]
  })
}

const nanoseconds = (value: number) => plain(value, 'ns')

// ---- throughput ----

const RATES = {
  messages: { unit: '/s', of: ({ perSecond }: Repeat) => perSecond },
  bytes: { unit: 'B/s', of: ({ bytesPerSecond }: Repeat) => bytesPerSecond },
}

/** Rates by size, where there is more than one size. */
function rateCharts(
  results: Results,
  pair: Languages,
  family: string,
  rate: keyof typeof RATES,
): Chart[] {
  const all = measurementsOf(results, 'throughput').filter(
    (one) => counts(one) && one.id.startsWith(`${family}.`) && (one.settings.size ?? 0) > 0,
  )
  const { unit, of } = RATES[rate]
  const pointOf = (one: Measurement): Point[] => {
    const y = middle(one, of)
    return y === null ? [] : [{ x: one.settings.size!, y }]
  }
  const shown = all.filter((one) => one.pair === pair)
  const x = sizeAxis(all.map(({ settings }) => settings.size!))
  if (x.ticks!.length < 2 || shown.length === 0) return []
  const holds = all.flatMap(pointOf).map(({ y }) => y)
  const y = rateAxis(rate, unit, holds)
  const series = linesOf(results, shown, pointOf)
  const what = family.endsWith('one-way') ? 'One way' : 'Many requests in flight'
  const about = { pair, suite: 'throughput', title: `${what}: ${rate} a second` } as const
  return [lines(`${family}.${rate}.${pair}`, { ...about, caption: turnsOf(shown) }, x, y, series)]
}

const rateAxis = (what: string, unit: string, holds: number[]): Axis => ({
  ...({ title: `${what} a second, log`, kind: 'log', holds } as const),
  label: (value) => plain(value, unit),
})

function sizeAxis(sizes: number[]): Axis {
  const ticks = [...new Set(sizes)].sort((a, b) => a - b)
  return { title: 'size of a message, log', kind: 'log', label: bytes, ticks }
}

// ---- bursts ----

/** Rates by how many messages a burst has. */
function burstCharts(results: Results, pair: Languages): Chart[] {
  const all = measurementsOf(results, 'burst').filter(counts)
  const countOf = (one: Measurement) => Number(one.settings.count)
  const pointOf = (one: Measurement): Point[] => {
    const y = middle(one, ({ value }) => value)
    return y === null ? [] : [{ x: countOf(one), y }]
  }
  return groupBy(all, ({ settings }) => String(settings.size)).flatMap(([size, same]) => {
    const shown = same.filter((one) => one.pair === pair)
    const ticks = [...new Set(same.map(countOf))].sort((a, b) => a - b)
    if (shown.length === 0 || ticks.length < 2) return []
    const x: Axis = { title: 'messages of a burst, log', kind: 'log', label: count, ticks }
    const holds = same.flatMap(pointOf).map(({ y }) => y)
    const y = rateAxis('messages', '/s', holds)
    const title = `Bursts of messages of ${bytes(Number(size))}`
    const about = { pair, suite: 'burst', title, caption: turnsOf(shown) } as const
    return [lines(`burst.${size}.${pair}`, about, x, y, linesOf(results, shown, pointOf))]
  })
}

// ---- ratios ----

/** What is compared in one plot, and what it is called. */
const FAMILIES: { name: string; suite: Compared; title: string }[] = [
  { name: 'latency.closed', suite: 'latency', title: 'Median round trip, one at a time' },
  { name: 'latency.open', suite: 'latency', title: 'Median round trip at a fixed rate' },
  { name: 'throughput.one-way', suite: 'throughput', title: 'One-way messages a second' },
  { name: 'throughput.in-flight', suite: 'throughput', title: 'Answers a second, many in flight' },
  { name: 'burst', suite: 'burst', title: 'Messages a second in bursts' },
  { name: 'connect', suite: 'connect', title: 'Connecting, until the first answer' },
]

function ratioCharts(results: Results, suite: Compared, pair: Languages): Chart[] {
  const label = labelOf(results, OURS)
  return FAMILIES.filter((family) => family.suite === suite).flatMap(({ name, title: what }) => {
    const all = measurementsOf(results, suite, pair).filter(({ id }) => id.startsWith(`${name}.`))
    const groups = byId(results, all).flatMap(([, same]) => {
      const bars = same.flatMap((one) => barOf(results, one))
      return bars.length === 0 ? [] : [{ label: capital(same[0].name), bars }]
    })
    if (groups.length === 0) return []
    const title = `${what}: ${label} beside others`
    const description = inWords(groups)
    const about = { name: `ratio.${name}.${pair}`, title, subtitle: PAIRS[pair], description }
    return [
      {
        ...({ name: about.name, suite, pair, kind: 'ratios', title } as const),
        caption:
          `Right of the line ${label} is better. Bars are medians of ratios within a turn, ` +
          'whiskers the lowest and the highest.',
        svg: (alone?: boolean) => ratioPlot({ ...about, ours: label, groups }, alone),
      },
    ]
  })
}

function barOf(results: Results, one: Measurement): Bar[] {
  const times = ratioOf(results, one)
  return times === null ? [] : [{ label: labelOf(results, one.transport), ...times }]
}

const inWords = (groups: { label: string; bars: Bar[] }[]): string =>
  groups
    .map(({ label, bars }) => {
      const words = bars.map((bar) => `${bar.label} ${figure(bar.ratio, '×')}`)
      return `${label}: ${words.join(', ')}.`
    })
    .join(' ')

// ---- what they share ----

/** A line through one point of each measurement of a transport. */
function linesOf(
  results: Results,
  measurements: Measurement[],
  pointOf: (one: Measurement) => Point[],
): Series[] {
  return groupBy(measurements, ({ transport }) => transport).map(([, same]) => {
    const points = same.flatMap(pointOf).sort((a, b) => a.x - b.x)
    return seriesOf(results, same[0], points)
  })
}

const seriesOf = (results: Results, { transport }: Measurement, points: Point[]): Series => ({
  ...{ label: labelOf(results, transport), look: lookOf(results, transport) },
  ...{ strong: transport === OURS, points },
})

type About = Pick<Chart, 'suite' | 'pair' | 'title' | 'caption'>

function lines(id: string, about: About, x: Axis, y: Axis, series: Series[]): Chart {
  const name = fileName(id)
  const labels = series.map(({ label }) => label).join('; ')
  const description = `${y.title} by ${x.title}. Lines: ${labels}. The tables have the figures.`
  const { title, pair, caption } = about
  const subtitle = `${PAIRS[pair]}. ${caption}`
  const plot = { name, title, subtitle, description, x, y, series }
  return { ...about, name, kind: 'lines', svg: (alone) => linePlot(plot, alone) }
}

function turnsOf(measurements: Measurement[]): string {
  const turns = Math.max(...measurements.map(({ repeats }) => repeats.length))
  return turns === 1 ? 'Of one turn.' : `Medians of ${turns} turns.`
}

const capital = (words: string): string => words.charAt(0).toUpperCase() + words.slice(1)
