// A name passes from one server to the next. How long does a client take to connect meanwhile?

import { once } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import { createServer, type Server } from 'ringpost'
import { histogram, latencyOf } from '../histogram.mjs'
import { common, Echo, open, Sender, type Place } from './peers.mjs'
import { amount, atMost, withCrew, type Scenario } from './scenario.mjs'

/** How long clients connect around each handover, and before it begins. */
const AROUND_MS = 100
const BEFORE_MS = 30

export const scenario: Scenario = {
  name: 'handover',
  title: 'a name passes from server to server, and a client connects all the time',
  metric: { name: 'p99 of connecting and a first answer', unit: 'ns', better: 'less' },

  run: (form) =>
    withCrew(form, 'handover', 120, async (crew) => {
      const times = amount(form, 100, 10)
      const place = { name: `handover-${process.pid}`, directory: form.directory }
      let current = crew.member()
      await current.play('serveNext', { place })
      const client = crew.member()
      const all = histogram()
      for (let time = 0; time < times; time++) {
        form.progress(time / times, 'handing over')
        const next = crew.member()
        await next.ready()
        const connecting = client.play<number[]>('connectFor', { place, ms: AROUND_MS })
        await setTimeout(BEFORE_MS)
        await next.play('serveNext', { place })
        for (const ms of await connecting) all.record(Math.round(ms * 1e6))
        await current.play('serveOut')
        current.kill()
        current = next
      }
      const latency = latencyOf(all)
      return {
        settings: { times, ms: AROUND_MS },
        repeats: [{ value: latency.p99, latency, details: { longest: latency.max } }],
        checks: [atMost('p99 of connecting', 'ns', 20e6, latency.p99)],
        failed: null,
      }
    }),
}

let server: Server
let isTakenOver: Promise<unknown>

export const roles = {
  ...common,

  /** Serves in place of the server that does. */
  async serveNext({ place }: { place: Place }): Promise<void> {
    const { name, directory } = place
    const handlers = (it: Server) => void it.handle(Echo, (payload) => payload)
    server = await createServer(name, { directory, takeOver: true, handlers })
    isTakenOver = once(server, 'takenOver')
  },

  /** Waits until the next server has the name and the last client has left. */
  async serveOut(): Promise<void> {
    await isTakenOver
    await Promise.all([...server.connections].map((connection) => connection.closed))
    await server.close()
  },

  /** Connects, has an answer and closes, again and again. Any failure ends it. */
  async connectFor({ place, ms }: { place: Place; ms: number }): Promise<number[]> {
    const end = performance.now() + ms
    const spans: number[] = []
    for (let start = performance.now(); start < end; start = performance.now()) {
      const client = await open(place)
      await new Sender(client, 0).ask(64)
      spans.push(performance.now() - start)
      await client.close()
    }
    return spans
  },
}
