// What both ends share: the types of events, how urgent each is, and the control methods.

import { event, method } from 'ringpost'

/**
 * @typedef {object} Details what an event of each type says
 * @property {{ posture: 'slouching' | 'leaning', forMs: number }} alert bad posture, for too long
 * @property {{ message: string }} error what a person has to know, and perhaps to do
 * @property {{ monitoring: boolean }} status_change paused, or resumed
 * @property {{ camera: 'connected' | 'lost' }} camera_state
 * @property {{ afterMs: number }} correction good posture again, so long after the alert
 * @property {{ score: number, lean: number }} posture_update 0 to 100, and degrees to one side
 *
 * @typedef {keyof Details} Type
 *
 * What all events have besides: `number` counts those of one type from 1, so that a gap is seen;
 * `sentAt` is in milliseconds of the clock that all processes share, see `now`.
 * @typedef {{ number: number, sentAt: number }} Sent
 */

/**
 * An event of a type, as callbacks get it.
 * @template {Type} T
 * @typedef {Details[T] & Sent} EventOf
 */

/**
 * What becomes of an event that finds its lane full. Those that wait too long are dropped, and all
 * that are dropped are counted.
 * @satisfies {Record<import('ringpost').Lane, import('ringpost').Overflow>}
 */
export const OVERFLOW = {
  critical: { waitMs: 1_000 },
  high: { waitMs: 500 },
  normal: { waitMs: 500 },
  low: /** @type {const} */ ('dropNewest'),
}

/**
 * The lane of each type.
 * @type {Record<Type, import('ringpost').Lane>}
 */
export const LANES = {
  alert: 'critical',
  error: 'critical',
  status_change: 'high',
  camera_state: 'high',
  correction: 'normal',
  posture_update: 'low',
}

export const TYPES = /** @type {Type[]} */ (Object.keys(LANES))

/**
 * Makes something for each type.
 * @template T
 * @param {(type: Type) => T} make
 */
export const ofEach = (make) =>
  /** @type {Record<Type, T>} */ (Object.fromEntries(TYPES.map((type) => [type, make(type)])))

/** The contract of each type. An event may have any name, also that of an emitter's own events,
 * because it is handled by its contract. */
export const EVENTS = ofEach((type) => event(type))

/** Stops monitoring; twice is once. Returns whether it was monitoring. */
export const Pause = method('pause', { idempotent: true })
/** Goes on; twice is once. Returns whether it was monitoring. */
export const Resume = method('resume', { idempotent: true })
/** Returns what the centre has counted. */
export const Stats = method('stats', { idempotent: true })

/** Milliseconds of the monotonic clock, which is the same in all processes of a machine. */
export const now = () => Number(process.hrtime.bigint()) / 1e6
