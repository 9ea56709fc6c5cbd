// Clients that behave: they ask at a modest rate, and connect again when their connection is gone.

import { setTimeout } from 'node:timers/promises'
import type { Client } from 'ringpost'
import { open, Sender, type Place } from '../peers.mjs'

interface Behaving {
  place: Place
  ms: number
  /** How many, and how long each waits between two questions. */
  clients: number
  pauseMs: number
}

export interface Behaved {
  asked: number
  failed: number
  /** From the moment a client knows of a failure to its next good answer. */
  recoveriesMs: number[]
  /** Between two good answers of a client. */
  longestGapMs: number
  faults: string[]
}

/** Milliseconds after which a question has failed. */
const TIMEOUT_MS = 1_000
/** What is said of a client that was not able to connect at all. */
const PATIENCE_MS = 10_000

export async function behave({ place, ms, clients, pauseMs }: Behaving): Promise<Behaved> {
  const end = performance.now() + ms
  const behaved: Behaved = { asked: 0, failed: 0, recoveriesMs: [], longestGapMs: 0, faults: [] }
  const all = Array.from({ length: clients }, (_, number) => new Good(place, number, behaved))
  await Promise.all(all.map((good) => good.askUntil(end, pauseMs)))
  return behaved
}

class Good {
  readonly #place: Place
  readonly #number: number
  readonly #behaved: Behaved
  #sender: Sender | undefined
  /** Aborted when the connection is. */
  #lost = new AbortController()
  /** When the failure was noticed that there was no good answer since. */
  #failedAt: number | undefined

  constructor(place: Place, number: number, behaved: Behaved) {
    this.#place = place
    this.#number = number
    this.#behaved = behaved
  }

  async askUntil(end: number, pauseMs: number): Promise<void> {
    const behaved = this.#behaved
    let last = performance.now()
    while (performance.now() < end && behaved.faults.length < 5) {
      behaved.asked++
      try {
        const sender = await this.#connected()
        await sender.ask(16 << (behaved.asked % 8))
        const now = performance.now()
        if (this.#failedAt !== undefined) behaved.recoveriesMs.push(now - this.#failedAt)
        this.#failedAt = undefined
        behaved.longestGapMs = Math.max(behaved.longestGapMs, now - last)
        last = now
      } catch (error) {
        this.#note(error as Error & { code?: string })
        if (performance.now() - last > PATIENCE_MS) behaved.faults.push('a client never recovered')
      }
      // A client that has failed, or fails meanwhile, tries again at once.
      const { signal } = this.#lost
      if (this.#failedAt !== undefined) await setTimeout(1)
      else await setTimeout(pauseMs, undefined, { signal }).catch(() => {})
    }
    const client = this.#sender?.client
    this.#sender = undefined
    await client?.close()
  }

  async #connected(): Promise<Sender> {
    if (this.#sender?.client.isOpen) return this.#sender
    const options = { timeoutMs: TIMEOUT_MS, connectTimeoutMs: TIMEOUT_MS }
    const client: Client = await open(this.#place, options)
    const sender = (this.#sender = new Sender(client, this.#number))
    const lost = (this.#lost = new AbortController())
    client.once('close', () => {
      if (this.#sender !== sender) return
      this.#failedAt ??= performance.now()
      lost.abort()
    })
    return sender
  }

  #note(error: Error & { code?: string }): void {
    this.#behaved.failed++
    this.#failedAt ??= performance.now()
    // What has no code is no failure of a connection: an answer was wrong.
    if (error.code === undefined) this.#behaved.faults.push(error.message)
  }
}
