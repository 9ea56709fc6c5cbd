// What the tests of the alert center have in common: a directory of their own, and processes that
// execute commands.

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'

/** Whether the scenario is played in its full length, or in seconds. */
export const isLong = process.argv.includes('--long')

/** How long anything may take that has to happen; the machine may be busy. */
const CONDITION_MS = 60_000

const root = mkdtempSync(join(tmpdir(), 'alerts-test-'))
process.on('exit', () => rmSync(root, { recursive: true, force: true, maxRetries: 5 }))

/** An empty directory for centres and watchers to meet in, also for the processes of this test. */
export function meetingPlace() {
  const directory = mkdtempSync(join(root, 'place-'))
  return { directory, files: () => readdirSync(directory) }
}

/** Polls until it is so. */
export async function until(what, isSo) {
  const end = Date.now() + CONDITION_MS
  while (!(await isSo())) {
    if (Date.now() > end) throw new Error(`timed out waiting until ${what}`)
    await setTimeout(10)
  }
}

/** A process that executes commands, see actor.mjs. It ends with the test. */
export class Actor {
  #child = fork(new URL('./actor.mjs', import.meta.url))
  #calls = new Map()
  #ended = once(this.#child, 'exit')
  #count = 0

  /** @param {import('node:test').TestContext} t */
  constructor(t) {
    t.after(() => this.kill())
    this.#child.on('message', ({ id, result, error }) => {
      const { resolve, reject } = this.#calls.get(id)
      this.#calls.delete(id)
      if (error === undefined) resolve(result)
      else reject(new Error(error))
    })
    this.#child.once('exit', () => {
      for (const { reject } of this.#calls.values()) reject(new Error('the process has ended'))
    })
  }

  /** Does one thing; several may be on their way. */
  do(deed, ...args) {
    const id = ++this.#count
    this.#child.send({ id, deed, args })
    return new Promise((resolve, reject) => this.#calls.set(id, { resolve, reject }))
  }

  /** Suspends it; what it shares with others stays. */
  freeze = () => this.#child.kill('SIGSTOP')
  thaw = () => this.#child.kill('SIGCONT')

  kill() {
    this.#child.kill('SIGKILL')
    return this.#ended
  }
}

/** A process that has opened a centre of this name. */
export async function centreOf(t, name, directory, early) {
  const centre = new Actor(t)
  await centre.do('open', name, directory, early)
  return centre
}

/** A process that watches the centre of this name. */
export async function watcherOf(t, name, directory) {
  const watcher = new Actor(t)
  await watcher.do('watch', name, directory)
  return watcher
}

/** Prints how long alerts took: figures are for people, no test depends on them. */
export function print(t, { meanMs, p95Ms, maxMs }) {
  const [mean, p95, max] = [meanMs, p95Ms, maxMs].map((ms) => ms.toFixed(2))
  t.diagnostic(`alerts arrive after ${mean} ms (mean), ${p95} ms (95 %), ${max} ms (slowest)`)
}
