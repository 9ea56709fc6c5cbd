// Doing something at a fixed rate with timers, which leave the processor to others.

import { setTimeout } from 'node:timers/promises'
import { now } from './contract.mjs'

/** Timers are late by a millisecond or more; all that is due by then is done together. */
const TICK_MS = 2
/** A process that was stopped for longer does not make up for it. */
const CATCH_UP_MS = 1_000

/**
 * Calls `act` so many times a second, until it was called `count` times or the signal is aborted.
 * @param {number} perSecond
 * @param {() => void} act
 * @param {{ count?: number, signal?: AbortSignal }} [options]
 */
export async function atRate(perSecond, act, { count = Infinity, signal } = {}) {
  let start = now()
  let done = 0
  while (done < count && !signal?.aborted) {
    const behindMs = now() - start - (done * 1e3) / perSecond
    if (behindMs > CATCH_UP_MS) start += behindMs
    const due = Math.min(count, Math.floor(((now() - start) * perSecond) / 1e3))
    for (; done < due; done++) act()
    if (done < count) await setTimeout(TICK_MS, undefined, { signal }).catch(() => {})
  }
}
