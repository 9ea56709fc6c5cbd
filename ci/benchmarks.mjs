// Writes docs/benchmarks.md and its plots from the summaries of runs in benches/record/:
//
//   npm run bench -- scenarios --json results.json && node ci/benchmarks.mjs results.json
//
// A run of scenarios, of a soak or of the engine has a summary of that name, any other is the
// comparison. A newer run replaces the older one, so that an hour of soak need not be repeated with
// each of them. Without a file it writes the documents anew from the summaries that are there.

import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import './setup.mjs'
import { ROOT } from './step.mjs'

const { nameOf, parse, print, record, summarize } = await import('../dist/benches/record.mjs')
const { document } = await import('../dist/benches/report/document.mjs')

const folder = join(ROOT, 'benches/record')
for (const file of process.argv.slice(2)) {
  const results = parse(readFileSync(file, 'utf8'))
  writeFileSync(join(folder, `${nameOf(results)}.json`), print(summarize(results)))
}

const { markdown, plots } = document(...record(folder))
const docs = join(ROOT, 'docs')
rmSync(join(docs, 'plots'), { recursive: true, force: true })
mkdirSync(join(docs, 'plots'), { recursive: true })
for (const { file, svg } of plots) writeFileSync(join(docs, file), svg)
writeFileSync(join(docs, 'benchmarks.md'), markdown)
console.log(`docs/benchmarks.md and ${plots.length} plots`)
