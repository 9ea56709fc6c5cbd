// One process under measurement, seen from the runner.

import { fork, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Command } from './commands.mjs'
import { RUST_PROGRAMS } from './transports.mjs'

export type Language = 'ts' | 'rust'

/** What /proc counts in. */
export const TICK_MS = 10

const WORKER = fileURLToPath(new URL('./worker.mjs', import.meta.url))

interface Answer {
  value?: unknown
  error?: string
}

export class Process {
  readonly language: Language
  readonly #child: ChildProcess
  readonly #send: (command: Command) => void
  #answered: (answer: Answer) => void = () => {}

  /** `cores` pins it, as taskset takes them; `rust` is the program, for that language. */
  constructor(
    language: Language,
    { cores, rust = RUST_PROGRAMS.worker }: { cores?: string; rust?: string } = {},
  ) {
    this.language = language
    if (language === 'ts') {
      const pinned = { execPath: 'taskset', execArgv: ['-c', cores!, process.execPath] }
      this.#child = fork(WORKER, cores === undefined ? {} : pinned)
      this.#send = (command) => this.#child.send(command)
      this.#child.on('message', (answer: Answer) => this.#answered(answer))
    } else {
      const [program, ...args] = cores === undefined ? [rust] : ['taskset', '-c', cores, rust]
      this.#child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] })
      this.#send = (command) => this.#child.stdin!.write(`${JSON.stringify(command)}\n`)
      const lines = createInterface({ input: this.#child.stdout! })
      lines.on('line', (line) => this.#answered(JSON.parse(line) as Answer))
      this.#child.stdin!.on('error', () => {})
    }
    this.#child.on('error', (error) => this.#answered({ error: String(error) }))
    // What a program has written last may be read after it has ended.
    this.#child.on(language === 'ts' ? 'exit' : 'close', (code, signal) => {
      this.#answered({ error: `a process under measurement ended with ${code ?? signal}` })
    })
  }

  get pid(): number {
    return this.#child.pid!
  }

  async call<T>(command: Command): Promise<T> {
    if (this.#ended) throw new Error(`the process is gone that should do '${command.do}'`)
    const { value, error } = await new Promise<Answer>((done) => {
      this.#answered = done
      this.#send(command)
    })
    if (error !== undefined) throw new Error(`${command.do}: ${error}`)
    return value as T
  }

  /** Closes what it has opened, and sees it end. */
  async stop(): Promise<void> {
    await this.call({ do: 'stop' })
    if (!this.#ended) await once(this.#child, 'exit')
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }

  get #ended(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null
  }
}

/** Processor time a process has taken, of all threads it has. */
export function cpuMs(pid: number): number {
  const tasks = `/proc/${pid}/task`
  const spans = readdirSync(tasks).map((task) => {
    try {
      return Number(readFileSync(`${tasks}/${task}/schedstat`, 'utf8').split(' ')[0])
    } catch {
      return 0 // the thread has ended since
    }
  })
  return spans.reduce((sum, ns) => sum + ns, 0) / 1e6
}

/** What all processes have taken that were started here and have ended. */
export function endedCpuMs(): number {
  const fields = readFileSync('/proc/self/stat', 'utf8').split(') ')[1].split(' ')
  const ticks = Number(fields[13]) + Number(fields[14])
  return ticks * TICK_MS
}

export function residentBytes(pid: number): number {
  const [, kib] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))!
  return Number(kib) * 1024
}
