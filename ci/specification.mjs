// Writes the figures of SPECIFICATION.md and README.md, and keeps the summary they are from in
// benches/record/:
//
//   npm run bench -- engine --peers none --json figures.json && node ci/specification.mjs figures.json
//
// Without a file it writes the documents anew from the summary that is there.

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import './setup.mjs'
import { ROOT, giveUp } from './step.mjs'

const { parse, print, summarize } = await import('../dist/benches/record.mjs')
const { firstFigures, specification, withFigures } = await import(
  '../dist/benches/report/specification.mjs'
)

const summary = join(ROOT, 'benches/record/engine.json')
const [file] = process.argv.slice(2)
if (file !== undefined) {
  writeFileSync(summary, print(summarize(parse(readFileSync(file, 'utf8')))))
}
if (!existsSync(summary)) giveUp('There is no summary yet: this file begins with how to make one.')

const results = parse(readFileSync(summary, 'utf8'))
for (const [name, figures] of [
  ['SPECIFICATION.md', specification(results)],
  ['README.md', firstFigures(results)],
]) {
  const path = join(ROOT, name)
  writeFileSync(path, withFigures(readFileSync(path, 'utf8'), figures))
}
