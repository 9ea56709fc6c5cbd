// Sizes in equal shares, one-way, as fast as they are taken.

import { common } from './peers.mjs'
import { amount, atLeast, difference, progressing, withCrew, type Scenario } from './scenario.mjs'

const SIZES = [100, 1_024, 10_240, 51_200, 102_400]

export const scenario: Scenario = {
  name: 'mixed',
  title: 'sizes of 100 B to 100 KiB in equal shares, one-way',
  metric: { name: 'messages a second', unit: '/s', better: 'more' },

  run: (form) =>
    withCrew(form, 'mixed', 60, async (crew) => {
      const ms = amount(form, 5_000, 2_000)
      const server = await crew.serve()
      const client = await crew.join({ places: [server.place], connections: 1 })
      await client.send({ sizes: SIZES, ms: ms / 4 })
      await server.tally()
      const sent = await progressing(form, 'sending', ms, client.send({ sizes: SIZES, ms }))
      const { perSecond, bytesPerSecond } = sent
      return {
        settings: { sizes: SIZES, ms },
        repeats: [{ value: perSecond, perSecond, bytesPerSecond }],
        checks: [
          atLeast('messages a second', '/s', 86_326, perSecond),
          atLeast('bytes a second', 'B/s', 2.7e9, bytesPerSecond),
        ],
        failed: difference(sent, await server.tally()),
      }
    }),
}

export const roles = common
