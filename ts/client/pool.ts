// Connections to one service, on one server or on many: made on demand, used by many at once or
// leased to one, and replaced when they break.

import type * as api from '../../index.js'
import type { Connection } from '../connection/connection.js'
import { Sums } from '../connection/sums.js'
import { Deferred } from '../values/deferred.js'
import { IpcError } from '../values/errors.js'
import { closeOptions, waitOptions, type PoolSettings } from '../values/options.js'
import { warn } from '../values/report.js'
import type { Alarm } from '../runtime/alarms.js'
import type { Runtime } from '../runtime/runtime.js'
import { Away, type Waiting } from './away.js'
import { Lease } from './lease.js'
import type { Home } from './lasting.js'
import { PoolServer, type Member } from './pool-server.js'
import { PoolTimes } from './pool-times.js'
import { Sender } from './sender.js'

export class Pool implements api.Pool, Home {
  readonly away: Away
  readonly #runtime: Runtime
  readonly #settings: PoolSettings
  readonly #servers: readonly PoolServer[]
  readonly #sender: Sender
  /** Connections that are open and can be used. */
  readonly #members: Member[] = []
  /** Those among all that wait that want a connection of their own. */
  readonly #acquiring = new Map<Waiting, (member: Member) => void>()
  readonly #times = new PoolTimes()
  readonly #sums: Sums<Connection>
  #made = 0
  #reused = 0
  #leased = 0
  /** Events that were dropped while there was no connection, and whose senders do not know. */
  #untold = 0
  #sweep: Alarm | undefined
  #closing: Promise<void> | undefined

  constructor(runtime: Runtime, names: readonly string[], settings: PoolSettings) {
    this.#runtime = runtime
    this.#settings = settings
    this.away = new Away(runtime, settings.native.backlogMax)
    this.#sender = new Sender(this, settings, ({ count }, isTold) => {
      if (!isTold) this.#untold += count
    })
    this.#sums = new Sums(runtime.engine, settings.methodLatency)
    this.#servers = [...new Set(names)].map(
      (name) =>
        new PoolServer(runtime, name, settings, this.#sums, {
          opened: (member) => this.#opened(member),
          absent: () => this.#grow(this.#wanted),
          idle: () => this.#acquiring.size > 0 && this.#serve(),
          lost: (member) => this.#lost(member),
          refused: (error) => this.#refused(error),
        }),
    )
    for (let wanted = 1; wanted <= settings.min; wanted++) this.#grow(wanted)
  }

  // ---- members ----

  #opened(member: Member): void {
    this.#members.push(member)
    this.#made++
    if (this.#members.length > this.#settings.max) this.#retireOne()
    this.#serve()
    this.#sweepLater()
  }

  /** A connection is over, or is about to be. */
  #lost(member: Member): void {
    const at = this.#members.indexOf(member)
    if (at !== -1) this.#members.splice(at, 1)
    if (this.#closing !== undefined) return
    this.#forgive()
    if (at !== -1 || this.away.size > 0) this.#grow(Infinity)
  }

  /** A server refuses for a reason that time does not change: others are asked in its place, and
   * where there is none, nothing has to wait. */
  #refused(error: unknown): void {
    if (!this.#servers.every(({ refuses }) => refuses)) return this.#grow(this.#wanted)
    if (this.#members.length > 0) return
    this.#forgive()
    this.#fail(error)
  }

  /** Servers that have refused may be asked again. */
  #forgive(): void {
    for (const server of this.#servers) server.refuses = false
  }

  /** How many connections should be on their way, for what waits and for the minimum. */
  get #wanted(): number {
    return Math.max(this.away.size, this.#settings.min - this.#members.length)
  }

  /** Nothing that waits gets a connection. No lane has dropped these events, so that a program
   * does not expect it. */
  #fail(error: unknown): void {
    const before = this.#untold
    this.away.fail(error)
    const dropped = this.#untold - before
    if (dropped === 0) return
    warn(`events that waited for a connection were dropped, ${dropped} in all`, { error })
  }

  /** Makes another connection, if fewer are being made than wanted and there may be one more; to a
   * server that has refused only if it `insists`. One to a server that is away may take for ever,
   * and is made beside it. */
  #grow(wanted: number, insists = false): void {
    const opening = this.#servers.reduce((sum, server) => sum + server.opening, 0)
    if (opening >= wanted || this.#members.length + opening >= this.#settings.max) return
    const servers = this.#servers.filter((it) => it.mayDial && (insists || !it.refuses))
    servers.sort((one, other) => one.size - other.size)
    for (const server of servers) {
      server.dial()
      if (server.opening > 0) return
    }
  }

  /** One too many: of the server with the most, the one with the least to do. */
  #retireOne(): void {
    const idle = this.#members.filter((member) => !member.isLeased)
    idle.sort((one, other) => other.server.size - one.server.size || one.pending - other.pending)
    if (idle.length > 0) this.#discard(idle[0])
  }

  /** The connection with the least in flight, of the server that has the least to do. */
  #pick(): Member | undefined {
    let best: Member | undefined
    for (const member of this.#members) {
      if (member.isLeased || !member.isUsable) continue
      if (best === undefined || member.isBetterThan(best)) best = member
    }
    return best
  }

  next(): Connection | undefined {
    const member = this.#pick()
    const isFirst = this.#members.length === 0
    if (member === undefined || member.pending > 0) this.#grow(this.away.size + 1, isFirst)
    if (member === undefined) return undefined
    this.#reused++
    member.wasUsed = true
    return member.session
  }

  /** Gives what waits its connection, as far as there are any. */
  #serve(): void {
    for (const waiting of this.away.all) {
      const give = this.#acquiring.get(waiting)
      if (give === undefined) this.#start(waiting)
      else this.#lend(waiting, give)
    }
  }

  #start(waiting: Waiting): void {
    const session = this.#pick()?.session
    if (session !== undefined) this.away.startOne(waiting, session)
  }

  // ---- leases ----

  /** A connection that nothing is in flight on. */
  #idle(): Member | undefined {
    return this.#members.find((it) => !it.isLeased && it.isUsable && it.pending === 0)
  }

  #lend(waiting: Waiting, give: (member: Member) => void): void {
    const member = this.#idle()
    if (member === undefined || !this.away.take(waiting)) return
    this.#acquiring.delete(waiting)
    give(member)
  }

  async acquire(options?: api.WaitOptions): Promise<api.Lease> {
    const { signal, timeoutMs = Infinity } = waitOptions(options)
    signal?.throwIfAborted()
    this.checkWaits()
    const idle = this.#acquiring.size === 0 ? this.#idle() : undefined
    if (idle !== undefined) {
      this.#reused++
      this.#times.add(0)
      return this.#lease(idle)
    }
    const start = this.now()
    this.#grow(this.#acquiring.size + 1, this.#members.length === 0)
    const lease = await this.#acquireLater(signal, timeoutMs)
    this.#times.add(this.now() - start)
    return lease
  }

  #acquireLater(signal: AbortSignal | undefined, timeoutMs: number): Promise<Lease> {
    const signals = signal === undefined ? [] : [signal]
    return new Promise((resolve, reject) => {
      const fail = (reason: unknown) => {
        this.#acquiring.delete(waiting)
        reject(reason)
      }
      const waiting: Waiting = { bytes: 0, start: () => {}, fail }
      this.away.add(waiting, { signals, timeoutMs, what: 'connection to lease' })
      this.#acquiring.set(waiting, (member) => {
        this.#reused++
        resolve(this.#lease(member))
      })
    })
  }

  #lease(member: Member): Lease {
    member.isLeased = member.wasUsed = true
    this.#leased++
    return new Lease(member.client, () => {
      member.isLeased = false
      this.#leased--
      if (this.#closing !== undefined) member.retire()
      else this.#serve()
    })
  }

  // ---- requests, streams and events ----

  request<Params, Result>(
    method: api.Method<Params, Result> | string,
    params?: Params,
    options?: api.RequestOptions,
  ): Promise<Result> {
    return this.#sender.request(method, params, options)
  }

  stream<Params, Item, Upload, Result>(
    contract: api.Stream<Params, Item, Upload, Result>,
    params?: Params,
    options?: api.StreamCallOptions,
  ): api.ClientStream<Item, Upload, Result> {
    return this.#sender.stream(contract, params, options)
  }

  notify<Payload>(
    event: api.Event<Payload> | string,
    payload?: Payload,
    options?: api.NotifyOptions,
  ): boolean {
    return this.#sender.notify(event, payload, options)
  }

  send<Payload>(
    event: api.Event<Payload> | string,
    payload?: Payload,
    options?: api.NotifyOptions,
  ): Promise<void> {
    return this.#sender.send(event, payload, options)
  }

  async drained(options?: api.WaitOptions): Promise<void> {
    const { signal, timeoutMs = Infinity } = waitOptions(options)
    signal?.throwIfAborted()
    const endsAt = this.now() + timeoutMs
    await this.#sender.handedOver({ signal, timeoutMs })
    const left = { signal, timeoutMs: Math.max(endsAt - this.now(), 1e-3) }
    await Promise.all(this.#members.map(({ client }) => client.drained(left)))
  }

  now(): number {
    return this.#runtime.alarms.now()
  }

  get timeoutMs(): number {
    return this.#settings.timeoutMs
  }

  checkWaits(): void {
    if (this.#closing !== undefined) throw new IpcError('ERR_CLOSED', 'the pool is closed')
  }

  // ---- upkeep ----

  /** Looks for connections that were not used for long, while there are more than have to be. */
  #sweepLater(): void {
    const { idleMs, min } = this.#settings
    if (this.#sweep !== undefined || this.#members.length <= min) return
    this.#sweep = this.#runtime.alarms.set(idleMs, () => {
      this.#sweep = undefined
      this.#forgive()
      const unused = this.#members.filter((it) => it.isUnused())
      for (const member of unused.slice(0, this.#members.length - min)) this.#discard(member)
      this.#sweepLater()
    })
  }

  /** Closes a connection that is not to be replaced. */
  #discard(member: Member): void {
    this.#members.splice(this.#members.indexOf(member), 1)
    member.retire()
  }

  stats(): api.PoolStats {
    const { p50, p99 } = this.#times
    const idle = this.#members.filter((it) => !it.isLeased && it.pending === 0).length
    const [made, reused] = [this.#made, this.#reused]
    return {
      size: this.#members.length,
      idle,
      leased: this.#leased,
      waiting: this.away.size,
      made,
      reused,
      reuseRatio: reused === 0 ? 0 : reused / (made + reused),
      acquireP50Ms: p50,
      acquireP99Ms: p99,
      servers: this.#servers.map((server) => server.stats()),
    }
  }

  totals(): api.Totals {
    const totals = this.#sums.totals()
    this.#sender.addDropped(totals)
    return totals
  }

  health(): api.Health {
    const isUp = this.#servers.some((server) => server.stats().isUp)
    const reachable = isUp && this.#closing === undefined
    return { ok: reachable, checks: { reachable } }
  }

  // ---- the end ----

  close(options?: api.CloseOptions): Promise<void> {
    const { drainMs = DRAIN_MS } = closeOptions(options)
    this.#closing ??= this.#close(drainMs)
    return this.#closing
  }

  async #close(drainMs: number): Promise<void> {
    if (this.#sweep !== undefined) this.#runtime.alarms.clear(this.#sweep)
    this.#fail(new IpcError('ERR_CLOSED', 'the pool is closed'))
    for (const server of this.#servers) server.stop()
    const members = [...this.#members]
    for (const member of members) if (!member.isLeased) member.retire()
    const ended = Promise.all(members.map((member) => member.client.closed))
    const late = new Deferred<void>()
    const alarm = this.#runtime.alarms.set(drainMs, () => late.resolve())
    this.#runtime.hold(1)
    await Promise.race([ended, late.promise])
    this.#runtime.alarms.clear(alarm)
    await Promise.all(members.map((member) => member.client.close()))
    this.#runtime.hold(-1)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/** How long what is in flight, and who holds a lease, may take while a pool closes. */
const DRAIN_MS = 5_000
