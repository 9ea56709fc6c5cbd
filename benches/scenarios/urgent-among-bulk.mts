// An urgent message every 3 ms, beside the same on a quiet connection, while its connection also
// carries more unimportant messages than are read, and one message of 64 MiB after the other.

import { setImmediate, setTimeout } from 'node:timers/promises'
import { bytes, connect, createServer, event, method } from 'ringpost'
import { median } from '../compare.mjs'
import { histogram, latencyOf, record } from '../histogram.mjs'
import type { Latency, Repeat } from '../results.mjs'
import type { Place } from './peers.mjs'
import { amount, atLeast, atMost, progressing, withCrew, type Scenario } from './scenario.mjs'

const EVERY_MS = 3
const BULK = 64 << 20
const UNIMPORTANT = 1024
/** Enough of them each millisecond to find their lane full. */
const UNIMPORTANT_AT_ONCE = 256
/** How much later an urgent message may be. */
const TARGET = 3

const Urgent = method<Uint8Array, Uint8Array>('urgent', { codec: bytes })
const Bulk = method<Uint8Array, Uint8Array>('bulk', { codec: bytes })
const Unimportant = event<Uint8Array>('unimportant', { codec: bytes })

interface Measured {
  quiet: Latency
  loaded: Latency
  /** Of those that arrived beside the load, in a second. */
  bulkPerSecond: number
  unimportantPerSecond: number
  dropped: number
}

export const scenario: Scenario = {
  name: 'urgent-among-bulk',
  title: 'a critical message every 3 ms, while LOW is full and 64 MiB are under way',
  metric: { name: 'p99 in terms of the same without load', unit: '×', better: 'less' },

  run: (form) =>
    withCrew(form, 'urgent-among-bulk', 120, async (crew) => {
      const ms = amount(form, 5_000, 1_000)
      const rounds = form.short ? 3 : 5
      const place = { name: 'urgent-among-bulk', directory: form.directory }
      const [server, client] = [crew.member(), crew.member()]
      await server.play('serveUrgent', { place })
      const played = client.play<Measured[]>('measureUrgent', { place, ms, rounds })
      const all = await progressing(form, 'asking', 2 * ms * rounds, played)
      const repeats = all.map(({ quiet, loaded, ...details }): Repeat => ({
        value: loaded.p99 / quiet.p99,
        latency: loaded,
        details: { ...details, 'quiet p50': quiet.p50, 'quiet p99': quiet.p99 },
      }))
      const slowest = (what: 'bulkPerSecond' | 'unimportantPerSecond' | 'dropped') =>
        Math.min(...all.map((one) => one[what]))
      const ratio = median(repeats.map(({ value }) => value))
      return {
        settings: { everyMs: EVERY_MS, bulk: BULK, ms },
        repeats,
        checks: [
          atMost('p99 beside the load', '×', TARGET, ratio),
          atLeast('low messages that still arrive', '/s', 1, slowest('unimportantPerSecond')),
        ],
        // Otherwise the load was none.
        failed: slowest('dropped') > 0 && slowest('bulkPerSecond') > 0 ? null : 'there was no load',
      }
    }),
}

export const roles = {
  async serveUrgent({ place }: { place: Place }): Promise<void> {
    const server = await createServer(place.name, { directory: place.directory })
    let arrived = 0
    server.handle(Urgent, (payload) => payload)
    server.handle(Bulk, (payload) => payload.subarray(0, 1), { borrowed: true })
    server.handle(Unimportant, () => arrived++, { borrowed: true })
    server.handle('arrived', () => arrived)
  },

  async measureUrgent({ place, ms, rounds }: { place: Place; ms: number; rounds: number }) {
    const client = await connect(place.name, { directory: place.directory })
    const small = new Uint8Array(64)
    const [unimportant, bulk] = [new Uint8Array(UNIMPORTANT), new Uint8Array(BULK).fill(7)]
    const arrived = () => client.request<void, number>('arrived', undefined, { lane: 'high' })
    const sample = async () => {
      const spans = histogram()
      const end = performance.now() + ms
      while (performance.now() < end) {
        await setTimeout(EVERY_MS)
        const start = performance.now()
        await client.request(Urgent, small, { lane: 'critical' })
        record(spans, start)
      }
      return latencyOf(spans)
    }
    const loaded = async () => {
      let isOver = false
      let bulks = 0
      const [before, droppedBefore] = [await arrived(), client.stats().dropped.low]
      const flood = (async () => {
        for (; !isOver; await setTimeout(1)) {
          for (let sent = 0; sent < UNIMPORTANT_AT_ONCE; sent++) {
            client.notify(Unimportant, unimportant, { lane: 'low' })
          }
        }
      })()
      const carry = (async () => {
        for (; !isOver; await setImmediate()) {
          await client.request(Bulk, bulk)
          bulks++
        }
      })()
      const latency = await sample()
      const [after, dropped] = [await arrived(), client.stats().dropped.low - droppedBefore]
      isOver = true
      await Promise.all([flood, carry])
      const perSecond = (count: number) => (count * 1e3) / ms
      return {
        loaded: latency,
        bulkPerSecond: perSecond(bulks),
        unimportantPerSecond: perSecond(after - before),
        dropped,
      }
    }
    await sample()
    await loaded()
    const measured: Measured[] = []
    for (let round = 0; round < rounds; round++) {
      measured.push({ quiet: await sample(), ...(await loaded()) })
    }
    await client.close()
    return measured
  },
}
