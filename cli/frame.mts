// What `ringpost top` shows, as lines of text: a plain function of rows and of how they are to be
// seen.

import { count, size } from './columns.mjs'
import type { Row } from './rates.mjs'

/** How rows are to be seen. */
export interface View {
  /** Columns and lines there are. */
  width: number
  height: number
  sort: Sort
  reversed: boolean
  connections: boolean
  help: boolean
  paint: (style: Style, text: string) => string
}

export type Style = 'title' | 'red' | 'yellow' | 'green'

export interface Rows {
  servers: Row[]
  connections: Row[]
}

interface Column {
  title: string
  /** So that what stands behind it does not move with every number. */
  widthMin?: number
  /** The cell of a row. */
  text: (row: Row) => string
  /** By which rows are sorted: numbers from the largest on. */
  value: (row: Row) => number | string | null
}

/** From what needs a look to what does not. */
const CONDITIONS = ['dead', 'stuck', 'stopped', 'unknown', 'busy', 'awake', 'asleep'] as const
const STYLES: Partial<Record<(typeof CONDITIONS)[number], Style>> = {
  dead: 'red',
  stuck: 'red',
  stopped: 'yellow',
  busy: 'green',
}

const COLUMNS = {
  server: { title: 'server', text: ({ name }) => name, value: ({ name }) => name },
  number: column('#', 'number', count),
  pid: column('process', 'pid', String),
  state: {
    title: 'state',
    widthMin: 14,
    text: ({ state }) => state?.text ?? '-',
    value: ({ state }) => (state ? -CONDITIONS.indexOf(state.condition) : null),
  },
  connections: column('connections', 'connections', short),
  in: column('in/s', 'in', short, 5),
  out: column('out/s', 'out', short, 5),
  bytes: column('bytes/s', 'bytes', (bytes) => `${size(bytes)}/s`, 10),
  queued: column('queued', 'queued', size, 8),
  calls: column('in flight', 'calls', short),
  serving: column('serving', 'serving', short),
  p50: column('p50', 'p50Ms', time, 7),
  p95: column('p95', 'p95Ms', time, 7),
  lost: column('lost', 'lost', short),
  doorbells: column('doorbells/s', 'doorbells', short),
} satisfies Record<string, Column>

export type Sort = keyof typeof COLUMNS

/** What can be sorted by, in this order. */
export const SORTS = Object.keys(COLUMNS) as Sort[]

const rated = ['in', 'out', 'bytes', 'queued', 'calls', 'serving'] as const
const SERVERS: Sort[] = ['server', 'pid', 'state', 'connections', ...rated, 'lost', 'doorbells']
const CONNECTIONS: Sort[] = ['server', 'number', 'pid', ...rated, 'p50', 'p95', 'lost', 'doorbells']

const KEYS = 'q quit   s, arrows sort by   r reverse   c connections   h keys'

/** The lines of one picture: no more and no wider than there is room for. */
export function frame({ servers, connections }: Rows, time: string, view: View): string[] {
  const heads = view.help ? [summary(servers, time, view), KEYS] : [summary(servers, time, view)]
  const head = heads.map((line) => line.slice(0, view.width))
  const room = view.height - head.length
  const within = (lines: string[]) => lines.slice(0, view.height)
  if (!view.connections) return within([...head, ...table(SERVERS, servers, room, view)])
  // Connections get what servers leave, and half of the room if these are many.
  const above = Math.max(room - connections.length - 2, Math.ceil(room / 2))
  const first = table(SERVERS, servers, above, view)
  const left = room - first.length - 1
  const second = table(CONNECTIONS, connections, left, view)
  // A title without rows says nothing.
  const isSeen = connections.length > 0 && left > Math.min(2, connections.length)
  return within([...head, ...first, ...(isSeen ? ['', ...second] : [])])
}

/** What rows show of all servers together. */
function summary(servers: Row[], time: string, { sort }: View): string {
  const all = (key: 'connections' | 'in' | 'out') =>
    servers.reduce((sum, row) => sum + (row[key] ?? 0), 0)
  const some = (many: number, what: string) => `${count(many)} ${what}${many === 1 ? '' : 's'}`
  const parts = [
    `${time}  ${some(servers.length, 'server')}`,
    some(all('connections'), 'connection'),
    `${short(all('in'))} in/s`,
    `${short(all('out'))} out/s`,
    `by ${COLUMNS[sort].title}`,
  ]
  return parts.join(', ')
}

/** A title and rows below it in their order, as many as there is room for. */
function table(names: Sort[], rows: Row[], room: number, view: View): string[] {
  const ordered = sorted(rows, view)
  const shown = rows.length < room ? ordered : ordered.slice(0, Math.max(0, room - 2))
  const hidden = rows.length - shown.length
  const lines = ['', ...shown.map(() => '')]
  let used = 0
  for (const name of names) {
    const { title, text, widthMin = 0 }: Column = COLUMNS[name]
    const mark = name === view.sort ? (view.reversed ? '↑' : '↓') : ''
    const cells = [title + mark, ...shown.map(text)]
    const width = Math.max(widthMin, ...cells.map((cell) => cell.length))
    // A column that has no place is left out with all behind it; the first is cut instead.
    if (used > 0 && used + 2 + width > view.width) break
    const isText = name === 'server' || name === 'state'
    for (const [at, cell] of cells.entries()) {
      const padded = isText ? cell.padEnd(width) : cell.padStart(width)
      const gap = used > 0 ? '  ' : ''
      lines[at] += gap + painted(padded.slice(0, view.width), name, shown[at - 1], view)
    }
    used += (used > 0 ? 2 : 0) + width
  }
  return hidden > 0 ? [...lines, `and ${count(hidden)} more`.slice(0, view.width)] : lines
}

/** The title, and states, which say in words what their colors do. */
function painted(cell: string, name: Sort, row: Row | undefined, { paint }: View): string {
  if (row === undefined) return paint('title', cell)
  const style = name === 'state' && row.state ? STYLES[row.state.condition] : undefined
  return style ? paint(style, cell) : cell
}

/** Numbers from the largest on, texts from A on, what is not known at the end; or by name. */
function sorted(rows: Row[], { sort, reversed }: View): Row[] {
  const { value } = COLUMNS[sort]
  const turned = reversed ? -1 : 1
  return rows.toSorted((a, b) => {
    const [one, other] = [value(a), value(b)]
    const known = Number(one === null) - Number(other === null)
    return known || turned * order(one, other) || byName(a, b)
  })
}

function order(one: number | string | null, other: number | string | null): number {
  if (typeof one === 'number' && typeof other === 'number') return other - one
  return compare(String(one), String(other))
}

const byName = (a: Row, b: Row) => compare(a.name, b.name) || (a.number ?? 0) - (b.number ?? 0)

const compare = (a: string, b: string) => (a < b ? -1 : Number(a > b))

function column(
  title: string,
  key: NumberOf<Row>,
  show: (value: number) => string,
  widthMin?: number,
): Column {
  const value = (row: Row) => row[key]
  const text = (row: Row) => (row[key] === null ? '-' : show(row[key]))
  return { title, widthMin, value, text }
}

type NumberOf<T> = { [Key in keyof T]: T[Key] extends number | null ? Key : never }[keyof T]

/** A number in five characters, with k, M, G, T. */
function short(value: number): string {
  const units = ['', 'k', 'M', 'G', 'T']
  let at = 0
  for (; value >= 9999.5 && at < units.length - 1; at++) value /= 1000
  if (at > 0) return `${value >= 100 ? Math.round(value) : value.toPrecision(3)}${units[at]}`
  return value > 0 && value < 10 && value % 1 !== 0 ? value.toFixed(1) : count(Math.round(value))
}

/** A time between a microsecond and many seconds. */
function time(ms: number): string {
  if (ms < 1) return `${Number((ms * 1000).toPrecision(3))} µs`
  return ms < 1000 ? `${Number(ms.toPrecision(3))} ms` : `${Number((ms / 1000).toPrecision(3))} s`
}
