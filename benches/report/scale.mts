// Curves: how figures change with the number of connections, the payload, and so on; where they
// bend, and why.

import type { Measurement, Repeat, Results } from '../results.mjs'
import { bytes } from '../words.mjs'
import { plain, type Axis } from './axis.mjs'
import type { Chart } from './charts.mjs'
import { linePlot, type Point, type Series } from './plot.mjs'
import { sheetToText, type Cell, type Line, type Sheet } from './sheet.mjs'
import { count, counts, figure, groupBy, labelOf, lookOf, measurementsOf } from './view.mjs'
import { middle, OURS, PAIRS } from './view.mjs'

export type CurveName = 'connections' | 'payload' | 'in-flight' | 'neighbours'

/** One curve of a run. */
export interface Curve {
  name: CurveName
  title: string
  charts: Chart[]
  sheet: Sheet
  /** Where it bends, a sentence for each transport and plot. */
  bends: string[]
  /** Why. */
  reason: string
  /** For a terminal. */
  text: string[]
}

interface Shown {
  name: string
  unit: string
  of(repeat: Repeat): number | undefined
}

const P50: Shown = { name: 'p50', unit: 'ns', of: ({ latency }) => latency?.p50 }
const P99: Shown = { name: 'p99', unit: 'ns', of: ({ latency }) => latency?.p99 }
const BYTES: Shown = { name: 'bytes a second', unit: 'B/s', of: (one) => one.bytesPerSecond }
const REQUESTS: Shown = { name: 'requests a second', unit: '/s', of: (one) => one.perSecond }
const CORES: Shown = {
  ...{ name: 'cores', unit: '' },
  of: ({ cpu }) => (cpu === undefined ? undefined : cpu.client + cpu.server + cpu.others),
}

interface About {
  title: string
  x: Pick<Axis, 'title' | 'kind' | 'label'>
  /** Plots by the name of each, with what they show; the first figure is the one that bends. */
  plots: Record<string, Shown[]>
  reason: string
}

const ABOUT: Record<CurveName, About> = {
  connections: {
    title: 'Connections',
    x: { title: 'open connections, log', kind: 'log', label: count },
    plots: { 'scale.connections': [P50, P99] },
    reason:
      'Each connection that is awake is polled with a load of one cache line, so a poll of all ' +
      'takes longer the more there are. One without traffic for 4,096 polls falls asleep, and a ' +
      'request on it has to ring first, through its socket, as every request over a socket does. ' +
      'Each connection also has pages of its own, which stay in the near caches only while they ' +
      'are few.',
  },
  payload: {
    title: 'Payload',
    x: { title: 'size of a payload, log', kind: 'log', label: bytes },
    plots: { 'scale.payload.p50': [P50], 'scale.payload.bytes': [BYTES] },
    reason:
      'A short round trip costs the same whatever its size: headers, entering JavaScript, and ' +
      'over the socket system calls and wake-ups. Of a long one the bytes are what counts: they ' +
      'are copied into the ring and out of it, or into the kernel and out of it. Above 128 KiB ' +
      'Ringpost sends fragments of 64 KiB, so that one is copied out while the next is copied ' +
      'in; memory for an answer that is kept is fresh, and its pages have to be faulted in.',
  },
  'in-flight': {
    title: 'Requests in flight',
    x: { title: 'requests in flight, log', kind: 'log', label: count },
    plots: { 'scale.in-flight': [REQUESTS] },
    reason:
      'Requests in flight at the same time share what each turn costs: entering JavaScript and ' +
      'showing the peer what was written, or over the socket a write, a read and a wake-up. When ' +
      'it is shared by many, what is left is the work for each request: its slot, its promise, ' +
      'its copies. From there on more requests wait longer and are not answered faster; one turn ' +
      'reads at most 4,096 frames, and what the ring has no room for waits in private memory.',
  },
  neighbours: {
    title: 'Busy neighbours',
    x: { title: 'processes that compute', kind: 'linear', label: count },
    plots: { 'scale.neighbours': [P50, P99] },
    reason:
      'While both sides have a core to themselves they poll, and no answer needs a wake-up. With ' +
      'a process that computes on the same core a yield returns only after whole time slices of ' +
      'the scheduler. A yield that takes half a millisecond stops polling for 2 ms, and for up ' +
      'to 50 ms if that was too short. Meanwhile it sleeps, as a side of a socket does whenever it ' +
      'waits, and the 99th percentile is the time for which a woken side waits for a core.',
  },
}

/** From here on a latency counts as bent: in terms of the smallest before it. */
const LATENCY_BENT = 3
/** A rate counts as bent where twice as much gives less than this. */
const RATE_STRAIGHT = 1.5

export const curves = (results: Results): Curve[] =>
  (Object.keys(ABOUT) as CurveName[]).flatMap((name) => curve(results, name) ?? [])

/** Null if there is nothing of it. */
export function curve(results: Results, name: CurveName): Curve | null {
  const all = measurementsOf(results, 'scale').filter(({ settings }) => settings.curve === name)
  const about = ABOUT[name]
  const { title, reason } = about
  if (all.length === 0) return null
  const charts = Object.entries(about.plots).map(([plot, shown]) =>
    chartOf(results, all, { name: plot, about, shown }),
  )
  const sheet = sheetOf(all, about, (transport) => labelOf(results, transport))
  const bends = charts.map(({ caption }) => caption)
  // A line of a terminal has no room for long labels.
  const brief = sheetOf(all, about, (one) => (one === OURS ? labelOf(results, one) : one))
  const text = [title, ...sheetToText(brief).map((line) => `  ${line}`), ...bends, reason]
  return { name, title, charts, sheet, bends, reason, text }
}

const xOf = ({ settings }: Measurement): number => Number(settings.at)

function pointsOf(measurements: Measurement[], { of }: Shown): Point[] {
  const points = measurements.filter(counts).flatMap((one): Point[] => {
    const y = middle(one, of)
    return y === null ? [] : [{ x: xOf(one), y }]
  })
  return points.sort((a, b) => a.x - b.x)
}

interface Plotted {
  name: string
  about: About
  shown: Shown[]
}

function chartOf(results: Results, all: Measurement[], { name, about, shown }: Plotted): Chart {
  const [first] = shown
  const byTransport = groupBy(all, ({ transport }) => transport)
  const series = byTransport.flatMap(([transport, same]) =>
    shown.map((one, index): Series => {
      const label = labelOf(results, transport)
      return {
        label: shown.length === 1 ? label : `${label}, ${one.name}`,
        // The same color for a transport as in other plots, and others for its further figures.
        look: lookOf(results, transport) + 3 * index,
        strong: transport === OURS && index === 0,
        points: pointsOf(same, one),
      }
    }),
  )
  const ticks = [...new Set(all.map(xOf))].sort((a, b) => a - b)
  const words = shown.map((one) => one.name).join(', ')
  const x: Axis = { ...about.x, ticks }
  const y: Axis = {
    ...({ title: `${words}, log`, kind: 'log' } as const),
    label: (value) => plain(value, first.unit),
  }
  const bends = byTransport.map(([transport, same]) => {
    const found = bend(pointsOf(same, first), first, about.x.label)
    return `${labelOf(results, transport)}: ${found}`
  })
  const caption = bends.join(' ')
  const [{ pair }] = all
  const title = `${about.title}: ${words}`
  const subtitle = `${PAIRS[pair]}. ${about.x.title}`
  const plot = { name, title, subtitle, description: caption, x, y, series }
  const svg = (alone?: boolean) => linePlot(plot, alone)
  return { name, suite: 'scale', pair, kind: 'lines', title, caption, svg }
}

/** Where a curve bends, in a sentence. */
export function bend(
  points: Point[],
  { name, unit }: Pick<Shown, 'name' | 'unit'>,
  label: (x: number) => string,
): string {
  if (points.length < 2) return 'too few points to see a bend.'
  const last = label(points.at(-1)!.x)
  if (unit === 'ns') {
    const smallest = points.map((_, index) =>
      Math.min(...points.slice(0, index + 1).map(({ y }) => y)),
    )
    const at = points.findIndex(({ y }, index) => y > smallest[index] * LATENCY_BENT)
    const least = figure(smallest.at(at), unit)
    return at === -1
      ? `${name} stays within ${LATENCY_BENT} times its smallest, ${least}, up to ${last}.`
      : `${name} is more than ${LATENCY_BENT} times its smallest, ${least}, from ` +
          `${label(points[at].x)} on.`
  }
  const at = points.findIndex((point, index) => growth(point, points[index + 1]) < RATE_STRAIGHT)
  return at === -1
    ? `twice as much gives at least ${RATE_STRAIGHT} times the ${name} up to ${last}.`
    : `twice as much gives less than ${RATE_STRAIGHT} times the ${name} from ` +
        `${label(points[at].x)} on.`
}

/** How many times more there is for each doubling between two points. */
function growth(from: Point, to: Point | undefined): number {
  if (to === undefined) return Infinity
  return (to.y / from.y) ** (1 / Math.log2(to.x / from.x))
}

function sheetOf(
  all: Measurement[],
  { x, plots }: About,
  label: (transport: string) => string,
): Sheet {
  const shown = [...new Set(Object.values(plots).flat()), CORES]
  const transports = [...new Set(all.map(({ transport }) => transport))]
  const columns = transports.flatMap((transport) =>
    shown.map(({ name }) => ({ title: `${label(transport)}, ${name}` })),
  )
  const lines = groupBy([...all].sort((a, b) => xOf(a) - xOf(b)), ({ id }) => id).map(
    ([, same]): Line => {
      const cells = transports.flatMap((transport): Cell[] => {
        const one = same.find((measurement) => measurement.transport === transport)
        if (one === undefined) return shown.map(() => '–')
        if (one.failed !== null) return shown.map(() => ({ text: '✗ failed', tone: 'bad' }))
        return shown.map(({ of, unit }) => figure(middle(one, of), unit))
      })
      return { cells: [x.label(xOf(same[0])), ...cells] }
    },
  )
  const head = { title: x.title.replace(', log', ''), words: true }
  return { columns: [head, ...columns], groups: [{ title: null, lines }] }
}
