// Ports over connections, and ports that travel over ports. A port is a stream, in which its
// messages are the items of both directions. A port that is transferred is a stream as well: its
// new owner asks for it by a number, and the old one relays between it and the port of Node.js.

import { MessageChannel, type MessagePort as NodePort } from 'node:worker_threads'
import type * as api from '../../index.js'
import { bytes } from '../values/codec.js'
import { stream } from '../values/contract.js'
import { IpcError } from '../values/errors.js'
import { warn } from '../values/report.js'
import { MessagePort, type PortTransfers } from './message-port.js'

export type PortStream = api.Stream<Uint8Array, Uint8Array, Uint8Array, Uint8Array>
type ServerStream = api.ServerStream<Uint8Array, Uint8Array>

const NOTHING = new Uint8Array(0)

/** Opens a port by its label. */
export const contractOf = (label: string): PortStream =>
  stream(`messageport:${label}`, { codec: bytes })

/** Fetches a port that was transferred: its params are the number, in four bytes. */
const Transferred: PortStream = stream('messageport transferred', { codec: bytes })
const paramsOf = (number: number): Uint8Array => new Uint8Array(Uint32Array.of(number).buffer)
const numberIn = (params: Uint8Array): number => new Uint32Array(params.slice().buffer)[0]

/** Asks for the port of that contract. */
export function open(
  connection: api.Connection,
  contract: PortStream,
  queuedMax: number,
  { params = NOTHING, transfers = Transfers.of(connection, queuedMax) }: Opening = {},
): { port: MessagePort; over: Promise<unknown> } {
  const items = connection.stream(contract, params, { keepsAlive: false })
  const { messageLenMax } = connection.peer
  const finish = () => items.end()
  const cancel = () => items.cancel()
  const parts = { stream: items, finish, cancel, messageLenMax, queuedMax, transfers }
  const port = new MessagePort(parts)
  const lost = (reason: unknown) => port.lost(reason)
  // The other side also answers when it has waited long enough for what is not read here.
  const over = items.result.then(() => lost(null), lost)
  return { port, over }
}

interface Opening {
  params?: Uint8Array
  transfers?: PortTransfers
}

/** Answers with a port; resolves when it has ended. */
export function serve(
  items: ServerStream,
  queuedMax: number,
  take: (port: MessagePort) => unknown,
  transfers: PortTransfers = Transfers.of(items.connection, queuedMax),
): Promise<Uint8Array> {
  return new Promise((resolve) => {
    const { messageLenMax } = items.peer
    const finish = () => resolve(NOTHING)
    const parts = { stream: items, finish, cancel: finish, messageLenMax, queuedMax, transfers }
    const port = new MessagePort(parts)
    items.signal.addEventListener('abort', () => port.lost(items.signal.reason))
    take(port)
  })
}

/** A port that waits to be fetched. */
interface Offer {
  readonly port: NodePort
  readonly owner: object
  /** Its other end was closed: it says so once, whoever listens. */
  isClosed: boolean
}

/** Ports that were transferred over one connection. */
export class Transfers implements PortTransfers {
  static readonly #all = new WeakMap<api.Connection, Transfers>()

  readonly #connection: api.Connection
  readonly #queuedMax: number
  readonly #offered = new Map<number, Offer>()
  #last = 0
  #registration: api.Registration | undefined

  constructor(connection: api.Connection, queuedMax: number) {
    this.#connection = connection
    this.#queuedMax = queuedMax
  }

  static of(connection: api.Connection, queuedMax: number): Transfers {
    const known = Transfers.#all.get(connection)
    if (known !== undefined) return known
    const made = new Transfers(connection, queuedMax)
    Transfers.#all.set(connection, made)
    return made
  }

  nextNumber(): number {
    return ++this.#last
  }

  offer(number: number, port: NodePort, owner: object): void {
    const offer: Offer = { port, owner, isClosed: false }
    port.once('close', () => (offer.isClosed = true))
    this.#offered.set(number, offer)
    this.#registration ??= this.#connection.handle(Transferred, (params, items) =>
      this.#serve(params, items),
    )
  }

  withdraw(owner: object): void {
    for (const [number, offer] of this.#offered) {
      if (offer.owner === owner) this.#take(number)?.port.close()
    }
  }

  fetch(number: number): MessagePort {
    return this.#open(number, this)
  }

  #open(number: number, transfers: PortTransfers): MessagePort {
    const opening = { params: paramsOf(number), transfers }
    return open(this.#connection, Transferred, this.#queuedMax, opening).port
  }

  #serve(params: Uint8Array, items: ServerStream): Promise<Uint8Array> {
    const offer = this.#take(numberIn(params))
    if (offer === undefined) throw new IpcError('ERR_INVALID_ARGUMENT', 'there is no such port')
    const { port, isClosed } = offer
    const take = (other: MessagePort) => (isClosed ? other.close() : relay(port, other))
    return serve(items, this.#queuedMax, take, this.#relayed)
  }

  #take(number: number): Offer | undefined {
    const offer = this.#offered.get(number)
    this.#offered.delete(number)
    if (this.#offered.size === 0) {
      this.#registration?.dispose()
      this.#registration = undefined
    }
    return offer
  }

  /** The same for ports that are relayed: what travels over them has to be ports of Node.js. */
  readonly #relayed: PortTransfers = {
    nextNumber: () => this.nextNumber(),
    offer: (number, port, owner) => this.offer(number, port, owner),
    withdraw: (owner) => this.withdraw(owner),
    fetch: (number) => {
      const { port1, port2 } = new MessageChannel()
      relay(port2, this.#open(number, this.#relayed))
      return port1
    },
  }
}

interface Poster {
  postMessage(value: unknown, ports: readonly unknown[]): void
}

/** Passes on what comes out of each of two ports, until one is closed. */
function relay(one: NodePort, other: MessagePort): void {
  const fail = (error: unknown) => {
    warn('a message of a transferred port was not passed on, and the port is closed', { error })
    one.close()
  }
  one.on('messageerror', fail)
  one.on('close', () => other.close())
  other.on('close', () => one.close())
  const passOn = (to: Poster) => (event: unknown) => {
    const { data, ports } = event as MessageEvent
    try {
      to.postMessage(data, ports)
    } catch (error) {
      fail(error)
    }
  }
  one.addEventListener('message', passOn(other as Poster))
  other.addEventListener('message', passOn(one as Poster))
  // The process lives for those who use them.
  one.unref()
  other.unref()
}
