// The Rust rows: the program crates/ipc-core/benches/pair.rs in its roles.

import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createInterface, type Interface } from 'node:readline'
import { scratch } from './scratch.mjs'
import type { Latency, Rate } from './worker.mjs'

/** One run of the program. */
class Role {
  readonly child: ChildProcess
  readonly #lines: AsyncIterator<string>

  constructor(program: string, args: (string | number)[], cores?: string) {
    const all = args.map(String)
    const [command, ...rest] =
      cores === undefined ? [program, ...all] : ['taskset', '-c', cores, program, ...all]
    this.child = spawn(command, rest, { stdio: ['pipe', 'pipe', 'inherit'] })
    const lines: Interface = createInterface({ input: this.child.stdout! })
    this.#lines = lines[Symbol.asyncIterator]()
  }

  async line(): Promise<string> {
    const { value, done } = await this.#lines.next()
    if (done) throw new Error('the Rust program ended early')
    return value
  }

  async ended(): Promise<void> {
    if (this.child.exitCode === null) await once(this.child, 'exit')
  }

  async figures<T>(): Promise<T> {
    return JSON.parse(await this.line()) as T
  }
}

/** A native echo server, and what can be measured against it. */
export class RustPair {
  readonly #program: string
  readonly #directory = scratch()
  readonly #server: Role

  private constructor(program: string) {
    this.#program = program
    this.#server = new Role(program, ['serve', this.#directory])
  }

  static async open(program: string): Promise<RustPair> {
    const pair = new RustPair(program)
    await pair.#server.line()
    return pair
  }

  latency(bytes: number, ms: number): Promise<Latency> {
    return this.#run<Latency>(['latency', this.#directory, bytes, ms])
  }

  bareLatency(bytes: number, ms: number): Promise<Latency> {
    return this.#run<Latency>(['bare-latency', bytes, ms])
  }

  oneWay(bytes: number, ms: number): Promise<Rate> {
    return this.#run<Rate>(['one-way', this.#directory, bytes, ms])
  }

  bareOneWay(bytes: number, ms: number): Promise<Rate> {
    return this.#run<Rate>(['bare-one-way', bytes, ms])
  }

  /** Resident bytes of the server, and of those the ones that are its own. */
  residentBytes(): number {
    return residentBytes(this.#server.child.pid!)
  }

  /**
   * Many connections from some processes: how long connecting took, how much shared memory was
   * touched, and the round trips on all connections in turn, while all stay open.
   */
  async crowd(processes: number, connectionsEach: number, requests: number) {
    const sharedBefore = sharedBytes()
    const start = performance.now()
    const roles = Array.from(
      { length: processes },
      () => new Role(this.#program, ['crowd', this.#directory, connectionsEach, requests]),
    )
    await Promise.all(roles.map((role) => role.line()))
    const connectMs = performance.now() - start
    await Promise.all(roles.map((role) => role.line()))
    const touchedBytes = sharedBytes() - sharedBefore
    const spans: number[] = []
    for (const role of roles) {
      role.child.stdin!.write('\n')
      spans.push(...(await role.figures<number[]>()))
    }
    await Promise.all(roles.map((role) => role.ended()))
    spans.sort((a, b) => a - b)
    return { connectMs, touchedBytes, p99: spans[Math.ceil(spans.length * 0.99) - 1] }
  }

  close(): void {
    this.#server.child.kill('SIGKILL')
  }

  async #run<T>(args: (string | number)[]): Promise<T> {
    const role = new Role(this.#program, args)
    const figures = await role.figures<T>()
    await role.ended()
    return figures
  }
}

/** Pages of all shared memory of the machine: what a memory file's blocks count, without needing
 * its descriptor, which nobody keeps. */
function sharedBytes(): number {
  const [, kib] = /^Shmem:\s+(\d+) kB$/m.exec(readFileSync('/proc/meminfo', 'utf8'))!
  return Number(kib) * 1024
}

export function residentBytes(pid: number): number {
  const [, kib] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))!
  return Number(kib) * 1024
}
