// What processes of the scenarios of the AI backend do: one starts it, the others are windows of an
// editor. Each answer is compared with the first one to the same question.

import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { IpcError, type Client, type ClientOptions } from 'ringpost'
import { AskUsage, Chat, Complete, Embed, Greet } from '../../../examples/ai-backend/contract.mjs'
import { PROTOCOL } from '../../../examples/ai-backend/contract.mjs'
import { ROOT } from '../../transports.mjs'
import { variation } from '../../trend.mjs'
import { keepPace } from '../pace.mjs'
import { open, type Place } from '../peers.mjs'

/** So that a backend does not outlive a run that was killed. */
const IDLE = ['--idle-exit', '60']

export interface Done {
  count: number
  ms: number
  /** What was not as it should be, the first few. */
  faults: string[]
}

export interface Steady extends Done {
  /** Of the rates of windows of time. */
  variation: number
}

const FAULTS_KEPT = 3

// ---- questions and answers ----

/** A text of so many bytes, with words that no other one has. */
export function textOf(size: number, number: number): string {
  let text = ''
  for (let word = 0; text.length < size; word = (word + 1) % 20) text += `w${size}.${number}.${word} `
  return text.slice(0, size)
}

/** What was answered to each question. */
export class Answers {
  readonly faults: string[] = []
  readonly #known = new Map<string, Uint8Array>()

  /** A question whose answer is another one's would hide that answers were mixed up. */
  got(question: string, answer: Uint8Array): void {
    const known = this.#known.get(question)
    if (known === undefined) {
      const isAnothers = [...this.#known.values()].some((other) => isSame(other, answer))
      if (isAnothers) this.fault(`${question} was answered like another question`)
      this.#known.set(question, answer)
    } else if (!isSame(known, answer)) {
      this.fault(`${question} was answered otherwise than before`)
    }
  }

  fault(what: string): void {
    if (this.faults.length < FAULTS_KEPT) this.faults.push(what)
  }

  /** The faults since this was asked last. */
  take = (): string[] => this.faults.splice(0)
}

const isSame = (one: Uint8Array, other: Uint8Array): boolean => Buffer.compare(one, other) === 0

// ---- roles ----

let backend: ChildProcess
let clients: Client[] = []
const answers = new Answers()

export const theWindows = (): readonly Client[] => clients

/** A file of this size in, its vector out. */
async function embed(client: Client, size: number, number: number): Promise<void> {
  const files = [{ path: 'file', text: textOf(size, number) }]
  const { vectors } = await client.request(Embed, { files })
  answers.got(`file ${number} of ${size} bytes`, vectors)
}

async function timed(work: () => Promise<number>): Promise<Done> {
  const start = performance.now()
  const count = await work()
  return { count, ms: performance.now() - start, faults: answers.take() }
}

export interface Embedding {
  sizes: number[]
  ms: number
  inFlight: number
}

export const windows = {
  /** Starts a backend, and waits until it serves. Returns its process. */
  async serveBackend({ place: { name, directory } }: { place: Place }): Promise<number> {
    const { backendProgram } = (await import(`${ROOT}examples/ai-backend/programs.mjs`)) as {
      backendProgram: () => string
    }
    const env = { ...process.env, RINGPOST_DIR: directory }
    const stdio = ['ignore', 'ignore', 'pipe'] as const
    backend = spawn(backendProgram(), ['--name', name, ...IDLE], { env, stdio: [...stdio] })
    await once(createInterface(backend.stderr!), 'line')
    return backend.pid!
  },

  async endBackend(): Promise<void> {
    backend.kill('SIGTERM')
    await once(backend, 'exit')
  },

  /** So many windows at once, each of which greets. */
  async openWindows({ place, count, options }: Opening): Promise<Done> {
    return timed(async () => {
      const opening = Array.from({ length: count }, async () => {
        const client = await open(place, options)
        clients.push(client)
        await client.request(Greet, { client: 'bench', protocol: PROTOCOL })
      })
      await Promise.all(opening)
      return count
    })
  },

  async closeWindows(): Promise<void> {
    await Promise.all(clients.map((client) => client.close()))
    clients = []
  },

  /** Files of all sizes in equal shares, so many requests at once. */
  embedAll({ sizes, ms, inFlight }: Embedding): Promise<Done> {
    return timed(async () => {
      const end = performance.now() + ms
      let count = 0
      const ask = async (number: number) => {
        while (performance.now() < end) await embed(clients[0], sizes[count++ % sizes.length], number)
      }
      await Promise.all(Array.from({ length: inFlight }, (_, number) => ask(number)))
      return count
    })
  },

  /** So many requests without params at once. */
  burst({ count }: { count: number }): Promise<Done> {
    return timed(async () => {
      const all = Array.from({ length: count }, () => clients[0].request(AskUsage))
      const pids = new Set((await Promise.all(all)).map(({ pid }) => pid))
      if (pids.size !== 1) answers.fault(`${pids.size} processes have answered`)
      return count
    })
  },

  /** Files at a fixed rate. Answers are counted in windows of time, of which the first two do not
   * count. */
  async keepEmbedding(keeping: { rate: number; ms: number; windowMs: number }): Promise<Steady> {
    const { rate, ms, windowMs } = keeping
    const rates: number[] = []
    let [answered, counted, at] = [0, 0, performance.now()]
    const timer = setInterval(() => {
      const now = performance.now()
      rates.push((answered - counted) / (now - at))
      ;[counted, at] = [answered, now]
    }, windowMs)
    const all: Promise<void>[] = []
    const done = await timed(async () => {
      await keepPace(rate, ms, () => {
        all.push(embed(clients[0], 1_024, all.length % 8).then(() => void answered++))
      })
      clearInterval(timer)
      await Promise.all(all)
      return answered
    })
    return { ...done, variation: variation(rates.slice(2)) }
  },

  /** So many tasks, each with so many questions of its own, all at once. */
  askAtOnce({ tasks, steps }: { tasks: number; steps: number }): Promise<Done> {
    return timed(async () => {
      const count = tasks * steps
      await Promise.all(Array.from({ length: count }, (_, at) => embed(clients[0], 100, at)))
      return count
    })
  },

  /** Tokens of a chat, one after the other. */
  readTokens({ count }: { count: number }): Promise<Done> {
    return timed(async () => {
      const messages = [{ role: 'user', text: 'go on' }] as const
      const chat = clients[0].stream(Chat, { messages, maxTokens: count, unpaced: true })
      let [got, text] = [0, '']
      for await (const token of chat) {
        got++
        text += token.text
      }
      const { tokens } = await chat.result
      if (got !== count || tokens !== count) answers.fault(`${got} of ${count} tokens have come`)
      answers.got(`a chat of ${count} tokens`, Buffer.from(text))
      return got
    })
  },

  /** One request in ten is too large, or its answer is: it is refused, and all others are answered. */
  tryOversized({ count, lengthMax }: { count: number; lengthMax: number }): Promise<Done> {
    const refuse = async (files: { path: string; text: string }[]) => {
      const refused = clients[0].request(Embed, { files }).then(
        () => 'was taken',
        (error: unknown) => {
          const code = error instanceof IpcError ? error.code : String(error)
          return code === 'ERR_TOO_LARGE' ? null : code
        },
      )
      const fault = await refused
      if (fault !== null) answers.fault(`an oversized message: ${fault}`)
    }
    const small = Array.from({ length: lengthMax >> 9 }, () => ({ path: '', text: 'x' }))
    return timed(async () => {
      const all = Array.from({ length: count }, (_, turn) => {
        if (turn % 20 === 9) return refuse([{ path: '', text: 'x'.repeat(lengthMax) }])
        if (turn % 20 === 19) return refuse(small)
        return embed(clients[0], 1_024, turn % 8)
      })
      await Promise.all(all)
      return count
    })
  },

  /** Requests with nothing in them, in turns. */
  sendEmpty({ count }: { count: number }): Promise<Done> {
    return timed(async () => {
      const [client] = clients
      for (let turn = 0; turn < count; turn++) {
        const { vectors } = await client.request(Embed, { files: [] })
        if (vectors.length > 0) answers.fault('vectors of no files have come')
        const { text } = await client.request(Complete, { path: '', prefix: '', suffix: '' })
        answers.got('a completion of nothing', Buffer.from(text))
        if ((await client.request(AskUsage)).pid !== client.peer.pid) answers.fault('whose usage is it?')
      }
      return count
    })
  },
}

export interface Opening {
  place: Place
  count: number
  options?: ClientOptions
}
