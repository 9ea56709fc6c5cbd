// A service of another machine, as a local server: whoever connects to it notices no difference but
// the time it takes.

import type { Msg, NatsConnection, Subscription } from '@nats-io/transport-node'
import { createServer, IpcError, type AnyContract, type Event, type Server } from 'ringpost'
import { OpenBridge, type Call } from './bridge.mjs'
import { checkService, codecOf, passed, type Service } from './contracts.mjs'
import { Gaps } from './gaps.mjs'
import { importOptions, type Bridge, type ImportServiceOptions } from './options.mjs'
import { OutgoingCall, OutgoingStream } from './outgoing-call.mjs'
import { checkConnection, type BoxHandler } from './post.mjs'
import { broadcastSubject, callSubject, eventSubject } from './subjects.mjs'

/**
 * Offers a service of another machine as a local server.
 *
 * A request has exactly one outcome: what the handler on the other machine has answered, or
 * `ERR_NO_SERVER` if no bridge exports the service, or there is no NATS server; `ERR_PEER_LOST` if
 * the connection was lost meanwhile, `ERR_TOO_LARGE` above the NATS server's `max_payload`,
 * `ERR_FULL`, `ERR_ACCESS` if the NATS server does not permit it, `ERR_TIMEOUT`. With
 * `ERR_PEER_LOST` and `ERR_TIMEOUT` the handler may have run.
 *
 * @example
 * ```ts
 * const nats = await connect({ servers: 'tls://hub:4222', maxReconnectAttempts: -1 })
 * await using bridge = await importService(nats, Camera, { prefix: 'plant1' })
 * ```
 * @param nats a connection of `@nats-io/transport-node`, with its options for TLS and
 * authentication. It stays its owner's.
 * @param service the same as where it is exported. What is not in it is answered with
 * `ERR_UNKNOWN_METHOD`.
 * @throws TypeError or RangeError for wrong options
 * @throws IpcError what `createServer` of `ringpost` throws; `ERR_ACCESS` if the NATS server does
 * not permit it, `ERR_NO_SERVER` if there is no connection to it
 */
export async function importService(
  nats: NatsConnection,
  service: Service,
  options: ImportServiceOptions,
): Promise<Bridge> {
  checkService(service)
  const complete = importOptions(options)
  checkConnection(nats)
  const bridge = new ImportedService(nats, service, complete)
  await bridge.open()
  return bridge
}

class ImportedService extends OpenBridge {
  readonly #nats: NatsConnection
  readonly #service: Service
  readonly #options: ReturnType<typeof importOptions>
  #subscriptions: Subscription[] = []
  #server: Server | undefined

  constructor(
    nats: NatsConnection,
    service: Service,
    options: ReturnType<typeof importOptions>,
  ) {
    super(nats, options)
    this.#nats = nats
    this.#service = service
    this.#options = options
  }

  async open(): Promise<void> {
    const { as: name = this.#service.name, server = {} } = this.#options
    try {
      // What is permitted is known before clients come.
      this.#subscribe()
      await this.confirm()
      const handlers = (it: Server) => {
        for (const contract of this.#service.contracts) this.#offer(it, contract)
        server.handlers?.(it)
      }
      this.#server = await createServer(name, { ...server, handlers })
    } catch (error) {
      await this.close()
      throw error
    }
  }

  protected async stop(): Promise<void> {
    for (const subscription of this.#subscriptions) subscription.unsubscribe()
    await this.#server?.close()
  }

  // ---- from here to the other machine ----

  #offer(server: Server, contract: AnyContract): void {
    if (contract.kind === 'event') return this.#offerEvent(server, contract)
    const subject = callSubject(this.#options.prefix, this.#service.name, contract.name)
    const { heartbeatMs, windowBytes } = this.#options
    const { post } = this
    const how = {
      ...{ post, subject, name: contract.name, codec: codecOf(contract).name },
      ...{ heartbeatMs, windowBytes },
      ended: (call: Call) => void this.calls.delete(call),
    }
    if (contract.kind === 'method') {
      server.handle(passed(contract), (params, context) => {
        return this.#begin(() => new OutgoingCall(how, context)).start('call', params).result
      })
    } else {
      server.handle(passed(contract), (params, stream) => {
        const call = this.#begin(() => new OutgoingStream(how, stream))
        return call.start('stream', params, windowBytes).result
      })
    }
  }

  /** @throws IpcError `ERR_FULL` */
  #begin<Begun extends Call>(make: () => Begun): Begun {
    const { callsMax } = this.#options
    if (this.calls.size >= callsMax || this.post.isFull) {
      const most = callsMax.toLocaleString('en')
      const message = this.post.isFull
        ? 'too much is on its way to the NATS server'
        : `${most} requests are under way to other machines already`
      throw new IpcError('ERR_FULL', message)
    }
    const call = make()
    this.calls.add(call)
    this.callsTotal++
    return call
  }

  #offerEvent(server: Server, event: Event): void {
    const { name } = event
    const subject = eventSubject(this.#options.prefix, this.#service.name, name)
    const codec = codecOf(event).name
    // Where the NATS server says that nobody has taken it.
    const handler: BoxHandler = {
      received: () => {},
      unclaimed: () => this.drops.add(name, 'unclaimed'),
    }
    const { subject: reply } = this.post.open(handler)
    server.handle(passed(event), (payload, { lane, traceparent }) => {
      const fields = { kind: 'event', codec, lane } as const
      const options = { reply, traceparent }
      if (this.post.publishOneWay(subject, fields, payload, name, options)) this.passed++
    })
  }

  // ---- from the other machine to here ----

  #subscribe(): void {
    const { prefix } = this.#options
    this.#subscriptions = (this.#service.broadcasts ?? []).map((event) => {
      const subject = broadcastSubject(prefix, this.#service.name, event.name)
      const receive = this.#receiver(event)
      const callback = (error: Error | null, message: Msg) => {
        if (error) this.denied(subject, error)
        else receive(message)
      }
      return this.#nats.subscribe(subject, { callback })
    })
  }

  #receiver(event: Event): (message: Msg) => void {
    const [name, codec, contract] = [event.name, codecOf(event).name, passed(event)]
    const gaps = new Gaps()
    return (message) => {
      const letter = this.eventOf(message, name, codec)
      if (letter === undefined) return
      const { fields, payload, traceparent } = letter
      this.drops.add(name, 'missed', Math.max(0, gaps.before(fields.from ?? '', fields.n ?? 0)))
      const missed = this.#server?.notify(contract, payload, { lane: fields.lane, traceparent })
      this.drops.add(name, 'local', missed?.length ?? 0)
      this.passed++
    }
  }
}
