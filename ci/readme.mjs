// The first program of the README, which installations are tried with.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT, giveUp } from './step.mjs'

const BLOCK = /^```js hello\.mjs\n([^]*?)^```$/m

/** Its text: with `serve` it prints {@link LISTENING}, and else it asks that and prints {@link GREETING}. */
export function firstProgram() {
  const [, program] = BLOCK.exec(readFileSync(join(ROOT, 'README.md'), 'utf8')) ?? []
  return program ?? giveUp('README.md has no hello.mjs')
}

export const LISTENING = 'listening\n'
export const GREETING = 'hello world\n'
