// Two processes that talk: one serves, one asks.

import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Settings } from './adapter.mjs'
import type { Bystander, Command, Latency, Rate, Usage } from './worker.mjs'

const WORKER = fileURLToPath(new URL('./worker.mjs', import.meta.url))

class Process {
  readonly #child: ChildProcess

  /** `cores` pins it, as taskset takes them. */
  constructor(cores: string | undefined) {
    const options = { serialization: 'json' as const }
    this.#child =
      cores === undefined
        ? fork(WORKER, options)
        : fork(WORKER, { ...options, execPath: 'taskset', execArgv: ['-c', cores, process.execPath] })
  }

  get pid(): number {
    return this.#child.pid!
  }

  async call<T>(command: Command): Promise<T> {
    this.#child.send(command)
    const waiting = new AbortController()
    const { signal } = waiting
    try {
      const [answer] = (await Promise.race([
        once(this.#child, 'message', { signal }),
        once(this.#child, 'exit', { signal }).then(([code, killed]) => [
          { error: `the worker ended (${code ?? killed}) during '${command.do}'` },
        ]),
      ])) as [{ value?: T; error?: string }]
      if (answer.error !== undefined) throw new Error(answer.error)
      return answer.value as T
    } finally {
      waiting.abort()
    }
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }
}

/** What both sides together took. */
export interface Cost {
  clientCpuMs: number
  serverCpuMs: number
  wallMs: number
}

let addresses = 0

export class Pair {
  readonly #server: Process
  readonly #client: Process
  /** What the transport says of itself. */
  description: Record<string, unknown> = {}

  private constructor(cores: { server?: string; client?: string }) {
    this.#server = new Process(cores.server)
    this.#client = new Process(cores.client)
  }

  static async open(
    adapter: string,
    settings: Settings,
    cores: { server?: string; client?: string } = {},
  ): Promise<Pair> {
    const pair = new Pair(cores)
    const address = `bench-${process.pid}-${++addresses}`
    try {
      await pair.#server.call({ do: 'serve', adapter, address, settings })
      pair.description = await pair.#client.call({ do: 'connect', adapter, address, settings })
    } catch (error) {
      pair.kill()
      throw error
    }
    return pair
  }

  /** Only a server, under a name of the caller's. */
  static async serve(
    adapter: string,
    address: string,
    settings: Settings,
  ): Promise<{ kill(): void }> {
    const server = new Process(undefined)
    await server.call({ do: 'serve', adapter, address, settings })
    return server
  }

  get pids(): { server: number; client: number } {
    return { server: this.#server.pid, client: this.#client.pid }
  }

  latency(options: Omit<Command & { do: 'latency' }, 'do'>): Promise<Latency & Cost> {
    return this.#measured(() => this.#client.call<Latency>({ do: 'latency', ...options }))
  }

  pipelined(options: Omit<Command & { do: 'pipelined' }, 'do'>): Promise<Rate & Cost> {
    return this.#measured(() => this.#client.call<Rate>({ do: 'pipelined', ...options }))
  }

  /** Fails if the other side has not read exactly what was sent. */
  async oneWay(options: Omit<Command & { do: 'one-way' }, 'do'>): Promise<Rate & Cost> {
    const sent = await this.#measured(() =>
      this.#client.call<Rate>({ do: 'one-way', ...options }),
    )
    const received = await this.#server.call<{ count: number }>({ do: 'received' })
    if (received.count !== sent.count) {
      throw new Error(`${sent.count} messages were sent and ${received.count} received`)
    }
    return sent
  }

  bystander(options: Omit<Command & { do: 'bystander' }, 'do'>): Promise<Bystander> {
    return this.#client.call({ do: 'bystander', ...options })
  }

  /** What it costs to be connected and to do nothing. */
  idle(ms: number): Promise<Cost> {
    return this.#measured(() => this.#client.call<object>({ do: 'idle', ms }))
  }

  async usage(): Promise<{ server: Usage; client: Usage }> {
    const [server, client] = await Promise.all(
      [this.#server, this.#client].map((side) => side.call<Usage>({ do: 'usage' })),
    )
    return { server, client }
  }

  async close(): Promise<void> {
    await this.#client.call({ do: 'stop' })
    await this.#server.call({ do: 'stop' })
  }

  /** Keeps both processes from running: one that never rests would be in the way of others. */
  pause(): void {
    for (const pid of Object.values(this.pids)) process.kill(pid, 'SIGSTOP')
  }

  resume(): void {
    for (const pid of Object.values(this.pids)) process.kill(pid, 'SIGCONT')
  }

  kill(): void {
    this.#client.kill()
    this.#server.kill()
  }

  async #measured<T>(work: () => Promise<T>): Promise<T & Cost> {
    const before = await this.usage()
    const start = performance.now()
    const result = await work()
    const wallMs = performance.now() - start
    const after = await this.usage()
    return {
      ...result,
      clientCpuMs: after.client.cpuMs - before.client.cpuMs,
      serverCpuMs: after.server.cpuMs - before.server.cpuMs,
      wallMs,
    }
  }
}
