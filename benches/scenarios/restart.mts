// A server is killed, and the next one listens. How long until clients that were away have an answer?

import { setTimeout } from 'node:timers/promises'
import { createServer, type Server } from 'ringpost'
import { histogram, latencyOf } from '../histogram.mjs'
import { common, Echo, theSenders, type Place } from './peers.mjs'
import { amount, atMost, withCrew, type Crew, type Form, type Scenario } from './scenario.mjs'

/** Processes full of clients, and how many each has. */
const CROWD = { processes: 20, clients: 50 }

export const scenario: Scenario = {
  name: 'restart',
  title: 'a killed server is started again, and the clients that were away have an answer',
  metric: { name: 'p99 from listening to the first answer', unit: 'ns', better: 'less' },

  run: (form) =>
    withCrew(form, 'restart', 240, async (crew) => {
      const times = amount(form, 200, 10)
      const processes = amount(form, CROWD.processes, 2)
      const latency = await one(form, crew, times)
      const all = await many(form, crew, processes)
      const { clients } = CROWD
      return {
        settings: { times, processes, clients },
        repeats: [{ value: latency.p99, latency, details: { longest: latency.max, all } }],
        checks: [
          atMost('p99 from listening to the first answer', 'ns', 100e6, latency.p99),
          atMost('all clients answered again', 'ns', 2e9, all),
        ],
        failed: null,
      }
    }),
}

/** One client, again and again. */
async function one(form: Form, crew: Crew, times: number) {
  const place = { name: `restart-${process.pid}`, directory: form.directory }
  let current = crew.member()
  await current.play('serveAt', { place })
  const client = await crew.join({ places: [place], connections: 1, options: { reconnect: true } })
  const all = histogram()
  for (let time = 0; time < times; time++) {
    form.progress((time / times) * 0.8, 'killing and starting')
    const next = crew.member()
    await next.ready()
    current.kill()
    const answered = client.play<number>('askWhileAway')
    const listening = await next.play<number>('serveAt', { place })
    all.record(Math.max(0, Math.round(((await answered) - listening) * 1e6)))
    current = next
  }
  current.kill()
  return latencyOf(all)
}

/** Many at once. Returns how long it took until the last of them had its answer, in nanoseconds. */
async function many(form: Form, crew: Crew, processes: number): Promise<number> {
  const place = { name: `herd-${process.pid}`, directory: form.directory }
  const first = crew.member()
  await first.play('serveAt', { place })
  const joining = { places: [place], connections: CROWD.clients, options: { reconnect: true } }
  const crowd = []
  for (let at = 0; at < processes; at++) {
    form.progress(0.8 + (at / processes) * 0.2, 'connecting a thousand')
    crowd.push(await crew.join(joining))
  }
  const next = crew.member()
  await next.ready()
  first.kill()
  const answered = crowd.map((member) => member.play<number>('askWhileAway'))
  // Until all know that it is gone.
  await setTimeout(500)
  const listening = await next.play<number>('serveAt', { place })
  const last = Math.max(...(await Promise.all(answered)))
  next.kill()
  for (const member of crowd) member.kill()
  return Math.round((last - listening) * 1e6)
}

/** Milliseconds of the clock that all processes share. */
const now = (): number => Number(process.hrtime.bigint()) / 1e6

export const roles = {
  ...common,

  /** Serves as soon as the name is free. Returns since when. */
  async serveAt({ place: { name, directory } }: { place: Place }): Promise<number> {
    const handlers = (it: Server) => void it.handle(Echo, (payload) => payload)
    for (;;) {
      try {
        await createServer(name, { directory, handlers })
        return now()
      } catch (error) {
        if ((error as { code?: string }).code !== 'ERR_NAME_IN_USE') throw error
        await setTimeout(1)
      }
    }
  },

  /** Asks with every client once its server is gone. Returns when the last had its answer. */
  async askWhileAway(): Promise<number> {
    const all = theSenders().map(async ({ client }) => {
      while (client.state === 'open') await setTimeout(1)
      await client.request(Echo, new Uint8Array(64))
    })
    await Promise.all(all)
    return now()
  },
}
