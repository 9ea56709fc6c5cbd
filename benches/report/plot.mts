// Line charts as SVG: the same plot is in a page and in a file beside a document. ARCHITECTURE.md
// says why they are drawn without a library.

import { roomy, scale, type Axis, type Scale } from './axis.mjs'
import { BOLD, element, fit, FONT, frame, look, mark, short, text, widthOf, WIDTH } from './svg.mjs'
import type { About } from './svg.mjs'

export interface Point {
  x: number
  y: number
}

export interface Series {
  label: string
  /** The same in all plots: color, dashes, and marks follow from it. */
  look: number
  /** Drawn thicker, and over the others. */
  strong?: boolean
  points: Point[]
}

export interface LinePlot extends About {
  x: Axis
  y: Axis
  series: Series[]
}

const TOP = 30
const HEIGHT = 270
const RIGHT = 18
const BELOW = 50
const KEY = { height: 19, line: 20, sample: 26, gap: 10 }
/** Of a series of many points only some get a mark, which are enough to know it by. */
const MARKS_MAX = 16

/** Where the axes are. */
interface Area {
  left: number
  x: Scale
  y: Scale
  at(point: Point): [number, number]
}

export function linePlot(plot: LinePlot, alone = false): string {
  const area = areaOf(plot)
  const legend = legendOf(plot.series, TOP + HEIGHT + BELOW)
  const drawn = plot.series.map((series, index) => drawSeries(plot, series, index, area))
  const strong = plot.series.map(({ strong }) => strong === true)
  const body = [
    axes(area),
    ...drawn.filter((_, index) => !strong[index]),
    ...drawn.filter((_, index) => strong[index]),
    legend.body,
  ]
  return frame(plot, TOP + HEIGHT + BELOW + legend.height, body.join('\n'), alone)
}

function areaOf(plot: LinePlot): Area {
  const points = plot.series.flatMap(({ points }) => points.filter(isShown(plot)))
  const y = scale(plot.y, points.map((point) => point.y))
  const x = scale(plot.x, points.map((point) => point.x))
  const left = Math.max(...y.ticks.map(({ label }) => widthOf(label))) + 14
  const right = WIDTH - RIGHT
  return {
    ...{ left, x, y },
    at: (point) => [
      left + (right - left) * x.place(point.x),
      TOP + HEIGHT * (1 - y.place(point.y)),
    ],
  }
}

function axes({ left, x, y, at }: Area): string {
  const right = WIDTH - RIGHT
  const bottom = TOP + HEIGHT
  const rows = y.ticks.map(({ at: value, label }) => {
    const height = at({ x: 1, y: value })[1]
    return (
      element('path', { class: 'grid', d: `M${short(left)} ${short(height)}H${right}` }) +
      text({ class: 'soft tick-y', x: left - 7, y: height + 4, 'text-anchor': 'end' }, label)
    )
  })
  const place = (tick: { at: number }) => at({ x: tick.at, y: 1 })[0]
  const lines = x.ticks.map((tick) =>
    element('path', { class: 'grid', d: `M${short(place(tick))} ${TOP}V${bottom}` }),
  )
  const labels = roomy(x.ticks, place).map((tick) => {
    // The last one would stand half outside.
    const middle = Math.min(place(tick), WIDTH - 2 - widthOf(tick.label) / 2)
    const attributes = { class: 'soft tick-x', x: middle, y: bottom + 17, 'text-anchor': 'middle' }
    return text(attributes, tick.label)
  })
  return [
    ...[...rows, ...lines],
    element('path', { class: 'axis', d: `M${short(left)} ${TOP}V${bottom}H${right}` }),
    ...labels,
    text({ class: 'title-y', x: 4, y: 16 }, y.title),
    text({ class: 'title-x', x: right, y: bottom + 37, 'text-anchor': 'end' }, x.title),
  ].join('\n')
}

function drawSeries(plot: LinePlot, series: Series, index: number, { at }: Area): string {
  const { color, dashes } = look(series.look)
  const shown = series.points.filter(isShown(plot))
  const places = shown.map(at)
  const d = places.map(([x, y], point) => `${point === 0 ? 'M' : 'L'}${short(x)} ${short(y)}`)
  const every = Math.ceil(shown.length / MARKS_MAX)
  const marks = shown.map((point, number) => {
    if (number % every !== 0) return ''
    const tip = `${series.label}, ${plot.x.label(point.x)}: ${plot.y.label(point.y)}`
    return mark(series.look, ...places[number], tip)
  })
  return element(
    'g',
    { class: `series ${color}${series.strong ? ' strong' : ''}`, 'data-series': index },
    element('path', { class: 'line', d: d.join(''), 'stroke-dasharray': dashes }),
    ...marks,
  )
}

/** No logarithm shows a zero. */
const isShown =
  ({ x, y }: LinePlot) =>
  (point: Point): boolean =>
    [point.x, point.y].every(Number.isFinite) &&
    (x.kind === 'linear' || point.x > 0) &&
    (y.kind === 'linear' || point.y > 0)

/** What each series is called, in as many columns as there is room for. */
function legendOf(series: Series[], top: number): { body: string; height: number } {
  const columns = columnsOf(series)
  const rows = Math.max(0, ...columns.map((column) => column.keys.length))
  const body = columns.flatMap(({ left, room, keys }, column) =>
    keys.map((one, row) => {
      const y = top + row * KEY.height + FONT
      return keyOf(one, { index: column * rows + row, x: left, y, room })
    }),
  )
  return { body: body.join('\n'), height: rows * KEY.height + 6 }
}

interface Column {
  left: number
  /** For words. */
  room: number
  keys: Series[]
}

function columnsOf(series: Series[], wanted = Math.min(3, series.length)): Column[] {
  if (wanted === 0) return []
  const rows = Math.ceil(series.length / wanted)
  let left = 4
  const columns = Array.from({ length: Math.ceil(series.length / rows) }, (_, column) => {
    const keys = series.slice(column * rows, (column + 1) * rows)
    const room = Math.max(...keys.map(({ label, strong }) => widthOf(label) * (strong ? BOLD : 1)))
    const made = { left, room, keys }
    left += KEY.sample + room + KEY.gap
    return made
  })
  if (left - KEY.gap <= WIDTH) return columns
  if (wanted > 1) return columnsOf(series, wanted - 1)
  return [{ left: 4, room: WIDTH - KEY.sample - 8, keys: series }]
}

interface Spot {
  index: number
  x: number
  y: number
  room: number
}

function keyOf({ label, look: number, strong }: Series, { index, x, y, room }: Spot): string {
  const { color, dashes } = look(number)
  const d = `M${short(x)} ${short(y - 4)}h${KEY.line}`
  return element(
    'g',
    { class: `key ${color}${strong ? ' strong' : ''}`, 'data-series': index },
    element('path', { class: 'line', d, 'stroke-dasharray': dashes }),
    mark(number, x + KEY.line / 2, y - 4),
    text({ x: x + KEY.sample, y, stroke: 'none' }, fit(label, room + 1)),
  )
}
