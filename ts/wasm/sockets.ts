// The sockets of an engine, by the numbers the module has for them: those that it connects are odd,
// those that were accepted or listen are even. None of them keeps the process alive; whether
// anything does is up to the engine.

import { Server, Socket } from 'node:net'
import { dirname, basename } from 'node:path'
import { setImmediate, setTimeout } from 'node:timers'
import type { Claim } from './claim.js'
import { checkIfThere } from './directory.js'
import { codeOf, fault } from './fault.js'
import type { Module } from './module.js'
import { findPipe } from './pipes.js'
import { hasPipes } from './platform.js'

/** Bytes that a socket takes before it is to be waited for. */
const HIGH_WATER = 256 << 10
/** Bytes that are copied into the module at once; Node.js reads no more. */
const CHUNK = 64 << 10
/** How long a socket that was closed goes on sending to a peer that does not read. */
const LINGER_MS = 5000

/** Why a socket could not be connected, as the module has it. */
const [NO_SERVER, NOT_PERMITTED, QUEUE_FULL, NO_DESCRIPTORS, FAILED] = [0, 1, 2, 3, 4]
const REASONS: Record<string, number> = {
  ENOENT: NO_SERVER,
  ENOTDIR: NO_SERVER,
  ECONNREFUSED: NO_SERVER,
  ENOTSOCK: NO_SERVER,
  EACCES: NOT_PERMITTED,
  EPERM: NOT_PERMITTED,
  ERR_ACCESS: NOT_PERMITTED,
  ERR_FOREIGN_USER: NOT_PERMITTED,
  ERR_UNSAFE_DIRECTORY: NOT_PERMITTED,
  EAGAIN: QUEUE_FULL,
  EBUSY: QUEUE_FULL,
  EMFILE: NO_DESCRIPTORS,
  ENFILE: NO_DESCRIPTORS,
}

/** The engine. */
interface Driver {
  /** The module has been told of something. */
  readonly drive: () => void
  /** No server is there. */
  missed(address: string): void
}

interface Entry {
  readonly socket: Socket
  /** It takes no more for now. */
  isFull: boolean
}

export class Sockets {
  readonly #module: Module
  readonly #driver: Driver
  readonly #known = new Map<number, Entry>()
  readonly #servers = new Map<number, { server: Server; claim: Claim }>()
  #last = 0
  /** Where the module finds what was received. */
  #chunk: number | undefined

  constructor(module: Module, driver: Driver) {
    this.#module = module
    this.#driver = driver
  }

  /** A number for a socket of this side. */
  nextNumber(): number {
    do this.#last = (this.#last + 2) >>> 0
    while (this.#last === 0 || this.#known.has(this.#last) || this.#servers.has(this.#last))
    return this.#last
  }

  /** Listens wherever `claim` says, as this number. */
  listen(number: number, claim: (listen: (address: string) => void) => Claim): void {
    const server = new Server({ allowHalfOpen: true, highWaterMark: HIGH_WATER })
    // A client that cannot be accepted tries again; what cannot be listened at is seen below.
    server.on('error', () => {})
    server.on('connection', (socket) => this.#accepted(number, socket))
    server.unref()
    try {
      const claimed = claim((address) => {
        // Not by the primary of a cluster: a name has one server.
        server.listen({ path: address, exclusive: true })
        if (!server.listening) throw fault('ERR_SYSTEM', `${address} cannot be listened at`)
        server.unref()
      })
      this.#servers.set(number, { server, claim: claimed })
    } catch (error) {
      server.close()
      throw error
    }
  }

  /** Gives up all names: the process ends. */
  releaseNames(): void {
    for (const { claim } of this.#servers.values()) claim.release()
  }

  connect(number: number, address: string): void {
    const options = { allowHalfOpen: true, writableHighWaterMark: HIGH_WATER }
    const socket = new Socket(options)
    this.#keep(number, socket)
    socket.once('connect', () => this.#connected(number))
    try {
      socket.connect(addressNow(address))
      socket.unref()
    } catch (error) {
      socket.destroy(error as Error)
    }
    const failed = (error?: unknown) => this.#failed(number, address, error)
    const closed = () => failed()
    socket.once('error', failed).once('close', closed)
    socket.once('connect', () => socket.off('error', failed).off('close', closed))
  }

  /** What a server has said that let nobody in is read first: to write to a socket that it has
   * closed by then is an error, after which Node.js reads nothing more. */
  #connected(number: number): void {
    const connected = () => {
      if (!this.#known.has(number)) return
      this.#module.exports.connected(number)
      this.#driver.drive()
    }
    // What is there already is read between the two.
    setImmediate(() => setImmediate(connected))
  }

  #failed(number: number, address: string, error: unknown): void {
    if (!this.#known.delete(number)) return
    const why = REASONS[codeOf(error) ?? ''] ?? FAILED
    this.#module.exports.connect_failed(number, why)
    if (why === NO_SERVER) this.#driver.missed(address)
    this.#driver.drive()
  }

  #accepted(listener: number, socket: Socket): void {
    const number = this.nextNumber()
    socket.unref()
    this.#keep(number, socket)
    this.#module.exports.accepted(listener, number)
    this.#driver.drive()
  }

  #keep(number: number, socket: Socket): void {
    const entry = { socket, isFull: false }
    this.#known.set(number, entry)
    socket.on('data', (bytes) => this.#received(number, bytes))
    socket.on('drain', () => {
      entry.isFull = false
      if (this.#known.get(number) !== entry) return
      this.#module.exports.drained(number)
      this.#driver.drive()
    })
    const ended = () => this.#ended(number, entry)
    socket.on('end', ended)
    // Those of an attempt to connect come before.
    socket.on('error', ended)
    socket.on('close', ended)
  }

  #received(number: number, bytes: Buffer): void {
    if (!this.#known.has(number)) return
    const module = this.#module
    this.#chunk ??= module.exports.allocate(CHUNK) >>> 0
    for (let at = 0; at < bytes.length; at += CHUNK) {
      const part = bytes.subarray(at, at + CHUNK)
      module.seen.set(part, this.#chunk)
      module.exports.received(number, this.#chunk, part.length)
    }
    this.#driver.drive()
  }

  #ended(number: number, entry: Entry): void {
    if (entry.socket.connecting || this.#known.get(number) !== entry) return
    this.#module.exports.ended(number)
    this.#driver.drive()
  }

  // ---- called by the module, which must not be called meanwhile ----

  /** Returns how many bytes were taken, 0 for none yet, or -1 where none ever will be. */
  send(number: number, bytes: Uint8Array): number {
    const entry = this.#known.get(number)
    if (entry === undefined || !entry.socket.writable) return -1
    if (entry.isFull) return 0
    entry.isFull = !entry.socket.write(Buffer.from(bytes))
    return bytes.length
  }

  /** Nothing more is sent, after what was sent before. */
  shutDown(number: number): void {
    this.#known.get(number)?.socket.end()
  }

  /** Nothing more is sent or received, after what was sent before. */
  close(number: number): void {
    const found = this.#servers.get(number)
    this.#servers.delete(number)
    found?.claim.release()
    found?.server.close()
    const entry = this.#known.get(number)
    this.#known.delete(number)
    if (entry === undefined) return
    const { socket } = entry
    if (socket.connecting || socket.writableFinished) return void socket.destroy()
    const timer = setTimeout(() => socket.destroy(), LINGER_MS).unref()
    socket.once('close', () => clearTimeout(timer))
    socket.destroySoon()
  }
}

/** Where a server is now, of which the module knows where it is found. */
function addressNow(address: string): string {
  const folder = dirname(address)
  checkIfThere(folder)
  if (!hasPipes) return address
  const pipe = findPipe(folder, basename(address))
  if (pipe === undefined) throw fault('ENOENT', `no server is found at ${address}`)
  return pipe
}
