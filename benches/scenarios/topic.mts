// A topic with messages of 64 bytes. What does one take its publisher, with one subscriber to the
// newest and with a thousand, and how many get to three subscribers that miss none?

import {
  bytes,
  createTopic,
  subscribe,
  topic,
  type TopicPublisher,
  type TopicSubscription,
} from 'ringpost'
import { median } from '../compare.mjs'
import { common, type Place } from './peers.mjs'
import { amount, atLeast, atMost, withCrew } from './scenario.mjs'
import type { Crew, Form, Library, Member, Scenario } from './scenario.mjs'

const SIZE = 64
/** Subscribers to the newest message, in so many processes. */
const AUDIENCES = [1, 10, 100, 1000]
const PROCESSES = 4
/** Subscribers that miss nothing, each a process. */
const LOSSLESS = 3
/** Messages between two looks at the clock. */
const BATCH = 100

const Messages = (name: string) => topic(name, { codec: bytes })

interface Published {
  /** Processor time of a message, in nanoseconds. */
  each: number
  /** Of the last one. */
  number: number
}

export const scenario: Scenario = {
  name: 'topic',
  title: 'messages of 64 B are published to up to a thousand subscribers',
  metric: { name: `processor time a message to ${AUDIENCES.at(-1)}`, unit: 'ns', better: 'less' },

  run: (form) =>
    withCrew(form, 'topic', 180, async (crew) => {
      const each = await audiences(form, crew)
      const [first, most] = [each[0], each.at(-1)!]
      const details: Record<string, number> = {}
      for (const [index, count] of AUDIENCES.entries()) {
        details[`to ${count}`] = each[index]
      }
      const growth = Math.max(...each.map((one) => one / first))
      const checks = [atMost('the same, of that to one', '×', 1.5, growth)]
      form.progress(0.7, 'publishing to those that miss nothing')
      const rates = await compared(form, crew)
      for (const [library, rate] of Object.entries(rates)) details[`${library}, to 3`] = rate
      const { ringpost } = rates
      if (ringpost !== undefined) {
        checks.push(atLeast('messages to 3 in Rust that miss none', '/s', 100_000, ringpost))
      }
      return {
        settings: { size: SIZE, audiences: AUDIENCES.join(', '), processes: PROCESSES },
        repeats: [{ value: most, details }],
        checks,
        failed: null,
      }
    }),
}

/** What a message takes, by audience: the least of several rounds, because others disturb. */
async function audiences(form: Form, crew: Crew): Promise<number[]> {
  const place = { name: `topic-${process.pid}`, directory: form.directory }
  const [rounds, ms] = [amount(form, 5, 2), amount(form, 1_000, 300)]
  const publisher = crew.member()
  await publisher.play('serveTopic', { place })
  const members = Array.from({ length: PROCESSES }, () => crew.member())
  const least: number[] = []
  for (let round = 0; round < rounds; round++) {
    for (const [index, count] of AUDIENCES.entries()) {
      const share = (0.7 * (round * AUDIENCES.length + index)) / (rounds * AUDIENCES.length)
      form.progress(share, `publishing to ${count}`)
      await populate(members, place, count)
      const { each, number } = await publisher.play<Published>('publish', { ms })
      await Promise.all(members.map((member) => member.play('awaitLast', { number })))
      least[index] = Math.min(each, least[index] ?? Infinity)
    }
  }
  return least
}

/** As evenly as can be. */
async function populate(members: Member[], place: Place, count: number): Promise<void> {
  const shares = members.map((_, index) => Math.floor((count + index) / members.length))
  await Promise.all(members.map((one, at) => one.play('listen', { place, count: shares[at] })))
}

/** Messages a second of each library that is built, one beside the other. */
async function compared(form: Form, crew: Crew): Promise<Partial<Record<Library, number>>> {
  const seen: Partial<Record<Library, number[]>> = {}
  for (let round = 0; round < amount(form, 3, 1); round++) {
    for (const library of ['ringpost', 'iceoryx2'] as const) {
      const rate = await throughput(form, crew, library, round)
      if (rate !== null) (seen[library] ??= []).push(rate)
    }
  }
  const medians = Object.entries(seen).map(([library, rates]) => [library, median(rates)])
  return Object.fromEntries(medians) as Partial<Record<Library, number>>
}

async function throughput(
  form: Form,
  crew: Crew,
  library: Library,
  round: number,
): Promise<number | null> {
  const programs = await crew.programs(library, 1 + LOSSLESS)
  if (programs === null) return null
  const { directory } = form
  const place = { library, address: `all-${process.pid}-${round}`, settings: { directory } }
  const [publisher, ...subscribers] = programs
  await publisher.call({ do: 'publish', ...place, subscribers: LOSSLESS })
  for (const subscriber of subscribers) await subscriber.call({ do: 'subscribe', ...place })
  const count = amount(form, 3_000_000, 300_000)
  const start = performance.now()
  const [, ...counts] = await Promise.all([
    publisher.call({ do: 'publish-all', size: SIZE, count }),
    ...subscribers.map((subscriber) => subscriber.call<number>({ do: 'read-all', count })),
  ])
  const ms = performance.now() - start
  const short = counts.find((read) => read !== count)
  if (short !== undefined) throw new Error(`${short} of ${count} messages were read`)
  for (const program of [...subscribers, publisher]) await program.stop()
  return (count / ms) * 1e3
}

let publisher: TopicPublisher<Uint8Array>
const listening: TopicSubscription<Uint8Array>[] = []
/** The numbers of the last messages that were read, and who waits for them to grow. */
const last: number[] = []
let woken = () => {}

export const roles = {
  ...common,

  /** Publishes from now on. */
  serveTopic({ place: { name, directory } }: { place: Place }): void {
    publisher = createTopic(Messages(name), { directory })
  },

  /** Publishes without a pause. */
  publish({ ms }: { ms: number }): Published {
    const message = new Uint8Array(SIZE).fill(7)
    const [start, before] = [performance.now(), process.cpuUsage()]
    let count = 0
    while (performance.now() - start < ms) {
      for (let more = 0; more < BATCH; more++) void publisher.publish(message)
      count += BATCH
    }
    const { user, system } = process.cpuUsage(before)
    return { each: ((user + system) * 1e3) / count, number: publisher.number }
  },

  /** Has so many subscriptions to the newest message. */
  listen({ place: { name, directory }, count }: { place: Place; count: number }): void {
    while (listening.length > count) listening.pop()!.close()
    last.length = count
    while (listening.length < count) {
      const index = listening.length
      const subscription = subscribe(Messages(name), { directory, mode: 'latest' })
      listening.push(subscription)
      last[index] = 0
      void (async () => {
        for await (const { number } of subscription) {
          last[index] = number
          woken()
        }
      })()
    }
  },

  /** Waits until each has read the message of this number. */
  async awaitLast({ number }: { number: number }): Promise<void> {
    while (last.some((one) => one < number)) {
      await new Promise<void>((resolve) => (woken = resolve))
    }
  },
}
