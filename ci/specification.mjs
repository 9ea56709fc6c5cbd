// Writes the figures of a long benchmark into SPECIFICATION.md:
//   npm run bench -- engine --json figures.json && node ci/specification.mjs figures.json
// A summary in benches/record/ will do as well.

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import './setup.mjs'
import { ROOT, giveUp } from './step.mjs'

const { budgets, judge } = await import('../dist/benches/budgets.mjs')
const { parse } = await import('../dist/benches/record.mjs')
const { caution } = await import('../dist/benches/report/table.mjs')
const { human, round } = await import('../dist/benches/words.mjs')

const [file] = process.argv.slice(2)
if (file === undefined) giveUp('Which file? npm run bench -- engine --json <file> writes one.')
const { machine, state, rows } = parse(readFileSync(file, 'utf8'))

const held = budgets.map((budget) => {
  const row = rows.find(({ id }) => id === budget.id)
  if (row === undefined) giveUp(`${file} has no row ${budget.id}: was it a short run?`)
  const { sign, word } = judge(row, budget)
  return [row, `${sign} ${budget.bar}, ${sign} ${budget.aim}`, word]
})
const others = rows
  .filter(({ id }) => !budgets.some((budget) => budget.id === id))
  .map((row) => [row, '', ''])

const head = [
  `Measured on ${machine.processor}, ${machine.cores} cores, Linux ${machine.kernel}, Node ${machine.node}, ` +
    `commit ${machine.commit}; ${caution(state).join('; ')}.`,
  '',
  '| what | Ringpost | beside it | ratio (lowest to highest turn) | bar, aim | reached |',
  '|---|---|---|---|---|---|',
]
const lines = [...held, ...others].map(([row, goal, word]) => {
  const alone = row.reference === null
  const ratio = alone ? '' : `${round(row.ratio)}× (${row.spread.map(round).join('–')})`
  const reference = alone ? '' : human(row.reference, row.unit)
  return `| ${row.name} | ${human(row.ours, row.unit)} | ${reference} | ${ratio} | ${goal} | ${word} |`
})

const path = join(ROOT, 'SPECIFICATION.md')
const [before, , after] = readFileSync(path, 'utf8').split(/<!-- figures -->\n|<!-- end of figures -->\n/)
const figures = `<!-- figures -->\n${[...head, ...lines].join('\n')}\n<!-- end of figures -->\n`
writeFileSync(path, before + figures + after)
