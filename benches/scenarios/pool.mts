// A pool of connections to two servers. How long does a lease take, where a connection is idle and
// where tasks queue for one, and how many uses does a connection see?

import { createPool, type PoolStats } from 'ringpost'
import { histogram, latencyOf, record } from '../histogram.mjs'
import { compare, stamp } from '../payload.mjs'
import type { Latency } from '../results.mjs'
import { common, Echo, pattern, type Place } from './peers.mjs'
import { amount, atLeast, atMost, withCrew, type Scenario } from './scenario.mjs'

/** Connections, and the tasks that share them. */
const CONNECTIONS = 8
const TASKS = 64
const SIZE = 64

interface Using {
  places: Place[]
  /** Leases of one task alone, and of each of many. */
  leases: number
  each: number
}

interface Used {
  idle: Latency
  queued: Latency
  stats: Pick<PoolStats, 'made' | 'reuseRatio'>
}

export const scenario: Scenario = {
  name: 'pool',
  title: '64 tasks lease 8 connections to two servers, and share them',
  metric: { name: 'p99 of a lease where a connection is idle', unit: 'ns', better: 'less' },

  run: (form) =>
    withCrew(form, 'pool', 60, async (crew) => {
      const leases = amount(form, 100_000, 20_000)
      const each = amount(form, 2_000, 500)
      const servers = [await crew.serve(), await crew.serve()]
      const places = servers.map(({ place }) => place)
      form.progress(0.1, 'leasing')
      const client = crew.member()
      const { idle, queued, stats } = await client.play<Used>('use', { places, leases, each })
      const details = { 'p99 of a lease in the queue': queued.p99, 'connections made': stats.made }
      const checks = [
        atMost('p99 of a lease where a connection is idle', 'ns', 1e6, idle.p99),
        atLeast('share of uses of a connection that was there', '', 0.95, stats.reuseRatio),
        atMost('connections made', '', CONNECTIONS, stats.made),
      ]
      return {
        settings: { connections: CONNECTIONS, tasks: TASKS, leases, each },
        repeats: [{ value: idle.p99, latency: idle, details }],
        checks,
        failed: null,
      }
    }),
}

export const roles = {
  ...common,

  /** Leases connections and shares them. Every answer is compared whole. */
  async use({ places, leases, each }: Using): Promise<Used> {
    const names = places.map(({ name }) => name)
    const [{ directory }] = places
    await using pool = createPool(names, { directory, max: CONNECTIONS })
    const payload = pattern(SIZE, 0)
    let sequence = 0
    const ask = async (requester: { request: typeof pool.request }) => {
      const asked = payload.slice()
      stamp(asked, sequence++)
      compare(await requester.request(Echo, asked), asked)
    }
    const [idle, queued] = [histogram(), histogram()]
    const lease = async (spans: typeof idle) => {
      const start = performance.now()
      await using own = await pool.acquire()
      record(spans, start)
      await ask(own.connection)
    }
    const tasks = async (work: () => Promise<void>) => {
      await Promise.all(
        Array.from({ length: TASKS }, async () => {
          for (let time = 0; time < each; time++) await work()
        }),
      )
    }
    for (let time = 0; time < leases; time++) await lease(idle)
    await tasks(() => lease(queued))
    await tasks(() => ask(pool))
    const { made, reuseRatio } = pool.stats()
    return { idle: latencyOf(idle), queued: latencyOf(queued), stats: { made, reuseRatio } }
  },
}
