// The content of payloads under measurement, and how both sides prove that they have read it.

import { compareItem, touchItem, type Item } from './item.mjs'

/** One message in so many is compared whole, outside of the timed part. */
export const COMPARED_EVERY = 64

/** Reads a byte of every cache line, the least any use of a payload does. */
export function touch(payload: Uint8Array): number {
  let sum = 0
  for (let at = 0; at < payload.length; at += 64) sum += payload[at]
  return sum
}

/** Writes the number of a message into it, which is what a sender does between two messages. */
export function stamp(payload: Uint8Array, sequence: number): void {
  if (payload.length < 4) return
  payload[0] = sequence
  payload[1] = sequence >>> 8
  payload[2] = sequence >>> 16
  payload[3] = sequence >>> 24
}

/** Throws unless all bytes are the same. */
export function compare(found: Uint8Array, expected: Uint8Array): void {
  if (Buffer.compare(found, expected) !== 0) {
    throw new Error(`a payload of ${expected.length} bytes came out different`)
  }
}

/** The receiver of messages without answer. Numbered ones are numbered from 0. */
export class Sink {
  #count = 0
  /** Keeps the reading from being optimized away. */
  #sum = 0
  #kept: Uint8Array[] = []
  #keptItems: Item[] = []

  /** Reads a message that is answered. */
  readonly touch = (payload: Uint8Array): void => {
    this.#sum += touch(payload)
  }

  /** Reads a message that is not. */
  readonly got = (payload: Uint8Array): void => {
    this.#sum += touch(payload)
    if (this.#count++ % COMPARED_EVERY === 0) this.#kept.push(payload.slice())
  }

  /** The same of objects. */
  readonly gotItem = (item: Item): void => {
    this.#sum += touchItem(item)
    if (this.#count++ % COMPARED_EVERY === 0) this.#keptItems.push(item)
  }

  /** How many have arrived since the last time; the kept ones are compared whole now. */
  received(): { count: number } {
    const expected = new Uint8Array(this.#kept[0]?.length ?? 0)
    for (const [index, payload] of this.#kept.entries()) {
      stamp(expected, index * COMPARED_EVERY)
      compare(payload, expected)
    }
    for (const [index, item] of this.#keptItems.entries()) compareItem(item, index * COMPARED_EVERY)
    const count = this.#count
    this.#count = 0
    this.#kept = []
    this.#keptItems = []
    return { count }
  }
}
