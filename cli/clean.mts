// ringpost clean: what dead processes have left.

import { createInterface } from 'node:readline'
import { native } from '../ts/native.js'
import type { NativeLeftover } from '../native/binding.js'
import { place } from '../ts/values/checks.js'
import { raised } from '../ts/values/errors.js'
import { command, listed } from './command.mjs'
import { described, endings, print, say } from './output.mjs'
import { UsageError } from './usage.mjs'

const NOUNS: Record<NativeLeftover['kind'], string> = {
  server: 'server',
  segment: 'segment',
  unfinished: 'unfinished',
  frame: 'state frame',
  topic: 'topic',
  map: 'map',
}

export const clean = command({
  name: 'clean',
  summary: 'remove what dead processes have left',
  synopsis: '[options]',
  about: `Lists what processes have left that were killed, and removes it if that is confirmed:
locks and sockets of servers, named segments, and files that were to be published. What a living
process uses is neither listed nor removed. Servers and publishers need none of this: each clears up
what is in its way.`,
  options: {
    yes: { short: 'y', about: 'remove it without asking' },
    'dry-run': { about: 'list it only' },
    published: {
      about: `also what was published by processes that have ended. It is meant to outlive them:
readers find the last values and messages as long as they are not removed`,
    },
  },
  exits: `0, or 1 if something could not be removed, 2 for a mistake in the command line, or if
there is no terminal to ask on and neither --yes nor --dry-run, 4 if the program failed, 130 if it
was interrupted`,
  async run({ values, words }) {
    if (words.length > 0) throw new UsageError(`'${words[0]}' is one word too many`)
    if (values.yes && values['dry-run']) {
      throw new UsageError('--yes and --dry-run do not go together')
    }
    const asks = !values.yes && !values['dry-run']
    if (asks && !process.stdin.isTTY) {
      throw new UsageError('there is no terminal to ask on: --yes removes, --dry-run lists')
    }
    const signal = endings()
    const { NativeLeftovers } = native
    let found: InstanceType<typeof NativeLeftovers>
    try {
      found = raised(() => new NativeLeftovers(place(undefined), values.published))
    } catch (error) {
      say('clean', described(error))
      return 1
    }
    const all = found.list()
    const count = files(all)
    if (count === 0) {
      await print('there is nothing to remove\n', signal)
      return 0
    }
    await print(`${table(all)}\n`, signal)
    if (values['dry-run']) return 0
    if (asks && !(await confirmed(`Remove ${counted(count)}? [y/N] `, signal))) {
      console.error('nothing was removed')
      return 0
    }
    return remove(all, (index) => raised(() => found.remove(index)))
  },
})

function table(all: NativeLeftover[]): string {
  const rows = all.flatMap(({ kind, name, paths }) => {
    const what = kind === 'segment' ? NOUNS[kind] : `${NOUNS[kind]} "${name}"`
    return paths.map((path) => [what, path])
  })
  return listed(rows)
}

const files = (all: NativeLeftover[]) => all.reduce((sum, { paths }) => sum + paths.length, 0)
const counted = (count: number) => (count === 1 ? 'this file' : `these ${count} files`)

/** Whether the answer is yes. That there is none is a no. */
async function confirmed(question: string, signal: AbortSignal): Promise<boolean> {
  process.stderr.write(question)
  const lines = createInterface({ input: process.stdin, signal })
  // Closed without a line at the end of the input, and by the signal.
  const answer = await new Promise<string | undefined>((done) => {
    lines.once('line', done).once('close', () => done(undefined))
  })
  // An open terminal would keep the process alive.
  process.stdin.destroy()
  signal.throwIfAborted()
  if (answer === undefined) process.stderr.write('\n')
  return /^\s*y(es)?\s*$/i.test(answer ?? '')
}

function remove(all: NativeLeftover[], one: (index: number) => boolean): number {
  const removed: NativeLeftover[] = []
  let hasFailed = false
  for (const [index, left] of all.entries()) {
    try {
      if (one(index)) removed.push(left)
      else say('clean', `${left.paths[0]} is in use or gone by now`)
    } catch (error) {
      hasFailed = true
      say('clean', described(error))
    }
  }
  const count = files(removed)
  console.log(`removed ${count} ${count === 1 ? 'file' : 'files'}`)
  return hasFailed ? 1 : 0
}
