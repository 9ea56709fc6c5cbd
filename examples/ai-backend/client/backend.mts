// The backend as a window of the editor has it: started if there is none, connected again after it
// was killed or upgraded.

import { EventEmitter } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import { connect, type Client, type ClientOptions, type ClientState } from 'ringpost'
import type { ClientStream, RequestOptions, StreamCallOptions } from 'ringpost'
import { AskUsage, Chat, Complete, Embed, Greet, NAME, PROTOCOL } from '../contract.mjs'
import type { Finished, Prompt, Token, Usage, Welcome } from '../contract.mjs'
import { keepStarting, start, type Program } from './program.mjs'
import { serveTools, type Tools } from './tools.mjs'

export interface BackendOptions extends Omit<Program, 'name'> {
  /** @default NAME */
  readonly name?: string
  /** The editor's name and version. */
  readonly client: string
  readonly tools: Tools
}

interface BackendEvents {
  /** The state is another, or `welcome` is. */
  change: []
  /** Something is wrong that a person should know of. It is tried again, unless the state is
   * `closed`. */
  problem: [error: Error]
}

/** How long a backend may take to start. */
const START_MS = 30_000

export class Backend extends EventEmitter<BackendEvents> {
  readonly #client: Client
  readonly #editor: string
  #program: Program
  #welcome!: Welcome
  /** Aborted when there is a session again, or will be none any more. */
  #isBack = new AbortController()

  /** Connects to the backend, after starting it if there is none. */
  static async open(options: BackendOptions): Promise<Backend> {
    const { client: editor, tools, name = NAME, ...more } = options
    const program = { ...more, name }
    const client = await connectOrStart(program, {
      handlers: (client) => serveTools(client, tools),
    })
    const backend = new Backend(client, editor, program)
    try {
      await backend.#greet()
    } catch (error) {
      await client.close()
      throw error
    }
    return backend
  }

  private constructor(client: Client, editor: string, program: Program) {
    super()
    this.#client = client
    this.#editor = editor
    this.#program = program
    client.on('disconnect', () => {
      this.#isBack = new AbortController()
      const { signal } = this.#isBack
      void keepStarting(this.#program, signal, (problem) => this.emit('problem', problem))
      this.emit('change')
    })
    client.on('reconnect', () => {
      this.#isBack.abort()
      this.emit('change')
      this.#greet().catch((error: Error) => this.#refused(error))
    })
    client.on('unresponsive', () => this.emit('change'))
    client.on('responsive', () => this.emit('change'))
    client.on('close', () => {
      this.#isBack.abort()
      this.emit('change')
    })
  }

  /** How the connection stands. What is asked for while it is `reconnecting` waits. */
  get state(): ClientState {
    return this.#client.state
  }

  /** Whether the backend does not read what it is sent: it was stopped, or hangs. */
  get isUnresponsive(): boolean {
    return this.#client.isUnresponsive
  }

  /** What the backend has said of itself last. */
  get welcome(): Welcome {
    return this.#welcome
  }

  /** Milliseconds to the backend and back. */
  ping(timeoutMs = 1_000): Promise<number> {
    return this.#client.ping({ timeoutMs })
  }

  /** An answer, token by token. Leaving the loop over it cancels it. */
  chat(prompt: Prompt, options?: StreamCallOptions): ClientStream<Token, never, Finished> {
    return this.#client.stream(Chat, prompt, options)
  }

  async complete(
    place: { path: string; prefix: string; suffix: string },
    options?: RequestOptions,
  ): Promise<string> {
    return (await this.#client.request(Complete, place, options)).text
  }

  /** Resolves to a vector for each of the files. */
  async embed(
    files: readonly { path: string; text: string }[],
    options?: RequestOptions,
  ): Promise<Float32Array[]> {
    const { dimensions, vectors } = await this.#client.request(Embed, { files }, options)
    // Numbers have to lie at a multiple of their size.
    const values = new Float32Array(new Uint8Array(vectors).buffer)
    return files.map((_, at) => values.subarray(at * dimensions, (at + 1) * dimensions))
  }

  usage(options?: RequestOptions): Promise<Usage> {
    return this.#client.request(AskUsage, undefined, options)
  }

  /** Puts another program in the place of the backend, for all windows, and loses no request.
   * Resolves to what it says of itself. If it cannot, the backend stays as it is. */
  async upgrade(path: string, args: readonly string[] = []): Promise<Welcome> {
    const { pid } = this.#welcome
    const program = { ...this.#program, path, args }
    const looking = new AbortController()
    const arrived = new Promise<Welcome>((resolve, reject) => {
      const look = () => {
        if (this.state === 'closed') reject(new Error('the backend is closed'))
        else if (this.#welcome.pid !== pid) resolve(this.#welcome)
      }
      this.on('change', look)
      looking.signal.addEventListener('abort', () => this.off('change', look))
    })
    const late = setTimeout(START_MS, null, { ref: false }).then(() => {
      throw new Error(`the backend ${path} has not taken over within ${START_MS / 1e3} s`)
    })
    const failed = start(program, '--takeover').then((problem) => {
      if (problem !== null) throw problem
      // Another one has taken over from it at once, and is about to come.
      return late
    })
    try {
      const welcome = await Promise.race([arrived, failed, late])
      this.#program = program
      return welcome
    } finally {
      looking.abort()
    }
  }

  /** Which program is started from here on, when the backend was lost. */
  use(path: string, args: readonly string[] = []): void {
    this.#program = { ...this.#program, path, args }
  }

  /** Ends the connection. The backend stays: other windows use it. */
  close(): Promise<void> {
    return this.#client.close()
  }

  async #greet(): Promise<void> {
    const hello = { client: this.#editor, protocol: PROTOCOL }
    this.#welcome = await this.#client.request(Greet, hello)
    this.emit('change')
  }

  /** Each session is with a backend that may be another. */
  #refused(error: Error): void {
    if (this.state === 'closed') return
    this.emit('problem', error)
    // It will not be understood later either.
    if ((error as { code?: string }).code === 'ERR_PROTOCOL') void this.close()
  }
}

async function connectOrStart(program: Program, options: ClientOptions): Promise<Client> {
  const { name, directory } = program
  try {
    return await connect(name, { ...options, directory })
  } catch (error) {
    if ((error as { code?: string }).code !== 'ERR_NO_SERVER') throw error
  }
  const [isThere, failed] = [new AbortController(), new AbortController()]
  void keepStarting(program, isThere.signal, (problem) => failed.abort(problem))
  try {
    const waiting = { connectTimeoutMs: START_MS, signal: failed.signal }
    return await connect(name, { ...options, directory, ...waiting })
  } finally {
    isThere.abort()
  }
}
