// The main job: shows what Ringpost does, and then what it gives, beside what one would use else.
//
//   node dist/benches/main.mjs            the tour and the decisive rows, in under two minutes
//   node dist/benches/main.mjs --full     all rows, with more turns
//   node dist/benches/main.mjs --against <folder>
//                                         this build beside another, whose tree is in that folder
//   ... --json <file>                     writes every turn as JSON besides
//   ... --turns <n> --ms <n>              turns of each comparison, milliseconds of each turn

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import type { Row } from './compare.mjs'
import { machine, watchNoise } from './machine.mjs'
import { Pair } from './pair.mjs'
import { caution, heading, line, verdictLine } from './report.mjs'
import { scratch } from './scratch.mjs'
import { against, ROUNDS_MIN } from './suites/against.mjs'
import { engineRows, type Effort } from './suites/engine.mjs'

const { values } = parseArgs({
  options: {
    full: { type: 'boolean', default: false },
    against: { type: 'string' },
    json: { type: 'string' },
    rust: { type: 'string' },
    turns: { type: 'string' },
    ms: { type: 'string' },
  },
})

const about = machine()
const noise = watchNoise()
const rows = values.against === undefined ? await engine() : await other(values.against)
console.log(caution(noise()))
if (values.json !== undefined) {
  const result = { machine: about, settings: values, noise: noise(), rows }
  writeFileSync(values.json, `${JSON.stringify(result, null, 2)}\n`)
}

async function engine(): Promise<Row[]> {
  const { full, turns, ms, rust } = values
  if (!full) await tour()
  const effort: Effort = {
    brief: !full,
    turns: Number(turns ?? (full ? 11 : 5)),
    ms: Number(ms ?? (full ? 500 : 250)),
    rust,
  }
  console.log(heading(about, await describe()))
  return engineRows(effort, (row) => console.log(line(row)))
}

async function other(base: string): Promise<Row[]> {
  const rounds = Math.max(ROUNDS_MIN, Number(values.turns ?? ROUNDS_MIN))
  console.log(`this build beside the one in ${base}, ${rounds} rounds of A-B-B-A`)
  return against(base, rounds, Number(values.ms ?? 100), (row) => console.log(verdictLine(row)))
}

async function tour(): Promise<void> {
  const run = fork(new URL('../../examples/tour/run.mjs', import.meta.url))
  const [code] = (await once(run, 'exit')) as [number]
  if (code !== 0) throw new Error(`the tour ended with ${code}`)
  console.log()
}

/** What a connection of this build says of itself. */
async function describe(): Promise<Record<string, unknown>> {
  const directory = scratch()
  const pair = await Pair.open('ringpost', { directory })
  await pair.close()
  return pair.description
}
