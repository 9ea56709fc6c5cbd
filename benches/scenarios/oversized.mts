// One message in ten is too long. It is refused where it is sent, and those after it are not
// affected.

import { IpcError, method, bytes } from 'ringpost'
import { common, theSenders, theServer } from './peers.mjs'
import { amount, atLeast, difference, progressing, withCrew } from './scenario.mjs'
import type { Scenario } from './scenario.mjs'

const LENGTH_MAX = 65_536
const SIZES = [64, 1_024, LENGTH_MAX]
/** Answered with as many bytes as the question says, which may be too many. */
const Long = method<Uint8Array, Uint8Array>('long', { codec: bytes })

interface Tried {
  /** Messages that were short enough, and of those the ones without answer. */
  good: number
  count: number
  bytes: number
  /** Messages that were too long, and of those the ones refused for it. */
  oversized: number
  refused: number
  faults: string[]
  ms: number
}

export const scenario: Scenario = {
  name: 'oversized',
  title: 'one message in ten is longer than the 64 KiB agreed upon',
  metric: { name: 'messages a second', unit: '/s', better: 'more' },

  run: (form) =>
    withCrew(form, 'oversized', 60, async (crew) => {
      const count = amount(form, 200_000, 50_000)
      const server = await crew.serve({ options: { messageLenMax: LENGTH_MAX } })
      await server.play('answer-long')
      const client = await crew.join({ places: [server.place], connections: 1 })
      const trying = client.play<Tried>('try', { count })
      const tried = await progressing(form, 'sending', count / 10, trying)
      const faults = [...tried.faults]
      const lost = difference(tried, await server.tally())
      if (lost !== null) faults.push(lost)
      if (tried.refused !== tried.oversized) {
        faults.push(`${tried.refused} of ${tried.oversized} oversized messages were refused`)
      }
      const perSecond = (tried.good / tried.ms) * 1e3
      const details = { oversized: tried.oversized, refused: tried.refused, good: tried.good }
      return {
        settings: { count, messageLenMax: LENGTH_MAX, sizes: SIZES },
        repeats: [{ value: perSecond, perSecond, details }],
        checks: [atLeast('messages a second', '/s', 25_000, perSecond)],
        failed: faults.join('; ') || null,
      }
    }),
}

export const roles = {
  ...common,

  'answer-long'(): void {
    theServer().handle(Long, (wanted) => new Uint8Array(Number(Buffer.from(wanted).toString())))
  },

  /** In turns: without answer, with an answer, and too long in one of three ways. */
  async try({ count }: { count: number }): Promise<Tried> {
    const [sender] = theSenders()
    const { client } = sender
    const none = { good: 0, count: 0, bytes: 0, oversized: 0, refused: 0, ms: 0 }
    const tried: Tried = { ...none, faults: [] }
    const refuse = async (act: () => unknown) => {
      tried.oversized++
      try {
        await act()
        tried.faults.push('an oversized message was taken')
      } catch (error) {
        if (error instanceof IpcError && error.code === 'ERR_TOO_LARGE') tried.refused++
        else tried.faults.push(String(error))
      }
    }
    const start = performance.now()
    for (let turn = 0; turn < count && tried.faults.length === 0; turn++) {
      const over = LENGTH_MAX + 1 + (turn % 5_000)
      const size = SIZES[turn % SIZES.length]
      if (turn % 30 === 7) await refuse(() => client.notify('take', new Uint8Array(over)))
      else if (turn % 30 === 17) await refuse(() => sender.ask(over))
      else if (turn % 30 === 27) await refuse(() => client.request(Long, Buffer.from(`${over}`)))
      else if (turn % 10 === 3) await sender.ask(size).then(() => tried.good++)
      else {
        const room = sender.send(size)
        tried.good++
        if (room) await room
      }
    }
    await sender.ask(64)
    tried.ms = performance.now() - start
    tried.count = sender.sent
    tried.bytes = sender.bytes
    return tried
  },
}
