// What the tests of the dashboard have in common: a directory of their own, the programs, and a
// browser.

import { fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'
import { openStateFrame } from 'ringpost'
import { WebSocket } from 'ws'
import { Dashboard } from '../../../dist/examples/dashboard/server/dashboard.mjs'
import { publishedBy } from '../../../dist/examples/dashboard/server/contract.mjs'
import { CONDITION_MS } from '../../testing/processes.mjs'
import { producerProgram } from '../programs.mjs'

export const isLong = process.argv.includes('--long')

const NAME = 'test'
const MAIN = fileURLToPath(new URL('../../../dist/examples/dashboard/server/main.mjs', import.meta.url))

const root = mkdtempSync(join(tmpdir(), 'dashboard-test-'))
process.on('exit', () => rmSync(root, { recursive: true, force: true, maxRetries: 5 }))

/** A place for one test: what it starts meets there, and ends with it. */
export class Place {
  directory = mkdtempSync(join(root, 'place-'))
  #t

  /** @param {import('node:test').TestContext} t */
  constructor(t) {
    this.#t = t
  }

  get environment() {
    return { ...process.env, RINGPOST_DIR: this.directory }
  }

  files = () => readdirSync(this.directory)

  /** A producer, once it publishes. */
  async producer() {
    const stdio = ['ignore', 'pipe', 'inherit']
    const child = spawn(producerProgram(), ['--name', NAME], { env: this.environment, stdio })
    this.#t.after(() => end(child))
    await once(child.stdout, 'data')
    return child
  }

  /** The server as a process. */
  async server() {
    const options = { env: this.environment, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] }
    const child = fork(MAIN, ['--name', NAME], options)
    this.#t.after(() => end(child))
    const [{ link, port }] = await once(child, 'message')
    return { child, link, port }
  }

  /** The server in this process. */
  async dashboard(options = {}) {
    // It looks there when it starts.
    process.env.RINGPOST_DIR = this.directory
    const dashboard = await Dashboard.start({ name: NAME, port: 0, ...options })
    delete process.env.RINGPOST_DIR
    let closed
    const close = () => (closed ??= dashboard.close())
    this.#t.after(close)
    let pages = 0
    dashboard.onBrowsers((count) => (pages = count))
    const { link, port } = dashboard
    return { link, port, close, pages: () => pages }
  }

  /** The number of the newest picture, as the producer has published it. */
  newest() {
    const { camera } = publishedBy(NAME)
    const reader = openStateFrame(camera, { directory: this.directory })
    this.#t.after(() => reader.close())
    return () => reader.read().number
  }

  /** Opens a stream as a page does, or as one that is none. */
  stream({ port, link }, { origin = `http://127.0.0.1:${port}`, token = tokenOf(link), ...more } = {}) {
    const { path = '/stream', ...options } = more
    const protocols = ['dashboard', ...(token === null ? [] : [`token.${token}`])]
    const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, protocols, { origin, ...options })
    socket.on('error', () => {})
    this.#t.after(() => socket.terminate())
    return socket
  }
}

export const tokenOf = (link) => new URL(link).hash.slice(1)

/** What a stream has received, by kind. */
export function kindOf(data, isBinary) {
  return isBinary ? 'camera' : JSON.parse(data).kind
}

export const numberOf = (picture) => new DataView(picture.buffer, picture.byteOffset).getFloat64(0, true)

/** Kills a process, and waits for its end. */
export async function end(child) {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGKILL')
  await once(child, 'exit')
}

let browser

/** One Chromium for all tests. */
async function launched() {
  browser ??= chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    // One process for all pages of a context, which here are many.
    args: ['--no-sandbox', '--disable-gpu', '--process-per-site'],
  })
  return browser
}
after(async () => (await browser)?.close())

/** Opens pages that share nothing with others; what they say on the console is kept in `noise`. */
export async function openPages(t, link, count, options = {}) {
  const noise = []
  const context = await (await launched()).newContext(options)
  t.after(() => context.close())
  const opened = Array.from({ length: count }, async () => {
    const page = await context.newPage()
    page.setDefaultTimeout(CONDITION_MS)
    page.on('console', (message) => noise.push(`console: ${message.text()}`))
    page.on('pageerror', (error) => noise.push(`error: ${error.message}`))
    await page.goto(link)
    return page
  })
  return { pages: await Promise.all(opened), noise }
}

/** The number of the picture that a page shows; 0: none. */
export const shown = (page) =>
  page.evaluate(() => Number(document.getElementById('picture').dataset.number ?? 0))

/** Waits until a badge says this. */
export const says = (page, id, words) => page.locator(`#${id} .words`, { hasText: words }).waitFor()
