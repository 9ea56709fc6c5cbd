// All commands, in the order of the help.

import { bench } from './bench.mjs'
import { call } from './call.mjs'
import { clean } from './clean.mjs'
import type { Command } from './command.mjs'
import { completion } from './completion.mjs'
import { inspect } from './inspect.mjs'
import { layout } from './layout.mjs'
import { ls } from './ls.mjs'
import { tail } from './tail.mjs'
import { top } from './top.mjs'

export const COMMANDS: readonly Command[] = [
  bench,
  call,
  clean,
  completion(() => COMMANDS),
  inspect,
  layout,
  ls,
  tail,
  top,
]
