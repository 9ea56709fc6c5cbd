// Probes over HTTP. The only file that listens for anything else than the engine.

import { chmodSync, linkSync, lstatSync, mkdtempSync, rmSync, statSync, unlinkSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { connect, type ListenOptions } from 'node:net'
import { once } from 'node:events'
import { join, resolve } from 'node:path'
import type * as api from '../health.js'
import { check, isString, whole, wrongRange, wrongType } from './values/checks.js'

/** A socket's name has 107 bytes, and is made in a folder beside the place where it is to be. */
const PATH_LEN_MAX = 98
/** Probes are few; more at once are somebody's mistake. */
const CONNECTIONS_MAX = 64
/** As long as a timer of Node.js runs. */
const TIMEOUT_MS_MAX = 2 ** 31 - 1
/** How long a request may take to come. */
const REQUEST_TIMEOUT_MS = 5_000

const HEALTH = {
  port: whole(0, 65_535),
  path: isPath,
  live: isChecks,
  ready: isChecks,
  registry: isRegistry,
  timeoutMs: whole(1, TIMEOUT_MS_MAX),
}

export async function serveHealth(options: api.HealthOptions): Promise<api.HealthServer> {
  const { port, path, ...settings } = check('health', HEALTH, options)
  if ((port === undefined) === (path === undefined)) {
    const given = port === undefined ? 'none' : 'both'
    throw wrongRange('health options', 'of either port or path', given)
  }
  const server = new HealthServer(settings, path === undefined)
  await (path === undefined ? server.listenAt(port!) : server.listenIn(resolve(path)))
  return server
}

type Settings = Omit<api.HealthOptions, 'port' | 'path'>

interface Answer {
  status: number
  type: string
  text: string
}

class HealthServer implements api.HealthServer {
  readonly #http: Server
  /** By path. */
  readonly #answers = new Map<string, () => Promise<Answer>>()
  /** What it has to remove in the end. */
  #socket: { path: string; inode: number } | undefined
  #closing: Promise<void> | undefined

  constructor({ live, ready, registry, timeoutMs = 1_000 }: Settings, isAtPort: boolean) {
    this.#answers.set('/healthz', answerOf(live, timeoutMs))
    this.#answers.set('/readyz', answerOf(ready, timeoutMs))
    if (registry !== undefined) {
      this.#answers.set('/metrics', () => metricsOf(registry, timeoutMs))
    }
    this.#http = createServer((request, response) => {
      const isForeign = isAtPort && !LOOPBACK.test(request.headers.host ?? '')
      void this.#answer(request, isForeign).then((answer) => send(request, response, answer))
    })
    this.#http.maxConnections = CONNECTIONS_MAX
    this.#http.headersTimeout = this.#http.requestTimeout = REQUEST_TIMEOUT_MS
    this.#http.on('connection', (socket) => void socket.unref())
    // Who cannot be let in has the answer in that.
    this.#http.on('error', () => {})
    this.#http.unref()
  }

  async #answer({ method, url = '' }: IncomingMessage, isForeign: boolean): Promise<Answer> {
    if (isForeign) return plain(403, 'the Host must be localhost')
    const [path] = url.split('?', 1)
    const answer = this.#answers.get(path)
    if (answer === undefined) {
      return plain(404, `there are: ${[...this.#answers.keys()].join(', ')}`)
    }
    if (method !== 'GET' && method !== 'HEAD') return plain(405, 'GET and HEAD only')
    return answer()
  }

  get port(): number | undefined {
    const address = this.#http.address()
    return typeof address === 'object' ? address?.port : undefined
  }

  listenAt(port: number): Promise<void> {
    return this.#listen({ port, host: '127.0.0.1' })
  }

  /** Nobody can connect before the mode is right: until then it is in a folder of this user. */
  async listenIn(path: string): Promise<void> {
    const folder = mkdtempSync(`${path}.`)
    try {
      const made = join(folder, 's')
      await this.#listen({ path: made })
      chmodSync(made, 0o600)
      await put(made, path)
      this.#socket = { path, inode: statSync(path).ino }
    } catch (error) {
      await this.close()
      throw error
    } finally {
      rmSync(folder, { recursive: true })
    }
  }

  /** Also in a worker of a cluster for itself: each process answers for its own. */
  async #listen(options: ListenOptions): Promise<void> {
    this.#http.listen({ ...options, exclusive: true })
    await once(this.#http, 'listening')
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    const closed = new Promise((resolve) => this.#http.close(resolve))
    this.#http.closeAllConnections()
    await closed
    // Another process may have taken the place.
    const { path, inode } = this.#socket ?? {}
    if (path && statSync(path, { throwIfNoEntry: false })?.ino === inode) unlinkSync(path)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/** Names of this machine, at any port: probes may come through a forwarded one. */
const LOOPBACK = /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/i

/** Puts a socket in its place, unless a process serves the one that is there. */
async function put(made: string, path: string): Promise<void> {
  try {
    return linkSync(made, path)
  } catch (error) {
    if (!isCode(error, 'EEXIST')) throw error
  }
  if (!lstatSync(path).isSocket()) throw taken(`${path} is no socket`)
  const socket = connect(path)
  try {
    await once(socket, 'connect')
  } catch (error) {
    if (!isCode(error, 'ECONNREFUSED')) throw error
    unlinkSync(path)
    return linkSync(made, path)
  } finally {
    socket.destroy()
  }
  throw taken(`another process serves ${path}`)
}

function taken(message: string): Error {
  return Object.assign(new Error(message), { code: 'EADDRINUSE' })
}

function isCode(error: unknown, code: string): boolean {
  return (error as NodeJS.ErrnoException).code === code
}

// ---- answers ----

/** One check, or those of one object. */
class Probe {
  readonly #name: string
  readonly #check: api.Check
  #running: Promise<Record<string, boolean>> | undefined

  constructor(name: string, check: api.Check) {
    this.#name = name
    this.#check = check
  }

  /** What holds. A check that runs is not run once more: it might hang, and more each time. */
  async results(timeoutMs: number): Promise<Record<string, boolean>> {
    this.#running ??= this.#run().finally(() => (this.#running = undefined))
    try {
      return await within(this.#running, timeoutMs)
    } catch {
      return { [this.#name]: false }
    }
  }

  async #run(): Promise<Record<string, boolean>> {
    const check = this.#check
    if (typeof check === 'function') return { [this.#name]: (await check()) === true }
    const checks = Object.entries(check.health().checks)
    return Object.fromEntries(checks.map(([name, holds]) => [`${this.#name}.${name}`, holds]))
  }
}

function answerOf(checks: api.HealthOptions['live'] = {}, timeoutMs: number) {
  const probes = Object.entries(checks).map(([name, check]) => new Probe(name, check))
  return async (): Promise<Answer> => {
    const results = await Promise.all(probes.map((probe) => probe.results(timeoutMs)))
    const all = results.flatMap((result) => Object.entries(result))
    const ok = all.every(([, holds]) => holds)
    const text = `${JSON.stringify({ ok, checks: Object.fromEntries(all) })}\n`
    return { status: ok ? 200 : 503, type: 'application/json', text }
  }
}

async function metricsOf(registry: api.MetricsSource, timeoutMs: number): Promise<Answer> {
  try {
    const text = await within(registry.metrics(), timeoutMs)
    return { status: 200, type: registry.contentType, text }
  } catch {
    // Why may be nobody's business.
    return plain(500, 'the metrics could not be collected')
  }
}

const plain = (status: number, text: string): Answer => ({
  ...{ status, type: 'text/plain; charset=utf-8', text: `${text}\n` },
})

function send({ method }: IncomingMessage, response: ServerResponse, answer: Answer): void {
  const { status, type, text } = answer
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...(status === 405 && { allow: 'GET, HEAD' }),
  })
  response.end(method === 'HEAD' ? undefined : text)
}

async function within<T>(work: Promise<T>, timeoutMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(reject, timeoutMs, new Error('it took too long')).unref()
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

// ---- options ----

function isPath(name: string, value: unknown): void {
  isString(name, value)
  const length = Buffer.byteLength(resolve(value as string))
  if (length > PATH_LEN_MAX) throw wrongRange(name, `at most ${PATH_LEN_MAX} bytes`, length)
}

function isChecks(name: string, value: unknown): void {
  if (typeof value !== 'object' || value === null) throw wrongType(name, 'an object', value)
  for (const [key, check] of Object.entries(value)) {
    const { health } = (check ?? {}) as { health?: unknown }
    if (typeof check === 'function' || typeof health === 'function') continue
    throw wrongType(`${name}.${key}`, 'a function, or an object with health()', check)
  }
}

function isRegistry(name: string, value: unknown): void {
  const { contentType, metrics } = (value ?? {}) as Partial<api.MetricsSource>
  if (typeof contentType !== 'string' || typeof metrics !== 'function') {
    throw wrongType(name, 'a registry with contentType and metrics()', value)
  }
}
