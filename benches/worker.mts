// One process under measurement: serves or asks, as the runner says over the channel Node gives a
// forked process. All it measures it measures itself; the runner only compares.

import { once } from 'node:events'
import net from 'node:net'
import { createHistogram, performance, type RecordableHistogram } from 'node:perf_hooks'
import {
  adapter,
  fill,
  stamp,
  touch,
  type Channel,
  type Service,
  type Settings,
} from './adapter.mjs'

/** What the runner asks for. */
export type Command =
  | { do: 'serve' | 'connect'; adapter: string; address: string; settings: Settings }
  | { do: 'latency'; size: number; ms: number; sync?: boolean; pauseMs?: number }
  | { do: 'pipelined'; size: number; ms: number; inFlight: number }
  | { do: 'one-way'; size: number; ms: number }
  | { do: 'received' }
  | { do: 'bystander'; ms: number; hot: boolean; socket: string }
  | { do: 'idle'; ms: number }
  | { do: 'usage' }
  | { do: 'stop' }

/** Spans in nanoseconds. */
export interface Latency {
  count: number
  p50: number
  p99: number
  p999: number
  max: number
}

export interface Rate {
  count: number
  perSecond: number
  bytesPerSecond: number
}

/** How others in a process fare, in nanoseconds. */
export interface Bystander {
  timerP99: number
  socketP99: number
}

export interface Usage {
  cpuMs: number
  rssBytes: number
}

/** One message in so many is compared whole, outside of the timed part. */
const COMPARED_EVERY = 64

/** The reference copies payloads up to this. */
const KEPT_ABOVE = 16_384

let service: Service | undefined
let channel: Channel
let sequence = 0
/** What the sink has seen: messages, and a sum that keeps the reading from being optimized away. */
const sink = { count: 0, sum: 0, kept: [] as Uint8Array[] }

const commands: Record<Command['do'], (command: any) => unknown> = {
  async serve({ adapter: name, address, settings }: Command & { do: 'serve' | 'connect' }) {
    const hooks = {
      touch: (payload: Uint8Array) => void (sink.sum += touch(payload)),
      got(payload: Uint8Array) {
        sink.sum += touch(payload)
        if (sink.count++ % COMPARED_EVERY === 0) sink.kept.push(payload.slice())
      },
    }
    service = await (await adapter(name)).serve(address, hooks, settings)
  },

  async connect({ adapter: name, address, settings }: Command & { do: 'serve' | 'connect' }) {
    channel = await (await adapter(name)).connect(address, settings)
    return channel.describe?.() ?? {}
  },

  async latency({ size, ms, sync, pauseMs }: Command & { do: 'latency' }): Promise<Latency> {
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
      if (pauseMs) await new Promise((done) => setTimeout(done, pauseMs))
    }
    const percentile = (share: number) => spans.percentile(share)
    return {
      count,
      p50: percentile(50),
      p99: percentile(99),
      p999: percentile(99.9),
      max: spans.max,
    }
  },

  async pipelined({ size, ms, inFlight }: Command & { do: 'pipelined' }): Promise<Rate> {
    const start = performance.now()
    const end = start + ms
    let count = 0
    const lane = async () => {
      const payload = new Uint8Array(size)
      // The clock is looked at once in a while, because a look costs as much as a message.
      for (let turn = 0; turn % 16 !== 0 || performance.now() < end; turn++) {
        stamp(payload, ++sequence)
        const answer = await channel.request(payload)
        touch(answer)
        if (turn % COMPARED_EVERY === 0) compare(answer, payload)
        count++
      }
    }
    await Promise.all(Array.from({ length: inFlight }, lane))
    return rate(count, size, performance.now() - start)
  },

  /** Timed until the sink has read the last one: the runner adds what the other side says. */
  async 'one-way'({ size, ms }: Command & { do: 'one-way' }) {
    const payload = new Uint8Array(size)
    const start = performance.timeOrigin + performance.now()
    const end = performance.now() + ms
    let count = 0
    while (count % 64 !== 0 || performance.now() < end) {
      stamp(payload, count++)
      // A long payload may be kept until it is written, so that it cannot be used again.
      const room = channel.send(size > KEPT_ABOVE ? payload.slice() : payload)
      if (room) await room
    }
    // Everything before it has been read when this is answered.
    await channel.request(payload)
    return rate(count, size, performance.timeOrigin + performance.now() - start)
  },

  /** What the sink has seen since it was asked last; those kept are compared whole now. */
  received() {
    const { count, kept } = sink
    const expected = Buffer.alloc(kept[0]?.length ?? 0)
    for (const [index, payload] of kept.entries()) {
      fill(expected, 0)
      stamp(expected, index * COMPARED_EVERY)
      compare(payload, expected)
    }
    sink.count = 0
    sink.kept = []
    return { count }
  },

  /**
   * How a timer of 1 ms and a plain socket fare in this process, while its rings are hot or idle.
   */
  async bystander({ ms, hot, socket: path }: Command & { do: 'bystander' }): Promise<Bystander> {
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

  /** Does nothing; the runner looks at what that costs. */
  async idle({ ms }: Command & { do: 'idle' }) {
    await new Promise((done) => setTimeout(done, ms))
  },

  usage(): Usage {
    const { user, system } = process.cpuUsage()
    return { cpuMs: (user + system) / 1e3, rssBytes: process.memoryUsage.rss() }
  },

  async stop() {
    await channel?.close()
    await service?.close()
    setImmediate(() => process.disconnect())
  },
}

const histogram = () => createHistogram({ lowest: 1, highest: 1e11, figures: 3 })

/** Records the time since `start`, in nanoseconds. */
function record(spans: RecordableHistogram, start: number): void {
  spans.record(Math.max(1, Math.round((performance.now() - start) * 1e6)))
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
    await new Promise((done) => setTimeout(done, 1))
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
    await new Promise((done) => setTimeout(done, 2))
  }
  socket.destroy()
}

function rate(count: number, size: number, ms: number): Rate {
  const perSecond = (count / ms) * 1e3
  return { count, perSecond, bytesPerSecond: perSecond * size }
}

function compare(found: Uint8Array, expected: Uint8Array): void {
  if (Buffer.compare(found, expected) !== 0) {
    throw new Error(`a payload of ${expected.length} bytes came out different`)
  }
}

// A runner that is gone has no more questions.
process.on('disconnect', () => process.exit())
process.on('message', async (command: Command) => {
  try {
    const value = await commands[command.do](command)
    process.send?.({ value })
  } catch (error) {
    process.send?.({ error: (error as Error).stack ?? String(error) })
  }
})
