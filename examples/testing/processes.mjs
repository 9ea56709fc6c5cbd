// What the tests of whole systems have in common: starting one as a person does, and waiting.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'

/** How long anything may take that has to happen; the machine may be busy. */
export const CONDITION_MS = 60_000

/** Polls until it is so; resolves to what that was. */
export async function until(what, isSo) {
  const end = Date.now() + CONDITION_MS
  for (;;) {
    const found = await isSo()
    if (found) return found
    if (Date.now() > end) throw new Error(`timed out waiting until ${what}`)
    await sleep(10)
  }
}

/** Suspends a process, and waits until nothing of it runs any more. */
export async function freeze(child) {
  child.kill('SIGSTOP')
  const tasks = `/proc/${child.pid}/task`
  const isStopped = (task) => / T /.test(readFileSync(`${tasks}/${task}/stat`, 'utf8'))
  await until('it has stopped', () => readdirSync(tasks).every(isStopped))
}

/** Waits for a line among these, and takes it; resolves to the first group. */
export async function taken(lines, pattern) {
  const found = () => lines.findIndex((line) => pattern.test(line))
  await until(`it prints ${pattern}`, () => found() !== -1).catch((cause) => {
    throw new Error(`it has printed:\n${lines.join('\n')}`, { cause })
  })
  return pattern.exec(lines.splice(found(), 1)[0])[1]
}

/** Waits until a process has started so many others, of which none need have got anywhere. */
export function hasStarted(pid, count) {
  const children = () => readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').match(/\d+/g) ?? []
  return until(`it has started ${count}`, () => children().length >= count)
}

/** A program as in a terminal: with a process group of its own, all of which gets its signals.
 * @param {import('node:test').TestContext} t */
export function started(t, program, env, ...args) {
  const child = spawn(process.execPath, [program, ...args], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  const lines = []
  for (const output of [child.stdout, child.stderr]) {
    createInterface(output).on('line', (line) => lines.push(line))
  }
  const ended = once(child, 'close').then(([code, signal]) => signal ?? code)
  const signalAll = (signal) => {
    try {
      process.kill(-child.pid, signal)
    } catch (error) {
      if (error.code !== 'ESRCH') throw error
    }
  }
  t.after(() => signalAll('SIGKILL'))
  return { child, prints: (pattern) => taken(lines, pattern), ended, signalAll }
}

/** A program that was started, with what it prints. */
export class Child {
  lines = []
  #child

  constructor(child) {
    this.#child = child
    this.ended = once(child, 'close').then(([code, signal]) => signal ?? code)
    for (const output of [child.stdout, child.stderr]) {
      if (output) createInterface(output).on('line', (line) => this.lines.push(line))
    }
  }

  get pid() {
    return this.#child.pid
  }

  /** Waits for a line, and takes it; resolves to the first group. */
  prints(pattern) {
    return taken(this.lines, pattern)
  }

  signal = (signal) => this.#child.kill(signal)

  /** Suspends it, and waits until nothing of it runs any more; what it has published stays. */
  freeze() {
    return freeze(this.#child)
  }

  thaw = () => this.signal('SIGCONT')

  /** Closes its standard input. */
  detach = () => this.#child.stdin.end()

  /** Ends it as a service manager does; resolves to how it has ended. */
  end() {
    this.signal('SIGTERM')
    return this.ended
  }

  async kill() {
    this.signal('SIGKILL')
    await this.ended
  }
}
