#!/usr/bin/env node
// The `ringpost` command: one file a verb.

import { createRequire } from 'node:module'
import { bench } from './bench.mjs'
import { gate } from './gate.mjs'
import { UsageError } from './usage.mjs'

const HELP = `usage: ringpost <verb> [options]

  bench   measure Ringpost beside what one would use instead
  gate    say whether a build is slower than another

\`ringpost <verb> --help\` says more.`

const VERBS: Record<string, (words: string[], signal: AbortSignal) => Promise<number>> = {
  bench,
  gate,
}

const [verb, ...words] = process.argv.slice(2)
const { version } = createRequire(import.meta.url)('../../package.json') as { version: string }

if (verb === '--version') console.log(version)
else if (verb === undefined || verb === '--help') console.log(HELP)
else process.exitCode = await run(verb)

async function run(verb: string): Promise<number> {
  const play = Object.hasOwn(VERBS, verb) ? VERBS[verb] : undefined
  if (play === undefined) {
    console.error(`There is no verb '${verb}'.\n\n${HELP}`)
    return 2
  }
  try {
    return await play(words, interruption())
  } catch (error) {
    if (error instanceof UsageError) {
      console.error(`${error.message}\n\`ringpost ${verb} --help\` says what there is.`)
      return 2
    }
    // Not 1, which is an answer.
    console.error(error)
    return 4
  }
}

/** The first interruption lets a verb end with what it has, the second one ends it. */
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
