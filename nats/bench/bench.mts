// What a bridge costs beside the local path: the same requests to the same server, from the machine that
// has it, and from another one over a NATS server on loopback.
//
//   node ../ci/nats-bench.mjs [seconds for each row]

import { performance } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import { subscribe, type Client } from 'ringpost'
import { Blob, Flow, Publish } from '../__test__/helpers/contracts.mjs'
import { job, Machine, Nats } from '../__test__/helpers/machines.mjs'

const { positionals } = parseArgs({ allowPositionals: true })
const seconds = Number(positionals[0] ?? 5)
if (!(seconds > 0)) throw new RangeError(`seconds must be above 0, got ${positionals[0]}`)

const SIZES = [64, 4_096, 65_536]
/** Requests at a time, where throughput is measured. */
const AT_A_TIME = 64
const MESSAGES = 20_000

/** Requests, one after the other, or so many at a time; each answer is looked at. */
async function run(client: Client, size: number, atATime: number): Promise<number[]> {
  const payload = new Uint8Array(size).fill(7)
  const times: number[] = []
  const end = performance.now() + seconds * 1_000
  const one = async () => {
    while (performance.now() < end) {
      const start = performance.now()
      const answer = await client.request(Blob, payload)
      times.push(performance.now() - start)
      if (answer.length !== size || answer[size - 1] !== 7) throw new Error('a wrong answer')
    }
  }
  await Promise.all(Array.from({ length: atATime }, one))
  return times.sort((a, b) => a - b)
}

const us = (times: number[], part: number) =>
  `${(times[Math.floor((times.length - 1) * part)] * 1_000).toFixed(0)} µs`.padStart(10)
const row = (...cells: string[]) => console.log(cells.map((cell) => cell.padEnd(12)).join(''))

const nats = await Nats.start()
const [home, away] = [new Machine('home'), new Machine('away')]
await home.server()
await home.bridge(job('exportService', 'Full', nats))
await away.bridge(job('importService', 'Full', nats))
const paths = { local: await home.client(), bridged: await away.client() }
row('', 'bytes', '       p50', '       p99', ' requests/s')
for (const size of SIZES) {
  for (const [name, client] of Object.entries(paths)) {
    // Until everything is compiled.
    await run(client, size, AT_A_TIME).then((times) => times.length)
    const alone = await run(client, size, 1)
    const many = await run(client, size, AT_A_TIME)
    const rate = Math.round(many.length / seconds).toLocaleString('en').padStart(11)
    row(name, size.toLocaleString('en'), us(alone, 0.5), us(alone, 0.99), rate)
  }
}

await home.bridge(job('exportTopic', 'Flow', nats))
await away.bridge(job('importTopic', 'Flow', nats))
let from = 1
for (const [name, machine] of Object.entries({ local: home, bridged: away })) {
  using subscription = subscribe(Flow, { directory: machine.directory })
  const start = performance.now()
  const published = paths.local.request(Publish, { topic: 'flow', from, count: MESSAGES })
  const last = from + MESSAGES - 1
  let [number, count] = [0, 0]
  while (number < last) {
    number = (await subscription.next()).value!.value.number
    // The last ones of the row before may still be on their way to the other machine.
    if (number >= from) count++
  }
  from += MESSAGES
  await published
  const rate = Math.round((count / (performance.now() - start)) * 1_000).toLocaleString('en')
  const missed = (MESSAGES - count).toLocaleString('en')
  const what = `messages of 1,000 bytes a second; ${missed} of ${MESSAGES} missed`
  console.log(`topic, ${name}: ${rate} ${what}`)
}
await Promise.all(Object.values(paths).map((client) => client.close()))
await nats.kill()
process.exit()
