// Round trips: one at a time, and at a fixed rate, where a late one delays those that wait behind
// it.

import { bytes, human } from '../words.mjs'
import { comparison, missedRate, P50, timed, type Case } from './suite.mjs'

export const latency = comparison(
  'latency',
  'round trips, one at a time and at a fixed rate',
  ({ sizes, rates, ms }) => [
    ...sizes.map((size) => closedLoop(size, ms)),
    ...rates.map((rate) => openLoop(sizes[0], ms, rate)),
  ],
)

const closedLoop = (size: number, ms: number): Case => ({
  suite: 'latency',
  id: `latency.closed.${size}`,
  name: `round trip ${bytes(size)}, one at a time`,
  metric: P50,
  settings: { size, ms },
  command: 'latency',
  warmUp: (pair) => pair.latency({ size, ms }),
  play: async (pair) => timed(await pair.latency({ size, ms })),
})

const openLoop = (size: number, ms: number, rate: number): Case => ({
  suite: 'latency',
  id: `latency.open.${size}.${rate}`,
  name: `round trip ${bytes(size)} at ${human(rate, '/s')}, from the scheduled send`,
  metric: P50,
  settings: { size, ms, rate },
  command: 'open-loop',
  warmUp: (pair) => pair.openLoop({ size, ms, rate }),
  async play(pair) {
    const result = await pair.openLoop({ size, ms, rate })
    return { ...timed(result), perSecond: result.perSecond }
  },
  fault: ({ perSecond }) => missedRate(perSecond!, rate, ms),
})
