// What the TypeScript test peer publishes for others, and reads of what they have published.

import {
  createMap,
  createStateFrame,
  createTopic,
  layout,
  messagePack,
  openMap,
  openStateFrame,
  sharedMap,
  stateFrame,
  subscribe,
  text,
  topic,
  type MapWriter,
  type MapReader,
  type StateFrameReader,
  type StateFrameWriter,
  type TopicPublisher,
  type TopicSubscription,
} from 'ringpost'
import type { Arrived, Published, Values } from './wire.mjs'

/** A message by whose parts one sees whether they belong together. */
interface Whole {
  n: number
  parts: number[]
}

/** What a subscription has read, and the generation of the last message. */
interface Read {
  arrived: Arrived
  generation: number
}

type Owned = StateFrameWriter | TopicPublisher | MapWriter

const codecs = {
  messagePack,
  first: layout({ id: 'u32', label: text(16) }),
  second: layout({ id: 'u32', label: text(16), camera: 'u16' }),
  other: layout({ id: 'f64', label: text(16) }),
}
const Frame = (name: string, codec: Values = 'messagePack', capacity?: number) =>
  stateFrame<any>(name, { codec: codecs[codec], capacity })
const Wholes = (name: string, capacity?: number) => topic<Whole>(name, { capacity })
const Entries = (name: string, entriesMax?: number) =>
  sharedMap(name, { entriesMax, keyLengthMax: 64, valueLengthMax: 1024 })

/** What the process publishes and reads, by number. */
const objects = new Map<number, unknown>()
const reads = new WeakMap<TopicSubscription, Read>()
let made = 0

function keep(object: unknown): number {
  objects.set(++made, object)
  return made
}
const find = <T,>(number: number) => objects.get(number) as T

const orders: { [K in keyof Published]: (order: any) => unknown } = {
  frame({ name, codec, capacity, takeOver }) {
    const writer = createStateFrame(Frame(name, codec, capacity), { takeOver })
    return { of: keep(writer), number: writer.number }
  },
  write: ({ of, value }) => find<StateFrameWriter>(of).write(value),
  openFrame: ({ name, codec }) => keep(openStateFrame(Frame(name, codec))),
  readFrame({ of }) {
    const reader = find<StateFrameReader>(of)
    const { status, number, ageMs, value = null } = reader.read()
    return { status, number, ageMs, value, generations: reader.stats().generations }
  },
  async awaitFrame({ name, number: wanted, isStale }) {
    for await (const { status, number } of openStateFrame(Frame(name)).changes()) {
      if (number >= wanted && (status === 'stale' || !isStale)) return { status, number }
    }
    throw new Error('changes never end')
  },

  topic: ({ name, capacity, timeoutMs }) =>
    keep(createTopic(Wholes(name, capacity), { timeoutMs })),
  async publish({ of, count }) {
    const publisher = find<TopicPublisher<Whole>>(of)
    for (let left = count; left > 0; left--) {
      const n = publisher.number + 1
      await publisher.publish({ n, parts: Array<number>(20).fill(n) })
    }
    const { waits, cutOff } = publisher.stats()
    return { number: publisher.number, waits, cutOff }
  },
  subscribe({ name, mode, start }) {
    const from = start === 'oldest' ? 'oldest' : 'next'
    return keep(subscribe(Wholes(name), { mode, from, retained: start === 'newest' }))
  },
  receive: ({ of, until }) => receive(find<TopicSubscription<Whole>>(of), until),

  map: ({ name, entriesMax, takeOver }) => keep(createMap(Entries(name, entriesMax), { takeOver })),
  set: ({ of, key, value, ttlMs }) => find<MapWriter>(of).set(key, value, { ttlMs }),
  delete: ({ of, key }) => find<MapWriter>(of).delete(key),
  openMap: ({ name }) => keep(openMap(Entries(name))),
  lookUp({ of, key }) {
    const reader = find<MapReader>(of)
    const [value, has, { status }] = [reader.get(key) ?? null, reader.has(key), reader]
    return { value, has, keys: reader.entries().map(([each]) => each).sort(), status }
  },
  async awaitKey({ name, key, value: wanted }) {
    const seen: unknown[] = []
    for await (const value of openMap(Entries(name)).watch(key)) {
      seen.push(value ?? null)
      if (seen.at(-1) === wanted) break
    }
    return seen
  },
  unpublish({ of, remove }) {
    find<Owned>(of).close({ remove })
    objects.delete(of)
  },
}

async function receive(subscription: TopicSubscription<Whole>, until: number): Promise<Arrived> {
  const none = { received: 0, skipped: 0, restarts: 0, last: 0, wrong: 0 }
  const read = reads.get(subscription) ?? { arrived: none, generation: 0 }
  reads.set(subscription, read)
  const { arrived } = read
  while (arrived.received + arrived.skipped < until) {
    const { value: item } = await subscription.next()
    const { value, number, generation, skipped, restarted } = item!
    const isFirst = read.generation === 0
    const before = generation === read.generation ? arrived.last : 0
    const isNext = isFirst || number === before + skipped + 1
    const isWhole = value.n === number && value.parts.every((part) => part === number)
    if (!isNext || !isWhole) arrived.wrong++
    arrived.received++
    arrived.skipped += skipped
    if (restarted) arrived.restarts++
    arrived.last = number
    read.generation = generation
  }
  return arrived
}

/** Executes one of the orders. */
export function published(order: object): unknown {
  const [[name, parameters]] = Object.entries(order)
  return orders[name as keyof Published](parameters)
}
