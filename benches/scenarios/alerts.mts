// The example examples/alerts itself: alerts from one process to the callbacks of another, alone,
// beside a stream of a thousand posture updates a second, and from three producers.

import type { RecordableHistogram } from 'node:perf_hooks'
import { setTimeout } from 'node:timers/promises'
import { median } from '../compare.mjs'
import { histogram, latencyOf } from '../histogram.mjs'
import type { Check, Latency, Repeat } from '../results.mjs'
import { ROOT } from '../transports.mjs'
import { common, type Place } from './peers.mjs'
import { amount, atMost, memory, progressing, withCrew } from './scenario.mjs'
import type { Crew, Form, Member, Scenario } from './scenario.mjs'

const STREAM_PER_SECOND = 1_000
const ALERTS = 100
const PRODUCERS = 3
const ALERTS_EACH = 20
/** How long alerts may take that are on their way when all were sent. */
const ARRIVE_MS = 5_000

interface Emitting {
  alerts: number
  ms: number
  streamPerSecond: number
}

/** What has come since this was asked last. */
interface Seen {
  latency: Latency
  p95: number
  missed: number
  stream: { received: number; missed: number }
}

export const scenario: Scenario = {
  name: 'alerts',
  title: 'the alert centre: alerts to another process, beside 1,000 posture updates a second',
  metric: { name: 'p95 of 100 alerts beside the stream', unit: 'ns', better: 'less' },

  run: (form) =>
    withCrew(form, 'alerts', 240, async (crew) => {
      const rounds = amount(form, 3, 1)
      const ms = amount(form, 10_000, 2_000)
      const centre = await serveCentre(form, crew)
      const watcher = crew.member()
      await watcher.play('watchCentres', { places: [centre.place] })

      const emitting = { alerts: ALERTS, ms, streamPerSecond: STREAM_PER_SECOND }
      const quiet = { ...emitting, streamPerSecond: 0 }
      const alone = await round(form, [centre], watcher, quiet, [0, 0])
      const loaded: Seen[] = []
      for (let at = 0; at < rounds; at++) {
        const share: [number, number] = [at / rounds, (at + 1) / rounds]
        loaded.push(await round(form, [centre], watcher, emitting, share))
      }
      const { shared } = memory(watcher.pid)
      const several = await severalProducers(form, crew, ms)
      const lost = [alone, ...loaded, several].reduce((sum, { missed }) => sum + missed, 0)
      return {
        settings: { rounds, ms, alerts: ALERTS, streamPerSecond: STREAM_PER_SECOND },
        repeats: loaded.map(({ latency, p95, stream }): Repeat => {
          const { received, missed } = stream
          const details = { 'p95 alone': alone.p95, 'stream received': received, missed }
          return { value: p95, latency, details }
        }),
        checks: floors(alone, loaded, several, shared),
        failed: lost > 0 ? `${lost} alerts were lost` : null,
      }
    }),
}

type Centre = Member & { place: Place }

let centres = 0

async function serveCentre(form: Form, crew: Crew): Promise<Centre> {
  const place = { name: `alerts-${process.pid}-${++centres}`, directory: form.directory }
  const member = Object.assign(crew.member(), { place })
  await member.play('serveCentre', { place })
  return member
}

async function round(
  form: Form,
  all: Centre[],
  watcher: Member,
  emitting: Emitting,
  share: [number, number],
): Promise<Seen> {
  const emitted = Promise.all(all.map((each) => each.play('serveAlerts', emitting)))
  await progressing(form, 'alerting', emitting.ms, emitted, share)
  return watcher.play<Seen>('seen', { alerts: emitting.alerts * all.length })
}

async function severalProducers(form: Form, crew: Crew, ms: number): Promise<Seen> {
  const producers: Centre[] = []
  for (let at = 0; at < PRODUCERS; at++) producers.push(await serveCentre(form, crew))
  const consumer = crew.member()
  await consumer.play('watchCentres', { places: producers.map(({ place }) => place) })
  const emitting = { alerts: ALERTS_EACH, ms: ms / 10, streamPerSecond: 0 }
  return round(form, producers, consumer, emitting, [1, 1])
}

/** What others have seen within one process. */
function floors(alone: Seen, loaded: Seen[], several: Seen, shared: number): Check[] {
  const mean = median(loaded.map(({ latency }) => latency.mean))
  const p95 = median(loaded.map((seen) => seen.p95))
  const longest = Math.max(...loaded.map(({ latency }) => latency.max))
  return [
    atMost('alert alone, p95', 'ns', 0.42e6, alone.p95),
    atMost('alert alone, p95, asked for', 'ns', 50e6, alone.p95),
    atMost('100 alerts beside the stream, mean', 'ns', 0.78e6, mean),
    atMost('100 alerts beside the stream, p95', 'ns', 4.06e6, p95),
    atMost('100 alerts beside the stream, longest', 'ns', 7.94e6, longest),
    atMost('60 alerts of 3 producers, mean', 'ns', 0.88e6, several.latency.mean),
    atMost('memory shared with the watcher', 'B', 25e3, shared),
  ]
}

// ---- the example, which is plain JavaScript ----

type Type = 'alert' | 'posture_update'

interface Example {
  Centre: { open(name: string, options: object): Promise<Emitter> }
  Watcher: { open(name: string, options: object): Promise<Watching> }
  atRate(perSecond: number, act: () => void, options: { count: number }): Promise<void>
  now(): number
}

interface Emitter {
  emit(type: Type, event: object): void
}

interface Watching {
  on(type: Type, callback: (event: { sentAt: number }) => void): void
  stats(): { types: Record<Type, { received: number; missed: number }> }
  centreStats(): Promise<unknown>
}

async function example(): Promise<Example> {
  const files = ['centre', 'contract', 'pace', 'watcher']
  const urls = files.map((file) => new URL(`examples/alerts/${file}.mjs`, ROOT).href)
  const modules = await Promise.all(urls.map((url) => import(url) as Promise<object>))
  return Object.assign({}, ...modules) as Example
}

let emit: (type: Type, event: object) => void
const watching: Watching[] = []
let spans: RecordableHistogram
let before = { alert: { received: 0, missed: 0 }, posture_update: { received: 0, missed: 0 } }

function received() {
  const sum = (type: Type, of: 'received' | 'missed') =>
    watching.reduce((sum, watcher) => sum + watcher.stats().types[type][of], 0)
  const both = (type: Type) => ({ received: sum(type, 'received'), missed: sum(type, 'missed') })
  return { alert: both('alert'), posture_update: both('posture_update') }
}

export const roles = {
  ...common,

  async serveCentre({ place: { name, directory } }: { place: Place }): Promise<void> {
    const centre = await (await example()).Centre.open(name, { directory })
    emit = centre.emit.bind(centre)
  },

  /** Named as a server's, whose side that is. */
  async serveAlerts({ alerts, ms, streamPerSecond }: Emitting): Promise<void> {
    const { atRate } = await example()
    const look = () => emit('posture_update', { score: 92.25, lean: 1.5 })
    const alert = () => emit('alert', { posture: 'slouching', forMs: 1_500 })
    const count = Math.round((streamPerSecond * ms) / 1e3)
    await Promise.all([
      atRate((alerts * 1e3) / ms, alert, { count: alerts }),
      count > 0 ? atRate(streamPerSecond, look, { count }) : undefined,
    ])
  },

  async watchCentres({ places }: { places: Place[] }): Promise<void> {
    const { Watcher, now } = await example()
    spans = histogram()
    for (const { name, directory } of places) {
      const watcher = await Watcher.open(name, { directory })
      watcher.on('alert', ({ sentAt }) => {
        spans.record(Math.max(1, Math.round((now() - sentAt) * 1e6)))
      })
      // Once it has answered, the centre sends to this watcher.
      await watcher.centreStats()
      watching.push(watcher)
    }
  },

  async seen({ alerts }: { alerts: number }): Promise<Seen> {
    const end = performance.now() + ARRIVE_MS
    while (spans.count < alerts && performance.now() < end) await setTimeout(5)
    const [last, latest] = [before, received()]
    before = latest
    const got = latest.alert.received - last.alert.received
    const stream = (of: 'received' | 'missed') =>
      latest.posture_update[of] - last.posture_update[of]
    const seen = { latency: latencyOf(spans), p95: spans.percentile(95), missed: alerts - got }
    spans.reset()
    return { ...seen, stream: { received: stream('received'), missed: stream('missed') } }
  },
}
