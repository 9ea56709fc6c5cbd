// Serving.

import type * as api from '../../index.js'
import { encodeToKeep, encodeWith } from '../values/codec.js'
import { Connection, type Holder } from '../connection/connection.js'
import { Sums } from '../connection/sums.js'
import { asEvent } from '../values/contract.js'
import { sentEvents } from '../values/diagnostics.js'
import { isLoss, parseError, raised } from '../values/errors.js'
import { Handlers } from '../connection/handlers.js'
import { checkServerName } from '../values/checks.js'
import {
  broadcastOptions,
  closeOptions,
  serverOptions,
  type ServerSettings,
} from '../values/options.js'
import { Endpoint, ownEvents } from '../connection/endpoint.js'
import { makePeer } from '../connection/peer.js'
import { warn } from '../values/report.js'
import type { Acceptor } from '../runtime/receiver.js'
import { theRuntime, type Runtime } from '../runtime/runtime.js'
import { Waiters } from '../connection/wait.js'

export async function createServer(
  name: string,
  options?: api.ServerOptions,
): Promise<api.Server> {
  checkServerName(name)
  const settings = serverOptions(options)
  const runtime = theRuntime()
  const server = await (settings.takeOver ? takeOver : listen)(runtime, name, settings)
  try {
    // Before the first client is let in, which takes a turn of the loop.
    options?.handlers?.(server)
  } catch (error) {
    await server.close()
    throw error
  }
  return server
}

function listen(runtime: Runtime, name: string, settings: ServerSettings): Server {
  const listener = raised(() => runtime.engine.listen(name, settings.native, settings.listen))
  return new Server(runtime, listener, name, settings)
}

/** Listens once the server that runs has handed the name over. */
function takeOver(runtime: Runtime, name: string, settings: ServerSettings): Promise<Server> {
  const link = raised(() => runtime.engine.takeOver(name, settings.native, settings.listen))
  return new Promise((resolve, reject) => {
    runtime.takingOver(link, {
      listening: (listener) => resolve(new Server(runtime, listener, name, settings)),
      failed: (description) => reject(parseError(description)),
    })
  })
}

class Server
  extends Endpoint<api.ServerEvents>
  implements api.Server, Acceptor<Connection>, Holder
{
  readonly name: string
  readonly connections: Set<Connection>
  readonly handlers: Handlers
  readonly #runtime: Runtime
  readonly #listener: number
  readonly #settings: ServerSettings
  readonly #sums: Sums<Connection>
  #closing: Promise<void> | undefined
  /** Waits, while it closes, until the last client has left. */
  readonly #leaving: Waiters
  /** Clients no longer find it. */
  #isLost = false
  /** No further client will come. */
  #isRetired = false
  #referenced = false

  constructor(runtime: Runtime, listener: number, name: string, settings: ServerSettings) {
    super(OWN)
    this.name = name
    this.#settings = settings
    this.#runtime = runtime
    this.#listener = listener
    this.#leaving = new Waiters(runtime, 'end of all connections')
    this.#sums = new Sums(runtime.engine, settings.methodLatency)
    this.connections = this.#sums.open
    this.handlers = new Handlers(
      () => {
        for (const connection of this.connections) connection.handlersChanged()
      },
      (name) => runtime.engine.acceptPacked(name),
    )
    runtime.listening(listener, this)
    this.ref()
  }

  notify<Payload>(
    event: api.Event<Payload> | string,
    payload?: Payload,
    options?: api.BroadcastOptions,
  ): Connection[] {
    const contract = asEvent(event)
    const { to = this.connections, lane, traceparent } = broadcastOptions(options)
    // Some may close meanwhile, and the iterator may be user code.
    const connections = [...to] as Connection[]
    // Subscribers may encode something themselves before the last connection has got it.
    const encode = sentEvents.hasSubscribers ? encodeToKeep : encodeWith
    const bytes = encode(contract.codec, payload, 'payload')
    const left: Connection[] = []
    for (const connection of connections) {
      const { dropped } = this.#runtime.outbox
      try {
        connection.sends.notify(contract, bytes, lane, traceparent)
      } catch (error) {
        // One that concerns all of them comes before anything was sent.
        if (!this.#concernsOne(error, bytes.length)) throw error
        left.push(connection)
      }
      if (this.#runtime.outbox.dropped !== dropped) left.push(connection)
    }
    return left
  }

  /** Whether an event of this length may well be sent to others. */
  #concernsOne(error: unknown, length: number): boolean {
    if (isLoss(error)) return true
    const { code } = error as { code?: unknown }
    // What was agreed with one peer may be less than what this side takes.
    if (code === 'ERR_TOO_LARGE') return length <= this.#settings.native.messageLenMax
    return code === 'ERR_FULL'
  }

  open(link: number, description: string): Connection {
    const peer = makePeer(description)
    return new Connection(this.#runtime, link, peer, this.#settings, this)
  }

  /** A client has come. */
  accepted(connection: Connection): void {
    this.#sums.opened(connection)
    this.announce('connection', connection)
    // It had come before the name was given up.
    if (this.#closing !== undefined) connection.leave()
  }

  /** A client has gone. */
  left(connection: Connection): void {
    this.#sums.ended(connection)
    this.#checkLeft()
  }

  stats(): api.ServerStats {
    return this.#sums.stats()
  }

  totals(): api.Totals {
    return this.#sums.totals()
  }

  health(): api.Health {
    const listening = !this.#isLost && !this.#isRetired && this.#closing === undefined
    const isFull = this.connections.size >= this.#settings.listen.connectionsMax
    const accepting = listening && !isFull
    return { ok: accepting, checks: { listening, accepting } }
  }

  nameLost(description: string): void {
    this.#isLost = true
    const error = parseError(description)
    if (this.listenerCount('error') > 0) this.announce('error', error)
    else warn(`clients can no longer find the server "${this.name}"`, { error, code: error.code })
  }

  /** A new server has the name, and all clients that had come before are connected. */
  takenOver(): void {
    this.#runtime.notListening(this.#listener)
    this.retired()
    this.announce('takenOver')
  }

  /** Of a server that drains, or has handed its name over. */
  retired(): void {
    this.#isRetired = true
    this.#checkLeft()
  }

  #checkLeft(): void {
    if (this.#isRetired && this.connections.size === 0) this.#leaving.resolve()
  }

  close(options?: api.CloseOptions): Promise<void> {
    const { drainMs = 0 } = closeOptions(options)
    // A second call does not wait as long as the first.
    if (this.#closing !== undefined && drainMs === 0) this.#leaving.resolve()
    this.#closing ??= this.#close(drainMs)
    return this.#closing
  }

  async #close(drainMs: number): Promise<void> {
    const { engine } = this.#runtime
    if (drainMs > 0) await this.#drain(drainMs)
    engine.closeListener(this.#listener)
    this.#runtime.notListening(this.#listener)
    this.unref()
    const connections = [...this.connections]
    // Clients are to know that it is the server that goes.
    for (const { link } of connections) engine.close(link, true)
    await Promise.all(connections.map((connection) => connection.close()))
    this.over()
    this.announce('close')
  }

  /** Lets the clients leave by themselves. */
  async #drain(timeoutMs: number): Promise<void> {
    for (const connection of this.connections) connection.leave()
    // Some were let in, or are connected, and nobody was told of them yet.
    this.#runtime.engine.retireListener(this.#listener)
    const leaving = this.#leaving.wait({ timeoutMs }, true)
    // Where the name was handed over before, that was the last that was heard of the listener.
    this.#checkLeft()
    // Those that are left then are closed.
    await leaving.catch(() => {})
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  ref(): this {
    return this.#reference(this.#closing === undefined)
  }

  unref(): this {
    return this.#reference(false)
  }

  protected override guard(work: () => void): void {
    this.#runtime.delivery.guard(work)
  }

  #reference(referenced: boolean): this {
    if (referenced !== this.#referenced) {
      this.#referenced = referenced
      this.#runtime.hold(referenced ? 1 : -1)
    }
    return this
  }
}

const OWN = ownEvents<api.ServerEvents>({
  connection: true,
  error: true,
  takenOver: true,
  close: true,
})
