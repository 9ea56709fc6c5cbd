// One end of a port, over a stream: an object with the interface and the habits of the MessagePort
// of Node.js.

import type { MessagePort as NodePort } from 'node:worker_threads'
import type * as api from '../../index.js'
import type * as ports from '../../messageport.js'
import { deserialize, serialize } from '../values/clone.js'
import { IpcError } from '../values/errors.js'
import { refusalOf, said } from '../values/refusal.js'
import { PortEvents } from './events.js'
import { Outgoing } from './outgoing.js'
import { cloneError, TransferList } from './transfer-list.js'

/** As long as a timer of Node.js runs. */
const FOREVER_MS = 2 ** 31 - 1
/** How long a port that was closed waits until the other side has read what was posted. */
const CLOSING_MS = 10_000
/** What is posted last: no message is empty. */
const CLOSE = new Uint8Array(0)

/** What a port is made of. */
export interface Parts {
  readonly stream: api.ItemReader<Uint8Array> & api.ItemWriter<Uint8Array>
  /** Ends the stream: the other side has posted its last message. */
  readonly finish: () => void
  /** Ends the stream, whatever the other side does. */
  readonly cancel: () => void
  /** Bytes of the longest message. */
  readonly messageLenMax: number
  readonly queuedMax: number
  readonly transfers: PortTransfers
}

/** How ports get to the other side: by numbers, under which it fetches them. */
export interface PortTransfers {
  nextNumber(): number
  offer(number: number, port: NodePort, owner: object): void
  /** The owner has ended, and what was not fetched of it never will be. */
  withdraw(owner: object): void
  /** What the other side has offered. */
  fetch(number: number): ports.MessagePort | NodePort
}

const open = new Set<MessagePort>()
// What lies unread of a stream is gone with its process, so one that ends by itself closes first.
process.on('beforeExit', () => {
  for (const port of open) port.close()
})

export class MessagePort extends PortEvents implements ports.MessagePort {
  /** A promise cannot be cloned, nor a port that is posted by mistake. */
  readonly closed: Promise<api.IpcError | null>
  #resolveClosed!: (reason: api.IpcError | null) => void
  readonly #parts: Parts
  readonly #outgoing: Outgoing
  /** Keeps the process alive while it is referenced. */
  readonly #alive = setInterval(() => {}, FOREVER_MS).unref()
  #isReferenced = false
  #hadListeners = false
  #isStarted = false
  /** Goes on reading. */
  #resume: (() => void) | undefined
  #isClosing = false
  #closing: NodeJS.Timeout | undefined
  /** Why the other side is gone. */
  #loss: { reason: unknown } | undefined
  #hasClosed = false

  constructor(parts: Parts) {
    super()
    this.#parts = parts
    this.#outgoing = new Outgoing(parts.stream, parts.queuedMax)
    this.closed = new Promise((resolve) => (this.#resolveClosed = resolve))
    open.add(this)
    void this.#read()
  }

  // ---- posting ----

  postMessage(value: unknown, options?: ports.PostOptions): void {
    const { transfers } = this.#parts
    const list = new TransferList(options)
    const numbers = new Map(list.ports.map((port) => [port, transfers.nextNumber()]))
    const message = encode([value, ...list.ports], numbers)
    if (!this.#isClosing) this.#check(message)
    const moved = list.take()
    if (this.#isClosing) return moved.forEach((port) => port.close())
    const offers = [...numbers.values()]
    moved.forEach((port, index) => transfers.offer(offers[index], port, this))
    this.#outgoing.push(message)
  }

  #check(message: Uint8Array): void {
    const { messageLenMax } = this.#parts
    if (message.length > messageLenMax) {
      const reason = `a message of ${message.length} bytes, at most ${messageLenMax} were agreed`
      throw new IpcError('ERR_TOO_LARGE', reason)
    }
    this.#outgoing.check(message)
  }

  // ---- receiving ----

  async #read(): Promise<void> {
    let reason: unknown = null
    try {
      for await (const message of this.#parts.stream) {
        if (message.length === 0) this.#parts.finish()
        else await this.#receive(message)
      }
    } catch (error) {
      reason = error
    }
    this.#over(reason)
  }

  async #receive(message: Uint8Array): Promise<void> {
    while (!this.#isStarted && !this.#isClosing) {
      await new Promise<void>((resolve) => (this.#resume = resolve))
    }
    if (this.#isClosing) return
    this.dispatchEvent(this.#eventOf(message))
    // A listener may have been for one message.
    this.listenersChanged()
  }

  #eventOf(message: Uint8Array): MessageEvent {
    const fetched = new Set<ports.MessagePort | NodePort>()
    try {
      const [data, ...all] = deserialize(message, (number) => {
        const port = this.#parts.transfers.fetch(number)
        fetched.add(port)
        return port
      }) as [unknown, ...(ports.MessagePort | NodePort)[]]
      return portEvent('message', data, all.filter((one) => fetched.has(one)))
    } catch (error) {
      for (const port of fetched) port.close()
      const reason = `message: cannot be decoded: ${said(error)}`
      const data = new IpcError('ERR_INVALID_PAYLOAD', reason, { cause: error })
      return portEvent('messageerror', data, [])
    }
  }

  start(): void {
    this.#isStarted = true
    this.#resume?.()
  }

  /** As in Node.js, messages are delivered, and the process stays alive, while there are some. */
  protected override listenersChanged(): void {
    const isListenedTo = this.isListenedTo
    if (isListenedTo === this.#hadListeners) return
    this.#hadListeners = isListenedTo
    if (isListenedTo) {
      this.ref()
      this.start()
    } else {
      this.unref()
      this.#isStarted = false
      if (this.#loss !== undefined) this.lost(this.#loss.reason)
    }
  }

  // ---- the end ----

  close(): void {
    if (this.#isClosing) return
    this.#isClosing = true
    this.#resume?.()
    this.#outgoing.push(CLOSE)
    this.#closing = setTimeout(() => this.#parts.cancel(), CLOSING_MS)
    setImmediate(() => this.#emitClose(null))
  }

  /** The other side is gone. A port that delivers messages says so behind the last of them. */
  lost(reason: unknown): void {
    this.#loss = { reason }
    // Whoever waits for one message after the other listens again before that.
    setImmediate(() => {
      if (!this.#isStarted) this.#over(reason)
    })
  }

  /** Nothing more will come, and nothing posted be read. */
  #over(reason: unknown): void {
    const wasClosing = this.#isClosing
    this.#isClosing = true
    this.#resume?.()
    this.#outgoing.stop()
    this.#parts.finish()
    this.#parts.transfers.withdraw(this)
    open.delete(this)
    clearTimeout(this.#closing)
    clearInterval(this.#alive)
    if (!wasClosing) this.#emitClose(reason)
  }

  #emitClose(reason: unknown): void {
    if (this.#hasClosed) return
    this.#hasClosed = true
    this.#resolveClosed(reason instanceof IpcError ? endOf(reason) : null)
    this.#keepAlive()
    this.dispatchEvent(new Event('close'))
  }

  // ---- the process ----

  ref(): void {
    this.#isReferenced = true
    this.#keepAlive()
  }

  unref(): void {
    this.#isReferenced = false
    this.#keepAlive()
  }

  hasRef(): boolean {
    return this.#isReferenced && !this.#hasClosed
  }

  #keepAlive(): void {
    if (this.hasRef()) this.#alive.ref()
    else this.#alive.unref()
  }
}

/** Why a port has ended: no side cancels a stream but by its end. */
function endOf(reason: IpcError): IpcError {
  if (reason.code !== 'ERR_CANCELLED') return reason
  return new IpcError('ERR_PEER_LOST', 'the other side is gone', { cause: reason })
}

/** The class itself makes `null` of `undefined`, and takes ports of its own kind only. */
function portEvent(type: string, data: unknown, ports: readonly unknown[]): MessageEvent {
  const event = new MessageEvent(type)
  return Object.defineProperties(event, { data: { value: data }, ports: { value: ports } })
}

function encode(value: unknown[], numbers: ReadonlyMap<unknown, number>): Uint8Array {
  try {
    return serialize(value, numbers)
  } catch (error) {
    const refusal = refusalOf(error)
    throw cloneError(refusal.said().replace(/^\[0\]/, 'message'), refusal.cause)
  }
}
