// Steady load: as many messages every moment as the moment before. What arrives is counted over and
// over, and the counts should be alike. How alike they are when messages are sent as fast as they
// are taken is noted too.

import { setTimeout } from 'node:timers/promises'
import { variation } from '../trend.mjs'
import { keepPace } from './pace.mjs'
import { common, countArrived, theSenders, type Sent } from './peers.mjs'
import { amount, atLeast, atMost, difference, progressing, total, withCrew } from './scenario.mjs'
import type { Scenario } from './scenario.mjs'

const SIZE = 1_024
const RATE = 50_000
const WINDOW_MS = 250
/** Windows until it is steady. */
const WINDOWS_BEFORE = 2

export const scenario: Scenario = {
  name: 'steady',
  title: 'steady load of 50,000 messages of 1 KiB a second',
  metric: { name: 'variation of the rate', unit: '%', better: 'less' },

  run: (form) =>
    withCrew(form, 'steady', 90, async (crew) => {
      const ms = amount(form, 20_000, 3_000)
      const server = await crew.serve()
      const client = await crew.join({ places: [server.place], connections: 1 })
      await client.send({ sizes: [SIZE], ms: Math.min(ms, 500) })
      await server.tally()

      const counted = async (word: string, share: [number, number], sending: Promise<Sent>) => {
        const windows = Math.max(WINDOWS_BEFORE + 2, Math.floor(ms / WINDOW_MS) - 1)
        const counting = server.play<number[]>('count', { windows })
        const sent = await progressing(form, word, ms, sending, share)
        return { sent, rates: (await counting).slice(WINDOWS_BEFORE) }
      }
      const steady = await counted('steady load', [0, 0.5], client.play('keep', { ms }))
      const full = await counted('full load', [0.5, 1], client.send({ sizes: [SIZE], ms }))
      const value = variation(steady.rates) * 100
      const details = {
        'full load, variation %': variation(full.rates) * 100,
        'full load, a second': full.sent.perSecond,
      }
      return {
        settings: { size: SIZE, rate: RATE, ms, windowMs: WINDOW_MS },
        repeats: [{ value, perSecond: steady.sent.perSecond, details }],
        checks: [
          atMost('variation of the rate', '%', 2, value),
          atLeast('rate kept', '%', 99, (steady.sent.perSecond / RATE) * 100),
        ],
        failed: difference(total([steady.sent, full.sent]), await server.tally()),
      }
    }),
}

export const roles = {
  ...common,

  /** Sends at the fixed rate. */
  async keep({ ms }: { ms: number }): Promise<Sent> {
    const [sender] = theSenders()
    const before = sender.sent
    const start = performance.now()
    await keepPace(RATE, ms, () => void sender.send(SIZE))
    const took = performance.now() - start
    await sender.ask(0)
    const count = sender.sent - before
    const perSecond = (count / took) * 1e3
    return { count, bytes: count * SIZE, ms: took, perSecond, bytesPerSecond: perSecond * SIZE }
  },

  /** Rates at which messages come, window by window. A window's end may be late, so that its real
   * span is what counts. */
  async count({ windows }: { windows: number }): Promise<number[]> {
    const rates: number[] = []
    let [count, at] = [countArrived(), performance.now()]
    while (rates.length < windows) {
      await setTimeout(WINDOW_MS)
      const [countNow, now] = [countArrived(), performance.now()]
      rates.push(((countNow - count) / (now - at)) * 1e3)
      ;[count, at] = [countNow, now]
    }
    return rates
  },
}

