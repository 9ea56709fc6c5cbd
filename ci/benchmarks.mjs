// Writes docs/benchmarks.md and its plots from the newest record of a full run:
//   npm run bench -- all --json benches/record/<date>.json && node ci/benchmarks.mjs

import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { document } from '../dist/benches/report/document.mjs'
import { ROOT, giveUp } from './step.mjs'

const folder = join(ROOT, 'benches/record')
const newest = readdirSync(folder)
  .filter((file) => /^\d{4}-\d\d-\d\d\.json$/.test(file))
  .sort()
  .at(-1)
if (newest === undefined) giveUp('There is no record yet: the first lines of this file say how to make one.')
const results = JSON.parse(readFileSync(join(folder, newest), 'utf8'))

const { markdown, plots } = document(results)
const docs = join(ROOT, 'docs')
rmSync(join(docs, 'plots'), { recursive: true, force: true })
mkdirSync(join(docs, 'plots'), { recursive: true })
for (const { file, svg } of plots) writeFileSync(join(docs, file), svg)
writeFileSync(join(docs, 'benchmarks.md'), markdown)
console.log(`docs/benchmarks.md and ${plots.length} plots, from benches/record/${newest}`)
