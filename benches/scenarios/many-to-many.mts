// Ten producers and ten consumers, each a process of its own: every producer sends to every
// consumer.

import { median } from '../compare.mjs'
import { common } from './peers.mjs'
import { amount, atMost, total, withCrew, type Scenario } from './scenario.mjs'

const SIDES = 10
const COUNT = 100
const SIZE = 1_024

export const scenario: Scenario = {
  name: 'many-to-many',
  title: '10 producers and 10 consumers, 100 messages of 1 KiB from each to each',
  metric: { name: 'until all have all', unit: 'ns', better: 'less' },

  run: (form) =>
    withCrew(form, 'many-to-many', 60, async (crew) => {
      const sides = form.scale < 1 ? 3 : SIDES
      const rounds = amount(form, 50, 10)
      form.progress(0, 'starting')
      const many = Array.from({ length: sides }, (_, index) => index)
      const consumers = await Promise.all(many.map(() => crew.serve()))
      const places = consumers.map(({ place }) => place)
      // All connections of a producer bear its number.
      const producers = many.map(() => crew.member())
      await Promise.all(
        producers.map(async (producer, first) => {
          for (const place of places) {
            await producer.play('join', { places: [place], connections: 1, first })
          }
        }),
      )
      const repeats = []
      let failed: string | null = null
      for (let round = 0; round < rounds && failed === null; round++) {
        form.progress(round / rounds, 'sending')
        const start = performance.now()
        const sending = producers.map((producer) => producer.send({ sizes: [SIZE], count: COUNT }))
        const sent = await Promise.all(sending)
        const ms = performance.now() - start
        const { count } = total(sent)
        repeats.push({ value: ms * 1e6, perSecond: (count / ms) * 1e3 })
        const tallies = await Promise.all(consumers.map((consumer) => consumer.tally()))
        for (const { each, faults } of tallies) {
          const whole = many.map((sender) => `${sender}:${COUNT}`).join()
          const seen = each.sort((a, b) => a.sender - b.sender)
          const got = seen.map(({ sender, count }) => `${sender}:${count}`).join()
          if (faults.length > 0) failed = faults.join('; ')
          else if (got !== whole) failed = `a consumer got ${got} instead of ${whole}`
        }
      }
      const settings = { producers: sides, consumers: sides, count: COUNT, size: SIZE }
      const usual = median(repeats.map(({ value }) => value))
      const checks = [atMost('until all have all, in the median of rounds', 'ns', 50e6, usual)]
      return { settings, repeats, checks, failed }
    }),
}

export const roles = common
