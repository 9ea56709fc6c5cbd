// Sending at times laid out in advance.

import { setTimeout } from 'node:timers/promises'
import { histogram, latencyOf, record } from '../histogram.mjs'
import { COMPARED_EVERY, compare, stamp, touch } from '../payload.mjs'
import type { Latency } from '../results.mjs'

/** What came of round trips at a fixed rate. */
export interface Asked {
  latency: Latency
  /** How many there should have been, how many were answered, and how many of those in a second. */
  wanted: number
  answered: number
  perSecond: number
}

/** How long late answers are awaited. */
const PATIENCE_MS = 2_000

/** So many a second for so long. */
export interface Phase {
  rate: number
  ms: number
}

/**
 * Round trips at fixed rates, one phase after the other, each timed from when it should have been
 * sent. The loop is kept turning, because no timer is as precise as those times. A round trip that
 * begins too late is late, and so are those that wait behind it.
 */
export async function openLoop(
  request: (payload: Uint8Array) => Promise<Uint8Array>,
  pattern: Uint8Array,
  phases: Phase[],
): Promise<Asked[]> {
  // All phases in one loop: a function that is made anew is compiled anew, and that would be seen.
  const played = phases.map(({ rate, ms }) => new Played(rate, ms))
  const failure: { error?: unknown } = {}
  let number = 0
  const ask = async (phase: Played, due: number) => {
    const payload = pattern.slice()
    stamp(payload, number)
    const isCompared = number++ % COMPARED_EVERY === 0
    try {
      const answer = await request(payload)
      phase.answeredOne(due)
      touch(answer)
      if (isCompared) compare(answer, payload)
    } catch (error) {
      failure.error = error
    }
  }
  let start = performance.now()
  for (const phase of played) {
    const patience = start + phase.ms + PATIENCE_MS
    const { wanted, rate } = phase
    for (let sent = 0; phase.answered < wanted && performance.now() < patience; await turn()) {
      if (failure.error) throw failure.error
      const due = Math.min(wanted, Math.floor(((performance.now() - start) * rate) / 1e3) + 1)
      for (; sent < due; sent++) void ask(phase, start + (sent * 1e3) / rate)
    }
    const end = performance.now()
    phase.took = Math.max(phase.ms, end - start)
    start = Math.max(end, start + phase.ms)
  }
  return played.map((phase) => phase.result)
}

/** What is seen of a phase. */
class Played {
  readonly rate: number
  readonly ms: number
  readonly wanted: number
  answered = 0
  took = 0
  readonly #spans = histogram()

  constructor(rate: number, ms: number) {
    this.rate = rate
    this.ms = ms
    this.wanted = Math.max(1, Math.round((rate * ms) / 1e3))
  }

  answeredOne(due: number): void {
    record(this.#spans, due)
    this.answered++
  }

  get result(): Asked {
    const { wanted, answered, took } = this
    const perSecond = (answered / took) * 1e3
    return { latency: latencyOf(this.#spans), wanted, answered, perSecond }
  }
}

/** Does something at a fixed rate for so long, without a pause between two turns of the loop. */
export async function keepPace(rate: number, ms: number, act: () => void): Promise<void> {
  const start = performance.now()
  const wanted = Math.round((rate * ms) / 1e3)
  for (let done = 0; done < wanted; await turn()) {
    const due = Math.min(wanted, Math.floor(((performance.now() - start) * rate) / 1e3) + 1)
    for (; done < due; done++) act()
  }
}

/** The same by timers, which leaves the processor to others, until `goesOn` says no. */
export async function stroll(
  rate: number,
  goesOn: () => boolean,
  act: (number: number) => void,
): Promise<number> {
  const start = performance.now()
  let done = 0
  while (goesOn()) {
    const due = Math.floor(((performance.now() - start) * rate) / 1e3)
    while (done < due) act(done++)
    await setTimeout(1)
  }
  return done
}

const turn = () => new Promise<void>((done) => setImmediate(done))
