// What all bridges have in common: a connection to NATS, calls under way, counters, and an end.

import type { Msg, NatsConnection } from '@nats-io/transport-node'
import { IpcError } from 'ringpost'
import { Drops } from './drops.mjs'
import type { Bridge, BridgeOptions, BridgeStats } from './options.mjs'
import { lost, Post, type Letter, type Watcher } from './post.mjs'
import { checkCodec } from './wire.mjs'

/** A request or stream that is under way. */
export interface Call {
  /** The subject it was sent to, of a call of this side. */
  readonly subject?: string
  /** Whether its outcome is here: the other side is not needed any more. */
  readonly isAnswered?: boolean
  /** Ends it with an error. */
  fail(error: IpcError): void
}

/** Makes a bridge; where that fails, ends what was opened for it. */
export async function made<Made extends OpenBridge>(
  make: () => Made,
  undo: () => unknown,
): Promise<Made> {
  try {
    return make()
  } catch (error) {
    await undo()
    throw error
  }
}

export abstract class OpenBridge implements Bridge, Watcher {
  readonly closed: Promise<IpcError | null>
  protected readonly drops: Drops
  protected readonly post: Post
  protected readonly calls = new Set<Call>()
  protected callsTotal = 0
  protected passed = 0
  /** What the NATS server did not permit. */
  #denial: IpcError | undefined
  #end!: (reason: IpcError | null) => void
  #ending: Promise<void> | undefined

  constructor(nats: NatsConnection, options: BridgeOptions & { inboxPrefix: string }) {
    this.closed = new Promise((resolve) => (this.#end = resolve))
    this.drops = new Drops(options.onDrop)
    this.post = new Post(nats, options.inboxPrefix, this.drops, this)
  }

  stats(): BridgeStats {
    const { calls, callsTotal, passed, drops } = this
    return { calls: calls.size, callsTotal, passed, dropped: { ...drops.counts } }
  }

  close(): Promise<void> {
    return this.end(null)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  protected get isEnding(): boolean {
    return this.#ending !== undefined
  }

  protected end(reason: IpcError | null): Promise<void> {
    this.#ending ??= this.#stop(reason)
    return this.#ending
  }

  /** Ends the local side. */
  protected abstract stop(): Promise<void>

  /** @throws IpcError `ERR_ACCESS` if the NATS server does not permit what was subscribed to,
   * `ERR_NO_SERVER` if there is no connection to it */
  async confirm(): Promise<void> {
    try {
      await this.post.nats.flush()
    } catch (cause) {
      const message = 'there is no connection to the NATS server'
      throw new IpcError('ERR_NO_SERVER', message, { cause })
    }
    if (this.#denial !== undefined) throw this.#denial
  }

  async #stop(reason: IpcError | null): Promise<void> {
    const error = reason ?? new IpcError('ERR_CLOSED', 'the bridge was closed')
    for (const call of [...this.calls]) call.fail(error)
    await this.stop()
    this.post.close()
    this.drops.flush()
    this.#end(reason)
  }

  /** An event from another machine; `undefined`, and counted, if it is none. */
  protected eventOf(message: Msg, name: string, codec: string): Letter | undefined {
    try {
      const letter = this.post.read(message)
      checkCodec(letter.fields, codec, 'the event')
      return letter
    } catch {
      this.drops.add(name, 'refused')
      return undefined
    }
  }

  // ---- what becomes of the connection ----

  lost(): void {
    for (const call of [...this.calls]) if (!call.isAnswered) call.fail(lost())
  }

  denied(subject: string, cause: Error): void {
    const message = `the NATS server does not permit this: ${cause.message}`
    this.#denial = new IpcError('ERR_ACCESS', message, { cause })
    const calls = [...this.calls].filter((call) => call.subject === subject)
    for (const call of calls) call.fail(this.#denial)
    if (calls.length === 0) this.drops.add(subject, 'denied')
  }

  cut(): void {
    void this.end(new IpcError('ERR_CLOSED', 'the connection to the NATS server was closed'))
  }
}
