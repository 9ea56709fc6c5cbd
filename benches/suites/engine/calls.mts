// Requests: one at a time, many in flight, at a fixed rate, and from the first connection on.

import type { OpenLoop } from '../../commands.mjs'
import type { Row } from '../../compare.mjs'
import { bytes, human } from '../../words.mjs'
import { missedRate } from '../suite.mjs'
import { compare, percentiles, perSecond, type Effort, type Sides } from './sides.mjs'

/** Connections in a turn. */
const CONNECTIONS = 20

export const sizes = ({ brief }: Effort) =>
  brief
    ? [64, 1024, 65_536, 1 << 20]
    : [64, 1024, 4096, 16_384, 65_536, 262_144, 1 << 20]

export const latency = (effort: Effort, sides: Sides, size: number): Promise<Row[]> =>
  compare(
    effort,
    sides,
    percentiles(`latency.${size}`, `round trip ${bytes(size)}`, ['p50', 'p99', 'p999']),
    (pair) => pair.latency({ size, ms: effort.ms }),
  )

export const synchronous = (effort: Effort, sides: Sides): Promise<Row[]> =>
  compare(
    effort,
    sides,
    percentiles('sync.64', 'requestSync 64 B', ['p50']),
    (pair) => pair.latency({ size: 64, ms: effort.ms, sync: true }),
    (pair) => pair.latency({ size: 64, ms: effort.ms }),
  )

export const inFlight = (
  effort: Effort,
  sides: Sides,
  size: number,
  count: number,
): Promise<Row[]> =>
  compare(
    effort,
    sides,
    [perSecond(`pipelined.${size}`, `${count} in flight, ${bytes(size)}`)],
    (pair) => pair.pipelined({ size, ms: effort.ms, inFlight: count }),
  )

export const asleep = (effort: Effort, sides: Sides): Promise<Row[]> =>
  compare(
    effort,
    sides,
    percentiles('asleep.64', 'both asleep, a request every 3 ms', ['p50']),
    (pair) => pair.latency({ size: 64, ms: effort.ms * 3, pauseMs: 3 }),
  )

export const oneCore = (effort: Effort, sides: Sides): Promise<Row[]> =>
  compare(
    effort,
    sides,
    percentiles('one-core.64', 'both processes on one core, 64 B', ['p50']),
    (pair) => pair.latency({ size: 64, ms: effort.ms }),
  )

/** From when each should have been sent, so that a late one delays those behind it. */
export const openLoop = (effort: Effort, sides: Sides, rate: number): Promise<Row[]> =>
  compare<OpenLoop>(
    effort,
    sides,
    percentiles(`open.${rate}`, `64 B at ${human(rate, '/s')}, from the scheduled send`, [
      ...(['p50', 'p90', 'p99'] as const),
    ]),
    (pair) => pair.openLoop({ size: 64, ms: effort.ms, rate }),
    undefined,
    ({ perSecond }) => missedRate(perSecond, rate, effort.ms),
  )

export const connecting = (effort: Effort, sides: Sides): Promise<Row[]> =>
  compare(
    effort,
    sides,
    percentiles('connect', 'connect, one round trip of 64 B, close', ['p50']),
    (pair) => pair.reconnect(CONNECTIONS),
  )

/** Beside a reference that never sleeps, and so is stopped while it is not measured. */
export const besideBusy = (effort: Effort, sides: Sides): Promise<Row[]> =>
  compare(
    effort,
    sides,
    percentiles('busy.64', 'round trip 64 B; the plain socket keeps its loops turning', ['p50']),
    async (pair) => {
      sides.reference.pause()
      try {
        return await pair.latency({ size: 64, ms: effort.ms })
      } finally {
        sides.reference.resume()
      }
    },
    (pair) => pair.latency({ size: 64, ms: effort.ms }),
  )
