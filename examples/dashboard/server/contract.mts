// What the producer publishes, and what this server sends to browsers. The producer has the former
// in producer/src/publisher.rs; the latter is read in page/main.mjs.

import { bytes, json, stateFrame, topic } from 'ringpost'

/** Of the producer, once a second and whenever it changes. */
export interface ProducerStatus {
  process: number
  camera: 'live' | 'lost'
}

/** How the person sits. Times are in milliseconds since 1970. */
export interface Posture {
  state: 'upright' | 'leaning' | 'slouched' | 'away'
  /** From 0 to 100, which is best. */
  score: number
  /** Since when it is this state. */
  since: number
  /** When it was published. */
  at: number
}

export interface ProducerError {
  code: string
  message: string
  at: number
}

/** What a producer of this name publishes: states, of which only the newest counts, and errors, of
 * which each counts. A picture is a PNG behind three numbers of eight bytes: its own, when it was
 * drawn, and when it was published. */
export function publishedBy(name: string) {
  return {
    status: stateFrame<ProducerStatus>(`${name}-status`, { codec: json }),
    posture: stateFrame<Posture>(`${name}-posture`, { codec: json }),
    camera: stateFrame<Uint8Array>(`${name}-camera`, { codec: bytes }),
    errors: topic<ProducerError>(`${name}-errors`, { codec: json }),
  }
}

/** What is sent to a browser. Of each kind only the newest counts: `errors` are the last ones
 * together. The camera's are binary, all others are JSON with the kind in it. */
export const KINDS = ['status', 'errors', 'posture', 'camera'] as const
export type Kind = (typeof KINDS)[number]
export type Message = string | Uint8Array

/** Whether there is a producer: `late` is one that hangs. */
export type Presence = 'live' | 'late' | 'gone'
