// A table before it is written, as a page has it or as a document has it.

import { escape } from './svg.mjs'

export interface Sheet {
  columns: Column[]
  groups: Group[]
}

export interface Column {
  title: string
  /** Words, which begin at the left; figures end at the right. */
  words?: boolean
}

export interface Group {
  title: string | null
  lines: Line[]
}

export interface Line {
  cells: Cell[]
  /** Why there are no more cells than the first. */
  failed?: string | null
  /** What the table is about. */
  strong?: boolean
}

/** The tone only repeats what the words say. */
export type Cell = string | { text: string; tone: 'good' | 'bad' | 'quiet' }

export const good = (text: string): Cell => ({ text: `✓ ${text}`, tone: 'good' })
export const bad = (text: string): Cell => ({ text: `✗ ${text}`, tone: 'bad' })

const textOf = (cell: Cell): string => (typeof cell === 'string' ? cell : cell.text)

/** Whether there is anything in it. */
export const isEmpty = ({ groups }: Sheet): boolean =>
  groups.every(({ lines }) => lines.length === 0)

/** A figure and its unit stay together. */
const words = (text: string): string =>
  escape(text).replace(/(\d) (?=(?:[kKMGT]i?)?B\b|[kMG]?\/s|[nµm]?s\b)/g, '$1\u00a0')

// ---- as HTML ----

/** In a container of its own that scrolls, because a page must not. */
export function sheetToHtml({ columns, groups }: Sheet, label: string): string {
  const heads = columns.map(
    (column) => `<th scope="col"${side(column)}>${escape(column.title)}</th>`,
  )
  const bodies = groups.map(({ title, lines }) => {
    const head = title === null ? '' : groupHead(title, columns.length)
    return `<tbody>${head}${lines.map((line) => lineToHtml(line, columns)).join('')}</tbody>`
  })
  return (
    `<div class="scroll" role="region" tabindex="0" aria-label="${escape(label)}"><table>` +
    `<thead><tr>${heads.join('')}</tr></thead>${bodies.join('\n')}</table></div>`
  )
}

/** Its words stay in view while figures scroll. */
const groupHead = (title: string, columns: number) =>
  `<tr class="group"><th scope="rowgroup" colspan="${columns}">` +
  `<span>${words(title)}</span></th></tr>`

const side = ({ words }: Column) => (words ? ' class="words"' : '')

function lineToHtml({ cells, failed, strong }: Line, columns: Column[]): string {
  const [first, ...rest] = cells
  const head = `<th scope="row">${words(textOf(first))}</th>`
  const shown = failed
    ? failedCell(failed, columns.length - 1)
    : rest.map((cell, index) => cellToHtml(cell, columns[index + 1])).join('')
  return `<tr${strong ? ' class="ours"' : ''}>${head}${shown}</tr>`
}

function cellToHtml(cell: Cell, { words }: Column): string {
  const tone = typeof cell === 'string' ? '' : cell.tone
  const classes = [tone, words ? 'words' : ''].filter(Boolean).join(' ')
  return `<td${classes ? ` class="${classes}"` : ''}>${escape(textOf(cell))}</td>`
}

const failedCell = (reason: string, columns: number) =>
  `<td class="bad words wrap" colspan="${columns}">✗ failed: ${escape(reason)}</td>`

// ---- as text ----

/** In columns, for a terminal. */
export function sheetToText({ columns, groups }: Sheet): string[] {
  const rows = groups.flatMap(({ lines }) => lines.map(({ cells }) => cells.map(textOf)))
  const table = [columns.map(({ title }) => title), ...rows]
  const widths = columns.map((_, at) => Math.max(...table.map((cells) => cells[at].length)))
  return table.map((cells) =>
    cells
      .map((cell, at) => (columns[at].words ? cell.padEnd(widths[at]) : cell.padStart(widths[at])))
      .join('  ')
      .trimEnd(),
  )
}

// ---- as Markdown ----

export function sheetToMarkdown({ columns, groups }: Sheet): string {
  const line = (cells: string[]) => `| ${cells.join(' | ')} |`
  const empty = columns.slice(1).map(() => '')
  const rows = groups.flatMap(({ title, lines }) => [
    ...(title === null ? [] : [line([`**${markdown(title)}**`, ...empty])]),
    ...lines.map(({ cells, failed, strong }) => {
      const [first, ...rest] = cells.map((cell) => markdown(textOf(cell)))
      const head = strong ? `**${first}**` : first
      if (!failed) return line([head, ...rest])
      return line([head, `✗ failed: ${markdown(failed)}`, ...empty.slice(1)])
    }),
  ])
  return [
    line(columns.map(({ title }) => markdown(title))),
    line(columns.map(({ words }, index) => (words || index === 0 ? ':--' : '--:'))),
    ...rows,
  ].join('\n')
}

/** Text that means nothing to Markdown. */
export function markdown(text: string): string {
  const line = text.replace(/\s+/g, ' ').replace(/\p{Cc}/gu, '\uFFFD')
  const plain = line.replace(/[&<>]/g, (sign) => `&#${sign.charCodeAt(0)};`)
  return plain.replace(/[\\`*[\]|~]/g, '\\$&').replace(/(^|\W)_|_(?=\W|$)/g, '$1\\_')
}
