#!/usr/bin/env node
// The `ringpost` command. Each verb has a file.

import { createRequire } from 'node:module'
import { helpOf, listed, perform } from './command.mjs'
import { COMMANDS } from './commands.mjs'
import { Ended, INTERRUPTED } from './output.mjs'
import { UsageError } from './usage.mjs'

const HELP = `usage: ringpost <command> [options]

commands
${listed(COMMANDS.map(({ name, summary }) => [name, summary]))}

options
  -h, --help  print this text; after a command, the text of that command
  --version   print the version of the package

Servers and what is published are searched for in the directory RINGPOST_DIR names, or where all
processes of this user meet.`

const [name, ...words] = process.argv.slice(2)
const { version } = createRequire(import.meta.url)('../../package.json') as { version: string }

if (name === '-h' || name === '--help') console.log(HELP)
else if (name === '--version') console.log(version)
else process.exitCode = await run(name)

// What a reader that does not read has not got by then is of no interest to it.
if (process.exitCode === INTERRUPTED) process.exit()

async function run(name: string | undefined): Promise<number> {
  const command = COMMANDS.find((one) => one.name === name)
  if (command === undefined) {
    const what = name === undefined ? 'a command is missing' : `there is no command '${name}'`
    console.error(`ringpost: ${what}\n\n${HELP}`)
    return 2
  }
  try {
    return await perform(command, words)
  } catch (error) {
    if (error instanceof Ended) return error.exitCode
    if (error instanceof UsageError) {
      console.error(`ringpost ${name}: ${error.message}\n\n${helpOf(command)}`)
      return 2
    }
    // A failure of the program and not of its user: the stack is of use.
    console.error(error)
    return 4
  }
}
