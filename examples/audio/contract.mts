// What the control process and the audio process share. The audio process has the same in
// synth/src/command.rs.

import { bytes, event, layout, method, type LayoutValue } from 'ringpost'

export const FRAMES_PER_SECOND = 44_100
/** Frames that are rendered at once: 5.8 ms. */
export const PERIOD_FRAMES = 256
export const PERIOD_NS = (PERIOD_FRAMES * 1e9) / FRAMES_PER_SECOND

export const Command = layout({
  ...{ number: 'u64', at: 'u64', value: 'f64' },
  ...{ kind: 'u16', target: 'u16', report: 'u32' },
})
/** What became of a command: times are those of `now`, and places are frames. */
export const Report = layout({
  ...{ number: 'u64', readAt: 'u64', due: 'u64', applied: 'u64', refused: 'u64' },
})
/** A thread of the audio process was woken for a command, at that time. */
export const Receipt = layout({ receivedAt: 'u64' })
/** What the audio process has counted since it has started. */
export const Status = layout({
  ...{ startedAt: 'u64', frames: 'u64', commands: 'u64', refused: 'u64', missing: 'u64' },
  ...{ late: 'u64', latestFrames: 'u64', unreported: 'u64', unrecorded: 'u64', overruns: 'u64' },
  ...{ wakeMeanMicros: 'f64', wakeDeviationMicros: 'f64', wakeMaxMicros: 'f64', sounding: 'u64' },
})

export type Report = LayoutValue<typeof Report>
export type Status = LayoutValue<typeof Status>

/** A command that nothing answers. */
export const Play = event('command', { codec: Command })
/** What answers it where a report was asked for. */
export const Reported = event('report', { codec: Report })
/** A command that waits for its receipt. */
export const Measured = method<Uint8Array>('measured', { codec: bytes })
/** A question for the {@link Status}. */
export const AskStatus = method<Uint8Array>('status', { codec: bytes })

/** Where the audio thread polls for commands; questions go to the name itself. */
export const commandsOf = (name: string) => `${name}-commands`

/** Nanoseconds of a clock that all processes of this machine share (CLOCK_MONOTONIC). */
export const now = (): bigint => process.hrtime.bigint()

// ---- what can be asked for ----

export interface Action {
  readonly kind: number
  /** The key or the parameter it is about. */
  readonly target: number
  readonly value: number
}

const PARAMETERS = { gain: 0, overtone: 1 } as const

/** It does nothing: its report says that the audio thread reads. */
export const sync: Action = { kind: 0, target: 0, value: 0 }

/** @param key As in MIDI, from 0 to 127: 69 is A at 440 Hz. @param velocity From 0 to 1. */
export function noteOn(key: number, velocity = 0.8): Action {
  return { kind: 1, target: keyOf(key), value: share('velocity', velocity) }
}

export function noteOff(key: number): Action {
  return { kind: 2, target: keyOf(key), value: 0 }
}

/** @param value From 0 to 1. */
export function parameter(which: keyof typeof PARAMETERS, value: number): Action {
  return { kind: 3, target: PARAMETERS[which], value: share(which, value) }
}

/** @param bpm Beats per minute of the metronome, from 20 to 400; 0 stops it. */
export function tempo(bpm: number): Action {
  if (bpm !== 0) within('bpm', bpm, 20, 400)
  return { kind: 4, target: 0, value: bpm }
}

function keyOf(key: number): number {
  if (!Number.isInteger(key)) throw new RangeError(`key must be a whole number, got ${key}`)
  return within('key', key, 0, 127)
}

const share = (name: string, value: number) => within(name, value, 0, 1)

function within(name: string, value: number, least: number, most: number): number {
  if (value >= least && value <= most) return value
  throw new RangeError(`${name} must be from ${least} to ${most}, got ${value}`)
}
