// The two processes `ringpost bench` measures: one serves, one asks, each through both transports.
// Started by themselves as a program, they are the other end of this file.

import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bytes, connect, createServer, event, method } from 'ringpost'
import { CASES, type CaseName, type Channel, type Turn } from './cases.mjs'
import { median, type Row } from './table.mjs'
import * as unixSocket from './unix-socket.mjs'

const TRANSPORTS = ['ringpost', 'unixSocket'] as const
type Transport = (typeof TRANSPORTS)[number]

const Echo = method<Uint8Array, Uint8Array>('echo', { codec: bytes })
const Drop = event<Uint8Array>('drop', { codec: bytes })

/** What the runner asks of a process. */
type Command =
  | { do: 'play'; name: CaseName; transport: Transport; ms: number }
  /** How many messages without answer have arrived since the last time. */
  | { do: 'received' }

type Answer<T> = { value: T } | { error: string }

/** A message was lost or damaged: a result, and not a failure of the program. */
class Damage extends Error {}

export class Measured {
  readonly #server: ChildProcess
  readonly #client: ChildProcess

  private constructor(server: ChildProcess, client: ChildProcess) {
    this.#server = server
    this.#client = client
  }

  /** Starts both, which meet in `directory`. */
  static async start(directory: string): Promise<Measured> {
    const program = fileURLToPath(import.meta.url)
    const server = fork(program, ['serve', directory])
    await answer(server)
    const client = fork(program, ['ask', directory])
    const measured = new Measured(server, client)
    try {
      await answer(client)
    } catch (error) {
      measured.kill()
      throw error
    }
    return measured
  }

  /** Plays a case through both transports in turns, and compares what each turn has found. */
  async compare(name: CaseName, turns: number, ms: number): Promise<Row[] | { failure: string }> {
    const found: Record<Transport, Turn['figures'][]> = { ringpost: [], unixSocket: [] }
    try {
      for (const transport of TRANSPORTS) await this.#turn(name, transport, ms)
      for (let turn = 0; turn < turns; turn++) {
        const order = turn % 2 === 0 ? TRANSPORTS : [...TRANSPORTS].reverse()
        for (const each of order) found[each].push(await this.#turn(name, each, ms))
      }
    } catch (error) {
      if (!(error instanceof Damage)) throw error
      return { failure: `${name}: ${error.message}` }
    }
    return Object.entries(CASES[name].figures).map(([key, { better, ...figure }]) => {
      const [ringpost, unixSocket] = TRANSPORTS.map((each) => found[each].map((turn) => turn[key]))
      const ratios = ringpost.map((ours, turn) =>
        better === 'less' ? unixSocket[turn] / ours : ours / unixSocket[turn],
      )
      return {
        id: `${name}.${key}`,
        ...figure,
        ...{ ringpost: median(ringpost), unixSocket: median(unixSocket), ratio: median(ratios) },
        ...{ lowest: Math.min(...ratios), highest: Math.max(...ratios) },
      }
    })
  }

  kill(): void {
    this.#client.kill('SIGKILL')
    this.#server.kill('SIGKILL')
  }

  async #turn(name: CaseName, transport: Transport, ms: number): Promise<Turn['figures']> {
    const { sent, figures } = await ask<Turn>(this.#client, { do: 'play', name, transport, ms })
    const received = await ask<number>(this.#server, { do: 'received' })
    if (received !== sent) throw new Damage(`${sent} messages were sent and ${received} received`)
    return figures
  }
}

function ask<T>(child: ChildProcess, command: Command): Promise<T> {
  child.send(command)
  return answer<T>(child)
}

async function answer<T>(child: ChildProcess): Promise<T> {
  const settled = new AbortController()
  const { signal } = settled
  try {
    const ended = once(child, 'exit', { signal }).then(([code, how]) => {
      throw new Error(`a process under measurement ended with ${code ?? how}`)
    })
    const said = once(child, 'message', { signal })
    const [message] = (await Promise.race([said, ended])) as [Answer<T>]
    if ('error' in message) throw new Damage(message.error)
    return message.value
  } finally {
    settled.abort()
  }
}

// ---- the processes ----

async function serve(directory: string): Promise<(command: Command) => number> {
  let received = 0
  const drop = () => void received++
  const server = await createServer('bench', { directory })
  server.handle(Echo, (payload) => payload, { borrowed: true })
  server.handle(Drop, drop, { borrowed: true })
  await unixSocket.serve(join(directory, 'socket'), drop)
  return () => {
    const count = received
    received = 0
    return count
  }
}

async function open(directory: string): Promise<(command: Command) => Promise<Turn>> {
  const client = await connect('bench', { directory })
  const channels: Record<Transport, Channel> = {
    ringpost: {
      request: (payload) => client.request(Echo, payload),
      send: (payload) => (client.notify(Drop, payload) ? undefined : client.drained()),
    },
    unixSocket: await unixSocket.connect(join(directory, 'socket')),
  }
  return async (command) => {
    if (command.do !== 'play') throw new Error('only the other process receives')
    return CASES[command.name].play(channels[command.transport], command.ms)
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [, , role, directory] = process.argv
  const act = await (role === 'serve' ? serve : open)(directory)
  process.on('disconnect', () => process.exit())
  process.on('message', async (command: Command) => {
    try {
      process.send!({ value: await act(command) })
    } catch (error) {
      process.send!({ error: (error as Error).message })
    }
  })
  process.send!({ value: 'ready' })
}
