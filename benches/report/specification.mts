// The figures of SPECIFICATION.md and of README.md, from a long run of the engine's rows. No figure
// is typed by hand.

import { budgets, judge } from '../budgets.mjs'
import type { Row } from '../compare.mjs'
import type { Results } from '../results.mjs'
import { human, round } from '../words.mjs'
import { caution } from './table.mjs'

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

/** All rows: first those that are held to something. */
export function specification({ machine, state, rows }: Results): string {
  const held = budgets.map(({ id }) => rowOf(rows, id))
  const others = rows.filter((row) => !held.includes(row))
  const about =
    `Measured on ${machine.processor}, ${machine.cores} cores, Linux ${machine.kernel}, ` +
    `Node ${machine.node}, commit ${machine.commit}; ${caution(state).join('; ')}.`
  const titles = [
    ...['what', 'Ringpost', 'reference', 'ratio (lowest to highest turn)', 'plain socket'],
    ...['cores, Ringpost / reference', 'bar, aim', 'reached'],
  ]
  return [about, '', ...table(titles, [...held, ...others].map(cells)), ''].join('\n')
}

/** The first table of README.md. */
export function firstFigures({ rows }: Results): string {
  const titles = ['what', 'Ringpost', "an expert's socket", 'a plain socket', 'ratio']
  const lines = FIRST.map((id) => {
    const { name, unit, ours, reference, plain, ratio } = rowOf(rows, id)
    const figures = [ours, reference, plain!].map((figure) => human(figure, unit))
    return [name, ...figures, `${round(ratio)}×`]
  })
  return `${table(titles, lines).join('\n')}\n`
}

function rowOf(rows: Row[], id: string): Row {
  const row = rows.find((row) => row.id === id)
  if (row === undefined) throw new RangeError(`no row ${id}: was it a short run?`)
  return row
}

function cells(row: Row): string[] {
  const { name, unit, ours, reference, plain, ratio, spread, cpu } = row
  const budget = budgets.find(({ id }) => id === row.id)
  // In JSON what has no reference has null there.
  const isAlone = reference === null || !Number.isFinite(reference)
  const beside = isAlone
    ? ['', '']
    : [human(reference, unit), `${round(ratio)}× (${spread.map(round).join('–')})`]
  const used = cpu !== undefined && cpu.ours > 0
  const goals = budget === undefined ? ['', ''] : goalsOf(row, budget)
  return [
    ...[name, human(ours, unit), ...beside, plain === undefined ? '' : human(plain, unit)],
    ...[used ? `${round(cpu.ours)} / ${round(cpu.reference)}` : '', ...goals],
  ]
}

function goalsOf(row: Row, budget: (typeof budgets)[number]): string[] {
  const { sign, word } = judge(row, budget)
  return [`${sign} ${budget.bar}, ${sign} ${budget.aim}`, word]
}

const table = (titles: string[], lines: string[][]): string[] =>
  [titles, titles.map(() => '---'), ...lines].map((line) => `| ${line.join(' | ')} |`)
