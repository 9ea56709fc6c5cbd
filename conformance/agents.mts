// Agents: processes of either language that do what rows tell them.

import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Answer, Commands, Failure, Order } from './wire.mjs'

export type Language = 'ts' | 'rust'

/** What a command has failed with. */
export class AgentError extends Error {
  readonly code: string | undefined
  readonly failure: Failure

  constructor(failure: Failure) {
    super(`${failure.code}: ${failure.message}`)
    this.code = failure.code
    this.failure = failure
  }
}

export interface How {
  directory: string
  /** Another user to run as. */
  uid?: number
  /** A command in front, which runs it. */
  prefix?: readonly string[]
}

interface Waiting {
  resolve(value: any): void
  reject(error: Error): void
}

const ROOT = new URL('../../', import.meta.url)
const TS_AGENT = fileURLToPath(new URL('./agent.mjs', import.meta.url))

/** The newest build of the agent in Rust. */
export function findRustAgent(given: string | undefined): string {
  if (given !== undefined) return given
  const target = process.env.CARGO_TARGET_DIR ?? fileURLToPath(new URL('target', ROOT))
  const builds = ['release', 'ci', 'debug'].map((profile) => `${target}/${profile}/test-peer`)
  const built = builds.filter((path) => existsSync(path))
  const [newest] = built.sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs)
  if (newest !== undefined) return newest
  const how = 'cargo build --profile ci --package test-peer'
  throw new Error(`the agent in Rust is not built: ${how}`)
}

export class Agent {
  /** What it has written to its standard error. */
  errors = ''
  isAlive = true
  /** Resolves to its exit code, or to the signal that ended it. */
  readonly ended: Promise<number | string>
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, Waiting>()
  #commands = 0

  constructor(
    readonly language: Language,
    rustAgent: string,
    { directory, uid, prefix = [] }: How,
  ) {
    const program = language === 'rust' ? [rustAgent] : [process.execPath, TS_AGENT]
    const [command, ...args] = [...prefix, ...program]
    const env = { ...process.env, RINGPOST_DIR: directory, RUST_BACKTRACE: '0' }
    this.#child = spawn(command, args, { env, uid, gid: uid, stdio: 'pipe' })
    this.#child.stdin!.on('error', () => {})
    this.#child.stderr!.on('data', (text: Buffer) => (this.errors += text.toString()))
    createInterface({ input: this.#child.stdout! }).on('line', (line) => this.#heard(line))
    this.ended = new Promise((resolve) => {
      this.#child.once('error', (error) => resolve(String(error)))
      this.#child.once('exit', (code, signal) => resolve(signal ?? code!))
    })
    void this.ended.then((how) => this.#over(how))
  }

  get pid(): number {
    return this.#child.pid!
  }

  do<K extends keyof Commands>(name: K, order: Order<K>): Promise<Answer<K>> {
    return this.begin(name, order).outcome
  }

  /** The same, with the number by which the command can be referred to. */
  begin<K extends keyof Commands>(name: K, order: Order<K>) {
    const number = ++this.#commands
    const outcome = new Promise<Answer<K>>((resolve, reject) => {
      if (!this.isAlive) return reject(new Error(`the ${this.language} agent has ended`))
      this.#waiting.set(number, { resolve, reject })
      this.#child.stdin!.write(JSON.stringify({ id: number, do: { [name]: order } }) + '\n')
    })
    // Rows that kill an agent need not look at what they had told it.
    outcome.catch(() => {})
    return { number, outcome }
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    this.#child.kill(signal)
    await this.ended
  }

  /** Halts it; its sockets and memory stay. */
  stop(): void {
    this.#child.kill('SIGSTOP')
  }

  /** Lets it go on. */
  goOn(): void {
    this.#child.kill('SIGCONT')
  }

  #heard(line: string): void {
    const { id, ok, error } = JSON.parse(line) as { id: number; ok?: unknown; error?: Failure }
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    if (error) waiting?.reject(new AgentError(error))
    else waiting?.resolve(ok)
  }

  #over(how: number | string): void {
    this.isAlive = false
    const error = new Error(`the ${this.language} agent has ended (${how}): ${this.errors}`)
    for (const waiting of this.#waiting.values()) waiting.reject(error)
    this.#waiting.clear()
  }
}
