// A state frame of 5 KB between two processes. What does a read take, beside a writer that never
// pauses, and how long until a reader that sleeps has the next value? The same in Rust, beside other
// libraries.

import { setTimeout } from 'node:timers/promises'
import {
  bytes,
  connect,
  createServer,
  createStateFrame,
  event,
  openStateFrame,
  stateFrame,
  type StateFrameWriter,
} from 'ringpost'
import { histogram, latencyOf } from '../histogram.mjs'
import type { Latency } from '../results.mjs'
import { common, type Place } from './peers.mjs'
import { amount, atMost, withCrew } from './scenario.mjs'
import type { Crew, Form, Library, Scenario } from './scenario.mjs'

const SIZE = 5_000
/** Reads between two looks at the clock. */
const BATCH = 100
/** Long enough for both sides to be asleep. */
const PAUSE_MS = 5

const Frame = (name: string) => stateFrame(name, { codec: bytes, capacity: SIZE })
/** What wakes a peer over a connection: a one-way message of 64 bytes with the time in it. */
const Bell = event<Uint8Array>('bell', { codec: bytes })

interface Read {
  /** Of one read, in nanoseconds. */
  latency: Latency
  torn: number
  fresh: number
}

interface Changes {
  latency: Latency
  /** The same of messages to a peer that sleeps. */
  bell: Latency
}

export const scenario: Scenario = {
  name: 'state-frame',
  title: 'a state frame of 5 KB is read while another process writes it',
  metric: { name: 'p50 of a read', unit: 'ns', better: 'less' },

  run: (form) =>
    withCrew(form, 'state-frame', 120, async (crew) => {
      const place = { name: `frame-${process.pid}`, directory: form.directory }
      const [reads, changes] = [amount(form, 1_000_000, 200_000), amount(form, 500, 50)]
      const writer = crew.member()
      await writer.play('serveFrame', { place })
      const reader = crew.member()
      form.progress(0, 'reading')
      const writing = writer.play<number>('writeFor', { ms: amount(form, 5_000, 1_500) })
      const read = await reader.play<Read>('readFrame', { place, reads })
      const write = await writing
      form.progress(0.5, 'waiting for changes')
      const waiting = reader.play<Changes>('awaitFrames', { place, changes })
      await writer.play('writeSlowly', { place, changes })
      const { latency, bell } = await waiting
      const ratio = latency.p50 / bell.p50
      form.progress(0.8, 'reading in Rust')
      const own = await inRust(form, crew, 'ringpost')
      const others = [await inRust(form, crew, 'iceoryx2'), await inRust(form, crew, 'mmap-sync')]
      return {
        settings: { size: SIZE, reads, changes },
        repeats: [
          {
            value: read.latency.p50,
            latency: read.latency,
            details: {
              ...{ write, change: latency.p50, changeP99: latency.p99, bell: bell.p50, ratio },
              ...own,
              ...Object.assign({}, ...others),
            },
          },
        ],
        checks: [
          atMost('p50 of a read', 'ns', 1_500, read.latency.p50),
          atMost('a write', 'ns', 800, write),
          atMost('p50 of a change, in doorbells', '', 1.3, ratio),
          ...Object.values(own).map((read) => atMost('p50 of a read in Rust', 'ns', 600, read)),
        ],
        failed: read.torn > 0 ? `${read.torn} of ${read.fresh} values were torn` : null,
      }
    }),
}

/** What a read takes in Rust by a library, beside a writer that never pauses; nothing where it is
 * not built. */
async function inRust(form: Form, crew: Crew, library: Library): Promise<Record<string, number>> {
  const programs = await crew.programs(library, 2)
  if (programs === null) return {}
  const { directory } = form
  const place = { library, address: `latest-${process.pid}`, settings: { directory } }
  const [writer, reader] = programs
  await writer.call({ do: 'write', ...place })
  const [ms, reads] = [amount(form, 3_000, 1_000), amount(form, 1_000_000, 200_000)]
  const [{ latency, torn }] = await Promise.all([
    reader.call<Read>({ do: 'read-often', ...place, reads }),
    writer.call({ do: 'write-for', ms }),
  ])
  if (torn > 0) throw new Error(`${torn} values were torn with ${library}`)
  for (const program of [reader, writer]) await program.stop()
  return { [`${library} in Rust`]: latency.p50 }
}

let writer: StateFrameWriter<Uint8Array>

export const roles = {
  ...common,

  /** Writes a frame from now on. */
  serveFrame({ place }: { place: Place }): void {
    const { name, directory } = place
    writer = createStateFrame(Frame(name), { directory })
  },

  /** Writes without a pause. Returns what a write took, in nanoseconds. */
  writeFor({ ms }: { ms: number }): number {
    const values = [1, 2].map((byte) => new Uint8Array(SIZE).fill(byte))
    const start = performance.now()
    let count = 0
    while (performance.now() - start < ms) {
      for (let more = 0; more < BATCH; more++) writer.write(values[count++ & 1])
    }
    return ((performance.now() - start) * 1e6) / count
  },

  /** Reads without a pause, and checks each value that is new. */
  readFrame({ place, reads }: { place: Place; reads: number }): Read {
    const { name, directory } = place
    const reader = openStateFrame(Frame(name), { directory })
    const [buffer, spans] = [new Uint8Array(SIZE), histogram()]
    let torn = 0
    for (let read = 0; read < reads; read += BATCH) {
      const start = performance.now()
      for (let more = 0; more < BATCH; more++) reader.readInto(buffer)
      spans.record(Math.max(1, Math.round(((performance.now() - start) * 1e6) / BATCH)))
      if (buffer.some((byte) => byte !== buffer[0])) torn++
    }
    const { fresh } = reader.stats()
    reader.close()
    return { latency: latencyOf(spans), torn, fresh }
  },

  /** Writes with pauses, and rings a bell in each. */
  async writeSlowly({ place, changes }: { place: Place; changes: number }): Promise<void> {
    const { name, directory } = place
    const client = await connect(name, { directory, connectTimeoutMs: 10_000 })
    const time = new Float64Array(8)
    for (let change = 0; change < changes; change++) {
      await setTimeout(PAUSE_MS)
      writer.write(new Uint8Array(SIZE).fill(change))
      await setTimeout(PAUSE_MS)
      time[0] = Number(process.hrtime.bigint())
      client.notify(Bell, new Uint8Array(time.buffer))
    }
    await client.close()
  },

  /** Sleeps until there is something new, so many times. */
  async awaitFrames({ place, changes }: { place: Place; changes: number }): Promise<Changes> {
    const { name, directory } = place
    const [ofFrames, ofBells] = [histogram(), histogram()]
    const reader = openStateFrame(Frame(name), { directory })
    // Values that were written before were not waited for.
    const { number: before } = reader.read()
    const server = await createServer(name, { directory })
    let rung = 0
    const allRung = new Promise<void>((resolve) => {
      server.on(Bell, (time) => {
        const [sent] = new Float64Array(time.buffer, time.byteOffset, 1)
        ofBells.record(Math.max(1, Math.round(Number(process.hrtime.bigint()) - sent)))
        if (++rung === changes) resolve()
      })
    })
    for await (const { number, ageMs } of reader.changes()) {
      if (number > before) ofFrames.record(Math.max(1, Math.round(ageMs * 1e6)))
      if (number >= before + changes) break
    }
    await allRung
    reader.close()
    await server.close()
    return { latency: latencyOf(ofFrames), bell: latencyOf(ofBells) }
  },
}
