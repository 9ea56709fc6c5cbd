// The regions of the border: memory that the module and JavaScript both look at, of which each has
// its own. They are copied when the border is crossed.

import type { Module } from './module.js'

/** What `NativeEngine` is made with. */
export type Shared = Record<'outbox' | 'state' | 'runs' | 'standing', ArrayBuffer>

/** The regions of the border, on either side. */
export class Regions {
  readonly #module: Module
  readonly #outbox: Uint8Array
  readonly #state: Uint8Array
  readonly #runs: Uint8Array
  readonly #standing: Uint8Array
  readonly #words: Uint32Array
  /** Where they lie in the module. */
  readonly #at: Record<keyof Shared, number>
  /** Which word of the state says how much of the outbox is in use. */
  readonly #used: number
  readonly #runBytes: number

  constructor(module: Module, shared: Shared, constants: Readonly<Record<string, number>>) {
    this.#module = module
    this.#outbox = new Uint8Array(shared.outbox)
    this.#state = new Uint8Array(shared.state)
    this.#words = new Uint32Array(shared.state)
    this.#runs = new Uint8Array(shared.runs)
    this.#standing = new Uint8Array(shared.standing)
    const { exports } = module
    this.#at = {
      outbox: exports.outbox_pointer() >>> 0,
      state: exports.state_pointer() >>> 0,
      runs: exports.runs_pointer() >>> 0,
      standing: exports.standing_pointer() >>> 0,
    }
    this.#used = constants.STATE_USED
    this.#runBytes = constants.RUN_WORDS * 4
  }

  /** What JavaScript has written goes to the module. */
  enterModule(): void {
    const { seen } = this.#module
    const used = this.#words[this.#used]
    if (used > 0) seen.set(this.#outbox.subarray(0, used), this.#at.outbox)
    seen.set(this.#state, this.#at.state)
  }

  /** What the module has written comes to JavaScript. */
  leaveModule(): void {
    const changed = this.#module.exports.standing_changed() >>> 0
    const { seen } = this.#module
    const { state } = this.#at
    this.#state.set(seen.subarray(state, state + this.#state.length))
    if (changed === 0) return
    const [start, end] = new Uint32Array(seen.slice(changed, changed + 8).buffer)
    const { standing } = this.#at
    this.#standing.set(seen.subarray(standing + start, standing + end), start)
  }

  /** The same with so many runs of what has arrived. */
  leaveWithRuns(count: number): void {
    this.leaveModule()
    const { runs } = this.#at
    this.#runs.set(this.#module.seen.subarray(runs, runs + count * this.#runBytes))
  }

  /** They were read, and have flags. */
  returnRuns(count: number): void {
    this.#module.seen.set(this.#runs.subarray(0, count * this.#runBytes), this.#at.runs)
  }
}
