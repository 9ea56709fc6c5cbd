// One server of a pool, and the connections to it.

import type * as api from '../../index.js'
import type { Connection } from '../connection/connection.js'
import type { Sums } from '../connection/sums.js'
import type { PoolSettings } from '../values/options.js'
import type { Runtime } from '../runtime/runtime.js'
import { Client } from './client.js'

/** What a pool needs to know. */
interface Outcomes {
  opened(member: Member): void
  /** The server is not there, and is awaited. */
  absent(): void
  /** Nothing is in flight on some connection. */
  idle(): void
  /** A connection can no longer be used. */
  lost(member: Member): void
  /** The server refuses, for a reason that time does not change. */
  refused(error: unknown): void
}

/** A connection of a pool. */
export class Member {
  isLeased = false
  /** Since it was looked at last. */
  wasUsed = true

  constructor(
    readonly server: PoolServer,
    readonly client: Client,
  ) {}

  get session(): Connection | undefined {
    return this.client.session
  }

  get pending(): number {
    return this.client.session?.pending ?? 0
  }

  get isUnresponsive(): boolean {
    return this.client.isUnresponsive
  }

  /** Whether it takes requests: one that is leaving does not. */
  get isUsable(): boolean {
    const { session } = this.client
    return session !== undefined && !session.isLeaving
  }

  /** Whether it is the one to use: of a server that reads and has less to do, the one with less to
   * do. */
  isBetterThan(other: Member): boolean {
    if (this.isUnresponsive !== other.isUnresponsive) return other.isUnresponsive
    const byServer = this.server.pending - other.server.pending
    return byServer === 0 ? this.pending < other.pending : byServer < 0
  }

  /** Whether it was not used since it was asked for last. */
  isUnused(): boolean {
    const wasUsed = this.wasUsed || this.isLeased || this.pending > 0
    this.wasUsed = false
    return !wasUsed
  }

  /** Closes it once nothing is in flight on it. */
  retire(): void {
    this.server.forget(this)
    const { session } = this
    if (session === undefined || session.pending === 0) void this.client.close()
    else session.onIdle = () => void this.client.close()
  }
}

export class PoolServer {
  readonly #runtime: Runtime
  readonly #name: string
  readonly #settings: PoolSettings
  readonly #outcomes: Outcomes
  readonly #sums: Sums<Connection>
  readonly #members = new Set<Member>()
  /** With whether they wait for a server that is not there. */
  readonly #dialing = new Map<Client, boolean>()
  /** The last attempt has come to a connection that is not lost. */
  #isUp = true
  /** The last attempt was refused, for a reason that time does not change. */
  refuses = false

  constructor(
    runtime: Runtime,
    name: string,
    settings: PoolSettings,
    sums: Sums<Connection>,
    outcomes: Outcomes,
  ) {
    this.#runtime = runtime
    this.#name = name
    this.#settings = settings
    this.#sums = sums
    this.#outcomes = outcomes
  }

  get size(): number {
    return this.#members.size + this.#dialing.size
  }

  /** Connections that will soon be there: one to a server that is away may take for ever. */
  get opening(): number {
    return this.#isUp ? this.#dialing.size : 0
  }

  /** A server that is away is awaited once. */
  get mayDial(): boolean {
    return this.#isUp || this.#dialing.size === 0
  }

  /** Requests in flight to it. */
  get pending(): number {
    let pending = 0
    for (const member of this.#members) pending += member.pending
    return pending
  }

  dial(): void {
    // One that is not there has to say so before it is awaited, so that others can be asked.
    const waitsForServer = !this.#isUp
    const settings = { ...this.#settings, waitsForServer }
    const client = new Client(this.#runtime, this.#name, settings, undefined, this.#sums)
    this.#dialing.set(client, waitsForServer)
    // Only what waits in the pool keeps the process alive.
    client.dial().then(
      () => this.#opened(client),
      (error: unknown) => this.#failed(client, error),
    )
  }

  #opened(client: Client): void {
    this.#dialing.delete(client)
    this.#isUp = true
    this.refuses = false
    const member = new Member(this, client)
    const { session } = client
    if (session === undefined) return this.#lost(member)
    session.onIdle = () => this.#outcomes.idle()
    for (const event of ['leaving', 'close'] as const) {
      client.once(event, () => this.#lost(member))
    }
    this.#members.add(member)
    this.#outcomes.opened(member)
  }

  #lost(member: Member): void {
    const isNews = this.#members.delete(member)
    if (isNews) this.#isUp = false
    this.#outcomes.lost(member)
  }

  #failed(client: Client, error: unknown): void {
    const hasWaited = this.#dialing.get(client)
    if (!this.#dialing.delete(client)) return
    this.#isUp = false
    if (hasWaited) {
      this.refuses = true
      return this.#outcomes.refused(error)
    }
    if (this.mayDial) this.dial()
    this.#outcomes.absent()
  }

  /** It is used no longer. */
  forget(member: Member): void {
    this.#members.delete(member)
  }

  stop(): void {
    for (const client of this.#dialing.keys()) void client.close()
    this.#dialing.clear()
  }

  stats(): api.PoolServerStats {
    const { pending } = this
    return { name: this.#name, size: this.#members.size, pending, isUp: this.#isUp }
  }
}
