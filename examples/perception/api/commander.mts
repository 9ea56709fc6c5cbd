// Commands to the producer, each of which is answered in time or fails.

import { randomUUID } from 'node:crypto'
import { connect, type Client, type Method } from 'ringpost'
import { RINGS, type Acknowledgement, type Command } from './contract.mjs'

export interface CommanderOptions {
  /** How long a command may take. */
  timeoutMs: number
}

/** Why there is no answer. */
export class Unanswered extends Error {
  /** `gone`: there is no producer. `late`: it has not answered in time, and may yet do it. */
  readonly kind: 'gone' | 'late'

  constructor(kind: 'gone' | 'late', message: string, cause?: unknown) {
    super(message, { cause })
    this.kind = kind
  }
}

export class Commander {
  readonly #timeoutMs: number
  readonly #closing = new AbortController()
  #client: Client | undefined

  /** Connects as soon as there is a producer, and again whenever there is another. */
  constructor(name: string, { timeoutMs }: CommanderOptions) {
    this.#timeoutMs = timeoutMs
    const { signal } = this.#closing
    const waiting = { connectTimeoutMs: Infinity, whileAway: 'fail' } as const
    const options = { ...waiting, rings: RINGS, signal }
    connect(name, options).then(
      (client) => {
        if (signal.aborted) void client.close()
        else this.#client = client
      },
      (error: Error) => {
        if (!signal.aborted) console.error(`api: no commands can be sent: ${error.message}`)
      },
    )
  }

  get isConnected(): boolean {
    return this.#client?.state === 'open'
  }

  /** @throws Unanswered */
  async send<Data>(
    method: Method<Command<Data>, Acknowledgement>,
    data: Data,
  ): Promise<Acknowledgement> {
    if (this.#client === undefined) throw new Unanswered('gone', 'there is no producer yet')
    const command = { requestId: randomUUID(), timestamp: Date.now(), data }
    try {
      return await this.#client.request(method, command, { timeoutMs: this.#timeoutMs })
    } catch (error) {
      const { code, isRemote, message } = error as Error & { code: string; isRemote?: boolean }
      if (isRemote) {
        // It was answered, though not by what handles it: it could not be decoded, say.
        const status = code === 'ERR_INVALID_PAYLOAD' ? 'invalid' : 'failed'
        return { requestId: command.requestId, status, timestamp: Date.now(), message }
      }
      if (code !== 'ERR_TIMEOUT') throw new Unanswered('gone', 'the producer is gone', error)
      const late = `the producer has not answered within ${this.#timeoutMs} ms`
      throw new Unanswered('late', late, error)
    }
  }

  async close(): Promise<void> {
    this.#closing.abort()
    await this.#client?.close()
  }
}
