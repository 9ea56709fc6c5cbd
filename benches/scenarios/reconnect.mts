// A server is killed and another takes its name. How long is its client without an answer?

import { once } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import { histogram, latencyOf } from '../histogram.mjs'
import { common, open, replaceSenders, Sender, theSenders, type Place } from './peers.mjs'
import { amount, atMost, withCrew, type Scenario } from './scenario.mjs'

interface Recovery {
  /** From the moment the client knows to the first answer of the next server. */
  ms: number
  /** Of those, what the connection that came about and its first answer took. */
  connectMs: number
}

export const scenario: Scenario = {
  name: 'reconnect',
  title: 'a killed server is replaced, and its client has an answer again',
  metric: { name: 'longest time without an answer', unit: 'ns', better: 'less' },

  run: (form) =>
    withCrew(form, 'reconnect', 120, async (crew) => {
      const times = amount(form, 100, 15)
      const first = await crew.serve()
      const { place } = first
      const client = await crew.join({ places: [place], connections: 1 })
      const all = histogram()
      const connecting = histogram()
      let current: { kill(): void } = first
      for (let time = 0; time < times; time++) {
        form.progress(time / times, 'killing and replacing')
        const next = crew.member()
        await next.ready()
        const standingBy = next.play('serveWhenFree', { place })
        const recovering = client.play<Recovery>('recover', { place })
        // Until both are waiting for it.
        await setTimeout(10)
        current.kill()
        const { ms, connectMs } = await recovering
        await standingBy
        all.record(Math.round(ms * 1e6))
        connecting.record(Math.round(connectMs * 1e6))
        current = next
      }
      const latency = latencyOf(all)
      const alone = latencyOf(connecting)
      const details = { 'connection and first answer, p50': alone.p50, longest: alone.max }
      return {
        settings: { times },
        repeats: [{ value: latency.max, latency, details }],
        checks: [atMost('longest time without an answer', 'ns', 100e6, latency.max)],
        failed: null,
      }
    }),
}

export const roles = {
  ...common,

  /** Serves as soon as the name is free. */
  async serveWhenFree({ place }: { place: Place }): Promise<void> {
    for (;;) {
      try {
        return await common.serve({ place })
      } catch (error) {
        if ((error as { code?: string }).code !== 'ERR_NAME_IN_USE') throw error
        await setTimeout(1)
      }
    }
  },

  /** Waits for the end of the connection, and then connects until a server answers. */
  async recover({ place }: { place: Place }): Promise<Recovery> {
    const [{ client }] = theSenders()
    if (client.isOpen) await once(client, 'close')
    const lost = performance.now()
    for (;;) {
      const start = performance.now()
      try {
        const sender = new Sender(await open(place), 0)
        await sender.ask(64)
        const now = performance.now()
        replaceSenders([sender])
        return { ms: now - lost, connectMs: now - start }
      } catch {
        await setTimeout(1)
      }
    }
  },
}
