// A local service that is offered to other machines.

import type { Msg, NatsConnection, Subscription } from '@nats-io/transport-node'
import { connect, IpcError, type AnyContract, type Client, type Event } from 'ringpost'
import { made, OpenBridge, type Call } from './bridge.mjs'
import { checkService, codecOf, passed, type Service } from './contracts.mjs'
import { IncomingRequest, IncomingStream, refuse } from './incoming-call.mjs'
import { exportOptions, type Bridge, type ExportServiceOptions } from './options.mjs'
import { checkConnection, type Letter } from './post.mjs'
import { broadcastSubject, callSubject, eventSubject } from './subjects.mjs'

/**
 * Offers a service of this machine to all that may publish below `prefix`.
 *
 * @example
 * ```ts
 * const nats = await connect({ servers: 'tls://hub:4222', maxReconnectAttempts: -1 })
 * await using bridge = await exportService(nats, Camera, { prefix: 'plant1' })
 * ```
 * @param nats a connection of `@nats-io/transport-node`, with its options for TLS and
 * authentication. It stays its owner's.
 * @param service what is offered of it; its server must run, unless `client.connectTimeoutMs` says
 * for how long it is waited for.
 * @throws TypeError or RangeError for wrong options
 * @throws IpcError what `connect` of `ringpost` throws; `ERR_ACCESS` if the NATS server does not
 * permit it, `ERR_NO_SERVER` if there is no connection to it
 */
export async function exportService(
  nats: NatsConnection,
  service: Service,
  options: ExportServiceOptions,
): Promise<Bridge> {
  checkService(service)
  const complete = exportOptions(options)
  checkConnection(nats)
  const client = await connect(service.name, { ...complete.client, whileAway: 'fail' })
  const bridge = await made(
    () => new ExportedService(nats, client, service, complete),
    () => client.close(),
  )
  await bridge.open()
  return bridge
}

class ExportedService extends OpenBridge {
  readonly #nats: NatsConnection
  readonly #client: Client
  readonly #service: Service
  readonly #options: ReturnType<typeof exportOptions>
  #subscriptions: Subscription[] = []

  constructor(
    nats: NatsConnection,
    client: Client,
    service: Service,
    options: ReturnType<typeof exportOptions>,
  ) {
    super(nats, options)
    this.#nats = nats
    this.#client = client
    this.#service = service
    this.#options = options
    for (const event of service.broadcasts ?? []) this.#broadcast(event)
    // While the local server is away, others of the group take what arrives.
    client.on('disconnect', () => void this.#leave())
    client.on('reconnect', () => this.#enter())
    client.on('close', (reason) => {
      const closed = new IpcError('ERR_CLOSED', 'the local server has closed the connection')
      void this.end(reason ?? closed)
    })
  }

  async open(): Promise<void> {
    try {
      this.#enter()
      await this.confirm()
    } catch (error) {
      await this.close()
      throw error
    }
  }

  protected async stop(): Promise<void> {
    await this.#leave()
    await this.#client.close()
  }

  #enter(): void {
    if (this.#nats.isClosed() || this.#nats.isDraining()) return
    const { prefix, group: queue } = this.#options
    for (const contract of this.#service.contracts) {
      const subjectOf = contract.kind === 'event' ? eventSubject : callSubject
      const subject = subjectOf(prefix, this.#service.name, contract.name)
      const receive = this.#receiver(contract)
      const callback = (error: Error | null, message: Msg) => {
        if (error) this.denied(subject, error)
        else receive(message)
      }
      this.#subscriptions.push(this.#nats.subscribe(subject, { queue, callback }))
    }
  }

  /** What has arrived already is still served. */
  async #leave(): Promise<void> {
    const subscriptions = this.#subscriptions
    this.#subscriptions = []
    if (this.#nats.isClosed()) return
    await Promise.allSettled(subscriptions.map((one) => one.drain()))
  }

  #receiver(contract: AnyContract): (message: Msg) => void {
    if (contract.kind === 'event') return this.#eventReceiver(contract)
    const codec = codecOf(contract).name
    const [method, stream] =
      contract.kind === 'method' ? [passed(contract), undefined] : [undefined, passed(contract)]
    const make = (letter: Letter, reply: string): Call => {
      const { post } = this
      const ended = (call: Call) => void this.calls.delete(call)
      const how = { post, client: this.#client, codec, reply, letter, ended }
      const isStream = letter.fields.kind === 'stream' && letter.fields.window !== undefined
      if (method !== undefined && letter.fields.kind === 'call') {
        return new IncomingRequest(how, method)
      }
      if (stream !== undefined && isStream) return new IncomingStream(how, stream)
      const message = `"${contract.name}" is a ${contract.kind}, but was called as something else`
      throw new IpcError('ERR_INVALID_ARGUMENT', message)
    }
    return (message) => {
      const reply = this.post.replyOf(message)
      // Nobody could be answered.
      if (reply === undefined) return this.drops.add(contract.name, 'refused')
      try {
        const { callsMax } = this.#options
        if (this.calls.size >= callsMax || this.post.isFull) {
          const text = this.post.isFull
            ? 'too much is on its way to the NATS server'
            : `the bridge works on ${callsMax.toLocaleString('en')} requests already`
          throw new IpcError('ERR_FULL', text)
        }
        this.calls.add(make(this.post.read(message), reply))
        this.callsTotal++
      } catch (error) {
        refuse(this.post, reply, error)
      }
    }
  }

  #eventReceiver(event: Event): (message: Msg) => void {
    const [name, codec, contract] = [event.name, codecOf(event).name, passed(event)]
    return (message) => {
      const letter = this.eventOf(message, name, codec)
      if (letter === undefined) return
      const { fields, payload, traceparent } = letter
      try {
        this.#client.notify(contract, payload, { lane: fields.lane, traceparent })
        this.passed++
      } catch {
        this.drops.add(name, 'local')
      }
    }
  }

  #broadcast(event: Event): void {
    const { name } = event
    const subject = broadcastSubject(this.#options.prefix, this.#service.name, name)
    const [codec, from] = [codecOf(event).name, this.post.id]
    let n = 0
    this.#client.on(passed(event), (payload, { lane, traceparent }) => {
      const fields = { kind: 'event', codec, lane, n: ++n, from } as const
      if (this.post.publishOneWay(subject, fields, payload, name, { traceparent })) this.passed++
    })
  }
}
