// What `ringpost bench` measures, in the process that asks.

import { createHistogram, performance } from 'node:perf_hooks'

/** One way to exchange messages with the process that serves. */
export interface Channel {
  request(payload: Uint8Array): Promise<Uint8Array>
  /** Sends a message without answer; a promise resolves when the next one may be sent. */
  send(payload: Uint8Array): Promise<void> | undefined
}

/** What one turn has found. */
export interface Turn {
  /** Messages sent without answer, which the other side must have received. */
  sent: number
  /** The figures of the case, by name. */
  figures: Record<string, number>
}

export interface Figure {
  name: string
  unit: 'ns' | '/s'
  better: 'less' | 'more'
}

export interface Case {
  about: string
  /** What a turn finds, by the names in `figures`. */
  figures: Record<string, Figure>
  play(channel: Channel, ms: number): Promise<Turn>
}

const SMALL = 64
const LARGE = 1 << 20
/** One answer in so many is compared whole, outside of the timed part. */
const COMPARED_EVERY = 64

const p50 = (name: string): Figure => ({ name: `${name}, p50`, unit: 'ns', better: 'less' })
const p99 = (name: string): Figure => ({ name: `${name}, p99`, unit: 'ns', better: 'less' })

export type CaseName = 'round-trip' | 'one-way' | 'large'

export const CASES: Record<CaseName, Case> = {
  'round-trip': {
    about: 'requests of 64 B, one at a time',
    figures: { p50: p50('round trip, 64 B'), p99: p99('round trip, 64 B') },
    play: (channel, ms) => roundTrips(channel, ms, SMALL),
  },
  'one-way': {
    about: 'messages of 64 B without answer, as fast as they are accepted',
    figures: { rate: { name: 'one-way, 64 B', unit: '/s', better: 'more' } },
    play: oneWay,
  },
  large: {
    about: 'requests of 1 MiB, one at a time',
    figures: { p50: p50('round trip, 1 MiB'), p99: p99('round trip, 1 MiB') },
    play: (channel, ms) => roundTrips(channel, ms, LARGE),
  },
}

async function roundTrips(channel: Channel, ms: number, size: number): Promise<Turn> {
  const payload = new Uint8Array(size)
  const times = createHistogram({ lowest: 1, highest: 1e11, figures: 3 })
  const end = performance.now() + ms
  for (let count = 0; performance.now() < end; count++) {
    number(payload, count)
    const start = performance.now()
    const answer = await channel.request(payload)
    times.record(Math.max(1, Math.round((performance.now() - start) * 1e6)))
    if (count % COMPARED_EVERY === 0 && Buffer.compare(answer, payload) !== 0) {
      throw new Error(`an answer of ${size} bytes differs from its request`)
    }
  }
  return { sent: 0, figures: { p50: times.percentile(50), p99: times.percentile(99) } }
}

/** Timed until the other side has read the last message. */
async function oneWay(channel: Channel, ms: number): Promise<Turn> {
  const payload = new Uint8Array(SMALL)
  const start = performance.now()
  let sent = 0
  // Reading the clock costs as much as a message.
  while (sent % 64 !== 0 || performance.now() < start + ms) {
    number(payload, sent++)
    const writable = channel.send(payload)
    if (writable !== undefined) await writable
  }
  // Messages arrive in order: all have been read when this is answered.
  await channel.request(payload)
  return { sent, figures: { rate: (sent / (performance.now() - start)) * 1e3 } }
}

/** Makes each payload differ from the one before. */
function number(payload: Uint8Array, count: number): void {
  new DataView(payload.buffer).setUint32(0, count, true)
}
