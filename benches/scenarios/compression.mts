// What compression costs and saves: round trips with it and without, by size and by what is in
// them.

import { bytes, connect, createServer, event, method } from 'ringpost'
import { median } from '../compare.mjs'
import { histogram, latencyOf, record } from '../histogram.mjs'
import type { Repeat } from '../results.mjs'
import type { Place } from './peers.mjs'
import { amount, atLeast, progressing, withCrew, type Scenario } from './scenario.mjs'

const SIZES = [4 << 10, 64 << 10, 1 << 20, 8 << 20]
const CONTENTS = ['text', 'records', 'noise'] as const
const TURNS = 6

const Plain = method<Uint8Array, Uint8Array>('plain', { codec: bytes })
const Packed = method<Uint8Array, Uint8Array>('packed', { codec: bytes, compress: true })
/** These are not handled: they show how much room they need. */
const Nothing = event<Uint8Array>('nothing', { codec: bytes })
const PackedNothing = event<Uint8Array>('packed-nothing', { codec: bytes, compress: true })

interface Measured {
  size: number
  content: (typeof CONTENTS)[number]
  /** Bytes without over bytes with it. */
  shorter: number
  /** Time without over time with it: above 1 it pays. */
  faster: number
}

export const scenario: Scenario = {
  name: 'compression',
  title: 'round trips with compression, in terms of the same without',
  metric: { name: 'how much shorter records of 1 MiB get', unit: '×', better: 'more' },

  run: (form) =>
    withCrew(form, 'compression', 120, async (crew) => {
      const ms = amount(form, 400, 60)
      const place = { name: 'compression', directory: form.directory }
      const [server, client] = [crew.member(), crew.member()]
      await server.play('servePacked', { place })
      const span = SIZES.length * CONTENTS.length * TURNS * 2 * ms
      const played = client.play<Measured[]>('measurePacked', { place, ms })
      const all = await progressing(form, 'asking', span, played)
      const records = all.find(({ size, content }) => size === 1 << 20 && content === 'records')!
      const details: Record<string, number> = {}
      for (const { size, content, shorter, faster } of all) {
        const what = `${size >> 10} KiB of ${content}`
        details[`${what}, shorter`] = shorter
        details[`${what}, faster`] = faster
      }
      const repeat: Repeat = { value: records.shorter, details }
      const noise = all.filter(({ content }) => content === 'noise')
      return {
        settings: { ms, turns: TURNS },
        repeats: [repeat],
        checks: [
          atLeast('records of 1 MiB get shorter', '×', 2, records.shorter),
          atLeast('noise is unchanged', '×', 0.99, Math.min(...noise.map((one) => one.shorter))),
        ],
        failed: null,
      }
    }),
}

export const roles = {
  async servePacked({ place }: { place: Place }): Promise<void> {
    const server = await createServer(place.name, { directory: place.directory })
    server.handle(Plain, (payload) => payload)
    server.handle(Packed, (payload) => payload)
  },

  async measurePacked({ place, ms }: { place: Place; ms: number }): Promise<Measured[]> {
    const client = await connect(place.name, { directory: place.directory })
    const time = async (contract: typeof Plain, payload: Uint8Array) => {
      const spans = histogram()
      const end = performance.now() + ms
      do {
        const start = performance.now()
        const { length } = await client.request(contract, payload)
        if (length !== payload.length) throw new Error('something else came back')
        record(spans, start)
      } while (performance.now() < end)
      return latencyOf(spans).p50
    }
    const measured: Measured[] = []
    for (const size of SIZES) {
      for (const content of CONTENTS) {
        const payload = make(content, size)
        const ratios: number[] = []
        for (let turn = 0; turn < TURNS; turn++) {
          const [first, second] = turn % 2 === 0 ? [Plain, Packed] : [Packed, Plain]
          const [one, other] = [await time(first, payload), await time(second, payload)]
          ratios.push(turn % 2 === 0 ? one / other : other / one)
        }
        const shorter = await shortening(place, payload)
        measured.push({ size, content, shorter, faster: median(ratios) })
      }
    }
    await client.close()
    return measured
  },
}

/** How much shorter a payload gets, by what waits in private memory for a server that does not
 * read. */
async function shortening({ directory }: Place, payload: Uint8Array): Promise<number> {
  const name = 'compression-room'
  const patience = { overflow: { normal: { waitMs: 60_000 } }, backlogMax: 1 << 30 }
  const server = await createServer(name, { directory })
  const client = await connect(name, { directory, rings: { normal: 4096 }, ...patience })
  // The server is of this thread, which does not let it read meanwhile.
  const queued = () => {
    // Sends what waits for the end of the turn.
    client.drained({ timeoutMs: 1 }).catch(() => {})
    return client.stats().queuedBytes
  }
  while (queued() === 0) client.notify(Nothing, payload)
  const taken = (contract: typeof Nothing) => {
    const before = queued()
    for (let more = 0; more < 4; more++) client.notify(contract, payload)
    return queued() - before
  }
  const ratio = taken(Nothing) / taken(PackedNothing)
  await client.close()
  await server.close()
  return ratio
}

function make(content: Measured['content'], size: number): Uint8Array {
  if (content === 'noise') {
    const noise = new Uint8Array(size)
    for (let at = 0; at < size; at += 65_536) {
      crypto.getRandomValues(noise.subarray(at, at + 65_536))
    }
    return noise
  }
  let text = ''
  for (let line = 0; text.length < size; line++) {
    text +=
      content === 'text'
        ? 'all work and no play makes a dull benchmark\n'
        : JSON.stringify({
            ...{ id: line, name: `item ${line}` },
            ...{ price: (line * 7919) % 10_007, ok: line % 3 > 0 },
          })
  }
  return Buffer.from(text.slice(0, size))
}
