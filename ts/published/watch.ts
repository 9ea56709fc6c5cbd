// Looking at a published object when it may have changed.
//
// Its writer rings at most every tenth of a millisecond: who was woken and has found something new
// looks once more that much later, until there is nothing new. Then it looks a last time: when a
// writer dies, the kernel says so a moment before its lock is free, and a subscriber looks for
// another file in place of its own once a millisecond at most.

import type { NativeEngine } from '../../native/binding.js'
import type { Alarm } from '../runtime/alarms.js'
import { theRuntime, type Runtime } from '../runtime/runtime.js'
import { raised } from '../values/errors.js'

/** Milliseconds after a look that has found something, and before the last one. */
const AGAIN_MS = 0.1
const AT_LAST_MS = 2
/** Between looks while the kernel has no room for a watch that is needed by now. */
const POLL_MS = 20

/** A reader of the binding. */
export interface Watchable {
  watch(engine: NativeEngine): number
}

export class Watch {
  readonly #runtime: Runtime = theRuntime()
  readonly #reader: Watchable
  readonly #look: () => boolean
  /** While the kernel watches. */
  #id: number | undefined
  #alarm: Alarm | undefined
  #poll: Alarm | undefined
  #isHeld = true
  #isOver = false

  /** Calls `look` now and whenever there may be something new; it returns whether there was. The
   * process stays alive meanwhile, unless `hold` says otherwise. */
  constructor(reader: Watchable, look: () => boolean) {
    this.#reader = reader
    this.#look = look
    this.#begin()
    this.#runtime.hold(1)
    this.#changed()
  }

  /** @throws IpcError where the kernel has no room for it. */
  #begin(): void {
    const runtime = this.#runtime
    const id = raised(() => this.#reader.watch(runtime.engine))
    runtime.watch(id, { changed: () => this.#changed(), unwatched: () => this.#unwatched() })
    this.#id = id
  }

  /** There was room for what was there, and there is none for what has come. */
  #unwatched(): void {
    this.#leave()
    this.#poll = this.#runtime.alarms.set(POLL_MS, () => {
      this.#poll = undefined
      try {
        this.#begin()
      } catch {
        this.#unwatched()
      }
      this.#changed()
    })
  }

  #leave(): void {
    if (this.#id !== undefined) this.#runtime.unwatch(this.#id)
    this.#id = undefined
  }

  /** Looks once more a moment from now: who has found nothing, and sleeps from now on, may have
   * been woken a moment ago for something else. */
  lookAgain(): void {
    this.#lookIn(AGAIN_MS)
  }

  /** Whether somebody waits, for whom the process stays alive. */
  hold(isHeld: boolean): void {
    if (this.#isOver || isHeld === this.#isHeld) return
    this.#isHeld = isHeld
    this.#runtime.hold(isHeld ? 1 : -1)
  }

  end(): void {
    if (this.#isOver) return
    this.hold(false)
    this.#isOver = true
    for (const alarm of [this.#alarm, this.#poll]) {
      if (alarm !== undefined) this.#runtime.alarms.clear(alarm)
    }
    this.#leave()
  }

  #changed(): void {
    if (this.#isOver) return
    this.#lookIn(this.#look() ? AGAIN_MS : AT_LAST_MS)
  }

  #lookIn(ms: number): void {
    if (this.#isOver) return
    const { alarms } = this.#runtime
    if (this.#alarm !== undefined) alarms.clear(this.#alarm)
    this.#alarm = alarms.set(ms, () => {
      this.#alarm = undefined
      if (this.#isOver) return
      if (this.#look()) this.#lookIn(AGAIN_MS)
      else if (ms < AT_LAST_MS) this.#lookIn(AT_LAST_MS)
    })
  }
}
