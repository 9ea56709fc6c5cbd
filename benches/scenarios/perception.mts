// The example examples/perception itself: frames of its producer in Rust, read in this language and
// served by its web API, beside commands; a producer that is killed; and frames that must all arrive.

import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, readdirSync, statSync } from 'node:fs'
import http from 'node:http'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout } from 'node:timers/promises'
import { connect, openStateFrame, type Client } from 'ringpost'
import { Api } from '../../examples/perception/api/api.mjs'
import {
  ConfigUpdate,
  Detections,
  framesOf,
  RefreshTimelines,
  RINGS,
} from '../../examples/perception/api/contract.mjs'
import { histogram, latencyOf, record } from '../histogram.mjs'
import type { Latency } from '../results.mjs'
import { ROOT } from '../transports.mjs'
import { common, type Place } from './peers.mjs'
import { amount, atMost, progressing, withCrew } from './scenario.mjs'
import type { Form, Member, Scenario } from './scenario.mjs'

const CLIENTS = 50
const FRAMES_PER_SECOND = 10
/** While reads are measured, so that most of them find another frame. */
const FRAMES_PER_SECOND_LOADED = 100
const MIB = 1 << 20

interface Read extends Latency {
  torn: number
}

interface Followed {
  frames: number
  dropped: number
}

/** A place with the file in which the producer there says what it does. */
interface Producing extends Place {
  statistics: string
}

export const scenario: Scenario = {
  name: 'perception',
  title: 'the perception pipeline: 50 objects from Rust to a web API with 50 clients',
  metric: { name: 'p99 of a read with decoding', unit: 'ns', better: 'less' },

  run: (form) => {
    const seconds = observed(form)
    return withCrew(form, 'perception', 300 + seconds * 2, async (crew) => {
      const [reads, commands] = [amount(form, 10_000, 10_000), amount(form, 1_000, 200)]
      const restarts = amount(form, 20, 3)
      const at = producingAt(form)
      let producer = crew.member()
      await producer.play('serveProducer', { at })
      const api = crew.member()
      const port = await api.play<number>('serveApi', { at })
      const reader = crew.member()
      await reader.play('connectTo', { at })

      form.progress(0, 'reading and commanding, beside 50 clients')
      await reader.play('configure', { framesPerSecond: FRAMES_PER_SECOND_LOADED, objects: 50 })
      const clients = crew.member()
      const loaded = clients.play<Latency>('load', { port, ms: amount(form, 10_000, 2_000) })
      const read = await reader.play<Read>('readFrames', { at, reads })
      const command = await reader.play<Latency>('command', { commands })
      const request = await loaded
      const shared = sharedBytes(at, await producer.play<number>('pidOfProducer'))

      form.progress(0.2, 'killing and starting')
      const back = histogram()
      for (let restart = 0; restart < restarts; restart++) {
        const next = crew.member()
        back.record(await recover({ at, port }, [producer, next, clients]))
        producer = next
      }

      await reader.play('configure', { framesPerSecond: FRAMES_PER_SECOND, objects: 50 })
      const following = reader.play<Followed>('follow', { at, ms: seconds * 1e3 })
      const words = 'ten frames a second'
      const { frames, dropped } = await progressing(form, words, seconds * 1e3, following, [0.3, 1])
      const { torn, ...latency } = read
      const recovery = latencyOf(back)
      return {
        settings: { reads, commands, restarts, seconds, clients: CLIENTS },
        repeats: [
          {
            ...{ value: latency.p99, latency },
            details: {
              ...{ 'command p50': command.p50, 'command p99': command.p99 },
              ...{ 'request p99': request.p99, 'requests': request.count },
              ...{ 'back after p50': recovery.p50, 'back after max': recovery.max },
              ...{ 'shared bytes': shared, frames },
            },
          },
        ],
        checks: [
          atMost('p99 of a read with decoding', 'ns', 1e6, latency.p99),
          atMost('p99 of a command', 'ns', 100e6, command.p99),
          atMost('back after the producer has returned', 'ns', 100e6, recovery.max),
          atMost('shared memory of all', 'MiB', 1, shared / MIB),
          atMost(`frames dropped in ${seconds} s`, '', 0, dropped),
        ],
        failed: torn > 0 ? `${torn} of ${reads} frames were torn` : null,
      }
    })
  },
}

/** For how long frames are counted, in seconds; the nightly run does it for an hour as well. */
function observed(form: Form): number {
  const asked = process.env.RINGPOST_PERCEPTION_SECONDS
  return asked === undefined ? amount(form, 600, 5) : Number(asked)
}

let places = 0

function producingAt({ directory }: Form): Producing {
  const name = `perception-${process.pid}-${++places}`
  return { name, directory, statistics: join(directory, `${name}.json`) }
}

/** Kills a producer, starts the next, and returns how long after its first frame the API has served
 * one of it, in nanoseconds. */
async function recover(
  { at, port }: { at: Producing; port: number },
  [producer, next, clients]: Member[],
): Promise<number> {
  await next.ready()
  await producer.play('killProducer')
  const served = clients.play<number>('askUntilAfter', { port, timestamp: Date.now() })
  await next.play('serveProducer', { at })
  return Math.max(1, Math.round((await served) * 1e6))
}

/** All that the producer shares: its three frames, and the memory of its connections. */
function sharedBytes({ directory, name }: Producing, pid: number): number {
  const files = readdirSync(directory).filter((file) => file.startsWith(`${name}-`))
  const frames = files.filter((file) => file.endsWith('.frame'))
  const lengths = frames.map((file) => statSync(join(directory, file)).size)
  const mapped = readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n')
  const connections = mapped.filter((line) => line.includes('/memfd:')).map((line) => {
    const [from, to] = line.split(' ')[0].split('-').map((at) => parseInt(at, 16))
    return to - from
  })
  return [...lengths, ...connections].reduce((sum, length) => sum + length, 0)
}

// ---- what its processes do ----

let producer: ChildProcess
let client: Client
const agent = new http.Agent({ keepAlive: true, maxSockets: CLIENTS })

async function ask(port: number, path: string): Promise<any> {
  const request = http.get({ host: '127.0.0.1', port, path, agent })
  const [response] = (await once(request, 'response')) as [http.IncomingMessage]
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk as Buffer)
  if (response.statusCode !== 200) throw new Error(`${path}: ${response.statusCode}`)
  return JSON.parse(Buffer.concat(chunks).toString())
}

export const roles = {
  ...common,

  /** Starts a producer, and waits until it publishes. */
  async serveProducer({ at }: { at: Producing }): Promise<void> {
    const { producerProgram } = (await import(`${ROOT}examples/perception/programs.mjs`)) as {
      producerProgram: () => string
    }
    const args = ['--name', at.name, '--statistics', at.statistics, '--attached']
    const env = { ...process.env, RINGPOST_DIR: at.directory }
    producer = spawn(producerProgram(), args, { env, stdio: ['pipe', 'pipe', 'inherit'] })
    const lines = createInterface(producer.stdout!)
    await once(lines, 'line')
  },

  pidOfProducer: (): number => producer.pid!,

  async killProducer(): Promise<void> {
    producer.kill('SIGKILL')
    await once(producer, 'exit')
  },

  /** Serves the producer's frames over HTTP. Returns the port. */
  async serveApi({ at }: { at: Producing }): Promise<number> {
    process.env.RINGPOST_DIR = at.directory
    const { name, statistics } = at
    return (await Api.start({ name, statistics, port: 0 })).port
  },

  async connectTo({ at: { name, directory } }: { at: Producing }): Promise<void> {
    client = await connect(name, { directory, rings: RINGS })
  },

  async configure(data: { framesPerSecond: number; objects: number }): Promise<void> {
    const command = { requestId: 'configure', timestamp: Date.now(), data }
    const { status, message } = await client.request(ConfigUpdate, command)
    if (status !== 'ok') throw new Error(message)
  },

  /** Copies and decodes the newest frame again and again, and looks at every object in it. */
  async readFrames({ at, reads }: { at: Producing; reads: number }): Promise<Read> {
    const { name, directory } = at
    const reader = openStateFrame(framesOf(name).detections, { directory })
    const [buffer, spans] = [new Uint8Array(Detections.size), histogram()]
    let torn = 0
    for (let read = 0; read < reads; read++) {
      const start = performance.now()
      reader.readInto(buffer)
      const { timestamp, objects } = Detections.decode(buffer)
      record(spans, start)
      if (objects.some(({ seenAt }) => seenAt !== timestamp)) torn++
      // A reader has other things to do as well.
      if (read % 10 === 0) await setTimeout(0)
    }
    reader.close()
    return { ...latencyOf(spans), torn }
  },

  async command({ commands }: { commands: number }): Promise<Latency> {
    const spans = histogram()
    for (let count = 0; count < commands; count++) {
      const start = performance.now()
      const command = { requestId: `${count}`, timestamp: Date.now(), data: {} }
      const { status, requestId } = await client.request(RefreshTimelines, command)
      record(spans, start)
      if (status !== 'ok' || requestId !== `${count}`) throw new Error(`it was ${status}`)
    }
    return latencyOf(spans)
  },

  /** So many clients at once, each of which asks as soon as it has its answer. */
  async load({ port, ms }: { port: number; ms: number }): Promise<Latency> {
    const spans = histogram()
    const end = performance.now() + ms
    const one = async () => {
      while (performance.now() < end) {
        const start = performance.now()
        const { frame } = await ask(port, '/api/perception/detections')
        record(spans, start)
        if (!Array.isArray(frame.objects)) throw new Error('there are no objects')
      }
    }
    await Promise.all(Array.from({ length: CLIENTS }, one))
    return latencyOf(spans)
  },

  /** Asks until a frame that was made after this time is served, and not as stale. Returns how many
   * milliseconds ago its producer has written the first one. */
  async askUntilAfter({ port, timestamp }: { port: number; timestamp: number }): Promise<number> {
    for (;;) {
      const { stale, frame } = await ask(port, '/api/perception/detections')
      const firstAt = frame.timestamp - ((frame.frameId - 1) * 1e3) / FRAMES_PER_SECOND
      if (!stale && frame.timestamp > timestamp) {
        return performance.timeOrigin + performance.now() - firstAt
      }
      await setTimeout(1)
    }
  },

  /** Waits for each frame, and counts those that it has not seen or that were not made in time. */
  async follow({ at, ms }: { at: Producing; ms: number }): Promise<Followed> {
    const { name, directory, statistics } = at
    const missed = () => JSON.parse(readFileSync(statistics, 'utf8')).framesMissed as number
    const reader = openStateFrame(framesOf(name).detections, { directory })
    const end = performance.now() + ms
    const before = missed()
    let [first, last, frames] = [0, 0, 0]
    for await (const { number } of reader.changes()) {
      if (first === 0) first = number
      last = number
      frames++
      if (performance.now() > end) break
    }
    reader.close()
    return { frames, dropped: last - first + 1 - frames + missed() - before }
  },
}
