// What the tests talk to: peer.mjs <directory>. It prints a line when it is ready, and does what
// the lines of its input say.

import { createInterface } from 'node:readline'
import * as ringpost from 'ringpost'

const { bytes, createServer, createStateFrame, createTopic, event, json, layout, list } = ringpost
const { method, openStateFrame, stateFrame, subscribe, text, topic } = ringpost
const directory = process.argv[2]

const Point = layout({ x: 'f32', y: 'f32' })
const Position = layout({ id: 'u32', x: 'f64', label: text(8), path: list(Point, 3), ok: 'bool' })

const server = await createServer('demo', { directory })
server.handle(method('shout', { codec: bytes }), (payload) =>
  Buffer.from(Buffer.from(payload).toString().toUpperCase()),
)
server.handle(method('sum', { codec: json }), ({ a, b }) => a + b)
server.handle('product', ({ a, b }) => a * b)
server.handle(method('fail', { codec: bytes }), () => {
  throw Object.assign(new Error('this cannot work'), { code: 'E_ON_FIRE' })
})
server.handle(method('hang', { codec: bytes }), (_, { signal }) => {
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => {
      console.log('cancelled')
      reject(signal.reason)
    })
  })
})
server.handle(method('die', { codec: bytes }), () => process.kill(process.pid, 'SIGKILL'))
server.handle(event('ticks', { codec: bytes }), (payload, { connection }) => {
  for (let tick = 0; tick < Number(Buffer.from(payload).toString()); tick++) {
    connection.notify(event('tick', { codec: json }), { tick })
  }
})

let writer, publisher
const WHAT = {
  write(id) {
    writer ??= createStateFrame(stateFrame('place', { codec: Position }), { directory })
    writer.write({ id: Number(id), x: id * 2.5, label: 'ts', path: [{ x: 1, y: 2 }], ok: true })
  },
  leave: () => writer.close(),
  read() {
    const seen = openStateFrame(stateFrame('seen', { codec: Position }), { directory })
    const { status, value } = seen.read()
    console.log(JSON.stringify({ status, value }))
  },
  async publish(count) {
    const numbers = topic('numbers', { codec: bytes, capacity: 4096 })
    publisher ??= createTopic(numbers, { directory, timeoutMs: 60_000 })
    for (let number = 1; number <= count; number++) {
      await publisher.publish(Buffer.from(`${number}`))
    }
  },
  async subscribe(count) {
    const letters = subscribe(topic('letters', { codec: bytes }), { directory, mode: 'lossless' })
    console.log('subscribed')
    let sum = 0
    for (let at = 0; at < count; at++) {
      const { value } = await letters.next()
      sum += Number(Buffer.from(value.value).toString())
    }
    console.log(`${sum}`)
  },
}
console.log('ready')
for await (const line of createInterface(process.stdin)) {
  const [what, argument] = line.split(' ')
  await WHAT[what](argument)
}
process.exit()
