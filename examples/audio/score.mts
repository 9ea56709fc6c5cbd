// A small score, and playing it.

import { setTimeout as sleep } from 'node:timers/promises'
import { noteOff, noteOn, now, parameter, tempo, type Action } from './contract.mjs'
import type { Control } from './control.mjs'

export interface Timed {
  /** From the beginning. */
  ms: number
  action: Action
}

export interface PlayOptions {
  /** How long before its time a command is sent: as long as a timer may be late. */
  aheadMs?: number
  /** Whether each is reported. */
  report?: boolean
  signal?: AbortSignal
}

/** A command as it was sent. */
export interface Played {
  number: bigint
  at: bigint
  action: Action
}

const BPM = 120
const EIGHTH_MS = 60_000 / BPM / 2
/** C, A minor, F, G: a bar each, upwards and back. */
const CHORDS = [
  [60, 64, 67, 72],
  [57, 60, 64, 69],
  [53, 57, 60, 65],
  [55, 59, 62, 67],
]

/** So many bars to a metronome, in eighth notes over the bass, and louder from the third on. */
export function score(bars = 4): Timed[] {
  const timed: Timed[] = [
    { ms: 0, action: tempo(BPM) },
    { ms: 0, action: parameter('gain', 0.6) },
    { ms: 0, action: parameter('overtone', 0.3) },
  ]
  for (let bar = 0; bar < bars; bar++) {
    const chord = CHORDS[bar % CHORDS.length]
    const start = bar * 8 * EIGHTH_MS
    if (bar === 2) timed.push({ ms: start, action: parameter('gain', 0.9) })
    timed.push(...note(chord[0] - 12, start, 8 * EIGHTH_MS, 0.6))
    const keys = [...chord, ...chord.toReversed()]
    for (const [at, key] of keys.entries()) {
      timed.push(...note(key, start + at * EIGHTH_MS, EIGHTH_MS, 0.8))
    }
  }
  timed.push({ ms: bars * 8 * EIGHTH_MS, action: tempo(0) })
  return timed.sort((a, b) => a.ms - b.ms)
}

/** It is let go a little before the next. */
function note(key: number, ms: number, lengthMs: number, velocity: number): Timed[] {
  return [
    { ms, action: noteOn(key, velocity) },
    { ms: ms + 0.9 * lengthMs, action: noteOff(key) },
  ]
}

/** Sends each command of a score shortly before its time. Returns those that were sent. */
export async function play(
  control: Control,
  timed: Timed[],
  { aheadMs = 50, report = false, signal }: PlayOptions = {},
): Promise<Played[]> {
  const start = now() + BigInt(Math.round(aheadMs * 1e6))
  const played: Played[] = []
  for (const { ms, action } of timed) {
    const at = start + BigInt(Math.round(ms * 1e6))
    const untilMs = Number(at - now()) / 1e6 - aheadMs
    if (untilMs > 0) await sleep(untilMs, undefined, { signal })
    const number = control.send(action, at, report)
    if (number !== null) played.push({ number, at, action })
  }
  return played
}
