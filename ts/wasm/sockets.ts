// The sockets of an engine, by the numbers the module has for them: those that it connects are odd,
// those that were accepted or listen are even. None of them keeps the process alive; whether
// anything does is up to the engine.

import { Server, Socket } from 'node:net'
import { dirname, basename } from 'node:path'
import { setImmediate, setInterval, setTimeout } from 'node:timers'
import type { Claim, Listen } from './claim.js'
import { checkIfThere, counts } from './directory.js'
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
/** How often the files of servers are looked at. */
const UPKEEP_MS = 2000

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

interface Serving {
  server: Server
  readonly claim: Claim
  lost(error: unknown): void
}

export class Sockets {
  readonly #module: Module
  readonly #driver: Driver
  readonly #known = new Map<number, Entry>()
  readonly #servers = new Map<number, Serving>()
  #upkeep: NodeJS.Timeout | undefined
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

  /** Listens wherever `claim` says, as this number. `lost` is called when another has taken the
   * name. */
  listen(number: number, claim: (listen: Listen) => Claim, lost: (error: unknown) => void): void {
    const { server, listen } = this.#server(number)
    try {
      this.#servers.set(number, { server, claim: claim(listen), lost })
    } catch (error) {
      server.close()
      throw error
    }
    this.#upkeep ??= setInterval(() => this.#keepUp(), UPKEEP_MS).unref()
  }

  /** A server, and how it begins to listen. */
  #server(number: number) {
    const server = new Server({ allowHalfOpen: true, highWaterMark: HIGH_WATER })
    // A client that cannot be accepted tries again; what cannot be listened at is seen below.
    server.on('error', () => {})
    server.on('connection', (socket) => this.#accepted(number, socket))
    server.unref()
    const listen = (address: string) => {
      // Not by the primary of a cluster: a name has one server.
      server.listen({ path: address, exclusive: true })
      if (!server.listening) throw fault('ERR_SYSTEM', `${address} cannot be listened at`)
      server.unref()
    }
    return { server, listen }
  }

  /** Cleaners of temporary directories remove files, and people do. */
  #keepUp(): void {
    for (const [number, serving] of this.#servers) {
      if (serving.claim.isStanding()) continue
      const { server, listen } = this.#server(number)
      // With it goes the file at which it was made, if that is still there.
      serving.server.close()
      serving.server = server
      try {
        serving.claim.restore(listen)
      } catch (error) {
        // Anything else may be over at the next look.
        if (codeOf(error) === 'ERR_NAME_IN_USE') serving.lost(error)
      }
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
    if (found !== undefined) endServer(found)
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

/** A pipe is to have a listener as long as it is found. Node.js removes the file at which a socket
 * was made, which is to be another's only once the name is free. */
function endServer({ server, claim }: Serving): void {
  if (!hasPipes) server.close()
  claim.release()
  if (hasPipes) server.close()
}

/** Where a server is now, of which the module knows where it is found. */
function addressNow(address: string): string {
  const folder = dirname(address)
  if (!counts(folder)) throw fault('ENOENT', `${folder} does not count`)
  checkIfThere(folder)
  if (!hasPipes) return address
  const pipe = findPipe(folder, basename(address))
  if (pipe === undefined) throw fault('ENOENT', `no server is found at ${address}`)
  return pipe
}
