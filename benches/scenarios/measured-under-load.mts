// One client that is measured, among 999 that send all the time.

import { stroll } from './pace.mjs'
import { common, theSenders, type Sent } from './peers.mjs'
import { affordable, amount, atLeast, atMost, difference, manyEnough } from './scenario.mjs'
import { progressing, total, withCrew, type Scenario } from './scenario.mjs'

const PROCESSES = 9
const SENDERS_EACH = 111
/** Of each sender, messages a second and bytes. */
const SENDER_RATE = 20
const SENDER_SIZE = 1_024
const PROBING = { size: 64, pauseMs: 1 }
/** A thousand rings of the usual size would be gigabytes. */
const RINGS = { normal: 65_536 }

export const scenario: Scenario = {
  name: 'measured-under-load',
  title: 'round trips of one client among 999 that send 20 messages of 1 KiB a second each',
  metric: { name: 'p99 under load', unit: 'ns', better: 'less' },

  run: (form) =>
    withCrew(form, 'measured-under-load', 120, async (crew) => {
      const ms = amount(form, 15_000, 1_500)
      const wanted = PROCESSES * amount(form, SENDERS_EACH, SENDERS_EACH) + 1
      const each = Math.floor((affordable(wanted) - 1) / PROCESSES)
      const server = await crew.serve({ options: { rings: RINGS } })
      const places = [server.place]
      const measured = await crew.join({ places, connections: 1 })
      await measured.probe({ ...PROBING, ms: ms / 3 })
      const probing = measured.probe({ ...PROBING, ms })
      const alone = await progressing(form, 'alone', ms, probing, [0, 0.4])

      form.progress(0.4, 'connecting')
      const senders = await Promise.all(
        Array.from({ length: PROCESSES }, (_, index) => {
          const first = 1 + index * each
          return crew.join({ places, connections: each, first, options: { rings: RINGS } })
        }),
      )
      // They begin before and end after what is measured.
      const sending = Promise.all(
        senders.map((one) =>
          one.play<Sent>('keepSending', { rate: SENDER_RATE * each, ms: ms * 1.4 }),
        ),
      )
      await measured.probe({ ...PROBING, ms: ms / 5 })
      const probed = measured.probe({ ...PROBING, ms })
      const among = await progressing(form, 'under load', ms, probed, [0.5, 1])
      const sent = total(await sending)

      const perSecond = (sent.count / (ms * 1.4)) * 1e3
      const details = {
        'p50 alone': alone.p50,
        'p99 alone': alone.p99,
        'p50 under load, times': among.p50 / alone.p50,
        'p99 under load, times': among.p99 / alone.p99,
        'messages of the load a second': perSecond,
      }
      const load = { senders: each * PROCESSES, senderRate: SENDER_RATE, senderSize: SENDER_SIZE }
      return {
        settings: { ...PROBING, ...load, rings: RINGS, ms },
        repeats: [{ value: among.p99, latency: among, details }],
        checks: [
          manyEnough(wanted, each * PROCESSES + 1),
          // The load is part of what is measured.
          atLeast('rate of the load', '/s', SENDER_RATE * each * PROCESSES * 0.95, perSecond),
          atMost('p50 under load', '×', 2, among.p50 / alone.p50),
          atMost('p99 under load', 'ns', 5e6, among.p99),
        ],
        failed: difference(sent, await server.tally()),
      }
    }),
}

export const roles = {
  ...common,

  /** Sends on all connections in turn, so many messages a second together. */
  async keepSending({ rate, ms }: { rate: number; ms: number }): Promise<Sent> {
    const senders = theSenders()
    const start = performance.now()
    const end = start + ms
    const goesOn = () => performance.now() < end
    const send = (number: number) => void senders[number % senders.length].send(SENDER_SIZE)
    const count = await stroll(rate, goesOn, send)
    const took = performance.now() - start
    await Promise.all(senders.map((sender) => sender.ask(0)))
    const perSecond = (count / took) * 1e3
    const bytes = count * SENDER_SIZE
    return { count, bytes, ms: took, perSecond, bytesPerSecond: perSecond * SENDER_SIZE }
  },
}
