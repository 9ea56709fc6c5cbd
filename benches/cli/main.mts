// The runner: `npm run bench` and `npm run gate` start it, one file for each.

import * as bench from './bench.mjs'
import * as gate from './gate.mjs'
import { UsageError } from './usage.mjs'

interface Verb {
  HELP: string
  play(words: string[], signal: AbortSignal): Promise<number>
}

const VERBS: Record<string, Verb> = { bench, gate }
const HELP = `usage: npm run ${Object.keys(VERBS).join(' | ')} -- [options]; -h says more`

const [name, ...words] = process.argv.slice(2)
process.exitCode = await run(name, words)

async function run(name: string | undefined, words: string[]): Promise<number> {
  const verb = name !== undefined && Object.hasOwn(VERBS, name) ? VERBS[name] : undefined
  if (verb === undefined) {
    console.error(HELP)
    return 2
  }
  try {
    return await verb.play(words, interruption())
  } catch (error) {
    if (error instanceof UsageError) {
      console.error(`${name}: ${error.message}\n\n${verb.HELP}`)
      return 2
    }
    // A failure of the runner, and not of its user. The code is not 1, which is an answer.
    console.error(error)
    return 4
  }
}

/** The first interruption lets a verb report what it has, the second one ends the process. */
function interruption(): AbortSignal {
  const controller = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (controller.signal.aborted) process.exit(130)
      controller.abort()
    })
  }
  return controller.signal
}
