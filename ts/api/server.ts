// Serving.

import type * as api from '../../index.js'
import { encodeWith } from '../values/codec.js'
import { Connection, type Served } from '../connection/connection.js'
import { Sums } from '../connection/sums.js'
import { asEvent } from '../values/contract.js'
import { parseError, raised } from '../values/errors.js'
import { Handlers } from '../connection/handlers.js'
import { broadcastOptions, checkServerName, serverOptions } from '../values/options.js'
import type { Settings } from '../values/options.js'
import { Endpoint } from '../connection/endpoint.js'
import { makePeer } from '../connection/peer.js'
import { warn } from '../values/report.js'
import type { Acceptor } from '../runtime/receiver.js'
import { theRuntime, type Runtime } from '../runtime/runtime.js'

export async function createServer(
  name: string,
  options?: api.ServerOptions,
): Promise<api.Server> {
  checkServerName(name)
  const settings = serverOptions(options)
  const runtime = theRuntime()
  const listener = raised(() => runtime.engine.listen(name, settings.native, settings.listen))
  const server = new Server(runtime, listener, name, settings)
  try {
    // Before the first client is let in, which takes a turn of the loop.
    options?.handlers?.(server)
  } catch (error) {
    await server.close()
    throw error
  }
  return server
}

class Server
  extends Endpoint<api.ServerEvents>
  implements api.Server, Acceptor<Connection>, Served
{
  readonly name: string
  readonly connections = new Set<Connection>()
  readonly handlers: Handlers
  readonly #runtime: Runtime
  readonly #listener: number
  readonly #settings: Settings
  readonly #sums: Sums
  #closing: Promise<void> | undefined
  #referenced = false

  constructor(runtime: Runtime, listener: number, name: string, settings: Settings) {
    super({ connection: true, error: true, close: true })
    this.name = name
    this.#settings = settings
    this.#runtime = runtime
    this.#listener = listener
    this.#sums = new Sums(runtime.engine, settings.methodLatency)
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
    const bytes = encodeWith(contract.codec, payload, 'payload')
    const left: Connection[] = []
    for (const connection of connections) {
      const { dropped } = this.#runtime.outbox
      try {
        connection.sendEncoded(contract, bytes, lane, traceparent)
      } catch {
        left.push(connection)
      }
      if (this.#runtime.outbox.dropped !== dropped) left.push(connection)
    }
    return left
  }

  open(link: number, description: string): Connection {
    const peer = makePeer(description)
    return new Connection(this.#runtime, link, peer, this.#settings, this)
  }

  /** A client has come. */
  accepted(connection: Connection): void {
    this.connections.add(connection)
    this.#sums.opened()
    this.announce('connection', connection)
  }

  /** A client has gone. */
  left(connection: Connection): void {
    this.connections.delete(connection)
    this.#sums.ended(connection)
  }

  stats(): api.ServerStats {
    return this.#sums.with(this.connections)
  }

  nameLost(description: string): void {
    const error = parseError(description)
    if (this.listenerCount('error') > 0) this.announce('error', error)
    else warn(`clients can no longer find the server "${this.name}"`, { error, code: error.code })
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#runtime.engine.closeListener(this.#listener)
    this.#runtime.notListening(this.#listener)
    this.unref()
    await Promise.all([...this.connections].map((connection) => connection.close()))
    this.over()
    this.announce('close')
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
