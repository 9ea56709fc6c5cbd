// Two processes, a server and a client. Either may be written in Rust.

import { execFileSync } from 'node:child_process'
import type { Settings } from './adapter.mjs'
import type { Bystander, Command, Description, OpenLoop, Rate, Soaked } from './commands.mjs'
import { cpuMs, Process, type Language } from './process.mjs'
import type { Languages, Latency } from './results.mjs'
import { RUST_PROGRAMS, transportOf } from './transports.mjs'

/** What a measurement cost both sides, and a broker if there is one. */
export interface Cost {
  clientCpuMs: number
  serverCpuMs: number
  othersCpuMs: number
  wallMs: number
}

/** Of both sides, and of a broker. */
export const processorMs = ({ clientCpuMs, serverCpuMs, othersCpuMs }: Cost): number =>
  clientCpuMs + serverCpuMs + othersCpuMs

/** How a pair is started. */
export interface PairOptions {
  settings: Settings
  /** @default 'ts-ts' */
  languages?: Languages
  /** Which cores each side may use, as taskset takes them. */
  cores?: { server?: string; client?: string }
  /** The Rust program, where it is that of another build. */
  worker?: string
}

type Options<Name extends Command['do']> = Omit<Command & { do: Name }, 'do'>

let addresses = 0

/** Starts only the server, under an address of the caller's. */
export async function serve(
  name: string,
  address: string,
  settings: Settings,
  language: Language = 'ts',
): Promise<Process> {
  const transport = transportOf(name)
  const server = new Process(language, {
    rust: transport.rust === null ? undefined : RUST_PROGRAMS[transport.rust],
  })
  try {
    await server.call({
      do: 'serve',
      adapter: language === 'ts' ? String(transport.adapter) : transport.rustAdapter,
      address,
      settings: { ...transport.settings, ...settings },
    })
  } catch (error) {
    server.kill()
    throw error
  }
  return server
}

export class Pair {
  readonly #server: Process
  readonly #client: Process
  /** What the transport says of itself. */
  description: Description = { version: '', others: [] }

  private constructor(client: Process, server: Process) {
    this.#client = client
    this.#server = server
  }

  /** Two processes that talk by the transport of that name. */
  static async open(name: string, options: PairOptions): Promise<Pair> {
    const { languages = 'ts-ts', cores = {}, worker } = options
    const transport = transportOf(name)
    const [asks, serves] = languages.split('-') as [Language, Language]
    const rust = worker ?? (transport.rust === null ? undefined : RUST_PROGRAMS[transport.rust])
    const pair = new Pair(
      new Process(asks, { cores: cores.client, rust }),
      new Process(serves, { cores: cores.server, rust }),
    )
    const settings = { ...transport.settings, ...options.settings }
    const adapter = { ts: String(transport.adapter), rust: transport.rustAdapter }
    const address = `bench-${process.pid}-${++addresses}`
    try {
      const serving = { do: 'serve', adapter: adapter[serves], address, settings } as const
      const asking = { do: 'connect', adapter: adapter[asks], address, settings } as const
      await pair.#server.call(serving)
      pair.description = await pair.#client.call(asking)
      const { servedBy } = pair.description
      // Started by the client, it has inherited the client's cores.
      if (servedBy !== undefined && cores.server !== undefined && servedBy !== pair.#client.pid) {
        execFileSync('taskset', ['-a', '-c', '-p', cores.server, String(servedBy)])
      }
    } catch (error) {
      pair.kill()
      throw error
    }
    return pair
  }

  latency(options: Options<'latency'>): Promise<Latency & Cost> {
    return this.#measured<Latency>({ do: 'latency', ...options })
  }

  openLoop(options: Options<'open-loop'>): Promise<OpenLoop & Cost> {
    return this.#measured<OpenLoop>({ do: 'open-loop', ...options })
  }

  pipelined(options: Options<'pipelined'>): Promise<Rate & Cost> {
    return this.#measured<Rate>({ do: 'pipelined', ...options })
  }

  /** Fails if the other side has not read exactly what was sent. */
  async oneWay(options: Options<'one-way'>): Promise<Rate & Cost> {
    return this.#counted(await this.#measured<Rate>({ do: 'one-way', ...options }))
  }

  /** Fails likewise. */
  async items(options: Options<'items'>): Promise<Rate & Cost> {
    return this.#counted(await this.#measured<Rate>({ do: 'items', ...options }))
  }

  /** Fails likewise. */
  async burst(options: Options<'burst'>): Promise<Rate & Cost> {
    return this.#counted(await this.#measured<Rate>({ do: 'burst', ...options }))
  }

  stream(options: Options<'stream'>): Promise<Rate & Cost> {
    return this.#measured<Rate>({ do: 'stream', ...options })
  }

  memcpy(options: Options<'memcpy'>): Promise<Rate & Cost> {
    return this.#measured<Rate>({ do: 'memcpy', ...options })
  }

  reconnect(times: number): Promise<Latency & Cost> {
    return this.#measured<Latency>({ do: 'reconnect', times })
  }

  /** Opens connections, which stay open like the first. */
  async connectUpTo(connections: number): Promise<void> {
    await this.#client.call({ do: 'connect-up-to', connections })
  }

  askEach(options: Options<'ask-each'>): Promise<Latency & Cost> {
    return this.#measured<Latency>({ do: 'ask-each', ...options })
  }

  async soak(options: Options<'soak'>): Promise<Soaked & Cost> {
    return this.#measured<Soaked>({ do: 'soak', ...options })
  }

  /** How late the event loops have been since the last time, in nanoseconds. */
  async loopDelays(): Promise<{ client: number; server: number | null }> {
    const client = await this.#client.call<number>({ do: 'loop-delay' })
    const hasLoop = this.#server.language === 'ts'
    const server = hasLoop ? await this.#server.call<number>({ do: 'loop-delay' }) : null
    return { client, server }
  }

  bystander(options: Options<'bystander'>): Promise<Bystander & Cost> {
    return this.#measured<Bystander>({ do: 'bystander', ...options })
  }

  /** What it costs to be connected and to do nothing. */
  idle(ms: number): Promise<Cost> {
    return this.#measured<object>({ do: 'idle', ms })
  }

  async close(): Promise<void> {
    await this.#client.stop()
    await this.#server.stop()
  }

  /** Keeps both processes from running: one that never rests would be in the way of others. */
  pause(): void {
    for (const pid of this.pids) process.kill(pid, 'SIGSTOP')
  }

  resume(): void {
    for (const pid of this.pids) process.kill(pid, 'SIGCONT')
  }

  kill(): void {
    this.#client.kill()
    this.#server.kill()
  }

  /** The side that asks first. */
  get pids(): number[] {
    const { servedBy } = this.description
    return [this.#client.pid, servedBy ?? this.#server.pid]
  }

  async #counted<T extends Rate>(sent: T): Promise<T> {
    const { servedBy } = this.description
    const side = servedBy === undefined ? this.#server : this.#client
    const received = await side.call<{ count: number }>({ do: 'received' })
    if (received.count !== sent.count) {
      throw new Error(`${sent.count} messages were sent and ${received.count} received`)
    }
    return sent
  }

  async #measured<T>(command: Command): Promise<T & Cost> {
    const [client, server] = this.pids
    // A thread of the client's own is counted there already.
    const cpu = () => ({
      client: cpuMs(client),
      server: server === client ? 0 : cpuMs(server),
      others: this.description.others.reduce((sum, pid) => sum + cpuMs(pid), 0),
    })
    const before = cpu()
    const start = performance.now()
    const result = await this.#client.call<T>(command)
    const wallMs = performance.now() - start
    const after = cpu()
    return {
      ...result,
      clientCpuMs: after.client - before.client,
      serverCpuMs: after.server - before.server,
      othersCpuMs: after.others - before.others,
      wallMs,
    }
  }
}
