// Programs that run as processes of their own. They end when the test file that started them does.

import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import type { Readable } from 'node:stream'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { ExecutionContext } from 'ava'
import {
  connect,
  type Client,
  type ClientOptions,
  type ServerOptions,
  type WaitingOptions,
} from 'ringpost'
import './directory.mjs'

export interface Settings {
  name: string
  server?: ServerOptions
  waiting?: WaitingOptions
}

export class Program {
  /** What it has written to its standard error. */
  errors = ''
  readonly #ended: Promise<number | string>
  readonly #child: ChildProcess
  readonly #messages: unknown[] = []

  constructor(program: string, argument: unknown, execArgv: string[] = []) {
    const path = fileURLToPath(new URL(`../programs/${program}.mjs`, import.meta.url))
    this.#child = fork(path, [JSON.stringify(argument)], {
      execArgv,
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    })
    const stderr = this.#child.stderr as Readable & { unref(): void }
    stderr.on('data', (text: Buffer) => (this.errors += text.toString()))
    this.#child.on('message', (message) => this.#messages.push(message))
    this.#ended = once(this.#child, 'exit').then(([code, signal]) => signal ?? code)
    stderr.unref()
    this.#child.unref()
    this.#child.channel!.unref()
  }

  get pid(): number {
    return this.#child.pid!
  }

  /** What it reports next. */
  async report<T>(): Promise<T> {
    const waiting = new AbortController()
    const { signal } = waiting
    const arrived = once(this.#child, 'message', { signal }).catch(() => {})
    const ended = this.#ended.then((how) => `it ended (${how}) and said: ${this.errors}`)
    const late = setTimeout(20_000, `it was silent, and said: ${this.errors}`, { signal })
    late.catch(() => {})
    try {
      while (this.#messages.length === 0) {
        const trouble = await Promise.race([arrived.then(() => undefined), ended, late])
        if (this.#messages.length === 0 && trouble !== undefined) throw new Error(trouble)
      }
      return this.#messages.shift() as T
    } finally {
      waiting.abort()
    }
  }

  /** Says something to it. */
  send(message: string): void {
    this.#child.send(message)
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    this.#child.kill(signal)
    await this.end()
  }

  /** Waits for its end, and resolves to its exit code or the signal that ended it. */
  end(): Promise<number | string> {
    this.#child.ref()
    return this.#ended
  }

  /** Halts it; its sockets and memory stay. */
  stop(): void {
    this.#child.kill('SIGSTOP')
  }

  /** Lets it go on. */
  goOn(): void {
    this.#child.kill('SIGCONT')
  }
}

export interface Serving extends Program {
  readonly name: string
  /** Connects to it, and closes when the test is over. */
  connect(t: ExecutionContext, options?: ClientOptions): Promise<Client>
}

let names = 0

/** Starts a server that has all contracts. */
export async function serve(settings: Partial<Settings> = {}): Promise<Serving> {
  const name = settings.name ?? `server-${++names}`
  const program = new Program('server', { ...settings, name })
  await program.report()
  return Object.assign(program, {
    name,
    async connect(t: ExecutionContext, options?: ClientOptions) {
      const client = await connect(name, options)
      t.teardown(() => client.close())
      return client
    },
  })
}

/** A server and a connection to it, for tests that are rough with them. */
export async function pair(
  t: ExecutionContext,
  settings: Partial<Settings> & { client?: ClientOptions } = {},
): Promise<{ server: Serving; client: Client }> {
  const server = await serve(settings)
  t.teardown(() => server.kill())
  const client = await server.connect(t, settings.client)
  return { server, client }
}

/** Waits until it is so; fails if it never is. */
export async function until(what: string, isSo: () => unknown): Promise<void> {
  const end = Date.now() + 10_000
  while (!(await isSo())) {
    if (Date.now() > end) throw new Error(`it never came to be that ${what}`)
    await setTimeout(5)
  }
}
