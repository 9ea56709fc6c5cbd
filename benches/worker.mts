// One process under measurement: a client or a server, as the runner commands over the channel of a
// forked process. It takes all measurements itself; the runner only compares them.

import { once } from 'node:events'
import net from 'node:net'
import {
  monitorEventLoopDelay,
  performance,
  type IntervalHistogram,
  type RecordableHistogram,
} from 'node:perf_hooks'
import { KEPT_ABOVE, type Adapter, type Channel, type Service } from './adapter.mjs'
import type { Bystander, Command, Description, OpenLoop, Rate, Soaked } from './commands.mjs'
import { histogram, latencyOf, record } from './histogram.mjs'
import { ITEM_LEN, makeItem } from './item.mjs'
import { COMPARED_EVERY, compare, Sink, stamp, touch } from './payload.mjs'
import type { Latency } from './results.mjs'

let service: Service | undefined
let channel: Channel
/** All connections of a client that has many, the first among them. */
let channels: Channel[] = []
/** Opens another connection like the first. */
let reconnect: () => Promise<Channel>
let sequence = 0
const sink = new Sink()
let loopDelay: IntervalHistogram | undefined

/** What one stream under measurement has at most. */
const STREAM_ITEMS = 50_000
const STREAM_BYTES = 32 << 20

/** Connections that are made at the same time: each has more descriptors then than later. */
const CONNECTING_AT_ONCE = 16

/** How often the delay of the event loop is sampled. */
const LOOP_SAMPLE_MS = 10

type Do<Each extends Command['do']> = Command & { do: Each }

/** All but the commands that only a worker in Rust knows. */
type Name = Exclude<Command['do'], 'connect-many' | 'ask-many' | 'memcpy' | Publishes>

/** What scenarios do in TypeScript by roles of their own. */
type Publishes =
  | 'libraries'
  | 'publish'
  | 'publish-all'
  | 'subscribe'
  | 'read-all'
  | 'write'
  | 'write-for'
  | 'read-often'
  | 'look-up'


const commands: { [Each in Name]: (command: Do<Each>) => unknown } = {
  async serve({ adapter, address, settings }) {
    service = await (await load(adapter)).serve(address, sink, settings)
  },

  async connect({ adapter, address, settings }): Promise<Description> {
    const { connect } = await load(adapter)
    reconnect = () => connect(address, settings)
    channel = await reconnect()
    channels = [channel]
    return { version: process.version, others: [], ...channel.describe() }
  },

  async latency({ size, ms, sync, pauseMs }): Promise<Latency> {
    const payload = new Uint8Array(size)
    const spans = histogram()
    const end = performance.now() + ms
    let count = 0
    while (performance.now() < end) {
      stamp(payload, ++sequence)
      const start = performance.now()
      const answer = sync ? channel.requestSync!(payload) : await channel.request(payload)
      record(spans, start)
      touch(answer)
      if (count++ % COMPARED_EVERY === 0) compare(answer, payload)
      if (pauseMs) await sleep(pauseMs)
    }
    return latencyOf(spans)
  },

  /**
   * The loop is kept turning, because no timer is as precise as the times to send at. Those are
   * laid out in advance: a round trip that begins too late is late, and so are those that wait
   * behind it.
   */
  async 'open-loop'({ size, ms, rate }): Promise<OpenLoop> {
    const spans = histogram()
    const wanted = Math.max(1, Math.round((rate * ms) / 1e3))
    const start = performance.now()
    const failure: { error?: Error } = {}
    let answered = 0
    const ask = async (number: number) => {
      const payload = new Uint8Array(size)
      stamp(payload, number)
      try {
        const answer = await channel.request(payload)
        record(spans, start + (number * 1e3) / rate)
        touch(answer)
        if (number % COMPARED_EVERY === 0) compare(answer, payload)
        answered++
      } catch (error) {
        failure.error = error as Error
      }
    }
    // A transport that cannot keep up is not awaited forever.
    const patience = start + ms * 2 + 1_000
    for (let sent = 0; answered < wanted && performance.now() < patience; await turn()) {
      if (failure.error) throw failure.error
      const due = Math.min(wanted, Math.floor(((performance.now() - start) * rate) / 1e3) + 1)
      while (sent < due) void ask(sent++)
    }
    return { ...latencyOf(spans), perSecond: (answered / (performance.now() - start)) * 1e3 }
  },

  async pipelined({ size, ms, inFlight }): Promise<Rate> {
    const start = performance.now()
    const end = start + ms
    let count = 0
    const lane = async () => {
      const payload = new Uint8Array(size)
      // The clock is read once in a while, because that costs as much as a message.
      for (let turn = 0; turn % 16 !== 0 || performance.now() < end; turn++) {
        stamp(payload, ++sequence)
        const answer = await channel.request(payload)
        touch(answer)
        if (turn % COMPARED_EVERY === 0) compare(answer, payload)
        count++
      }
    }
    await Promise.all(Array.from({ length: inFlight }, lane))
    return rateOf(count, size, start)
  },

  async 'one-way'({ size, ms }): Promise<Rate> {
    const start = performance.now()
    const end = start + ms
    return oneWay(size, (count) => count % 64 !== 0 || performance.now() < end)
  },

  async items({ ms }): Promise<Rate> {
    const item = makeItem(0)
    const start = performance.now()
    const end = start + ms
    let count = 0
    while (count % 64 !== 0 || performance.now() < end) {
      item.number = count++
      const room = channel.sendItem!(item)
      if (room) await room
    }
    await channel.request(new Uint8Array(64))
    return rateOf(count, ITEM_LEN, start)
  },

  burst: ({ size, count }) => oneWay(size, (sent) => sent < count),

  async stream({ size, ms, iterated = false }): Promise<Rate> {
    const each = Math.max(64, Math.min(STREAM_ITEMS, Math.ceil(STREAM_BYTES / size)))
    const expected = new Uint8Array(size)
    const start = performance.now()
    let count = 0
    do {
      let number = 0
      await channel.download!(each, size, iterated, (item) => {
        touch(item)
        if (number % COMPARED_EVERY === 0) {
          stamp(expected, number)
          compare(item, expected)
        }
        number++
      })
      if (number !== each) throw new Error(`${number} of ${each} items came`)
      count += each
    } while (performance.now() < start + ms)
    return rateOf(count, size, start)
  },

  received: () => channel?.received?.() ?? sink.received(),

  async reconnect({ times }): Promise<Latency> {
    const spans = histogram()
    const payload = new Uint8Array(64)
    for (let time = 0; time < times; time++) {
      const start = performance.now()
      const other = await reconnect()
      touch(await other.request(payload))
      record(spans, start)
      await other.close()
    }
    return latencyOf(spans)
  },

  async 'connect-up-to'({ connections }) {
    while (channels.length < connections) {
      const more = Math.min(CONNECTING_AT_ONCE, connections - channels.length)
      channels.push(...(await Promise.all(Array.from({ length: more }, () => reconnect()))))
    }
  },

  async 'ask-each'({ size, connections, ms }): Promise<Latency> {
    const payload = new Uint8Array(size)
    const spans = histogram()
    const end = performance.now() + ms
    for (let count = 0; count < connections || performance.now() < end; count++) {
      stamp(payload, ++sequence)
      const start = performance.now()
      const answer = await channels[count % connections].request(payload)
      record(spans, start)
      touch(answer)
      if (count % COMPARED_EVERY === 0) compare(answer, payload)
    }
    return latencyOf(spans)
  },

  async soak({ size, ms, rate }): Promise<Soaked> {
    const spans = histogram()
    const start = performance.now()
    const due = () => Math.min(wanted, Math.floor(((performance.now() - start) * rate) / 1e3))
    const wanted = Math.round((rate * ms) / 1e3)
    const waiting = new Set<Promise<void>>()
    let drops = 0
    const ask = async (number: number) => {
      const payload = new Uint8Array(size)
      stamp(payload, number)
      const sent = performance.now()
      try {
        const answer = await channel.request(payload)
        record(spans, sent)
        compare(answer, payload)
      } catch {
        drops++
      }
    }
    for (let sent = 0; sent < wanted; await sleep(1)) {
      for (; sent < due(); sent++) {
        const asked = ask(sent).finally(() => waiting.delete(asked))
        waiting.add(asked)
      }
    }
    const perSecond = (wanted / (performance.now() - start)) * 1e3
    await Promise.all(waiting)
    const counters = channel.counters?.() ?? { wakeups: 0, lostWakeups: 0 }
    return { ...latencyOf(spans), perSecond, drops, counters }
  },

  'loop-delay'() {
    if (loopDelay === undefined) {
      loopDelay = monitorEventLoopDelay({ resolution: LOOP_SAMPLE_MS })
      loopDelay.enable()
    }
    const late = loopDelay.percentile(99) - LOOP_SAMPLE_MS * 1e6
    loopDelay.reset()
    return Math.max(0, late)
  },

  async bystander({ ms, hot, socket: path }): Promise<Bystander> {
    const end = performance.now() + ms
    const goesOn = () => performance.now() < end
    const timer = histogram()
    const socket = histogram()
    await Promise.all([
      ...(hot ? [keepAsking(goesOn)] : []),
      keepTiming(goesOn, timer),
      keepEchoing(goesOn, socket, path),
    ])
    return { timerP99: timer.percentile(99), socketP99: socket.percentile(99) }
  },

  /** Does nothing; the runner measures what that costs. */
  async idle({ ms }) {
    await sleep(ms)
  },

  async play({ scenario, role, with: parameters }) {
    const { roles } = (await import(`./scenarios/${scenario}.mjs`)) as {
      roles: Record<string, (parameters: Record<string, unknown>) => unknown>
    }
    return roles[role](parameters)
  },

  async stop() {
    for (const one of channels) await one.close()
    await service?.close()
    setImmediate(() => process.disconnect())
  },
}

const load = async (adapter: string) => ((await import(adapter)) as { default: Adapter }).default

const sleep = (ms: number) => new Promise<void>((done) => setTimeout(done, ms))

const turn = () => new Promise<void>((done) => setImmediate(done))

/** Timed until the other side has read the last one. */
async function oneWay(size: number, goesOn: (sent: number) => boolean): Promise<Rate> {
  const payload = new Uint8Array(size)
  const start = performance.now()
  let count = 0
  while (goesOn(count)) {
    stamp(payload, count++)
    const room = channel.send(size > KEPT_ABOVE ? payload.slice() : payload)
    if (room) await room
  }
  // Everything before it has been read when this is answered.
  await channel.request(payload)
  return rateOf(count, size, start)
}

async function keepAsking(goesOn: () => boolean): Promise<void> {
  const payload = new Uint8Array(64)
  while (goesOn()) {
    stamp(payload, ++sequence)
    await channel.request(payload)
  }
}

async function keepTiming(goesOn: () => boolean, spans: RecordableHistogram): Promise<void> {
  while (goesOn()) {
    const start = performance.now()
    await sleep(1)
    record(spans, start)
  }
}

/** Round trips of 64 bytes with the runner, every 2 ms. */
async function keepEchoing(
  goesOn: () => boolean,
  spans: RecordableHistogram,
  path: string,
): Promise<void> {
  const socket = net.connect(path)
  await once(socket, 'connect')
  while (goesOn()) {
    const start = performance.now()
    socket.write(new Uint8Array(64))
    await once(socket, 'data')
    record(spans, start)
    await sleep(2)
  }
  socket.destroy()
}

function rateOf(count: number, size: number, start: number): Rate {
  const perSecond = (count / (performance.now() - start)) * 1e3
  return { count, perSecond, bytesPerSecond: perSecond * size }
}

// Without a runner there are no more commands.
process.on('disconnect', () => process.exit())
process.on('message', async (command: Command) => {
  try {
    const value = await (commands[command.do as Name] as (command: Command) => unknown)(command)
    process.send?.({ value })
  } catch (error) {
    process.send?.({ error: (error as Error).stack ?? String(error) })
  }
})
