// Hosts of the module in WebAssembly that have nothing but memory: sockets between them, cut and
// ended as a test wants it, and a clock that stands.

import { Buffer } from 'node:buffer'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { decode, encode } from '@msgpack/msgpack'

/** Of which the types of Node.js know nothing. */
declare const WebAssembly: {
  Module: new (code: Uint8Array<ArrayBuffer>) => object
  Instance: new (module: object, imports: object) => { exports: unknown }
}

interface Built {
  bytes(): Uint8Array<ArrayBuffer>
  constants: Record<string, number>
}

const require = createRequire(import.meta.url)
const PATH = join(dirname(require.resolve('ringpost/package.json')), 'native/wasm.js')

/** What `node ci/wasm.mjs` makes, if it was. */
export const built = existsSync(PATH) ? (require(PATH) as Built) : undefined
const numbers = built?.constants ?? {}
const module = built && new WebAssembly.Module(built.bytes())

/** Something that a module has entered its host with: a message, or an event. */
export interface Entered {
  link: number
  kind: number
  lane: number
  code: number
  id: [number, number]
  payload: Buffer
}

/** A message to be sent. */
export interface Sent {
  link: number
  kind: number
  code?: number
  id?: [number, number]
  payload?: Uint8Array
  timeoutMs?: number
}

type Exports = Record<string, (...values: number[]) => number> & { memory: { buffer: ArrayBuffer } }

const RECORD_BYTES = numbers.OUT_WORDS * 4
const OPTIONS = {
  ...{ directory: null, transport: null, crc: 'header', rings: [0, 0, 0, 0, 0], token: null },
  ...{ messageLenMax: 64 << 20, pendingMax: 1024, overflow: [Infinity, Infinity, Infinity, 'dropNewest'] },
  ...{ backlogMax: 32 << 20, servingMax: 4096, unreadMax: 64 << 20, unresponsiveAfterMs: 3000 },
}
const LISTEN = { connectionsMax: 16, ringsMax: [0, 0, 0, 0, 0], helloTimeoutMs: 250, servingMaxTotal: null }

/** A module, and all that it asks for. */
export class Host {
  readonly exports: Exports
  /** What it was entered with. */
  readonly entered: Entered[] = []
  /** Addresses that were to be connected to, and with which numbers. */
  readonly connects: [socket: number, address: string][] = []
  /** Memory that was given back is no longer here. */
  readonly memory = new Map<number, ArrayBuffer | Buffer>()
  /** Milliseconds. */
  now = 1000
  readonly #arenas = new Map<number, ArrayBuffer>()
  #last = 0

  constructor(readonly network: Network) {
    const text = (at: number, len: number) => Buffer.from(this.copied(at, len)).toString()
    const keep = (made: ArrayBuffer | Buffer) => (this.memory.set(++this.#last, made), this.#last)
    const host = {
      now: () => this.now,
      user: () => 1000,
      random: (at: number, len: number) => crypto.getRandomValues(this.view(at, len)),
      log: (_: number, at: number, len: number) => console.error(text(at, len)),
      connect: (socket: number, at: number, len: number) => {
        this.connects.push([socket, text(at, len)])
      },
      send: (socket: number, at: number, len: number) => network.send(this, socket, this.copied(at, len)),
      close: (socket: number) => network.close(this, socket),
      array_buffer: (len: number) => keep(new ArrayBuffer(len)),
      buffer: (len: number) => keep(Buffer.alloc(len)),
      write: (id: number, start: number, at: number, len: number) => {
        const memory = this.memory.get(id)!
        const bytes = memory instanceof ArrayBuffer ? new Uint8Array(memory) : memory
        bytes.set(this.view(at, len), start)
      },
      forget: (id: number) => void this.memory.delete(id),
      is_whole: () => 1,
      enter: (runs: number, _: number, at: number, len: number) => {
        this.#enter(runs, [...new Uint32Array(this.exports.memory.buffer, at, len)])
        return 0
      },
      uncaught: (at: number, len: number) => {
        throw new Error(text(at, len))
      },
    }
    this.exports = new WebAssembly.Instance(module!, { host }).exports as Exports
    this.call('open', { expectingUs: 0, recentUs: 0, byThread: false })
  }

  view(at: number, len: number): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.exports.memory.buffer, at, len)
  }

  copied(at: number, len: number): Uint8Array<ArrayBuffer> {
    return this.view(at, len).slice()
  }

  /** Copies bytes into the module, for as long as `use` runs. */
  with<T>(bytes: Uint8Array, use: (at: number, len: number) => T): T {
    const at = this.exports.allocate(bytes.length)
    this.view(at, bytes.length).set(bytes)
    const used = use(at, bytes.length)
    this.exports.release(at, bytes.length)
    return used
  }

  call(method: string, ...values: unknown[]): any {
    return this.callBytes(encode([method, ...values]))
  }

  /** The same with any bytes. */
  callBytes(bytes: Uint8Array): any {
    return this.#read(this.with(bytes, (at, len) => this.exports.call(at, len)))
  }

  #read(at: number): any {
    const len = new DataView(this.exports.memory.buffer).getUint32(at, true)
    const [isValue, value] = decode(this.copied(at + 4, len)) as [boolean, any]
    this.exports.release(at, 4 + len)
    if (isValue) return value
    const [code, message] = (value as string).split('\n')
    throw Object.assign(new Error(message), { code })
  }

  listen(name: string, socket: number, options: object = {}): number {
    return this.call('listen', name, { ...OPTIONS, ...options }, LISTEN, socket)
  }

  connect(addresses: string[], options: object = {}): number {
    return this.call('connect', 'demo', { ...OPTIONS, ...options }, 5000, addresses)
  }

  dial(addresses: string[]): number {
    return this.call('dial', 'demo', OPTIONS, 5000, 60_000, true, addresses)
  }

  takeOver(): number {
    return this.call('takeOver', 'demo', OPTIONS, LISTEN)
  }

  /** Does all that is ready. */
  settle(): void {
    for (let turns = 0; this.exports.is_ready(); turns++) {
      if (turns === 1000) throw new Error('it never comes to rest')
      this.exports.turn()
    }
  }

  /** Lets time pass. */
  pass(ms: number): void {
    this.now += ms
    if (this.exports.due() <= this.now) this.exports.turn()
    this.settle()
  }

  /** Sends a message; a long payload beside the outbox. */
  send({ link, kind, code = 0, id = [0, 0], payload = new Uint8Array(), timeoutMs = 0 }: Sent): void {
    const isOutside = payload.length >= numbers.LARGE
    const options = timeoutMs === 0 ? 0 : numbers.TIME_BYTES
    const flags = (isOutside ? numbers.FLAG_OUTSIDE : 0) | (timeoutMs === 0 ? 0 : numbers.FLAG_TIMED)
    const at = this.exports.outbox_pointer()
    const words = new Uint32Array(this.exports.memory.buffer, at, numbers.OUT_WORDS)
    words.set([link, kind | (2 << 8) | (flags << 24), code, payload.length, ...id])
    if (timeoutMs > 0) new Float64Array(this.exports.memory.buffer, at + RECORD_BYTES, 1)[0] = timeoutMs
    if (!isOutside) this.view(at + RECORD_BYTES + options, payload.length).set(payload)
    const used = RECORD_BYTES + options + (isOutside ? 0 : payload.length)
    new Uint32Array(this.exports.memory.buffer, this.exports.state_pointer())[numbers.STATE_USED] = (used + 7) & ~7
    if (!isOutside) return this.#submitted(this.exports.submit())
    const outside = this.exports.allocate(payload.length)
    this.view(outside, payload.length).set(payload)
    this.#submitted(this.exports.submit_outside(outside, payload.length))
  }

  #submitted(at: number): void {
    if (at !== 0) this.#read(at)
  }

  /** The last it was entered with of that kind. */
  last(kind: string): Entered | undefined {
    return this.entered.findLast((entered) => entered.kind === numbers[kind])
  }

  #enter(count: number, ids: number[]): void {
    const extras = ids.map((id) => this.memory.get(id)!)
    const words = numbers.RUN_WORDS
    const runs = new Uint32Array(this.exports.memory.buffer, this.exports.runs_pointer(), count * words).slice()
    for (let run = 0; run < count; run++) {
      const [link, start, end, fresh] = runs.subarray(run * words)
      if (fresh > 0) this.#arenas.set(link, extras[fresh - 1] as ArrayBuffer)
      const arena = this.#arenas.get(link)!
      for (let at = start; at < end; ) {
        const [len, head, code, payloadLen, ...id] = new Uint32Array(arena, at, numbers.IN_WORDS)
        const flags = head >>> 24
        const place = at + numbers.IN_WORDS * 4 + (flags & numbers.FLAG_TIMED ? numbers.TIME_BYTES : 0)
        let payload = Buffer.from(Buffer.from(arena, place, payloadLen))
        if (flags & numbers.FLAG_OUTSIDE) {
          const [extra, bytes] = new Uint32Array(arena, place, 2)
          payload = Buffer.from((extras[extra] as Buffer).subarray(0, bytes))
        }
        const entered = { link, kind: head & 0xff, lane: (head >> 8) & 0xff, code, payload }
        this.entered.push({ ...entered, id: id as [number, number] })
        at += len
      }
    }
  }
}

/** The other end of a socket. */
interface End {
  host: Host
  socket: number
}

/** How bytes of one direction are delivered: in which pieces, and whether all of them. */
export type Pieces = (bytes: Uint8Array, sent: number) => Uint8Array[]

export class Network {
  readonly #hosts: Host[] = []
  readonly #ends = new Map<string, End | undefined>()
  readonly #sent = new Map<string, number>()
  readonly #listening = new Map<string, End>()
  #deliveries: (() => void)[] = []
  /** Sockets that take nothing. */
  readonly full = new Set<string>()
  /** How what is sent is cut. */
  pieces: Pieces = (bytes) => [bytes]
  #last = 0

  host(): Host {
    const host = new Host(this)
    this.#hosts.push(host)
    return host
  }

  key({ host, socket }: End): string {
    return `${this.#hosts.indexOf(host)} ${socket}`
  }

  /** A number for a socket of a host. */
  number(): number {
    return (this.#last += 2)
  }

  listen(address: string, host: Host, options: object = {}): number {
    const socket = this.number()
    this.#listening.set(address, { host, socket })
    return host.listen('demo', socket, options)
  }

  /** Does all there is to do, until nothing moves any more. */
  settle(): void {
    for (;;) {
      for (const host of this.#hosts) this.#connect(host)
      for (const host of this.#hosts) host.settle()
      const delivery = this.#deliveries.shift()
      if (delivery !== undefined) delivery()
      else if (this.#hosts.every((host) => host.connects.length === 0 && !host.exports.is_ready())) return
    }
  }

  #connect(host: Host): void {
    for (const [socket, address] of host.connects.splice(0)) {
      const listener = this.#listening.get(address)
      if (listener === undefined) {
        host.exports.connect_failed(socket, 0)
        continue
      }
      const other = { host: listener.host, socket: this.number() }
      this.join({ host, socket }, other)
      host.exports.connected(socket)
      listener.host.exports.accepted(listener.socket, other.socket)
    }
  }

  /** A client that is no module: the socket at the other end. */
  stranger(address: string): End {
    const listener = this.#listening.get(address)!
    const end = { host: listener.host, socket: this.number() }
    this.#ends.set(this.key(end), undefined)
    listener.host.exports.accepted(listener.socket, end.socket)
    return end
  }

  join(one: End, other: End): void {
    this.#ends.set(this.key(one), other)
    this.#ends.set(this.key(other), one)
  }

  send(host: Host, socket: number, bytes: Uint8Array): number {
    const key = this.key({ host, socket })
    if (this.full.has(key)) return 0
    if (!this.#ends.has(key)) return -1
    const other = this.#ends.get(key)
    const sent = this.#sent.get(key) ?? 0
    this.#sent.set(key, sent + bytes.length)
    for (const piece of this.pieces(bytes, sent)) {
      if (other !== undefined) this.#deliveries.push(() => this.deliver(other, piece))
    }
    return bytes.length
  }

  /** A socket gets bytes, whoever has sent them. */
  deliver({ host, socket }: End, bytes: Uint8Array): void {
    host.with(bytes, (at, len) => host.exports.received(socket, at, len))
  }

  close(host: Host, socket: number): void {
    const key = this.key({ host, socket })
    const other = this.#ends.get(key)
    this.#ends.delete(key)
    if (other !== undefined) this.#deliveries.push(() => other.host.exports.ended(other.socket))
  }

  /** Ends a connection, at both ends. */
  end(end: End): void {
    const other = this.#ends.get(this.key(end))
    this.#ends.delete(this.key(end))
    end.host.exports.ended(end.socket)
    if (other !== undefined) {
      this.#ends.delete(this.key(other))
      other.host.exports.ended(other.socket)
    }
  }

  /** The sockets of a host that are open. */
  open(host: Host): End[] {
    return [...this.#ends.keys()]
      .map((key) => key.split(' ').map(Number))
      .filter(([of]) => of === this.#hosts.indexOf(host))
      .map(([, socket]) => ({ host, socket }))
  }

  /** How much was sent by a socket. */
  sent(end: End): number {
    return this.#sent.get(this.key(end)) ?? 0
  }
}
