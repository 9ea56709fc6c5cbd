// The main job: shows what Ringpost does, and then what it gives, beside what one would use else.
//
//   node dist/benches/main.mjs            the tour and the decisive rows, in under two minutes
//   node dist/benches/main.mjs --full     all rows, with more turns
//   ... --json <file>                     writes every turn as JSON besides

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Row } from './compare.mjs'
import { machine, watchNoise } from './machine.mjs'
import { Pair } from './pair.mjs'
import { caution, heading, line } from './report.mjs'
import { engineRows, type Effort } from './suites/engine.mjs'

const { values } = parseArgs({
  options: {
    full: { type: 'boolean', default: false },
    json: { type: 'string' },
    rust: { type: 'string' },
    turns: { type: 'string' },
    ms: { type: 'string' },
  },
})

if (!values.full) await tour()
const effort: Effort = {
  brief: !values.full,
  turns: Number(values.turns ?? (values.full ? 11 : 5)),
  ms: Number(values.ms ?? (values.full ? 500 : 250)),
  rust: values.rust,
}
const about = machine()
const noise = watchNoise()
console.log(heading(about, await describe()))
const rows: Row[] = await engineRows(effort, (row) => console.log(line(row)))
console.log(caution(noise()))
if (values.json !== undefined) {
  const result = { machine: about, effort, noise: noise(), rows }
  writeFileSync(values.json, `${JSON.stringify(result, null, 2)}\n`)
}

async function tour(): Promise<void> {
  const run = fork(new URL('../../examples/tour/run.mjs', import.meta.url))
  const [code] = (await once(run, 'exit')) as [number]
  if (code !== 0) throw new Error(`the tour ended with ${code}`)
  console.log()
}

/** What a connection of this build says of itself. */
async function describe(): Promise<Record<string, unknown>> {
  const directory = mkdtempSync(join(tmpdir(), 'ringpost-bench-'))
  const pair = await Pair.open('ringpost', { directory })
  await pair.close()
  return pair.description
}
