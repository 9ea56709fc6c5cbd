// A client that asks a thousand times a second, beside a neighbor that does the same, and beside
// one that sends the same server more work than it can do.

import { setTimeout } from 'node:timers/promises'
import { bytes, connect, createServer, event, method } from 'ringpost'
import { median } from '../compare.mjs'
import { histogram, latencyOf, record } from '../histogram.mjs'
import type { Latency, Repeat } from '../results.mjs'
import type { Place } from './peers.mjs'
import { amount, atMost, progressing, withCrew, type Scenario } from './scenario.mjs'

/** How long the server is busy with each piece of work. */
const WORK_MS = 0.01
const AT_ONCE = 256
/** How much later the answers of the other may be. */
const TARGET = 3

const Echo = method<Uint8Array, Uint8Array>('echo', { codec: bytes })
const Work = event<Uint8Array>('work', { codec: bytes })

type Neighbor = 'polite' | 'greedy'

export const scenario: Scenario = {
  name: 'greedy-neighbor',
  title: 'a client beside one that sends more work than the server can do',
  metric: { name: 'p99 in terms of the same beside a polite neighbor', unit: '×', better: 'less' },

  run: (form) =>
    withCrew(form, 'greedy-neighbor', 120, async (crew) => {
      const ms = amount(form, 5_000, 1_000)
      const rounds = form.short ? 3 : 5
      const place = { name: 'greedy-neighbor', directory: form.directory }
      const [server, client, neighbor] = [crew.member(), crew.member(), crew.member()]
      await server.play('serveWork', { place })
      await client.play('meet', { place })
      await neighbor.play('meet', { place })
      const beside = async (how: Neighbor) => {
        const away = neighbor.play('keepAsking', { how, ms: ms + 200 })
        await setTimeout(100)
        const latency = await client.play<Latency>('askSometimes', { ms })
        await away
        return latency
      }
      const measure = async () => {
        await beside('polite')
        const pairs: { polite: Latency; greedy: Latency }[] = []
        for (let round = 0; round < rounds; round++) {
          pairs.push({ polite: await beside('polite'), greedy: await beside('greedy') })
        }
        return pairs
      }
      const span = (ms + 300) * (2 * rounds + 1)
      const all = await progressing(form, 'asking', span, measure())
      const repeats = all.map(({ polite, greedy }): Repeat => ({
        value: greedy.p99 / polite.p99,
        latency: greedy,
        details: { 'polite p50': polite.p50, 'polite p99': polite.p99 },
      }))
      const ratio = median(repeats.map(({ value }) => value))
      return {
        settings: { workMs: WORK_MS, ms },
        repeats,
        checks: [atMost('p99 beside the greedy one', '×', TARGET, ratio)],
        failed: null,
      }
    }),
}

/** The connection of this process. */
let client: Awaited<ReturnType<typeof connect>>

export const roles = {
  async serveWork({ place }: { place: Place }): Promise<void> {
    const server = await createServer(place.name, { directory: place.directory })
    server.handle(Echo, (payload) => payload)
    const work = () => {
      const end = performance.now() + WORK_MS
      while (performance.now() < end);
    }
    server.handle(Work, work, { borrowed: true })
  },

  async meet({ place }: { place: Place }): Promise<void> {
    client = await connect(place.name, { directory: place.directory })
  },

  async askSometimes({ ms }: { ms: number }): Promise<Latency> {
    const spans = histogram()
    await askFor(ms, (start) => record(spans, start))
    return latencyOf(spans)
  },

  async keepAsking({ how, ms }: { how: Neighbor; ms: number }): Promise<void> {
    if (how === 'polite') return askFor(ms, () => {})
    const end = performance.now() + ms
    const payload = new Uint8Array(64)
    while (performance.now() < end) {
      let isTaken = true
      for (let sent = 0; sent < AT_ONCE; sent++) isTaken = client.notify(Work, payload)
      if (isTaken) await setTimeout(0)
      else await client.drained()
    }
    await client.drained()
  },
}

async function askFor(ms: number, answered: (start: number) => void): Promise<void> {
  const end = performance.now() + ms
  const payload = new Uint8Array(64)
  while (performance.now() < end) {
    await setTimeout(1)
    const start = performance.now()
    await client.request(Echo, payload)
    answered(start)
  }
}
