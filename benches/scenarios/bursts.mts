// Five bursts, each larger than the one before, with a rest between them.

import { setTimeout } from 'node:timers/promises'
import { median } from '../compare.mjs'
import { common, type Sent } from './peers.mjs'
import { amount, atLeast, difference, total, withCrew, type Scenario } from './scenario.mjs'

const SIZE = 64
const BURSTS = [1_000, 5_000, 20_000, 50_000, 100_000]
const REST_MS = 50

export const scenario: Scenario = {
  name: 'bursts',
  title: 'five bursts of 1,000 to 100,000 messages of 64 B',
  metric: { name: 'messages a second in the best burst', unit: '/s', better: 'more' },

  run: (form) =>
    withCrew(form, 'bursts', 60, async (crew) => {
      const rounds = amount(form, 11, 5)
      const server = await crew.serve()
      const client = await crew.join({ places: [server.place], connections: 1 })
      await client.send({ sizes: [SIZE], count: BURSTS[4] })
      await server.tally()
      const sent: Sent[] = []
      for (let round = 0; round < rounds; round++) {
        for (const count of BURSTS) {
          form.progress(sent.length / (rounds * BURSTS.length), `${count} at once`)
          await setTimeout(REST_MS)
          sent.push(await client.send({ sizes: [SIZE], count }))
        }
      }
      // Each timed until its last message was read.
      const repeats = Array.from({ length: rounds }, (_, round) => {
        const rates = BURSTS.map((_, burst) => sent[round * BURSTS.length + burst].perSecond)
        const details = Object.fromEntries(
          rates.map((rate, burst) => [`${BURSTS[burst]} at once, a second`, rate]),
        )
        return { value: Math.max(...rates), perSecond: Math.max(...rates), details }
      })
      const usual = BURSTS.map((_, burst) =>
        median(sent.filter((_, at) => at % BURSTS.length === burst).map((part) => part.perSecond)),
      )
      return {
        settings: { size: SIZE, bursts: BURSTS, restMs: REST_MS },
        repeats,
        checks: [
          atLeast('messages a second, slowest burst', '/s', 105_000, Math.min(...usual)),
          atLeast('messages a second, best burst', '/s', 569_000, Math.max(...usual)),
          atLeast('messages a second, aimed at', '/s', 1_000_000, Math.max(...usual)),
        ],
        failed: difference(total(sent), await server.tally()),
      }
    }),
}

export const roles = common
