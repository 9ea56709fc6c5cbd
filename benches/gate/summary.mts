// What the gate found, for a terminal and for the page of a CI.

import { budgets } from '../budgets.mjs'
import { caution } from '../report/table.mjs'
import { round } from '../words.mjs'
import type { GateResult, JudgedRow } from './gate.mjs'

const SENTENCES = {
  'not slower': 'Not slower.',
  slower: 'Slower.',
  undecided: 'Undecided: the machine was too noisy for an answer in the time there was.',
}

export function summary(result: GateResult, base: string): string[] {
  const { answer, seconds, rows, state } = result
  return [
    ...rows.map(
      (row) =>
        `${row.name.padEnd(28)} ${round(row.candidate).padStart(6)}× the reference, ` +
        `${round(row.base).padStart(6)}× before: ${change(row).padEnd(34)} ${row.answer}`,
    ),
    ...caution(state),
    `${SENTENCES[answer]} (${counted(result)} in ${Math.round(seconds)} s, beside ${base})`,
  ]
}

export function markdown(result: GateResult, base: string): string {
  const { answer, seconds, rows, machine, state } = result
  const { processor, cores, kernel, node, commit } = machine
  const mark = { 'not slower': '✅', slower: '❌', undecided: '❔' }
  const lines = rows.map((row) => {
    const bar = budgets.find(({ id }) => id === row.id)!.bar
    const cells = [
      ...[row.name, `${round(row.candidate)}×`, `${round(row.base)}×`, `${bar}×`],
      ...[change(row), `${row.tolerance * 100} %`, `${mark[row.answer]} ${row.answer}`],
    ]
    return `| ${cells.join(' | ')} |`
  })
  return [
    `## ${mark[answer]} ${SENTENCES[answer]}`,
    '',
    '| row | this, beside the reference | base, beside it | bar | this beside base | may lose | |',
    '|---|---|---|---|---|---|---|',
    ...lines,
    '',
    `Commit ${commit} beside ${base}: ${counted(result)} in ${Math.round(seconds)} s on ` +
      `${processor}, ${cores} cores, Linux ${kernel}, Node ${node}.`,
    ...caution(state),
    '',
  ].join('\n')
}

const counted = ({ runs, disturbed }: GateResult) =>
  `${runs} runs${disturbed === 0 ? '' : `, ${disturbed} of them disturbed by other programs`}`

function change({ ratio, low, high }: JudgedRow): string {
  const percent = (value: number) =>
    `${value >= 1 ? '+' : '−'}${round(Math.abs(value - 1) * 100)} %`
  if (!Number.isFinite(high)) return `${percent(ratio)}, not known yet`
  return `${percent(ratio)} (${percent(low)} to ${percent(high)})`
}
