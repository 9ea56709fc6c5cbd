// ringpost bench: a few seconds of measurements on this machine, beside a Unix socket.

import { mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, cpus, release, tmpdir } from 'node:os'
import { join } from 'node:path'
import { CASES, type CaseName } from './cases.mjs'
import { command, listed } from './command.mjs'
import { Measured } from './measured.mjs'
import { INTERRUPTED } from './output.mjs'
import { table, type Row } from './table.mjs'
import { UsageError } from './usage.mjs'

const NAMES = Object.keys(CASES) as CaseName[]

/** How many turns each transport has in each case, and how long one takes. */
const USUAL = { turns: 5, ms: 150 }
const QUICK = { turns: 1, ms: 50 }

/** What `--json` prints. Times are in nanoseconds, rates per second. */
interface Results {
  format: 'ringpost-bench-here/1'
  machine: { processor: string; cores: number; kernel: string; node: string }
  turns: number
  turnMs: number
  rows: Row[]
  /** Why a case has no figures. */
  failures: string[]
}

export const bench = command({
  name: 'bench',
  summary: 'measure Ringpost on this machine, beside a Unix socket',
  synopsis: '[case ...] [options]',
  about: `cases (all of them, if none is named)
${listed(NAMES.map((name) => [name, CASES[name].about]))}

Two processes exchange messages, through Ringpost and through a Unix socket in turns. A ratio
compares two turns that followed each other; the median of all turns is shown.`,
  completed: [NAMES],
  options: {
    quick: { about: 'one short turn of each: under two seconds, and rough figures' },
    json: { about: 'print the results as JSON instead of a table' },
  },
  exits: `0, or 1 if a message was lost or damaged, 2 for a mistake in the command line, 4 if the
program failed, 130 if it was interrupted`,
  async run({ values, words }) {
    const unknown = words.find((word) => !NAMES.includes(word as CaseName))
    if (unknown !== undefined) throw new UsageError(`there is no case '${unknown}'`)
    const { turns, ms } = values.quick ? QUICK : USUAL
    const names = words.length === 0 ? NAMES : (words as CaseName[])
    const { rows, failures, interrupted } = await measure(names, turns, ms)
    if (interrupted) {
      console.error('ringpost bench: interrupted')
      return INTERRUPTED
    }
    const results: Results = {
      format: 'ringpost-bench-here/1',
      machine: machine(),
      ...{ turns, turnMs: ms, rows, failures },
    }
    console.log(values.json ? JSON.stringify(results, null, 2) : table(rows, heading(results)))
    for (const failure of failures) console.error(`FAILED: ${failure}`)
    return failures.length === 0 ? 0 : 1
  },
})

interface Found {
  rows: Row[]
  failures: string[]
  interrupted: boolean
}

async function measure(names: CaseName[], turns: number, ms: number): Promise<Found> {
  const found: Found = { rows: [], failures: [], interrupted: false }
  let measured: Measured | undefined
  const interrupt = () => {
    found.interrupted = true
    measured?.kill()
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, interrupt)
  const directory = mkdtempSync(join(tmpdir(), 'ringpost-bench-'))
  try {
    measured = await Measured.start(directory)
    for (const name of names) {
      if (found.interrupted) break
      const outcome = await measured.compare(name, turns, ms)
      if (Array.isArray(outcome)) found.rows.push(...outcome)
      else found.failures.push(outcome.failure)
    }
  } catch (error) {
    if (!found.interrupted) throw error
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, interrupt)
    measured?.kill()
    rmSync(directory, { recursive: true, force: true })
  }
  return found
}

const machine = () => ({
  processor: cpus()[0]?.model ?? 'unknown',
  cores: availableParallelism(),
  kernel: release(),
  node: process.version,
})

function heading({ machine, turns, turnMs }: Results): string {
  const { processor, cores, kernel, node } = machine
  const where = `${processor}, ${cores} cores, Linux ${kernel}, Node ${node}`
  return `${where}; ${turns === 1 ? 'one turn' : `medians of ${turns} turns`} of ${turnMs} ms`
}
