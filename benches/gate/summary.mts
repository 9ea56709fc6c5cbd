// What the gate found, for a terminal and for the page of a CI.

import { caution } from '../report/table.mjs'
import { human, round } from '../words.mjs'
import type { GateResult, JudgedRow } from './gate.mjs'

const SENTENCES = {
  'not slower': 'Not slower.',
  slower: 'Slower.',
  undecided: 'Undecided: the machine was too noisy for an answer in the time there was.',
}

const BESIDE = { base: 'before', anchor: 'at the anchor', record: 'recorded' }

export function summary(result: GateResult, base: string): string[] {
  const { answer, seconds, rows, leftOut, state } = result
  return [
    ...(rows.some(({ unit }) => unit === '×') ? ['× is how many times better than the reference'] : []),
    ...rows.map(
      (row) =>
        `${row.name.padEnd(28)} ${human(row.candidate, row.unit).padStart(9)}, ` +
        `${human(row.before, row.unit).padStart(9)} ${BESIDE[row.beside]}: ` +
        `${change(row).padEnd(34)} ${row.answer}`,
    ),
    ...leftOut.map((reason) => `LEFT OUT: ${reason}`),
    ...caution(state),
    `${SENTENCES[answer]} (${counted(result)} in ${Math.round(seconds)} s, beside ${base})`,
  ]
}

export function markdown(result: GateResult, base: string): string {
  const { answer, seconds, rows, leftOut, machine, state } = result
  const { processor, cores, kernel, node, commit } = machine
  const mark = { 'not slower': '✅', slower: '❌', undecided: '❔' }
  const lines = rows.map((row) => {
    const cells = [
      ...[row.name, human(row.candidate, row.unit), human(row.before, row.unit)],
      ...[BESIDE[row.beside], change(row), `${round(row.tolerance * 100)} %`, `${mark[row.answer]} ${row.answer}`],
    ]
    return `| ${cells.join(' | ')} |`
  })
  return [
    `## ${mark[answer]} ${SENTENCES[answer]}`,
    '',
    '| row | this | other | which | this beside it | may lose | |',
    '|---|---|---|---|---|---|---|',
    ...lines,
    '',
    ...leftOut.map((reason) => `Left out: ${reason}.\n`),
    `Commit ${commit} beside ${base}: ${counted(result)} in ${Math.round(seconds)} s on ` +
      `${processor}, ${cores} cores, Linux ${kernel}, Node ${node}.`,
    ...caution(state),
    '',
  ].join('\n')
}

function counted({ runs, disturbed, rows }: GateResult): string {
  const open = rows.filter(({ answer }) => answer === 'undecided').length
  return [
    ...(open === 0 ? [] : [`${open} of ${rows.length} rows undecided`]),
    `${runs} runs`,
    ...(disturbed === 0 ? [] : [`${disturbed} of them disturbed by other programs`]),
  ].join(', ')
}

function change({ ratio, low, high }: JudgedRow): string {
  const percent = (value: number) =>
    `${value >= 1 ? '+' : '−'}${round(Math.abs(value - 1) * 100)} %`
  if (Number.isNaN(ratio)) return 'not known yet'
  if (!Number.isFinite(high)) return `${percent(ratio)}, not known yet`
  return `${percent(ratio)} (${percent(low)} to ${percent(high)})`
}
