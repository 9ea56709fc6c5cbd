// Ratios as horizontal bars: how many times one transport is better than others, with the spread.

import { scale } from './axis.mjs'
import { BOLD, element, escape, fit, FONT, frame, short, text, widthOf, WIDTH } from './svg.mjs'
import type { About } from './svg.mjs'
import { times } from './view.mjs'

export interface Bar {
  label: string
  ratio: number
  /** The lowest and the highest of what was seen. */
  low: number
  high: number
}

export interface RatioPlot extends About {
  /** The transport whose ratios these are. */
  ours: string
  groups: { label: string; bars: Bar[] }[]
}

type Place = (value: number) => number

const TOP = 46
const ROW = 19
const GROUP = 26
const GAP = 10
const LEFT_MAX = 250
const FIGURES = 96
const BAR = 9
const SMALL = FONT - 1

export function ratioPlot(plot: RatioPlot, alone = false): string {
  const bars = plot.groups.flatMap(({ bars }) => bars)
  const widest = Math.max(0, ...bars.map(({ label }) => widthOf(label, SMALL)))
  const left = Math.min(LEFT_MAX, widest + 18)
  const right = WIDTH - FIGURES
  const values = bars.flatMap(({ low, ratio, high }) => [low, ratio, high])
  const axis = {
    ...({ kind: 'log', title: 'times better' } as const),
    ...{ holds: [0.8, 1.25], label: tickLabel },
  }
  const across = scale(axis, values)
  const x = (value: number) => left + (right - left) * across.place(value)

  let y = TOP
  const upright: string[] = []
  const rows = plot.groups.map(({ label, bars }) => {
    const heading = text({ class: 'strong', x: 4, y: y + 16 }, fit(label, WIDTH - 8, FONT * BOLD))
    y += GROUP
    upright.push(...uprights(across.ticks, x, y, y + bars.length * ROW))
    const drawn = bars.map((bar) => {
      const row = barRow(bar, y, { left, x })
      y += ROW
      return row
    })
    y += GAP
    return heading + drawn.join('\n')
  })
  const body = [...upright, ...rows, header(plot.ours, { x, ticks: across.ticks, right })]
  return frame(plot, y, body.join('\n'), alone)
}

/** Lines behind the bars of a group; none crosses the heading above it. */
const uprights = (ticks: { at: number }[], x: Place, top: number, end: number) =>
  ticks.map(({ at }) =>
    element('path', { class: at === 1 ? 'axis' : 'grid', d: `M${short(x(at))} ${top}V${end}` }),
  )

const tickLabel = (value: number) => `${Number(value.toPrecision(3))}×`

function barRow(bar: Bar, top: number, { left, x }: { left: number; x: Place }): string {
  const middle = top + ROW / 2
  const [from, to] = [Math.min(x(1), x(bar.ratio)), Math.max(x(1), x(bar.ratio))]
  const tip = `${bar.label}: ${times(bar.ratio)} (${times(bar.low)} to ${times(bar.high)})`
  const ends = [bar.low, bar.high].map((value) => `M${short(x(value))} ${short(middle - 3)}v6`)
  return element(
    'g',
    { class: 'bar' },
    element('title', {}, escape(tip)),
    text(
      { class: 'soft', x: 8, y: middle + 4, 'font-size': SMALL },
      fit(bar.label, left - 16, SMALL),
    ),
    element('rect', {
      ...{ class: bar.ratio >= 1 ? 'gains' : 'loses', x: from, y: middle - BAR / 2 },
      ...{ width: Math.max(1, to - from), height: BAR },
    }),
    element('path', {
      class: 'whisker',
      d: `M${short(x(bar.low))} ${short(middle)}H${short(x(bar.high))}${ends.join('')}`,
    }),
    text({ x: WIDTH - FIGURES + 8, y: middle + 4 }, times(bar.ratio)),
    text(
      { class: 'soft', x: WIDTH - 2, y: middle + 4, 'text-anchor': 'end', 'font-size': FONT - 2 },
      `${brief(bar.low)}–${brief(bar.high)}`,
    ),
  )
}

/** Two digits are enough for a spread. */
const brief = (value: number) => value.toFixed(value >= 9.95 ? 0 : value >= 0.995 ? 1 : 2)

interface Header {
  x: Place
  ticks: { at: number; label: string }[]
  right: number
}

function header(ours: string, { x, ticks, right }: Header): string {
  const spread = text(
    { class: 'soft', x: WIDTH - 2, y: TOP - 9, 'text-anchor': 'end', 'font-size': FONT - 2 },
    'lowest–highest',
  )
  const title = `how many times better ${ours} is (×, log)`
  return [
    ...labelled(ticks, x).map(({ at, label }) =>
      text({ class: 'soft tick-x', x: x(at), y: TOP - 9, 'text-anchor': 'middle' }, label),
    ),
    spread,
    text({ class: 'title-x', x: right, y: 16, 'text-anchor': 'end' }, fit(title, right - 4)),
  ].join('\n')
}

/** The ticks whose labels fit: 1× first, then decades, then those between. */
function labelled(ticks: Header['ticks'], x: Header['x']): Header['ticks'] {
  const rank = ({ at }: { at: number }) => (at === 1 ? 0 : Number.isInteger(Math.log10(at)) ? 1 : 2)
  const kept: Header['ticks'] = []
  for (const tick of [...ticks].sort((a, b) => rank(a) - rank(b))) {
    const room = (other: { label: string }) => (widthOf(tick.label) + widthOf(other.label)) / 2 + 5
    if (kept.every((other) => Math.abs(x(tick.at) - x(other.at)) >= room(other))) kept.push(tick)
  }
  return kept
}
