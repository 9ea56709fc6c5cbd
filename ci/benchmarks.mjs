// Writes docs/benchmarks.md and its plots from the newest summary of a full run in benches/record/:
//
//   npm run bench -- all --json results.json && node ci/benchmarks.mjs results.json
//
// Without a file it writes the documents anew from the summary that is there.

import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import './setup.mjs'
import { ROOT, giveUp } from './step.mjs'

const { parse, print, summarize } = await import('../dist/benches/record.mjs')
const { document } = await import('../dist/benches/report/document.mjs')

const folder = join(ROOT, 'benches/record')
const [file] = process.argv.slice(2)
if (file !== undefined) {
  const results = parse(readFileSync(file, 'utf8'))
  writeFileSync(join(folder, `${results.started.slice(0, 10)}.json`), print(summarize(results)))
}
const newest = readdirSync(folder)
  .filter((name) => /^\d{4}-\d\d-\d\d\.json$/.test(name))
  .sort()
  .at(-1)
if (newest === undefined) giveUp('There is no summary yet: this file begins with how to make one.')

const { markdown, plots } = document(parse(readFileSync(join(folder, newest), 'utf8')))
const docs = join(ROOT, 'docs')
rmSync(join(docs, 'plots'), { recursive: true, force: true })
mkdirSync(join(docs, 'plots'), { recursive: true })
for (const { file, svg } of plots) writeFileSync(join(docs, file), svg)
writeFileSync(join(docs, 'benchmarks.md'), markdown)
console.log(`docs/benchmarks.md and ${plots.length} plots, from benches/record/${newest}`)
