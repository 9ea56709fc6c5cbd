// How much gets across: without answers, and with many requests in flight.

import { bytes } from '../words.mjs'
import { comparison, MESSAGES, rated, type Case } from './suite.mjs'

/** Requests in flight: of long payloads fewer, which fill any buffer. */
const MANY = 256
const FEW = 16
const LARGE = 16_384

export const throughput = comparison(
  'throughput',
  'one-way messages, and many requests in flight',
  ({ sizes, ms }) => [
    ...sizes.map((size) => oneWay(size, ms)),
    ...sizes.map((size) => inFlight(size, ms, size > LARGE ? FEW : MANY)),
  ],
)

const oneWay = (size: number, ms: number): Case => ({
  suite: 'throughput',
  id: `throughput.one-way.${size}`,
  name: `one-way ${bytes(size)}`,
  metric: MESSAGES,
  settings: { size, ms },
  command: 'one-way',
  warmUp: (pair) => pair.oneWay({ size, ms }),
  play: async (pair) => rated(await pair.oneWay({ size, ms })),
})

const inFlight = (size: number, ms: number, count: number): Case => ({
  suite: 'throughput',
  id: `throughput.in-flight.${size}`,
  name: `${count} requests in flight, ${bytes(size)}`,
  metric: MESSAGES,
  settings: { size, ms, inFlight: count },
  command: 'pipelined',
  asksInTypeScript: true,
  warmUp: (pair) => pair.pipelined({ size, ms, inFlight: count }),
  play: async (pair) => rated(await pair.pipelined({ size, ms, inFlight: count })),
})
