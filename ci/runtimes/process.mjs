// Processes of runtimes under test.

import { spawn } from 'node:child_process'
import { readFileSync, readdirSync } from 'node:fs'

/** The longest any of them may live, on a machine that is busy with other things. */
const TIMEOUT_MS = 120_000

const running = new Set()

/** Kills what is still running. */
export function endAll() {
  for (const child of running) child.kill('SIGKILL')
}

/** A process of a runtime, and all that it has printed. */
export class Program {
  output = ''

  constructor({ command, cwd }, env, file, ...args) {
    const [program, all] = command(file, args)
    this.child = spawn(program, all, {
      cwd,
      env: { ...process.env, ...env, NO_COLOR: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    running.add(this.child)
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => (this.output += text))
    }
    const late = setTimeout(() => this.child.kill('SIGKILL'), TIMEOUT_MS)
    /** How it has ended: a code or a signal. */
    this.ended = new Promise((ended) => {
      this.child.once('close', (code, signal) => {
        clearTimeout(late)
        running.delete(this.child)
        ended(code ?? signal)
      })
    })
  }

  /** What wakes it: its own event loop, or the thread that the addon has where that cannot be. */
  wakes() {
    const tasks = `/proc/${this.child.pid}/task`
    const names = readdirSync(tasks).map((id) => nameOf(`${tasks}/${id}`))
    return names.includes('ringpost-waker\n') ? 'thread' : 'loop'
  }

  /** Resolves when it has printed such a line, or throws if it ends before. */
  prints(line) {
    return new Promise((done, failed) => {
      const look = () => line.test(this.output) && done()
      this.child.stdout.on('data', look)
      this.ended.then((how) => failed(new Error(`ended with ${how}\n${this.output}`)))
      look()
    })
  }
}

function nameOf(task) {
  try {
    return readFileSync(`${task}/comm`, 'utf8')
  } catch {
    // A thread that has ended since.
    return ''
  }
}
