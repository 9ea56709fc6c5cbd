// The web API in front of the producer. It holds no state but the last good frames, so that it can
// be started before the producer, and outlives it.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { Commander, Unanswered } from './commander.mjs'
import { framesOf, RefreshTimelines, type Acknowledgement } from './contract.mjs'
import { Frame } from './frames.mjs'
import { answer, checkHost, objectOf, Refusal } from './http.mjs'
import { recentStatistics } from './statistics.mjs'

export interface ApiOptions {
  /** Of the producer. */
  name: string
  /** 0 chooses one. */
  port: number
  /** The file with the producer's statistics. */
  statistics?: string
  /** How long a command may take. */
  commandTimeoutMs?: number
}

const COMMAND_TIMEOUT_MS = 1_000
/** Ten times as long as between two frames, and three times for those that come once a second. */
const MAX_AGE = { often: { maxAgeMs: 1_000 }, rarely: { maxAgeMs: 3_000 } }

type Route = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>

/** What a status of an acknowledgement is in HTTP. */
const STATUS: Record<Acknowledgement['status'], number> = { ok: 200, invalid: 400, failed: 500 }

export class Api {
  readonly #statistics: string | undefined
  readonly #commander: Commander
  readonly #detections
  readonly #tracks
  readonly #timelines
  readonly #routes: Record<string, Record<string, Route>>
  readonly #server: Server
  readonly port: number

  private constructor(options: ApiOptions, server: Server) {
    const { name, statistics, commandTimeoutMs: timeoutMs = COMMAND_TIMEOUT_MS } = options
    const { detections, tracks, timelines } = framesOf(name)
    this.#statistics = statistics
    this.#commander = new Commander(name, { timeoutMs })
    this.#detections = new Frame(detections, MAX_AGE.often)
    this.#tracks = new Frame(tracks, MAX_AGE.often)
    this.#timelines = new Frame(timelines, MAX_AGE.rarely)
    this.#routes = {
      '/api/health': { GET: (_, response) => this.#health(response) },
      '/api/perception/detections': { GET: this.#serves(this.#detections) },
      '/api/perception/tracks': { GET: this.#serves(this.#tracks) },
      '/api/timeline/predictions': { GET: this.#serves(this.#timelines) },
      '/api/timeline/refresh': { POST: (request, response) => this.#refresh(request, response) },
    }
    this.#server = server
    this.port = (server.address() as AddressInfo).port
    server.on('request', (request, response) => void this.#handle(request, response))
  }

  /** Listens, whether or not there is a producer. */
  static async start(options: ApiOptions): Promise<Api> {
    const server = createServer().listen(options.port, '127.0.0.1')
    await once(server, 'listening')
    return new Api(options, server)
  }

  /** Calls `listener` when the producer is gone, and when there is the next one. */
  onPresence(listener: (isThere: boolean) => void): void {
    this.#detections.onPresence(listener)
  }

  async close(): Promise<void> {
    this.#server.close()
    this.#server.closeAllConnections()
    for (const frame of [this.#detections, this.#tracks, this.#timelines]) frame.close()
    await this.#commander.close()
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      checkHost(request)
      const [path] = request.url!.split('?')
      const methods = Object.hasOwn(this.#routes, path) ? this.#routes[path] : undefined
      if (methods === undefined) throw new Refusal(404, `there is no ${path}`)
      const route = methods[request.method!]
      if (route === undefined) {
        throw new Refusal(405, `${path} is for ${Object.keys(methods).join(', ')}`)
      }
      await route(request, response)
    } catch (error) {
      refuse(response, error)
    }
  }

  #serves<T extends { frameId: bigint }>(frame: Frame<T>): Route {
    return (_, response) => {
      const found = frame.look()
      if (found === undefined) throw new Refusal(503, 'there is no frame of the producer yet')
      answer(response, 200, found.json)
    }
  }

  async #refresh(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // What is in it is checked where it is used: the producer answers what makes no sense.
    const data = await objectOf(request)
    const acknowledgement = await this.#commander.send(RefreshTimelines, data)
    answer(response, STATUS[acknowledgement.status], JSON.stringify(acknowledgement))
  }

  async #health(response: ServerResponse): Promise<void> {
    const frames = {
      detections: this.#detections,
      tracks: this.#tracks,
      timelines: this.#timelines,
    }
    const checks: Record<string, boolean> = {}
    const counters: Record<string, unknown> = {}
    for (const [name, frame] of Object.entries(frames)) {
      checks[name] = frame.look()?.isFresh ?? false
      counters[name] = frame.stats()
    }
    checks.commands = this.#commander.isConnected
    const path = this.#statistics
    const producer = path === undefined ? null : await recentStatistics(path)
    if (path !== undefined) checks.statistics = producer !== null
    const isHealthy = Object.values(checks).every((isFine) => isFine)
    const body = { healthy: isHealthy, checks, counters, producer }
    answer(response, isHealthy ? 200 : 503, JSON.stringify(body))
  }
}

function refuse(response: ServerResponse, error: unknown): void {
  if (response.headersSent) return void response.destroy()
  const status =
    error instanceof Refusal
      ? error.status
      : error instanceof Unanswered
        ? { gone: 503, late: 504 }[error.kind]
        : 500
  if (status === 500) console.error('api: this should not have happened:', error)
  const word = status === 503 ? 'unavailable' : status === 504 ? 'timeout' : 'refused'
  const message = status === 500 ? 'internal error' : (error as Error).message
  answer(response, status, JSON.stringify({ error: word, message }))
}
