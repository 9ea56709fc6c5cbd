// The example examples/dashboard itself: what its producer in Rust publishes, at WebSocket clients
// that show it as pages do, while others come and go; and until it is seen in a real browser.

import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import type { RecordableHistogram } from 'node:perf_hooks'
import { createInterface } from 'node:readline'
import { setTimeout } from 'node:timers/promises'
import type { Browser } from 'playwright-core'
import { openStateFrame } from 'ringpost'
import { WebSocket } from 'ws'
import { publishedBy } from '../../examples/dashboard/server/contract.mjs'
import { Dashboard } from '../../examples/dashboard/server/dashboard.mjs'
import { histogram, latencyOf } from '../histogram.mjs'
import type { Check, Latency } from '../results.mjs'
import { ROOT } from '../transports.mjs'
import { common, type Place } from './peers.mjs'
import { amount, atMost, memory, progressing, withCrew } from './scenario.mjs'
import type { Crew, Form, Scenario } from './scenario.mjs'

const CLIENTS = 12
/** Of pages that come and go at once. */
const VISITORS = 12
const MIB = 1 << 20
/** So often it is looked how far clients are behind, in milliseconds. */
const LOOK_MS = 20

interface Watched {
  latency: Latency
  /** The most pictures by which any of them was behind the newest. */
  behind: number
}

export const scenario: Scenario = {
  name: 'dashboard',
  title: 'the dashboard: a camera and a posture from Rust to 12 clients of a web server',
  metric: { name: 'p99 of an update, from its producer to a client', unit: 'ns', better: 'less' },

  run: (form) => {
    const seconds = amount(form, 60, 4)
    return withCrew(form, 'dashboard', 120 + seconds * 3, async (crew) => {
      const at = { name: `dashboard-${process.pid}`, directory: form.directory }
      const producer = crew.member()
      await producer.play('serveProducer', { at })
      const server = crew.member()
      const link = await server.play<string>('serveDashboard', { at })
      const clients = crew.member()
      await clients.play('join', { link })
      const { own: before } = memory(server.pid)

      const ms = seconds * 1e3
      const watching = clients.play<Watched>('watch', { at, ms })
      const words = `${CLIENTS} clients`
      const { latency, behind } = await progressing(form, words, ms, watching, [0, 0.4])

      const rounds = amount(form, 200, 10)
      form.progress(0.4, `${VISITORS} more that come and go`)
      await crew.member().play('visit', { link, rounds })
      const { own: after } = memory(server.pid)

      const page = await seenInPage(form, crew, link, ms)
      return {
        settings: { seconds, clients: CLIENTS, visits: rounds * VISITORS },
        repeats: [
          {
            ...{ value: latency.p99, latency },
            details: {
              ...{ 'server bytes': after, 'server growth': after - before },
              ...(page === null ? {} : { 'seen p50': page.latency.p50, seen: page.latency.count }),
            },
          },
        ],
        checks: [
          atMost('p99 of an update, from its producer to a client', 'ns', 5e6, latency.p99),
          atMost('pictures by which a client was behind', '', 1, behind),
          atMost('memory of the server', 'MiB', 64, after / MIB),
          ...(page === null ? [] : [page.check]),
        ],
        failed: null,
      }
    })
  },
}

/** From the drawing of a picture until it is on the page of a real browser. The tests of this
 * scenario play it without one: those of the example have one. */
async function seenInPage(
  form: Form,
  crew: Crew,
  link: string,
  ms: number,
): Promise<{ latency: Latency; check: Check } | null> {
  if (form.scale < 1) return null
  const seeing = crew.member().play<{ latency: Latency; p95: number }>('see', { link, ms })
  const { latency, p95 } = await progressing(form, 'a page', ms, seeing, [0.6, 1])
  return { latency, check: atMost('p95 from drawn to seen in a page', 'ns', 100e6, p95) }
}

// ---- what its processes do ----

let producer: ChildProcess
let dashboard: Dashboard
const clients: Client[] = []

/** In the page: how long it took until each picture was painted. What is posted in the callback of a
 * frame comes after the paint. */
const NOTE_SEEN = `
  const canvas = document.getElementById('picture')
  const painted = (drawnAt) => took(performance.timeOrigin + performance.now() - drawnAt)
  const note = () => {
    const drawnAt = Number(canvas.dataset.drawnAt)
    requestAnimationFrame(() => setTimeout(() => painted(drawnAt)))
  }
  new MutationObserver(note).observe(canvas, { attributeFilter: ['data-number'] })
`

/** Milliseconds since 1970, and parts of them. */
const now = (): number => performance.timeOrigin + performance.now()

const noting = (spans: RecordableHistogram) => (ms: number) =>
  spans.record(Math.max(1, Math.round(ms * 1e6)))

/** One that says that it has shown what it got as soon as it has it. */
class Client {
  readonly socket: WebSocket
  /** The number of the last picture. */
  picture = 0
  /** Takes how long each update was on its way. */
  took: (ms: number) => void = () => {}

  constructor(link: string) {
    const { host, origin, hash } = new URL(link)
    const protocols = ['dashboard', `token.${hash.slice(1)}`]
    this.socket = new WebSocket(`ws://${host}/stream`, protocols, { origin })
    this.socket.on('message', (data, isBinary) => this.#got(data as Buffer, isBinary))
  }

  /** Until there is a picture. */
  async ready(): Promise<void> {
    while (this.picture === 0) await once(this.socket, 'message')
  }

  #got(data: Buffer, isBinary: boolean): void {
    const arrivedAt = now()
    if (isBinary) {
      this.picture = data.readDoubleLE(0)
      this.took(arrivedAt - data.readDoubleLE(16))
      this.socket.send('camera')
      return
    }
    const { kind, at } = JSON.parse(data.toString()) as { kind: string; at?: number }
    if (kind === 'posture') this.took(arrivedAt - at!)
    this.socket.send(kind)
  }
}

export const roles = {
  ...common,

  /** Starts a producer, and waits until it publishes. */
  async serveProducer({ at }: { at: Place }): Promise<void> {
    const { producerProgram } = (await import(`${ROOT}examples/dashboard/programs.mjs`)) as {
      producerProgram: () => string
    }
    const env = { ...process.env, RINGPOST_DIR: at.directory }
    const args = ['--name', at.name, '--attached']
    producer = spawn(producerProgram(), args, { env, stdio: ['pipe', 'pipe', 'inherit'] })
    await once(createInterface(producer.stdout!), 'line')
  },

  /** Serves what it publishes to browsers. Returns the link. */
  async serveDashboard({ at }: { at: Place }): Promise<string> {
    process.env.RINGPOST_DIR = at.directory
    dashboard = await Dashboard.start({ name: at.name, port: 0 })
    return dashboard.link
  },

  async join({ link }: { link: string }): Promise<void> {
    for (let count = 0; count < CLIENTS; count++) clients.push(new Client(link))
    await Promise.all(clients.map((client) => client.ready()))
  },

  /** Notes how long updates take to all clients, and how far they are behind. */
  async watch({ at, ms }: { at: Place; ms: number }): Promise<Watched> {
    const spans = histogram()
    for (const client of clients) client.took = noting(spans)
    const reader = openStateFrame(publishedBy(at.name).camera, { directory: at.directory })
    const buffer = new Uint8Array(1 << 16)
    const end = performance.now() + ms
    let behind = 0
    while (performance.now() < end) {
      await setTimeout(LOOK_MS)
      const { number } = reader.readInto(buffer)
      behind = Math.max(behind, ...clients.map(({ picture }) => number - picture))
    }
    reader.close()
    for (const client of clients) client.took = () => {}
    return { latency: latencyOf(spans), behind }
  },

  /** So often some clients come, and leave once they have a picture. */
  async visit({ link, rounds }: { link: string; rounds: number }): Promise<void> {
    for (let round = 0; round < rounds; round++) {
      const visitors = Array.from({ length: VISITORS }, () => new Client(link))
      await Promise.all(visitors.map((visitor) => visitor.ready()))
      for (const { socket } of visitors) socket.close()
    }
  },

  /** Looks at a page for so long. */
  async see({ link, ms }: { link: string; ms: number }): Promise<{ latency: Latency; p95: number }> {
    const { chromium } = await import('playwright-core')
    const { findChromium } = (await import(`${ROOT}ci/chromium.mjs`)) as {
      findChromium: (user: string) => string
    }
    const browser: Browser = await chromium.launch({
      executablePath: findChromium('The scenario of the dashboard'),
      args: ['--no-sandbox', '--disable-gpu'],
    })
    const page = await browser.newPage()
    const spans = histogram()
    await page.exposeFunction('took', noting(spans))
    await page.goto(link)
    await page.evaluate(NOTE_SEEN)
    await setTimeout(ms)
    await browser.close()
    return { latency: latencyOf(spans), p95: spans.percentile(95) }
  },
}
