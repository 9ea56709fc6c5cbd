// A server of a hundred clients whose metrics are scraped once a second. What does that take of the
// processor, and of what one of the clients sends at full speed meanwhile?

import { setTimeout } from 'node:timers/promises'
import { Registry } from 'prom-client'
import { serveHealth } from 'ringpost/health'
import { instrument } from 'ringpost/prometheus'
import { common, theServer, type Place, type Sent } from './peers.mjs'
import { amount, atLeast, atMost, difference, progressing, total, withCrew } from './scenario.mjs'
import type { Scenario } from './scenario.mjs'

const CLIENTS = 100
const SIZE = 1_024
const EVERY_MS = 1_000
/** A hundred rings of the usual size would be much. */
const RINGS = { normal: 65_536 }

export const scenario: Scenario = {
  name: 'scrape',
  title: 'a server of 100 clients whose metrics are scraped once a second',
  metric: { name: 'processor time of the server for scrapes', unit: '%', better: 'less' },

  run: (form) =>
    withCrew(form, 'scrape', 180, async (crew) => {
      const place = { name: `scrape-${process.pid}`, directory: form.directory }
      const [windows, ms] = [amount(form, 20, 3), amount(form, 3_000, 1_000)]
      const scrapes = amount(form, 1_000, 100)
      const server = crew.member()
      const port = await server.play<number>('serveObserved', { place })
      const client = await crew.join({ places: [place], connections: 1 })
      const options = { rings: RINGS }
      await crew.join({ places: [place], connections: CLIENTS - 1, first: 1, options })
      const scraper = crew.member()

      form.progress(0, 'scraping')
      const before = await server.play<number>('serveProcessorMs')
      const bytes = await scraper.play<number>('scrapeOften', { port, scrapes })
      const each = ((await server.play<number>('serveProcessorMs')) - before) / scrapes
      const share = (each / EVERY_MS) * 100

      const sent: Sent[] = []
      const ratios: number[] = []
      const send = async (window: number) => {
        const sending = client.send({ sizes: [SIZE], ms })
        const from = 0.2 + (0.8 * window) / (windows * 2)
        sent.push(await progressing(form, 'sending', ms, sending, [from, from + 0.4 / windows]))
        return sent.at(-1)!.perSecond
      }
      await send(0)
      for (let window = 0; window < windows; window++) {
        const alone = await send(window * 2)
        const scraping = scraper.play('scrapeEvery', { port, ms })
        ratios.push((await send(window * 2 + 1)) / alone)
        await scraping
      }
      const kept = ratios.sort((one, other) => one - other)[Math.floor(windows / 2)] * 100
      const details = { 'a scrape, ms': each, 'a scrape, bytes': bytes, 'rate kept, %': kept }
      return {
        settings: { clients: CLIENTS, size: SIZE, everyMs: EVERY_MS, windows, ms, scrapes },
        repeats: [{ value: share, details }],
        checks: [
          atMost('processor time for scrapes', '%', 1, share),
          atLeast('rate kept beside scrapes', '%', 99, kept),
        ],
        failed: difference(total(sent), await server.tally()),
      }
    }),
}

const registry = new Registry()

export const roles = {
  ...common,

  /** Serves, and answers scrapes. Returns at which port. */
  async serveObserved({ place }: { place: Place }): Promise<number> {
    await common.serve({ place, options: { methodLatency: true } })
    instrument(registry, { server: theServer() })
    const { port } = await serveHealth({ port: 0, registry })
    return port!
  },

  /** Of this process, so far. */
  serveProcessorMs(): number {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1e3
  },

  /** Scrapes without a pause. Returns how long an answer is. */
  async scrapeOften({ port, scrapes }: { port: number; scrapes: number }): Promise<number> {
    let length = 0
    for (let scrape = 0; scrape < scrapes; scrape++) length = await scrapeOnce(port)
    return length
  },

  /** Scrapes at once, and then once a second, as long as there is time. */
  async scrapeEvery({ port, ms }: { port: number; ms: number }): Promise<void> {
    for (let at = 0; at < ms; at += EVERY_MS) {
      await scrapeOnce(port)
      await setTimeout(Math.min(EVERY_MS, ms - at))
    }
  },
}

async function scrapeOnce(port: number): Promise<number> {
  const answer = await fetch(`http://127.0.0.1:${port}/metrics`)
  const text = await answer.text()
  if (!text.includes('ringpost_connections_opened_total')) throw new Error(`no metrics: ${text}`)
  return text.length
}
