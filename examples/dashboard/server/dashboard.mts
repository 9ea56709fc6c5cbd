// The server between the producer and browsers: a page, and for each page a stream.

import { once } from 'node:events'
import { createServer, STATUS_CODES } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { WebSocketServer } from 'ws'
import { Browser, type Heartbeat } from './browser.mjs'
import { pageFiles } from './files.mjs'
import { Guard, HEADERS, newToken, PROTOCOL } from './guard.mjs'
import { Source } from './source.mjs'

export interface DashboardOptions {
  /** Of the producer. */
  name: string
  /** 0 chooses one. */
  port: number
  /** What the link ends with, of a server whose place this takes: its pages find this one.
   * @default a new one */
  token?: string
  /** Whether browsers are still there. @default every 25 s, within 10 s */
  heartbeat?: Heartbeat
  /** How many browsers there may be at once. @default 64 */
  browsersMax?: number
}

const HEARTBEAT = { intervalMs: 25_000, timeoutMs: 10_000 }
const BROWSERS_MAX = 64
/** A browser sends the name of a kind, and nothing else. */
const MESSAGE_MAX = 16

export class Dashboard {
  readonly port: number
  /** The address with the token: who has it may see what the camera sees. */
  readonly link: string
  readonly #server: Server
  readonly #guard: Guard
  readonly #source: Source
  readonly #files = pageFiles()
  readonly #browsers = new Set<Browser>()
  readonly #heartbeat: Heartbeat
  readonly #browsersMax: number
  readonly #sockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    maxPayload: MESSAGE_MAX,
    perMessageDeflate: false,
    handleProtocols: () => PROTOCOL,
  })
  #onBrowsers: (count: number) => void = () => {}

  private constructor(options: DashboardOptions, server: Server) {
    const { name, token = newToken(), heartbeat = HEARTBEAT, browsersMax = BROWSERS_MAX } = options
    this.#heartbeat = heartbeat
    this.#browsersMax = browsersMax
    this.#server = server
    this.port = (server.address() as AddressInfo).port
    this.#guard = new Guard(this.port, token)
    this.link = `http://127.0.0.1:${this.port}/#${token}`
    this.#source = new Source(name, (kind, message) => {
      for (const browser of this.#browsers) browser.offer(kind, message)
    })
    server.on('request', (request, response) => this.#answer(request, response))
    server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head))
  }

  /** Listens, whether or not there is a producer. */
  static async start(options: DashboardOptions): Promise<Dashboard> {
    const server = createServer().listen(options.port, '127.0.0.1')
    await once(server, 'listening')
    return new Dashboard(options, server)
  }

  /** Calls `listener` with how many browsers there are, whenever that changes. */
  onBrowsers(listener: (count: number) => void): void {
    this.#onBrowsers = listener
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    for (const browser of this.#browsers) browser.close()
    this.#server.closeAllConnections()
    this.#source.close()
    await closed
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const [path] = request.url!.split('?')
    const file = this.#files.get(path)
    if (!this.#guard.isForUs(request)) return answer(response, 403)
    if (file === undefined) return answer(response, 404)
    if (!['GET', 'HEAD'].includes(request.method!)) return answer(response, 405)
    response.writeHead(200, {
      ...HEADERS,
      ...{ 'content-type': file.type, 'content-length': file.body.length },
    })
    response.end(file.body)
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => {})
    const refused = this.#refusal(request)
    if (refused !== null) {
      socket.end(`HTTP/1.1 ${refused} ${STATUS_CODES[refused]}\r\nConnection: close\r\n\r\n`)
      return
    }
    this.#sockets.handleUpgrade(request, socket, head, (accepted) => {
      const browser = new Browser(accepted, this.#heartbeat)
      accepted.once('close', () => {
        this.#browsers.delete(browser)
        this.#onBrowsers(this.#browsers.size)
      })
      this.#browsers.add(browser)
      this.#onBrowsers(this.#browsers.size)
      for (const [kind, message] of this.#source.newest) browser.offer(kind, message)
    })
  }

  /** Why a stream is not opened, as a status of HTTP. */
  #refusal(request: IncomingMessage): number | null {
    if (!this.#guard.isForUs(request) || !this.#guard.isOurPage(request)) return 403
    if (request.url !== '/stream') return 404
    if (!this.#guard.hasToken(request)) return 401
    return this.#browsers.size < this.#browsersMax ? null : 503
  }
}

function answer(response: ServerResponse, status: number): void {
  const type = { 'content-type': 'text/plain; charset=utf-8' }
  response.writeHead(status, { ...HEADERS, ...type }).end(`${STATUS_CODES[status]}\n`)
}
