// Requests, streams and events that go to the session there is, or wait for one.

import type * as api from '../../index.js'
import { wereDropped } from '../connection/sends.js'
import { encodeToKeep } from '../values/codec.js'
import { asEvent, asMethod, asStream } from '../values/contract.js'
import {
  LANES,
  notifyOptions,
  requestOptions,
  streamCallOptions,
  waitOptions,
  type ClientSettings,
} from '../values/options.js'
import type { Home } from './lasting.js'
import { LastingRequest } from './lasting-request.js'
import { LastingStream } from './lasting-stream.js'
import { WaitingEvents, type Dropped } from './waiting-events.js'

export class Sender {
  readonly #home: Home
  readonly #events: WaitingEvents

  constructor(home: Home, settings: ClientSettings, dropped: Dropped) {
    this.#home = home
    this.#events = new WaitingEvents(home, settings, dropped)
  }

  /** Adds the events that were dropped while there was no session. */
  addDropped({ dropped }: api.Counters): void {
    this.#events.dropped.forEach((count, lane) => (dropped[LANES[lane]] += count))
  }

  request<Params, Result>(
    method: api.Method<Params, Result> | string,
    params: Params | undefined,
    options: api.RequestOptions | undefined,
  ): Promise<Result> {
    const session = isIdempotent(method) ? undefined : this.#home.next()
    if (session !== undefined) return session.request(method, params, options)
    try {
      const checked = options === undefined ? {} : requestOptions(options)
      return LastingRequest.ask(this.#home, asMethod(method), params, checked)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  stream<Params, Item, Upload, Result>(
    contract: api.Stream<Params, Item, Upload, Result>,
    params: Params | undefined,
    options: api.StreamCallOptions | undefined,
  ): api.ClientStream<Item, Upload, Result> {
    const checked = asStream(contract)
    const session = checked.options.resumable === true ? undefined : this.#home.next()
    if (session !== undefined) return session.stream(contract, params, options)
    return new LastingStream(this.#home, checked, params, streamCallOptions(options))
  }

  notify<Payload>(
    event: api.Event<Payload> | string,
    payload: Payload | undefined,
    options: api.NotifyOptions | undefined,
  ): boolean {
    const session = this.#home.next()
    if (session !== undefined) return session.notify(event, payload, options)
    const contract = asEvent(event)
    const checked = notifyOptions(options ?? {})
    this.#events.add(contract, encodeToKeep(contract.codec, payload, 'payload'), checked)
    return false
  }

  async send<Payload>(
    event: api.Event<Payload> | string,
    payload: Payload | undefined,
    options: api.NotifyOptions | undefined,
  ): Promise<void> {
    const session = this.#home.next()
    if (session !== undefined) return session.send(event, payload, options)
    const contract = asEvent(event)
    const checked = notifyOptions(options ?? {})
    const bytes = encodeToKeep(contract.codec, payload, 'payload')
    return new Promise((resolve, reject) => {
      this.#events.add(contract, bytes, checked, { resolve, reject })
    })
  }

  async drained(options: api.WaitOptions | undefined): Promise<void> {
    const { signal, timeoutMs = Infinity } = waitOptions(options)
    signal?.throwIfAborted()
    const session = this.#home.next()
    if (session !== undefined) return session.drained(options)
    this.#home.checkWaits()
    const endsAt = this.#home.now() + timeoutMs
    const { away } = this.#home
    const later = await this.#withoutDrop(away.session({ signal, timeoutMs }))
    return later.drained({ signal, timeoutMs: Math.max(endsAt - this.#home.now(), 1e-3) })
  }

  /** Resolves when nothing waits for a session any more. */
  handedOver(options: api.WaitOptions): Promise<void> {
    return this.#withoutDrop(this.#home.away.handedOver(options))
  }

  /** Fails if events that waited for a session were dropped during this wait. */
  async #withoutDrop<T>(wait: Promise<T>): Promise<T> {
    const before = this.#events.droppedInAll
    const outcome = await wait
    const dropped = this.#events.droppedInAll - before
    if (dropped > 0) throw wereDropped(dropped)
    return outcome
  }
}

/** Whether a request is sent again where its session is lost before it is answered. */
export function isIdempotent(method: api.Method<any, any> | string): boolean {
  return typeof method === 'object' && method?.options?.idempotent === true
}
