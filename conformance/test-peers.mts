// Test peers: processes written in TypeScript or Rust that execute the commands of the rows.

import { spawn } from 'node:child_process'
import { existsSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { Attacker } from './attackers.mjs'
import type { Answer, Commands, Failure, Order } from './wire.mjs'

export type Language = 'ts' | 'rust'

/** The failure a command reported. */
export class CommandError extends Error {
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
  /** User to run as, instead of the current one. */
  uid?: number
  /** A command placed in front, which executes the rest. */
  prefix?: readonly string[]
  /** Variables beside those of this process. */
  env?: NodeJS.ProcessEnv
}

/** As much of a `ChildProcess` as is needed of it. */
interface Running {
  readonly pid?: number
  readonly stdin: Writable
  readonly stdout: Readable
  readonly stderr: Readable
  kill(signal: NodeJS.Signals): boolean
  once(event: 'error', listener: (error: Error) => void): unknown
  once(event: 'exit', listener: (code: number | null, signal: string | null) => void): unknown
}

interface Waiting {
  resolve(value: any): void
  reject(error: Error): void
}

const ROOT = new URL('../../', import.meta.url)
const TS_TEST_PEER = fileURLToPath(new URL('./test-peer.mjs', import.meta.url))

/** The most recent build of the Rust test peer, which runs on Linux only. */
export function findRustTestPeer(given: string | undefined): string | undefined {
  if (process.platform !== 'linux') return undefined
  if (given !== undefined) return given
  const target = process.env.CARGO_TARGET_DIR ?? fileURLToPath(new URL('target', ROOT))
  const builds = ['release', 'ci', 'debug'].map((profile) => `${target}/${profile}/test-peer`)
  const built = builds.filter((path) => existsSync(path))
  const [newest] = built.sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs)
  if (newest !== undefined) return newest
  const how = 'cargo build --profile ci -p test-peer'
  throw new Error(`the Rust test peer is not built: ${how}`)
}

let testPeers = 0

export class TestPeer {
  /** Everything it has written to standard error. */
  errors = ''
  isAlive = true
  /** Resolves to the exit code, or to the signal that ended the process. */
  readonly ended: Promise<number | string>
  readonly #child: Running
  readonly #waiting = new Map<number, Waiting>()
  readonly #suspended: string
  #commands = 0

  constructor(
    readonly language: Language,
    rustTestPeer: string | undefined,
    { directory, uid, prefix = [], env: more }: How,
  ) {
    const program = language === 'rust' ? [rustTestPeer!] : [process.execPath, TS_TEST_PEER]
    const [command, ...args] = [...prefix, ...program]
    this.#suspended = join(directory, `suspended-${++testPeers}`)
    const env = { ...process.env, RINGPOST_DIR: directory, RUST_BACKTRACE: '0', ...more }
    const isElsewhere = language === 'rust' && rustTestPeer === undefined
    this.#child = isElsewhere
      ? new Attacker()
      : spawn(command, args, { env, uid, gid: uid, stdio: 'pipe' })
    this.#child.stdin.on('error', () => {})
    this.#child.stderr.on('data', (text: Buffer) => (this.errors += text.toString()))
    createInterface({ input: this.#child.stdout }).on('line', (line) => this.#received(line))
    this.ended = new Promise((resolve) => {
      this.#child.once('error', (error) => resolve(String(error)))
      this.#child.once('exit', (code, signal) => resolve(signal ?? code!))
    })
    void this.ended.then((how) => this.#exited(how))
  }

  get pid(): number {
    return this.#child.pid!
  }

  do<K extends keyof Commands>(name: K, order: Order<K>): Promise<Answer<K>> {
    return this.begin(name, order).outcome
  }

  /** Like `do`, and also returns the number other commands refer to this one by. */
  begin<K extends keyof Commands>(name: K, order: Order<K>) {
    const number = ++this.#commands
    const outcome = new Promise<Answer<K>>((resolve, reject) => {
      if (!this.isAlive) return reject(new Error(`the ${this.language} test peer has exited`))
      this.#waiting.set(number, { resolve, reject })
      this.#child.stdin.write(JSON.stringify({ id: number, do: { [name]: order } }) + '\n')
    })
    // A row that kills a test peer need not handle the commands that fail with it.
    outcome.catch(() => {})
    return { number, outcome }
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    this.#child.kill(signal)
    await this.ended
  }

  /** Suspends the process; its sockets and memory stay. Without a signal for it, the process stops
   * the thread that does everything, which is the same to its peers. */
  async stop(): Promise<void> {
    if (process.platform !== 'win32') {
      this.#child.kill('SIGSTOP')
      return
    }
    writeFileSync(this.#suspended, '')
    await this.do('suspend', { file: this.#suspended })
  }

  /** Resumes a suspended process. */
  resume(): void {
    if (process.platform !== 'win32') this.#child.kill('SIGCONT')
    else rmSync(this.#suspended, { force: true })
  }

  #received(line: string): void {
    const { id, ok, error } = JSON.parse(line) as { id: number; ok?: unknown; error?: Failure }
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    if (error) waiting?.reject(new CommandError(error))
    else waiting?.resolve(ok)
  }

  #exited(how: number | string): void {
    this.isAlive = false
    const error = new Error(`the ${this.language} test peer has exited (${how}): ${this.errors}`)
    for (const waiting of this.#waiting.values()) waiting.reject(error)
    this.#waiting.clear()
  }
}
