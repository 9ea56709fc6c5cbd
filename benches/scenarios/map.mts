// A map of a thousand values of 64 bytes, which one process owns. What does a lookup take in
// another one, in TypeScript and in Rust, while the owner rests and while it never pauses?

import { bytes, createMap, openMap, sharedMap, type MapWriter } from 'ringpost'
import { histogram, latencyOf } from '../histogram.mjs'
import type { Latency } from '../results.mjs'
import { common, type Place } from './peers.mjs'
import { amount, atMost, withCrew, type Scenario } from './scenario.mjs'

const SIZE = 64
const KEYS = 1000
/** Calls between two looks at the clock. */
const BATCH = 100

const Entries = (name: string) =>
  sharedMap(name, { codec: bytes, entriesMax: KEYS, valueLengthMax: SIZE })
const keys = Array.from({ length: KEYS }, (_, index) => `key-${index}`)

interface Read {
  /** Of one lookup, in nanoseconds. */
  latency: Latency
  /** Values that were missing or of two parts. */
  wrong: number
}

export const scenario: Scenario = {
  name: 'map',
  title: 'a thousand values of 64 B are looked up while another process changes them',
  metric: { name: 'p50 of a get', unit: 'ns', better: 'less' },

  run: (form) =>
    withCrew(form, 'map', 120, async (crew) => {
      const { directory } = form
      const place = { name: `map-${process.pid}`, directory }
      const lookups = amount(form, 2_000_000, 200_000)
      const owner = crew.member()
      await owner.play('serveMap', { place })
      const reader = crew.member()
      form.progress(0, 'looking up')
      const alone = await reader.play<Read>('lookUp', { place, lookups })
      form.progress(0.3, 'looking up in Rust')
      const programs = await crew.programs('ringpost', 1)
      const where = { address: place.name, settings: { directory }, keys: KEYS, lookups }
      const rust = await programs?.[0].call<Latency>({ do: 'look-up', ...where })
      form.progress(0.5, 'looking up while values change')
      const setting = owner.play<number>('setFor', { ms: amount(form, 5_000, 1_500) })
      const beside = await reader.play<Read>('lookUp', { place, lookups })
      const set = await setting
      const { latency } = alone
      const wrong = alone.wrong + beside.wrong
      const checks = [
        atMost('p50 of a get', 'ns', 400, latency.p50),
        ...(rust ? [atMost('p50 of a get in Rust', 'ns', 150, rust.p50)] : []),
      ]
      const details = { set, 'while values change': beside.latency.p50 }
      return {
        settings: { size: SIZE, keys: KEYS, lookups },
        repeats: [
          { value: latency.p50, latency, details: rust ? { ...details, rust: rust.p50 } : details },
        ],
        checks,
        failed: wrong > 0 ? `${wrong} values were missing or torn` : null,
      }
    }),
}

let owner: MapWriter<Uint8Array>

export const roles = {
  ...common,

  /** Has all keys from now on. */
  serveMap({ place: { name, directory } }: { place: Place }): void {
    owner = createMap(Entries(name), { directory })
    for (const key of keys) owner.set(key, new Uint8Array(SIZE))
  },

  /** Replaces values without a pause. Returns what one took, in nanoseconds. */
  setFor({ ms }: { ms: number }): number {
    const values = [1, 2].map((byte) => new Uint8Array(SIZE).fill(byte))
    const start = performance.now()
    let count = 0
    while (performance.now() - start < ms) {
      for (let more = 0; more < BATCH; more++) {
        owner.set(keys[count % KEYS], values[count % 2])
        count++
      }
    }
    return ((performance.now() - start) * 1e6) / count
  },

  /** Looks keys up in turn, and checks the last value of each batch. */
  lookUp({ place: { name, directory }, lookups }: { place: Place; lookups: number }): Read {
    const reader = openMap(Entries(name), { directory })
    const spans = histogram()
    let wrong = 0
    for (let lookup = 0; lookup < lookups; lookup += BATCH) {
      const start = performance.now()
      let value: Uint8Array | undefined
      for (let more = 0; more < BATCH; more++) value = reader.get(keys[(lookup + more) % KEYS])
      spans.record(Math.max(1, Math.round(((performance.now() - start) * 1e6) / BATCH)))
      if (value?.length !== SIZE || value.some((byte) => byte !== value[0])) wrong++
    }
    reader.close()
    return { latency: latencyOf(spans), wrong }
  },
}
