// The main thread and four workers, each a server and a client of all including itself; the workers
// are terminated in mid-traffic and replaced.

import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import {
  configure,
  connect,
  createServer,
  type Client,
  type IpcError,
  type Server,
} from 'ringpost'
import { Echo, EchoBytes, Tick } from '../helpers/contracts.mjs'

const MAIN = 'main'
const NAMES = ['one', 'two', 'three', 'four']
const GENERATIONS = 4
/** Rounds with every other thread that count as traffic. */
const ROUNDS = 20

interface Chosen {
  wake?: 'loop' | 'thread'
  /** Without shared memory nothing is asked synchronously, and no process knows itself. */
  isPortable?: boolean
}
const chosen = (isMainThread ? JSON.parse(process.argv[2]) : workerData) as Chosen
const { wake, isPortable = false } = chosen
configure({ wake })

async function serve(name: string): Promise<Server> {
  const server = await createServer(name)
  server.handle(Echo, (value) => value)
  server.handle(EchoBytes, (value) => value)
  server.handle(Tick, () => {})
  return server
}

/** Sends requests until the other side is gone; calls `busy` after {@link ROUNDS}. */
async function exchange(client: Client, busy: () => void): Promise<void> {
  const large = new Uint8Array(50_000).fill(7)
  try {
    for (let round = 0; ; round++) {
      client.notify(Tick, [client.peer.session, round])
      const asked = [client.request(Echo, round), client.request(EchoBytes, large)] as const
      const [answer, bytes] = await Promise.all(asked)
      if (answer !== round || bytes.length !== large.length) throw new Error('a wrong answer')
      if (round === ROUNDS) busy()
    }
  } catch (error) {
    if ((error as IpcError).code !== 'ERR_PEER_LOST') throw error
  }
}

/** Exchanges requests with all at once; resolves after {@link ROUNDS} with each. */
async function exchangeWithAll(names: string[]): Promise<Client[]> {
  const clients = await Promise.all(names.map((name) => connect(name, { reconnect: false })))
  await Promise.all(clients.map((client) => new Promise<void>((busy) => exchange(client, busy))))
  return clients
}

async function runWorker(): Promise<void> {
  const { name } = workerData as { name: string }
  await serve(name)
  parentPort!.postMessage('up')
  await once(parentPort!, 'message')
  await exchangeWithAll([MAIN, ...NAMES])
  parentPort!.postMessage('busy')
}

async function runGeneration(server: Server, faults: string[]): Promise<void> {
  const workers = NAMES.map((name) => {
    const worker = new Worker(fileURLToPath(import.meta.url), { workerData: { name, wake } })
    return worker.on('error', (error) => faults.push(`${name}: ${error.stack}`))
  })
  const next = () => Promise.all(workers.map((worker) => once(worker, 'message')))
  await next()
  const busy = next()
  for (const worker of workers) worker.postMessage('go')
  const clients = await exchangeWithAll(NAMES)
  await busy
  for (const client of isPortable ? [] : clients) {
    if (client.requestSync(Echo, 'sync') !== 'sync') faults.push('a wrong answer')
  }
  for (const half of [0, 2]) {
    await Promise.all(workers.slice(half, half + 2).map((worker) => worker.terminate()))
    for (const client of clients.slice(half, half + 2)) {
      const reason = await client.closed
      if (reason?.code !== 'ERR_PEER_LOST') faults.push(`the connection ended with ${reason}`)
    }
    for (const client of clients.slice(half + 2)) await client.request(Echo, 'alive')
  }
  while (server.connections.size > 0) await setTimeout(1)
}

async function runMain(): Promise<void> {
  const server = await serve(MAIN)
  const faults: string[] = []
  const descriptors: number[] = []
  for (let generation = 0; generation < GENERATIONS; generation++) {
    await runGeneration(server, faults)
    // Under Wine there is such a folder as well, of what Wine has open.
    if (process.platform === 'linux') descriptors.push(readdirSync('/proc/self/fd').length)
  }
  const self = await connect(MAIN)
  const alive = await self.request(Echo, isPortable || self.peer.isSelf)
  await self.close()
  await server.close()
  process.send!({ faults, descriptors, alive })
}

await (isMainThread ? runMain() : runWorker())
