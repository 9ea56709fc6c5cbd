// The local service of one machine.

import { setTimeout as delay } from 'node:timers/promises'
import { createServer, createTopic } from 'ringpost'
import * as contracts from '../helpers/contracts.mjs'

const { Alarm, Blob, Count, Echo, Fail, Flow, Kept, Look, Mirror, Note, Notes } = contracts
const { Odd, Publish, Secret, Shout, Text, Wait, Waited, Zeros } = contracts

const waits = new Map<string, string>()
const notes: string[] = []
const publishers = { flow: createTopic(Flow), kept: createTopic(Kept) }

const server = await createServer('site')
server.handle(Echo, (value: unknown) => value)
server.handle(Blob, (value) => value)
server.handle(Zeros, (count) => new Uint8Array(count))
server.handle(Text, (value: unknown) => value)
server.handle(Odd, (value) => value + 1)
server.handle(Secret, () => 'told')
server.handle(Fail, (message) => {
  const cause = Object.assign(new RangeError('too low'), { code: 'E_LOW' })
  throw Object.assign(new TypeError(message, { cause }), { code: 'E_SITE', data: { at: [1, 2] } })
})
server.handle(Look, (_, { remainingMs, traceparent, lane }) => ({
  pid: process.pid,
  remainingMs: remainingMs === Infinity ? null : remainingMs,
  traceparent: traceparent ?? null,
  lane,
}))
server.handle(Wait, async ({ label, ms }, { signal }) => {
  waits.set(label, 'started')
  signal.addEventListener('abort', () => waits.set(label, 'abandoned'))
  await delay(ms, undefined, { signal })
  return label
})
server.handle(Waited, (label) => waits.get(label) ?? null)
server.handle(Mirror, async ({ fail }, stream) => {
  let count = 0
  for await (const item of stream) {
    count++
    if (!stream.write(item)) await stream.ready()
  }
  if (fail !== undefined) throw new Error(fail)
  return count
})
server.handle(Count, async function* (most) {
  let sum = 0
  for (let number = 1; number <= most; number++) {
    yield number
    sum += number
  }
  return sum
})
server.on(Note, (text) => notes.push(text))
server.handle(Notes, () => notes)
server.handle(Shout, (text) => void server.notify(Alarm, text))
server.handle(Publish, async ({ topic, from, count }) => {
  const publisher = publishers[topic as 'flow' | 'kept']
  const fill = 'x'.repeat(1_000)
  for (let number = from; number < from + count; number++) {
    await publisher.publish({ number, fill })
  }
})
process.send!('ready')
