// Alarms: what is to be done when its time has come, by the engine's clock and its timer.
// JavaScript's own may have been replaced, as test frameworks do, and reach no farther than 25
// days.

/** Of the binding: a monotonic clock, and a call when it reads so much. */
interface Clock {
  now(): number
  wakeAt(ms: number): void
}

export interface Alarm {
  readonly at: number
  readonly ring: () => void
  /** Where it is in the heap; -1 if it is not. */
  place: number
}

export class Alarms {
  readonly #clock: Clock
  /** The next is the first: none is due before the one at half its place. */
  readonly #heap: Alarm[] = []
  /** When the binding will call at the latest. */
  #asked = Infinity

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Milliseconds of the monotonic clock. */
  now(): number {
    return this.#clock.now()
  }

  /** Calls `ring` once, `ms` from now; never, if that is `Infinity`. */
  set(ms: number, ring: () => void): Alarm {
    const alarm = { at: this.now() + ms, ring, place: -1 }
    if (alarm.at === Infinity) return alarm
    this.#put(alarm, this.#heap.length)
    this.#rise(alarm)
    this.#ask()
    return alarm
  }

  /** Takes an alarm back; one that has rung already is let be. */
  clear(alarm: Alarm): void {
    if (alarm.place !== -1) this.#remove(alarm)
  }

  /** The binding calls: rings what is due. */
  ring(): void {
    this.#asked = Infinity
    const now = this.now()
    while (this.#heap.length > 0 && this.#heap[0].at <= now) {
      const [alarm] = this.#heap
      this.#remove(alarm)
      alarm.ring()
    }
    this.#ask()
  }

  /** Only an earlier time costs a call: who is woken too early finds nothing, and asks again. */
  #ask(): void {
    if (this.#heap.length === 0 || this.#heap[0].at >= this.#asked) return
    this.#asked = this.#heap[0].at
    this.#clock.wakeAt(this.#asked)
  }

  #remove(alarm: Alarm): void {
    const last = this.#heap.pop()!
    if (last !== alarm) {
      this.#put(last, alarm.place)
      this.#rise(last)
      this.#sink(last)
    }
    alarm.place = -1
  }

  #rise(alarm: Alarm): void {
    while (alarm.place > 0) {
      const above = this.#heap[(alarm.place - 1) >> 1]
      if (above.at <= alarm.at) return
      const { place } = above
      this.#put(above, alarm.place)
      this.#put(alarm, place)
    }
  }

  #sink(alarm: Alarm): void {
    for (;;) {
      const [left, right] = [this.#heap[2 * alarm.place + 1], this.#heap[2 * alarm.place + 2]]
      const below = right !== undefined && right.at < left.at ? right : left
      if (below === undefined || below.at >= alarm.at) return
      const { place } = below
      this.#put(below, alarm.place)
      this.#put(alarm, place)
    }
  }

  #put(alarm: Alarm, place: number): void {
    this.#heap[place] = alarm
    alarm.place = place
  }
}
