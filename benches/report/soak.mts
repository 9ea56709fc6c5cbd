// The plots of a soak: what changes over time.

import { median } from '../compare.mjs'
import type { Soak, SoakSample, Trend } from '../results.mjs'
import { bytes, human, round } from '../words.mjs'
import { plain, type Axis } from './axis.mjs'
import type { Chart } from './charts.mjs'
import { linePlot, type Series } from './plot.mjs'
import { count, figure, PAIRS } from './view.mjs'

/** The unit of a time, by its length in seconds. */
const CLOCKS = [
  { upTo: 300, unit: 's', seconds: 1 },
  { upTo: 3 * 3600, unit: 'min', seconds: 60 },
  { upTo: 4 * 86_400, unit: 'h', seconds: 3600 },
  { upTo: Infinity, unit: 'd', seconds: 86_400 },
]

/** Looks of series that are not transports. */
const LOOKS = { p50: 0, p99: 3, max: 1, client: 0, server: 1 }

export function soakCharts(soak: Soak): Chart[] {
  if (soak.samples.length < 2) return []
  return [latencyOverTime(soak), memoryOverTime(soak)]
}

function latencyOverTime(soak: Soak): Chart {
  const series = (['max', 'p99', 'p50'] as const).map((of) =>
    seriesOf(soak, of, LOOKS[of], ({ latency }) => latency[of]),
  )
  const y: Axis = { title: 'round trip, log', kind: 'log', label: (value) => plain(value, 'ns') }
  return chart(soak, 'soak.latency', 'Soak: latency over time', figuresOf(soak), y, series)
}

function memoryOverTime(soak: Soak): Chart {
  const series = (['client', 'server'] as const).map((side) =>
    seriesOf(soak, side, LOOKS[side], (sample) => sample[side].residentBytes / 2 ** 20),
  )
  const y: Axis = {
    ...({ title: 'resident memory', kind: 'linear' } as const),
    label: (value) => `${Number(value.toPrecision(5))} MiB`,
  }
  const grown = soak.trends.filter(({ unit }) => unit === 'B').map(trendInWords)
  return chart(soak, 'soak.memory', 'Soak: memory over time', `${grown.join('; ')}.`, y, series)
}

function chart(
  soak: Soak,
  name: string,
  title: string,
  caption: string,
  y: Axis,
  series: Series[],
): Chart {
  const { unit } = clockOf(soak)
  const label = (value: number) => `${Number(value.toPrecision(4))} ${unit}`
  const x: Axis = { title: 'time since it began', kind: 'linear', label, holds: [0] }
  const { rate, size, secondsSeen, pair, failed } = soak
  const subtitle = `${bytes(size)} at ${human(rate, '/s')} for ${span(secondsSeen)}, ${PAIRS[pair]}`
  const plot = { name, title, subtitle, description: caption, x, y, series }
  const svg = (alone?: boolean) => linePlot(plot, alone)
  const failure = failed === null ? '' : `FAILED: ${failed}. `
  return { name, suite: 'soak', pair, kind: 'lines', title, caption: failure + caption, svg }
}

function seriesOf(
  soak: Soak,
  label: string,
  look: number,
  figure: (sample: SoakSample) => number,
): Series {
  const { seconds } = clockOf(soak)
  const points = soak.samples.map((sample) => ({ x: sample.at / seconds, y: figure(sample) }))
  return { label, look, points }
}

const clockOf = ({ samples }: Soak) => CLOCKS.find(({ upTo }) => (samples.at(-1)?.at ?? 0) <= upTo)!

/** What a soak was, in one sentence. */
export function soakInWords({ rate, size, secondsSeen, secondsWanted, pair }: Soak): string {
  const wanted = secondsSeen < secondsWanted ? ` of ${span(secondsWanted)}` : ''
  const what = `${count(rate)} round trips a second of ${bytes(size)}`
  return `${what}, ${PAIRS[pair]}, for ${span(secondsSeen)}${wanted}`
}

function figuresOf({ samples, throughputVariation }: Soak): string {
  const middle = (figure: (sample: SoakSample) => number) => median(samples.map(figure))
  const sum = (figure: (sample: SoakSample) => number) =>
    samples.reduce((total, sample) => total + figure(sample), 0)
  const lost = count(sum(({ lostWakeups }) => lostWakeups))
  const p99 = human(middle(({ latency }) => latency.p99), 'ns')
  return [
    `p99 ${p99} in the median of samples`,
    `the rate varies by ${round(throughputVariation * 100)} %`,
    `${count(sum(({ drops }) => drops))} not answered`,
    `${lost} of ${count(sum(({ wakeups }) => wakeups))} wake-ups lost.`,
  ].join('; ')
}

/** A fitted line: `client resident memory grows by …`. */
function trendInWords({ of, slope, low, high, unit, verdict }: Trend): string {
  const [side] = of.split('.')
  const [middle, from, to] = [slope, low, high].map((value) => anHour(value, unit))
  return `${side} ${middle} (${from} to ${to}): ${verdict}`
}

/** So much an hour. No interval at all is null in JSON. */
export function anHour(value: number | null, unit: Trend['unit']): string {
  if (value === null || !Number.isFinite(value)) return 'unknown'
  return `${unit === '' ? count(value) : figure(value, unit)}/h`
}

/** A span for people. */
export function span(seconds: number): string {
  const { seconds: each, unit } = CLOCKS.find(({ upTo }) => seconds <= upTo)!
  return `${Number((seconds / each).toPrecision(3))} ${unit}`
}
