#!/usr/bin/env node
// The `ringpost` command: one file for each verb.

import { createRequire } from 'node:module'
import { bench } from './bench.mjs'
import { UsageError } from './usage.mjs'

const HELP = `usage: ringpost <command> [options]

commands
  bench       measure Ringpost on this machine, beside a Unix socket

options
  -h, --help  print this text; after a command, the text of that command
  --version   print the version of the package`

const COMMANDS: Record<string, (words: string[]) => Promise<number>> = { bench }

const [name, ...words] = process.argv.slice(2)
const { version } = createRequire(import.meta.url)('../../package.json') as { version: string }

if (name === '-h' || name === '--help') console.log(HELP)
else if (name === '--version') console.log(version)
else process.exitCode = await run(name)

async function run(name: string | undefined): Promise<number> {
  const command = name !== undefined && Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
  if (command === undefined) {
    const what = name === undefined ? 'a command is missing' : `there is no command '${name}'`
    console.error(`ringpost: ${what}\n\n${HELP}`)
    return 2
  }
  try {
    return await command(words)
  } catch (error) {
    if (error instanceof UsageError) {
      console.error(`ringpost ${name}: ${error.message}\n\n${error.usage}`)
      return 2
    }
    // A failure of the program and not of its user: the stack is of use.
    console.error(error)
    return 4
  }
}
