// Messages of 500 KB beside messages of nothing, both ways.

import { histogram, latencyOf } from '../histogram.mjs'
import type { Latency } from '../results.mjs'
import { common, theSenders } from './peers.mjs'
import { amount, atLeast, atMost, difference, progressing, withCrew } from './scenario.mjs'
import type { Scenario } from './scenario.mjs'

const LARGE = 500_000

interface Trips {
  large: Latency
  empty: Latency
}

export const scenario: Scenario = {
  name: 'extremes',
  title: 'messages of 500 KB and of 0 B in turns',
  metric: { name: 'round trip of 500 KB, p50', unit: 'ns', better: 'less' },

  run: (form) =>
    withCrew(form, 'extremes', 60, async (crew) => {
      const ms = amount(form, 5_000, 1_200)
      const server = await crew.serve({ thorough: true })
      const client = await crew.join({ places: [server.place], connections: 1 })
      const asking = client.play<Trips>('ask-both', { ms })
      const { large, empty } = await progressing(form, 'asking', ms, asking, [0, 0.5])
      const sending = client.send({ sizes: [LARGE, 0], ms })
      const sent = await progressing(form, 'sending', ms, sending, [0.5, 1])
      const { bytesPerSecond } = sent
      const details = { 'empty, p50': empty.p50, 'empty, p99': empty.p99 }
      return {
        settings: { sizes: [LARGE, 0], ms },
        repeats: [{ value: large.p50, latency: large, bytesPerSecond, details }],
        checks: [
          atMost('round trip of 500 KB, p50', 'ns', 250e3, large.p50),
          atMost('empty round trip, p50', 'ns', 55e3, empty.p50),
          atLeast('bytes a second', 'B/s', 3e9, bytesPerSecond),
        ],
        failed: difference(sent, await server.tally()),
      }
    }),
}

export const roles = {
  ...common,

  /** Round trips, compared byte by byte. */
  async 'ask-both'({ ms }: { ms: number }): Promise<Trips> {
    const [sender] = theSenders()
    const large = histogram()
    const empty = histogram()
    const end = performance.now() + ms
    while (performance.now() < end) {
      await sender.ask(LARGE, large)
      await sender.ask(0, empty)
    }
    return { large: latencyOf(large), empty: latencyOf(empty) }
  },
}
