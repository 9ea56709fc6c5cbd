// How long a process takes from its start to its first answer: a new one each time, which loads a
// program of starting/, connects to a server that is there, and asks once.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { median, type Figure } from './compare.mjs'
import { serve } from './pair.mjs'
import { cpuMs, type Process } from './process.mjs'

/** In one turn, of which the median counts. */
const STARTS = 3
const LATE_MS = 30_000

const PROGRAMS = { ringpost: 'ringpost', expert: 'socket' }

let addresses = 0

/** A server, and processes that start and ask it. */
export class Starts {
  readonly #server: Process
  readonly #command: string[]

  private constructor(server: Process, command: string[]) {
    this.#server = server
    this.#command = command
  }

  static async open(transport: keyof typeof PROGRAMS, directory: string): Promise<Starts> {
    const address = `first-answer-${process.pid}-${++addresses}`
    const program = new URL(`./starting/${PROGRAMS[transport]}.mjs`, import.meta.url)
    const server = await serve(transport, address, { directory })
    const starts = new Starts(server, [fileURLToPath(program), address, directory])
    try {
      // The files it loads are in memory from now on.
      await starts.#once()
    } catch (error) {
      starts.kill()
      throw error
    }
    return starts
  }

  /** Nanoseconds until an answer is there, and the processor time of both sides until then. */
  async turn(): Promise<Figure> {
    const all: Figure[] = []
    for (let start = 0; start < STARTS; start++) all.push(await this.#once())
    const middle = (of: keyof Figure) => median(all.map((one) => one[of]))
    return { value: middle('value'), cpu: middle('cpu') }
  }

  kill(): void {
    this.#server.kill()
  }

  async #once(): Promise<Figure> {
    const servedMs = cpuMs(this.#server.pid)
    const start = performance.now()
    const child = spawn(process.execPath, this.#command, { stdio: ['ignore', 'pipe', 'inherit'] })
    const late = setTimeout(() => child.kill('SIGKILL'), LATE_MS)
    // After all it has written.
    const ended = once(child, 'close')
    const [said] = (await Promise.race([once(child.stdout, 'data'), ended])) as [unknown]
    const ms = performance.now() - start
    await ended
    clearTimeout(late)
    if (!Buffer.isBuffer(said)) throw new Error('a process ended before it had its first answer')
    const { user, system } = JSON.parse(said.toString()) as NodeJS.CpuUsage
    const usedMs = (user + system) / 1e3 + cpuMs(this.#server.pid) - servedMs
    return { value: ms * 1e6, cpu: usedMs / ms }
  }
}
