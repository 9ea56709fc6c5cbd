// Programs run as child processes. They end together with the test file that started them.

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
  type EndpointOptions,
  type ServerOptions,
  type WaitingOptions,
} from 'ringpost'
import './directory.mjs'

export interface Settings {
  name: string
  server?: ServerOptions
  waiting?: WaitingOptions
}

/** How long a condition may take to become true; generous, because the machine may be busy. */
const CONDITION_MS = 60_000
/** How long what a program wrote last may be on its way. */
const LAST_WORDS_MS = 1_000
/** Waits for a suspended or busy peer however long it takes; dropping has its own tests. */
const WAIT_ALWAYS = { waitMs: 1e9 }

function withoutDropping<O extends EndpointOptions>(options: O | undefined): O {
  const lanes = { critical: WAIT_ALWAYS, high: WAIT_ALWAYS, normal: WAIT_ALWAYS }
  return { ...options, overflow: { ...lanes, ...options?.overflow } } as O
}

export class Program {
  /** Everything it has written to standard error. */
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
    const written = once(stderr, 'close')
    this.#ended = once(this.#child, 'exit').then(async ([code, signal]) => {
      // What it wrote last may come after its end; programs of its own may go on writing.
      await Promise.race([written, setTimeout(LAST_WORDS_MS)])
      return signal ?? code
    })
    stderr.unref()
    this.#child.unref()
    this.#child.channel!.unref()
  }

  get pid(): number {
    return this.#child.pid!
  }

  /** The next message it sends with `process.send`. */
  async report<T>(): Promise<T> {
    const waiting = new AbortController()
    const { signal } = waiting
    const arrived = once(this.#child, 'message', { signal }).catch(() => {})
    const ended = this.#ended.then(async (how) => {
      // What it has sent before its end may come after that.
      if (this.#child.connected) await once(this.#child, 'disconnect')
      return `the program ended (${how}): ${this.errors}`
    })
    const silent = `the program reported nothing: ${this.errors}`
    const late = setTimeout(CONDITION_MS, silent, { signal })
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

  /** Sends it a message. */
  send(message: string): void {
    this.#child.send(message)
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    this.#child.kill(signal)
    await this.end()
  }

  /** Waits until it has exited; resolves to its exit code or the signal that ended it. */
  end(): Promise<number | string> {
    this.#child.ref()
    return this.#ended
  }

  /** Suspends the process; its sockets and memory stay. */
  stop(): void {
    this.#child.kill('SIGSTOP')
  }

  /** Resumes a suspended process. */
  resume(): void {
    this.#child.kill('SIGCONT')
  }
}

export interface Serving extends Program {
  readonly name: string
  /** Connects to it, and closes when the test has ended. */
  connect(t: ExecutionContext, options?: ClientOptions): Promise<Client>
}

let names = 0

/** Starts a server that handles all contracts. */
export async function serve(settings: Partial<Settings> = {}): Promise<Serving> {
  const name = settings.name ?? `server-${++names}`
  const options = withoutDropping(settings.server)
  const program = new Program('server', { ...settings, server: options, name })
  await program.report()
  return Object.assign(program, {
    name,
    async connect(t: ExecutionContext, options?: ClientOptions) {
      // A test that is about one session ends with it, and others say that they are not.
      const client = await connect(name, withoutDropping({ reconnect: false, ...options }))
      t.teardown(() => client.close())
      return client
    },
  })
}

/** Starts a server for this test only, and connects to it. */
export async function pair(
  t: ExecutionContext,
  settings: Partial<Settings> & { client?: ClientOptions } = {},
): Promise<{ server: Serving; client: Client }> {
  const server = await serve(settings)
  t.teardown(() => server.kill())
  const client = await server.connect(t, settings.client)
  return { server, client }
}

/** Polls until the condition holds; fails if it does not in time. */
export async function until(what: string, isSo: () => unknown): Promise<void> {
  const end = Date.now() + CONDITION_MS
  while (!(await isSo())) {
    if (Date.now() > end) throw new Error(`timed out waiting until ${what}`)
    await setTimeout(5)
  }
}
