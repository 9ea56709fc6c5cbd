// One browser, and what is on its way to it: of each kind one message at most. The next one, always
// the newest, follows when the page has said that it has shown the last. So no buffer of a browser
// that is slow or asleep fills with what is old, neither here nor in the kernel nor there, and no
// kind of message waits for another.

import { type RawData, WebSocket } from 'ws'
import { KINDS, type Kind, type Message } from './contract.mjs'

export interface Heartbeat {
  /** How often a browser is asked whether it is there, in milliseconds. */
  intervalMs: number
  /** How long it may take to answer. */
  timeoutMs: number
}

/** How long a browser may take to say goodbye. */
const CLOSE_MS = 500

/** Codes of the WebSocket protocol; the second: the peer does not keep to what was agreed. */
const GOING_AWAY = 1001
const POLICY_VIOLATION = 1008

export class Browser {
  readonly #socket: WebSocket
  readonly #underway = new Set<Kind>()
  readonly #waiting = new Map<Kind, Message>()
  readonly #beat: NodeJS.Timeout
  /** Runs while an answer is awaited. */
  #late: NodeJS.Timeout | undefined

  constructor(socket: WebSocket, { intervalMs, timeoutMs }: Heartbeat) {
    this.#socket = socket
    socket.on('message', (data, isBinary) => this.#shown(data, isBinary))
    socket.on('pong', () => this.#answered())
    // It is closed after it.
    socket.on('error', () => {})
    socket.once('close', () => this.#end())
    this.#beat = setInterval(() => {
      socket.ping()
      this.#late ??= setTimeout(() => socket.terminate(), timeoutMs)
    }, intervalMs)
  }

  /** Sends it as soon as the last one of this kind was shown, unless there is a newer one by then.
   * `null` takes back what waits. */
  offer(kind: Kind, message: Message | null): void {
    if (message === null) this.#waiting.delete(kind)
    else if (this.#underway.has(kind)) this.#waiting.set(kind, message)
    else this.#send(kind, message)
  }

  /** For a server that ends: a page that is asleep is not waited for. */
  close(): void {
    this.#socket.close(GOING_AWAY)
    const late = setTimeout(() => this.#socket.terminate(), CLOSE_MS)
    this.#socket.once('close', () => clearTimeout(late))
  }

  #send(kind: Kind, message: Message): void {
    if (this.#socket.readyState !== WebSocket.OPEN) return
    this.#underway.add(kind)
    this.#socket.send(message)
  }

  /** The page has shown the message of this kind that was on its way. */
  #shown(data: RawData, isBinary: boolean): void {
    const word = (data as Buffer).toString()
    const kind = isBinary ? undefined : KINDS.find((each) => each === word)
    if (kind === undefined || !this.#underway.delete(kind)) {
      this.#socket.close(POLICY_VIOLATION, 'this is not what was agreed')
      return
    }
    const next = this.#waiting.get(kind)
    if (next === undefined) return
    this.#waiting.delete(kind)
    this.#send(kind, next)
  }

  #answered(): void {
    clearTimeout(this.#late)
    this.#late = undefined
  }

  #end(): void {
    clearInterval(this.#beat)
    this.#answered()
    this.#waiting.clear()
  }
}
