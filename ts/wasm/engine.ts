// The engine of this thread in place of the addon's: the module does the work, and this crosses the
// border with what comes and goes, and calls it when its time has come.

import { AsyncResource } from 'node:async_hooks'
import { nextTick } from 'node:process'
import { clearTimeout, setImmediate, setInterval, setTimeout } from 'node:timers'
import type * as binding from '../../native/binding.js'
import { Arrivals } from './arrivals.js'
import { claim } from './claim.js'
import { addressesOf, placesOf } from './directory.js'
import { codeOf, unsupported } from './fault.js'
import { Module, built, monotonicMs, theModule } from './module.js'
import { Regions, type Shared } from './regions.js'
import { Sockets } from './sockets.js'

const { runInAsyncScope } = AsyncResource.prototype
/** Timers reach no farther. */
const TIMER_MAX = 2 ** 31 - 1

type Hot = ReturnType<binding.NativeEngine['hot']>
type Deliver = (extras?: (ArrayBuffer | Uint8Array | null)[]) => void

export class WasmEngine implements binding.NativeEngine {
  readonly module: Module
  readonly #regions: Regions
  readonly #sockets: Sockets
  readonly #arrivals = new Arrivals(() => this.#call('appeared'))
  readonly #state: Uint32Array
  readonly #deliver: Deliver
  readonly #resource: object
  /** Keeps the process alive as long as anything does. */
  readonly #keeper = setInterval(() => {}, TIMER_MAX).unref()
  #isReferenced = false
  /** The module is taking its turn, and looks afterwards whether there is more to do. */
  #isInTurn = false
  #isScheduled = false
  #timer: NodeJS.Timeout | undefined
  /** When the timer is due. */
  #timerAt = Infinity

  constructor(memory: Shared, deliver: Deliver, resource: object) {
    const module = theModule()
    this.module = module.host === undefined ? module : new Module()
    this.#regions = new Regions(this.module, memory, built.constants)
    this.#state = new Uint32Array(memory.state)
    this.#deliver = deliver
    this.#resource = resource
    const sockets = new Sockets(this.module, {
      drive: () => this.#drive(),
      missed: (address) => this.#arrivals.missed(address),
    })
    this.#sockets = sockets
    this.module.host = {
      connect: (socket, address) => sockets.connect(socket, address),
      send: (socket, bytes) => sockets.send(socket, bytes),
      close: (socket) => sockets.close(socket),
      shutDown: (socket) => sockets.shutDown(socket),
      enter: (runs, ids) => this.#enter(runs, ids),
      uncaught,
    }
  }

  // ---- for the runtime ----

  hot(): Hot {
    const { exports } = this.module
    return {
      submit: () => this.#within(() => this.module.check(exports.submit())),
      submitOutside: (payload) => {
        const address = this.module.put(payload)
        const { length } = payload
        this.#within(() => this.module.check(exports.submit_outside(address, length)))
      },
      syncArena: () => {},
      // Never asked for: see `isPortable`.
      requestSync: () => {
        throw unsupported('synchronous requests need')
      },
      settle: () => this.#within(() => exports.settle()),
      lookAbandoned: () => this.#within(() => exports.look_abandoned()),
      now: monotonicMs,
      wakeAt: (ms) => this.#within(() => exports.wake_at(ms)),
      uncaught,
      flushAtExit: () => {
        this.#within(() => exports.flush_at_exit())
        this.#sockets.releaseNames()
      },
    }
  }

  listen(
    name: string,
    options: binding.NativeOptions,
    listen: binding.NativeListenOptions,
  ): number {
    if (listen.fd !== null) throw unsupported('sockets that another process has opened need')
    const number = this.#sockets.nextNumber()
    // The module checks the name before anything is made of it.
    const listener = this.#call('listen', name, options, listen, number) as number
    try {
      const places = placesOf(options.directory)
      const lost = (error: unknown) => {
        this.#call('nameLost', listener, `${codeOf(error)}\n${(error as Error).message}`)
      }
      this.#sockets.listen(number, (listen) => claim(places, name, listen), lost)
    } catch (error) {
      this.closeListener(listener)
      throw error
    }
    return listener
  }

  takeOver(): number {
    throw unsupported('to take a name over from a server that runs needs')
  }

  closeListener(listener: number): void {
    this.#call('closeListener', listener)
  }

  retireListener(listener: number): void {
    this.#call('retireListener', listener)
  }

  connect(name: string, options: binding.NativeOptions, timeoutMs: number): number {
    const addresses = addressesOf(placesOf(options.directory), name)
    return this.#call('connect', name, options, timeoutMs, addresses) as number
  }

  dial(
    name: string,
    options: binding.NativeOptions,
    attemptTimeoutMs: number,
    timeoutMs: number,
    insists: boolean,
  ): number {
    const addresses = addressesOf(placesOf(options.directory), name)
    const times = [attemptTimeoutMs, timeoutMs]
    return this.#call('dial', name, options, ...times, insists, addresses) as number
  }

  close(link: number, leaves: boolean): void {
    this.#call('close', link, leaves)
  }

  breakOff(link: number): void {
    this.#call('breakOff', link)
  }

  ping(link: number): number {
    return this.#call('ping', link) as number
  }

  leave(link: number): boolean {
    return this.#call('leave', link) as boolean
  }

  quiesce(link: number): void {
    this.#call('quiesce', link)
  }

  isIdle(link: number): boolean {
    return this.#call('isIdle', link) as boolean
  }

  cancel(link: number, slot: number, generation: number): boolean {
    return this.#call('cancel', link, slot, generation) as boolean
  }

  code(name: string): number {
    return this.#call('code', name) as number
  }

  acceptPacked(name: string): void {
    this.#call('acceptPacked', name)
  }

  /** Nothing is watched. */
  unwatch(): void {}

  stats(): binding.NativeEngineStats {
    // It is the event loop by which the host of the module wakes.
    return { ...(this.#call('stats') as binding.NativeEngineStats), wakesBy: 'loop' }
  }

  linkStats(link: number): binding.NativeLinkStats | null {
    return this.#call('linkStats', link) as binding.NativeLinkStats | null
  }

  forget(link: number): void {
    this.#call('forget', link)
  }

  // ---- for the module ----

  #enter(runs: number, ids: number[]): number {
    this.#regions.leaveWithRuns(runs)
    const { buffers } = this.module
    const extras = ids.length > 0 ? ids.map((id) => buffers.get(id)) : undefined
    let isFine = true
    try {
      runInAsyncScope.call(this.#resource as AsyncResource, this.#deliver, undefined, extras)
    } catch (error) {
      isFine = false
      uncaught(error)
    }
    this.#regions.returnRuns(runs)
    this.#regions.enterModule()
    return isFine ? 0 : 1
  }

  // ---- crossing the border ----

  #call(method: string, ...args: unknown[]): unknown {
    return this.#within(() => this.module.call(method, ...args))
  }

  /** Runs a call of the module with what both sides look at, and sees to what is to follow. */
  #within<T>(work: () => T): T {
    this.#regions.enterModule()
    try {
      return work()
    } finally {
      this.#regions.leaveModule()
      this.#settled()
    }
  }

  /** Has the module do all that is ready. Where it is entered nothing else is on the stack. */
  #drive(): void {
    if (this.#isInTurn) return
    this.#isInTurn = true
    try {
      this.#within(() => this.module.exports.turn())
    } finally {
      this.#isInTurn = false
    }
    this.#settled()
  }

  #settled(): void {
    if (this.#isInTurn) return
    this.#updateReferences()
    const { exports } = this.module
    if (exports.is_ready() !== 0) return this.#schedule()
    const due = exports.due()
    // A timer that comes too early finds nothing to do, and costs less than to set each anew.
    if (due >= this.#timerAt) return
    clearTimeout(this.#timer)
    this.#timerAt = due
    const ms = Math.min(Math.max(Math.ceil(due - monotonicMs()), 0), TIMER_MAX)
    this.#timer = setTimeout(this.#ring, ms).unref()
  }

  /** What has come is read before anything is ended because its time is over: after a stall of the
   * loop both are there, and timers have their turn before sockets. */
  readonly #ring = (): void => {
    this.#timerAt = Infinity
    this.#schedule()
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(this.#turn)
  }

  readonly #turn = (): void => {
    this.#isScheduled = false
    this.#drive()
  }

  #updateReferences(): void {
    const isReferenced = this.#state[built.constants.STATE_REFERENCES] > 0
    if (isReferenced === this.#isReferenced) return
    this.#isReferenced = isReferenced
    if (isReferenced) this.#keeper.ref()
    else this.#keeper.unref()
  }
}

/** Throws an error outside of everything that is on the stack. */
function uncaught(error: unknown): void {
  nextTick(() => {
    throw error
  })
}
