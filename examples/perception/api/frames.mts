// One frame of the producer, as the API serves it: the newest value, or the last good one and how
// old it is, or nothing yet.

import { openStateFrame, type FrameStats, type StateFrame, type StateFrameReader } from 'ringpost'

/** A frame that is older is served as stale, even if its producer lives: it may hang. */
export interface FrameOptions {
  maxAgeMs: number
}

export interface Found {
  /** Whether it is the newest of a producer that lives and keeps pace. */
  isFresh: boolean
  /** The body of an answer. */
  json: string
}

export class Frame<T extends { frameId: bigint }> {
  readonly #reader: StateFrameReader<T>
  /** The frame that was encoded last; encoding takes ten times as long as reading. */
  #encoded = ''
  #value: T | undefined
  #failures = 0
  #failure: string | null = null

  constructor(frame: StateFrame<T>, { maxAgeMs }: FrameOptions) {
    this.#reader = openStateFrame(frame, { maxAgeMs })
  }

  /** Looks; `undefined` while there is nothing to serve. Takes microseconds, waits for nothing. */
  look(): Found | undefined {
    let reading
    try {
      reading = this.#reader.read()
      this.#failure = null
    } catch (error) {
      // There is something of this name, but nothing that could be read, now or before.
      this.#failures++
      this.#failure = (error as Error).message
      return undefined
    }
    const { status, value, number, ageMs, isTooOld } = reading
    if (value === undefined) return undefined
    if (value !== this.#value) {
      this.#encoded = encode(value)
      this.#value = value
    }
    const isGone = status === 'stale'
    const stale = isGone || isTooOld
    const why = isGone ? 'the producer is gone' : isTooOld ? 'the producer is late' : null
    const about = JSON.stringify({ stale, why, ageMs: Math.round(ageMs * 1e3) / 1e3, number })
    return { isFresh: !stale, json: `${about.slice(0, -1)},"frame":${this.#encoded}}` }
  }

  /** What was counted: `corrupt` are values that were not served, because the last good one was;
   * `failures` are looks that had none. */
  stats(): FrameStats & { failures: number; failure: string | null } {
    return { ...this.#reader.stats(), failures: this.#failures, failure: this.#failure }
  }

  /** Calls `listener` when the producer is gone, and when there is a frame of the next one. */
  onPresence(listener: (isThere: boolean) => void): void {
    let isThere: boolean | undefined
    this.#reader.onChange(({ status }) => {
      const wasThere = isThere
      isThere = status !== 'stale'
      if (isThere !== wasThere) listener(isThere)
    })
  }

  close(): void {
    this.#reader.close()
  }
}

/** JSON has no integers of 64 bits; no producer lives long enough to need them. */
function encode(value: { frameId: bigint }): string {
  return JSON.stringify({ ...value, frameId: Number(value.frameId) })
}
