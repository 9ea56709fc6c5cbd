// Machines, each with a directory of its own for Ringpost, servers of NATS, and the programs that run
// there. All of them end together with the test file that has started them.

import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect as connectTo, createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { connect, type Client, type ClientOptions, type ClientStream } from 'ringpost'
import type { BridgeStats, Drop } from '../../src/index.mjs'
import type { Job } from '../programs/bridge.mjs'
import { Mirror } from './contracts.mjs'

/** What `ci/nats.mjs` has found. */
const NATS_SERVER = process.env.NATS_SERVER ?? 'nats-server'
/** Whether the tests run at length: see `ci/nats.mjs`. */
export const isLong = process.env.RINGPOST_LONG !== undefined
/** How long anything may take; generous, because the machine may be busy. */
const PATIENCE_MS = 60_000

export const scratch = mkdtempSync(join(tmpdir(), 'ringpost-nats-'))
const running = new Set<ChildProcess>()
process.once('SIGTERM', () => process.exit(1))
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
  rmSync(scratch, { recursive: true, force: true, maxRetries: 5 })
})

/** Waits until something is so, and returns it. */
export async function until<T>(what: string, find: () => T | Promise<T>): Promise<NonNullable<T>> {
  const end = Date.now() + PATIENCE_MS
  for (;;) {
    const found = await find()
    if (found) return found
    if (Date.now() > end) throw new Error(`in ${PATIENCE_MS} ms it was not so that ${what}`)
    await delay(20)
  }
}

function start(command: string, args: string[], options: object): ChildProcess {
  const child = spawn(command, args, options)
  running.add(child)
  child.once('exit', () => running.delete(child))
  child.unref()
  return child
}

async function stop(child: ChildProcess, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.ref()
  const exit = once(child, 'exit')
  child.kill(signal)
  await exit
}

/** A server of NATS, which may be killed and started again at the same place. */
export class Nats {
  readonly port: number
  readonly host: string
  readonly #prefix: readonly string[]
  readonly #config: string
  #child: ChildProcess | undefined

  private constructor(port: number, host: string, prefix: readonly string[], config: string) {
    this.port = port
    this.host = host
    this.#prefix = prefix
    this.#config = config
  }

  /** `prefix` is a command that runs it elsewhere. */
  static async start(config = '', host = '127.0.0.1', prefix: string[] = []): Promise<Nats> {
    const port = prefix.length > 0 ? 4222 : await freePort()
    const nats = new Nats(port, host, prefix, config)
    await nats.start()
    return nats
  }

  get url(): string {
    return `${this.host}:${this.port}`
  }

  async start(): Promise<void> {
    const path = join(scratch, `nats-${this.port}.conf`)
    const own = `listen: "${this.host}:${this.port}"\nserver_name: "n${this.port}"\n`
    writeFileSync(path, own + this.#config)
    const [command, ...args] = [...this.#prefix, NATS_SERVER, '-c', path]
    const child = start(command, args, { stdio: ['ignore', 'ignore', 'pipe'] })
    this.#child = child
    let log = ''
    child.stderr!.on('data', (text: Buffer) => (log += text.toString()))
    ;(child.stderr as unknown as { unref(): void }).unref()
    await until('the NATS server is ready', () => {
      if (child.exitCode !== null) throw new Error(log)
      return log.includes('Server is ready')
    })
  }

  async kill(): Promise<void> {
    await stop(this.#child!)
  }

  signal(signal: NodeJS.Signals): void {
    this.#child!.kill(signal)
  }
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  return port
}

/** Whether somebody listens there. */
export async function listens(port: number): Promise<boolean> {
  const socket = connectTo(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

/** A program of ours that reports with `process.send`. */
export class Program {
  readonly reports: any[] = []
  errors = ''
  readonly #child: ChildProcess

  constructor(name: string, argument: unknown, directory: string, prefix: readonly string[]) {
    const path = fileURLToPath(new URL(`../programs/${name}.mjs`, import.meta.url))
    const line = [...prefix, process.execPath, path, JSON.stringify(argument)]
    this.#child = start(line[0], line.slice(1), {
      env: { ...process.env, RINGPOST_DIR: directory },
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    })
    this.#child.stderr!.on('data', (text: Buffer) => (this.errors += text.toString()))
    ;(this.#child.stderr as unknown as { unref(): void }).unref()
    this.#child.on('message', (report) => this.reports.push(report))
    this.#child.channel!.unref()
  }

  /** The first report that is like this, taken out. */
  async report(is: (report: any) => boolean): Promise<any> {
    const at = await until('a report has come', () => {
      const at = this.reports.findIndex(is)
      if (at === -1 && this.#child.exitCode !== null) {
        throw new Error(`the program has ended: ${this.errors}`)
      }
      return at + 1
    })
    return this.reports.splice(at - 1, 1)[0]
  }

  send(message: object): void {
    this.#child.send(message)
  }

  kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    return stop(this.#child, signal)
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }
}

export class BridgeProgram extends Program {
  /** What it has reported as dropped, by reason. */
  get dropped(): Record<string, number> {
    const counts: Record<string, number> = {}
    for (const { drop } of this.reports as { drop?: Drop }[]) {
      if (drop) counts[drop.reason] = (counts[drop.reason] ?? 0) + drop.count
    }
    return counts
  }

  async stats(): Promise<BridgeStats> {
    this.send({})
    return (await this.report((report) => report.stats)).stats
  }
}

/** A machine: what runs on it meets in its directory, and nowhere else. */
export class Machine {
  readonly directory: string
  readonly #prefix: readonly string[]

  /** `prefix` is a command that runs its programs elsewhere. */
  constructor(name: string, prefix: readonly string[] = []) {
    this.directory = mkdtempSync(join(scratch, `${name}-`))
    this.#prefix = prefix
  }

  async server(): Promise<Program> {
    const program = new Program('server', null, this.directory, this.#prefix)
    await program.report((report) => report === 'ready')
    return program
  }

  /** A bridge that is open. */
  async bridge(job: Job): Promise<BridgeProgram> {
    const program = this.begin(job)
    const { failed } = await program.report((report) => report.ready ?? report.failed)
    if (failed) throw Object.assign(new Error(failed.message), failed)
    return program
  }

  begin(job: Job): BridgeProgram {
    return new BridgeProgram('bridge', job, this.directory, this.#prefix)
  }

  client(options?: ClientOptions): Promise<Client> {
    return connect('site', { directory: this.directory, ...options })
  }
}

/** A stream that is answered, of whose 12 items its reader has read none: the windows of the bridges
 * have room for all of them, that of the reader has not. */
export async function answered(
  client: Client,
  exporter: BridgeProgram,
): Promise<ClientStream<Uint8Array, Uint8Array, number>> {
  const stream = client.stream(Mirror, {}, { windowBytes: 4_096 })
  stream.result.catch(() => {})
  for (let at = 0; at < 12; at++) {
    if (!stream.write(Buffer.alloc(16_384, at))) await stream.ready()
  }
  stream.end()
  await until('it is answered', async () => (await exporter.stats()).calls === 0)
  return stream
}

/** A job with the options that all have here. */
export function job(
  make: Job['make'],
  what: string,
  nats: Nats | object,
  options: Record<string, unknown> = {},
): Job {
  const connection = nats instanceof Nats ? { servers: nats.url } : nats
  return { make, what, nats: connection, options: { prefix: 'test', ...options } }
}
