// Processes and their output.

import { spawn } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { readFileSync, readdirSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'

const TIMEOUT_MS = 60_000

/** A process whose lines of output can be awaited. */
export class Program {
  #lines = []
  #output = new EventEmitter()

  constructor(name, command, args, { env = {}, cwd, quiet = false } = {}) {
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.name = name
    this.pid = child.pid
    this.ended = once(child, 'close').then(([code, signal]) => code ?? signal)
    for (const output of [child.stdout, child.stderr]) {
      createInterface(output).on('line', (line) => {
        if (!quiet) console.log(`    ${name}: ${line}`)
        this.#lines.push(line)
        this.#output.emit('line')
      })
    }
  }

  /** Waits for a line and removes it. Resolves to the first group of the pattern. */
  async prints(pattern) {
    const signal = AbortSignal.timeout(TIMEOUT_MS)
    for (;;) {
      const index = this.#lines.findIndex((line) => pattern.test(line))
      if (index !== -1) return pattern.exec(this.#lines.splice(index, 1)[0])[1]
      await once(this.#output, 'line', { signal }).catch((cause) => {
        const printed = this.#lines.join('\n')
        throw new Error(`${this.name} never printed ${pattern}, but:\n${printed}`, { cause })
      })
    }
  }
}

/**
 * Kills every other process that has `marker` in its environment. Resolves to those that had not
 * ended by themselves before.
 */
export async function killAll(marker, graceMs) {
  const deadline = Date.now() + graceMs
  while (marked(marker).length > 0 && Date.now() < deadline) await sleep(50)
  const left = marked(marker)
  for (const { pid } of left) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It has ended in the meantime.
    }
  }
  return left.map(({ pid, command }) => `${pid} ${command}`)
}

function marked(marker) {
  const others = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && +name !== process.pid)
  return others.flatMap((pid) => {
    try {
      const environment = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0')
      if (!environment.includes(marker)) return []
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
      return [{ pid: Number(pid), command }]
    } catch {
      return [] // It has ended, or belongs to another user.
    }
  })
}
