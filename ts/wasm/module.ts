// The core as a module in WebAssembly: one instance is the engine of one thread.

import { randomFillSync } from 'node:crypto'
import { hrtime } from 'node:process'
import type * as wasm from '../../native/wasm.js'
import { encodeApart } from '../values/msgpack.js'
import { decode } from '../values/unpack.js'
import { codeOf, described } from './fault.js'
import { Buffers } from './memory.js'
import { ownUser } from './platform.js'

const NOT_BUILT = 'the core in WebAssembly is not built: node ci/wasm.mjs'

export const built = load()

/** Types of Node.js leave this to those of browsers. */
declare const WebAssembly: {
  Module: new (bytes: Uint8Array) => object
  Instance: new (module: object, imports: object) => { exports: object }
}

/** The functions of the module. Addresses may come as negative numbers. */
export interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer }
  allocate(length: number): number
  release(address: number, length: number): void
  call(address: number, length: number): number
  outbox_pointer(): number
  state_pointer(): number
  runs_pointer(): number
  standing_pointer(): number
  standing_changed(): number
  submit(): number
  submit_outside(address: number, length: number): number
  settle(): void
  look_abandoned(): void
  wake_at(ms: number): void
  flush_at_exit(): void
  turn(): void
  due(): number
  is_ready(): number
  connected(socket: number): void
  connect_failed(socket: number, why: number): void
  received(socket: number, address: number, length: number): void
  ended(socket: number): void
  drained(socket: number): void
  accepted(listener: number, socket: number): void
}

/** What the engine does for the module. */
export interface Host {
  connect(socket: number, address: string): void
  /** Returns how many bytes were taken: all, or 0 for later, or -1 if the socket is gone. */
  send(socket: number, bytes: Uint8Array): number
  close(socket: number): void
  shutDown(socket: number): void
  /** Hands over runs. Returns 0, 1 if an error was thrown, 2 if JavaScript has ended. */
  enter(runs: number, extras: number[]): number
  uncaught(error: unknown): void
}

/** One instance, and calls of it. */
export class Module {
  readonly exports: Exports
  readonly buffers = new Buffers()
  /** What takes part in connections; there is none where only numbers are computed. */
  host: Host | undefined
  #seen: Uint8Array

  constructor() {
    compiled ??= new WebAssembly.Module(built.bytes())
    const instance = new WebAssembly.Instance(compiled, { host: this.#imports() })
    this.exports = instance.exports as unknown as Exports
    this.#seen = new Uint8Array(this.exports.memory.buffer)
    this.call('open', { expectingUs: 0, recentUs: 0, byThread: false })
  }

  /** Its memory, which is another when it has grown. */
  get seen(): Uint8Array {
    if (this.#seen.length === 0) this.#seen = new Uint8Array(this.exports.memory.buffer)
    return this.#seen
  }

  /** Calls a method of the module. */
  call(method: string, ...args: unknown[]): unknown {
    const request = encodeApart([method, ...args], Infinity)
    const address = this.put(request)
    let answer
    try {
      answer = this.exports.call(address, request.length) >>> 0
    } finally {
      this.exports.release(address, request.length)
    }
    return this.#take(answer)
  }

  /** Throws the error that a function has returned, if it is one. */
  check(answer: number): void {
    if (answer !== 0) this.#take(answer >>> 0)
  }

  /** Copies bytes into memory of the module's. */
  put(bytes: Uint8Array): number {
    const address = this.exports.allocate(bytes.length) >>> 0
    this.seen.set(bytes, address)
    return address
  }

  #take(address: number): unknown {
    const length = new DataView(this.seen.buffer).getUint32(address, true)
    const bytes = this.seen.slice(address + 4, address + 4 + length)
    this.exports.release(address, 4 + length)
    const [isDone, value] = decode(bytes) as [boolean, unknown]
    if (isDone) return value
    throw described(value as string)
  }

  #text(address: number, length: number): string {
    return Buffer.from(this.#part(address, length)).toString('utf8')
  }

  #part(address: number, length: number): Uint8Array {
    const start = address >>> 0
    return this.seen.subarray(start, start + (length >>> 0))
  }

  #imports() {
    const { buffers } = this
    return {
      now: monotonicMs,
      user: ownUser,
      random: (at: number, length: number) => void randomFillSync(this.#part(at, length)),
      log: (_: number, at: number, length: number) => console.error(this.#text(at, length)),
      connect: (socket: number, at: number, length: number) =>
        this.host!.connect(socket >>> 0, this.#text(at, length)),
      send: (socket: number, at: number, length: number) =>
        this.host!.send(socket >>> 0, this.#part(at, length)),
      close: (socket: number) => this.host!.close(socket >>> 0),
      shut_down: (socket: number) => this.host!.shutDown(socket >>> 0),
      array_buffer: (length: number) => buffers.add(() => new Uint8Array(length >>> 0)),
      buffer: (length: number) => buffers.add(() => Buffer.alloc(length >>> 0)),
      write: (id: number, start: number, at: number, length: number) =>
        buffers.write(id >>> 0, start >>> 0, this.#part(at, length)),
      forget: (id: number) => buffers.forget(id >>> 0),
      is_whole: (id: number) => Number(buffers.isWhole(id >>> 0)),
      enter: (runs: number, _rang: number, at: number, count: number) => {
        const start = at >>> 0
        const ids = new Uint32Array(this.seen.slice(start, start + count * 4).buffer)
        return this.host!.enter(runs, [...ids])
      },
      uncaught: (at: number, length: number) =>
        this.host!.uncaught(described(this.#text(at, length))),
    }
  }
}

/** Bundlers take a call of `require` that is inside of `try` for one of a file that may be missing,
 * as it may be in a checkout. */
function load(): typeof wasm {
  try {
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- as above
    return require('../../../native/wasm.js') as typeof wasm
  } catch (cause) {
    throw Object.assign(new Error(NOT_BUILT, { cause }), { code: codeOf(cause) })
  }
}

let compiled: object | undefined
let own: Module | undefined

/** The instance of this thread. */
export function theModule(): Module {
  return (own ??= new Module())
}

/** The clock that the addon has, too: programs that compare readings of it are not to notice. */
export function monotonicMs(): number {
  const [seconds, nanoseconds] = hrtime()
  return seconds * 1000 + nanoseconds / 1e6
}
