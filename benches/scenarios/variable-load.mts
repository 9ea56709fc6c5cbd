// A load that changes between high, medium and low, each request timed from when it was due.

import { median } from '../compare.mjs'
import type { Repeat } from '../results.mjs'
import { common } from './peers.mjs'
import { amount, atLeast, atMost, progressing, withCrew, type Scenario } from './scenario.mjs'

const SIZE = 64
const LOADS = [
  { load: 'high', rate: 20_000 },
  { load: 'medium', rate: 5_000 },
  { load: 'low', rate: 500 },
]
/** What was asked for; of a round trip here, and nothing was said of the machine. */
const TARGET_NS = 10_000

export const scenario: Scenario = {
  name: 'variable-load',
  title: 'round trips of 64 B at 20,000, 5,000 and 500 a second in turn',
  metric: { name: 'p99 at 20,000 a second', unit: 'ns', better: 'less' },

  run: (form) =>
    withCrew(form, 'variable-load', 120, async (crew) => {
      const ms = amount(form, 5_000, 800)
      const rounds = form.short ? 1 : 4
      const server = await crew.serve()
      const client = await crew.join({ places: [server.place], connections: 1 })
      // What comes first is to compile, and does not count.
      const once = LOADS.map(({ rate }) => ({ rate, ms }))
      const phases = Array.from({ length: rounds + 1 }, () => once).flat()
      const asking = client.ask({ size: SIZE, phases })
      const all = await progressing(form, 'asking', ms * phases.length, asking)
      const counted = all.slice(LOADS.length)

      const repeats = Array.from({ length: rounds }, (_, round): Repeat => {
        const asked = counted.slice(round * LOADS.length, (round + 1) * LOADS.length)
        const details: Record<string, number> = {}
        for (const [index, { load }] of LOADS.entries()) {
          const { latency, perSecond } = asked[index]
          details[`${load} p50`] = latency.p50
          details[`${load} p99`] = latency.p99
          details[`${load} p99.9`] = latency.p999
          details[`${load} a second`] = perSecond
        }
        const [{ latency, perSecond }] = asked
        return { value: latency.p99, latency, perSecond, details }
      })
      const p99 = (index: number) => {
        const asked = counted.filter((_, at) => at % LOADS.length === index)
        return median(asked.map(({ latency }) => latency.p99))
      }
      const kept = counted.map(({ perSecond }, at) => (perSecond / phases[at].rate) * 100)
      const missing = all.reduce((sum, { wanted, answered }) => sum + wanted - answered, 0)
      return {
        settings: { size: SIZE, rates: LOADS.map(({ rate }) => rate), ms },
        repeats,
        checks: [
          ...LOADS.map(({ load }, index) =>
            atMost(`round trip at ${load} load, p99`, 'ns', TARGET_NS, p99(index)),
          ),
          // Of a phase, which ends with its last answer.
          atLeast('rate kept', '%', 99, Math.min(...kept)),
        ],
        failed: missing > 0 ? `${missing} requests were not answered in time` : null,
      }
    }),
}

export const roles = common
