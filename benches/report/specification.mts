// The figures of SPECIFICATION.md and of README.md, from a long run of the engine's rows. No figure
// is typed by hand.

import { budgets } from '../budgets.mjs'
import type { Row } from '../compare.mjs'
import type { Results } from '../results.mjs'
import { human, round } from '../words.mjs'
import { sheetToMarkdown } from './sheet.mjs'
import { caution } from './table.mjs'
import { coresInWords, engineSheet } from './tables.mjs'

/** What a newcomer sees: where it is strong, and where it is not. */
const FIRST = [
  ...['latency.64.p50', 'sync.64.p50', 'one-way.64', 'one-way.65536', 'latency.1048576.p50'],
  ...['asleep.64.p50', 'contended.64.p50'],
]

/** Replaces what stands between the two marks. */
export function withFigures(document: string, figures: string): string {
  const parts = document.split(/(?<=<!-- figures -->\n)|(?=<!-- end of figures -->\n)/)
  if (parts.length !== 3) throw new Error('the document has not one place for figures')
  return parts[0] + figures + parts[2]
}

/** All rows: first those that are held to something; those newer than the run are only named. */
export function specification(results: Results): string {
  const { machine, state, rows } = results
  const held = budgets.flatMap(({ id }) => rows.find((row) => row.id === id) ?? [])
  const newer = budgets.filter(({ id }) => !held.some((row) => row.id === id))
  const others = rows.filter((row) => !held.includes(row))
  const about =
    `Measured on ${machine.processor}, ${machine.cores} cores, Linux ${machine.kernel}, ` +
    `Node ${machine.node}, commit ${machine.commit}; ${caution(state).join('; ')}.`
  const names = newer.map(({ id }) => `\`${id}\``).join(', ')
  const without = newer.length === 0 ? '' : ` Not in that run: ${names}.`
  const sheet = engineSheet({ ...results, rows: [...held, ...others] })
  return `${about}${without}\n\n${sheetToMarkdown(sheet)}\n`
}

/** The first table of README.md. */
export function firstFigures({ rows }: Results): string {
  const transports = ['Ringpost', "an expert's socket", 'a plain socket']
  const titles = ['what', ...transports, 'ratio', 'cores of each']
  const lines = FIRST.map((id) => {
    const row = rowOf(rows, id)
    const { name, unit, ours, reference, plain, ratio } = row
    const figures = [ours, reference, plain!].map((figure) => human(figure, unit))
    return { cells: [name, ...figures, `${round(ratio)}×`, coresInWords(row)] }
  })
  const columns = titles.map((title) => ({ title }))
  return `${sheetToMarkdown({ columns, groups: [{ title: null, lines }] })}\n`
}

function rowOf(rows: Row[], id: string): Row {
  const row = rows.find((row) => row.id === id)
  if (row === undefined) throw new RangeError(`no row ${id}: was it a short run?`)
  return row
}
