// One side of the suite in TypeScript: a process that executes commands, one line of JSON each. Its
// counterpart is crates/test-peer; wire.mts lists the commands both understand.

import { subscribe } from 'node:diagnostics_channel'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { setImmediate as turn } from 'node:timers/promises'
import { inspect } from 'node:util'
import { Worker } from 'node:worker_threads'
import {
  connect,
  createServer,
  type Client,
  type DiagnosticsChannels,
  type IpcError,
  type Server,
} from 'ringpost'
import { wrongArguments } from './arguments.mjs'
import { contract, handleAll, log, toFailure, Note, toOptions } from './methods.mjs'
import { handleStreams, runStream } from './streams.mjs'
import { published } from './published.mjs'
import { askPool, closePool, openPool, poolStats } from './pools.mjs'
import {
  pattern,
  type Change,
  type Commands,
  type RequestOrder,
  type StreamOrder,
} from './wire.mjs'

interface Serving {
  server: Server
  accepted: number
  ended: (string | null)[]
  takenOver: boolean
}

/** In the words of `RUST_LOG`, which makes the Rust test peer write what it logs. */
if (process.env.RUST_LOG === 'trace') watchChannels()

const servers = new Map<string, Serving>()
const connections = new Map<number, Client>()
const changes = new WeakMap<Client, () => Promise<Change>>()
const cancels = new Map<number, AbortController>()
let connected = 0
let worker: Worker | undefined
/** Number of the command being executed. */
let current = 0

const commands: { [K in keyof Commands]?: (order: any) => unknown } = {
  async listen({ server: name, options }) {
    const server = await createServer(name, toOptions(options))
    const serving: Serving = { server, accepted: 0, ended: [], takenOver: false }
    server.on('takenOver', () => (serving.takenOver = true))
    server.on('connection', (connection) => {
      serving.accepted++
      connection.on('error', () => {})
      connection.on('close', (reason) => serving.ended.push(reason?.code ?? null))
    })
    handleAll(server)
    handleStreams(server)
    servers.set(name, serving)
  },
  connections({ server }) {
    const { accepted, ended, takenOver, server: serving } = servers.get(server)!
    const [any] = serving.connections
    const dropped = [...serving.connections].map((one) => Object.values(one.stats().peerDropped))
    const peerDropped = [0, 1, 2, 3].map((lane) => dropped.reduce((sum, one) => sum + one[lane], 0))
    const { connections: open, connectionsTotal: total, bytesSent, bytesReceived } = serving.stats()
    const bytes = { bytesSent, bytesReceived }
    const lostWakeups = any?.stats().lostWakeups ?? 0
    return { accepted, ended, lostWakeups, peerDropped, takenOver, open, total, ...bytes }
  },
  closeServer({ server: name, drainMs }) {
    const serving = servers.get(name)
    if (drainMs === undefined) servers.delete(name)
    return serving?.server.close({ drainMs })
  },

  async connect({ server, options }) {
    const client = await connect(server, { reconnect: false, ...toOptions(options) })
    client.on('error', () => {})
    changes.set(client, watchChanges(client))
    handleAll(client)
    handleStreams(client)
    const connection = ++connected
    connections.set(connection, client)
    return { connection, peer: client.peer }
  },
  async abortConnect({ server, options }) {
    const signal = AbortSignal.timeout(100)
    await connect(server, { ...toOptions(options), signal })
  },
  request: (order: RequestOrder) => (order.waiting ? requestSync(order) : request(order, current)),
  cancel({ request }) {
    cancels.get(request)?.abort()
    return cancels.has(request)
  },
  async many({ count, request: order, close }) {
    const [client, method, payload, options] = prepare(order)
    const calls = Array.from({ length: count }, () => client.request(method, payload, options))
    const outcomes = Promise.allSettled(calls)
    if (close) await client.close()
    const failed: Record<string, number> = {}
    for (const outcome of await outcomes) {
      if (outcome.status === 'fulfilled') continue
      const { code } = outcome.reason as IpcError
      failed[code] = (failed[code] ?? 0) + 1
    }
    const failures = Object.values(failed).reduce((sum, one) => sum + one, 0)
    return { answered: count - failures, failed }
  },
  pool: openPool,
  pooled: askPool,
  poolStats,
  closePool,
  published,
  stream: (order: StreamOrder) => runStream(connections.get(order.connection)!, order),
  async streams({ count, request: order }) {
    const client = connections.get(order.connection)!
    const all = await Promise.all(Array.from({ length: count }, () => runStream(client, order)))
    const failed: Record<string, number> = {}
    for (const { failure } of all) if (failure) failed[failure] = (failed[failure] ?? 0) + 1
    return { ended: all.filter(({ failure }) => !failure).length, failed }
  },
  async notify({ connection, stream, count, length, lane, awaiting, forMs }) {
    const client = connections.get(connection)!
    const payload = Buffer.alloc(Math.max(length, 8))
    payload.writeUInt32LE(stream)
    const end = performance.now() + (forMs ?? 0)
    let sent = 0
    try {
      for (; forMs === undefined ? sent < count : performance.now() < end; sent++) {
        payload.writeUInt32LE(sent, 4)
        if (awaiting) await client.send(Note, payload, { lane })
        else client.notify(Note, payload, { lane })
        if (forMs !== undefined && sent % 64 === 63) await turn()
      }
    } catch (error) {
      return { sent, refused: (error as IpcError).code }
    }
    return { sent, refused: null }
  },
  ping: ({ connection }) => connections.get(connection)!.ping(),
  async drain({ connection, timeoutMs }) {
    const client = connections.get(connection)!
    await client.drain({ timeoutMs }).catch(() => client.close())
  },
  untilLeaving: ({ request: order }) => untilLeaving(order),
  drained: ({ connection, timeoutMs }) => connections.get(connection)!.drained({ timeoutMs }),
  stats({ connection }) {
    const client = connections.get(connection)!
    const stats = client.stats()
    const { isOpen, isLeaving, isUnresponsive } = client
    const [dropped, timed] = [Object.values(stats.dropped), stats.latency.count]
    return { ...stats, dropped, timed, isOpen, isLeaving, isUnresponsive }
  },
  change: ({ connection }) => changes.get(connections.get(connection)!)!(),
  closed: ({ connection }) => connections.get(connection)!.closed.then((reason) => reason?.code),
  close: ({ connection }) => connections.get(connection)!.close(),
  async forget({ connection }) {
    const client = connections.get(connection)
    connections.delete(connection)
    await client?.close()
  },

  counted: ({ what }) => log.counts.get(what) ?? 0,
  notes: ({ stream }) => log.streams.get(stream) ?? { count: 0, last: -1, inOrder: true },
  block({ ms }) {
    const end = performance.now() + ms
    while (performance.now() < end);
  },
  suspend: ({ file }) => void suspendWhile(file),
  residentBytes: () => process.memoryUsage.rss(),
  resources() {
    if (process.platform !== 'linux') {
      const handles = process.getActiveResourcesInfo().filter((name) => name.endsWith('Wrap'))
      return { descriptors: handles.length, mappings: 0 }
    }
    const descriptors = readdirSync('/proc/self/fd').length
    const maps = readFileSync('/proc/self/maps', 'utf8').split('\n')
    const ours = /memfd:ringpost|\/dev\/shm\/ringpost\./
    return { descriptors, mappings: maps.filter((line) => ours.test(line)).length }
  },
  exit: ({ code }) => process.exit(code),
  crash() {
    setImmediate(() => {
      throw new Error('uncaught on purpose')
    })
    return new Promise(() => {})
  },

  arguments: ({ connection }) => wrongArguments(connections.get(connection)!),
  async worker(order) {
    worker = new Worker(new URL('./worker.mjs', import.meta.url), { workerData: order })
    await new Promise((resolve, reject) => worker!.once('message', resolve).once('error', reject))
  },
  terminate: () => worker?.terminate(),
}

/** Stops this thread, once the answer has been written, as long as the file exists. */
async function suspendWhile(file: string): Promise<void> {
  do await turn()
  while (process.stdout.writableLength > 0)
  const nothing = new Int32Array(new SharedArrayBuffer(4))
  while (existsSync(file)) Atomics.wait(nothing, 0, 0, 5)
}

/** Sessions that are lost, and those that take their place, until they are asked for. */
function watchChanges(client: Client): () => Promise<Change> {
  const changes: Change[] = []
  const asked: ((change: Change) => void)[] = []
  const add = (change: Change) => {
    const answer = asked.shift()
    if (answer === undefined) changes.push(change)
    else answer(change)
  }
  client.on('disconnect', ({ reason, undelivered }) =>
    add({ lost: reason?.code ?? null, undelivered: Object.values(undelivered) }),
  )
  client.on('reconnect', ({ peer }) => add({ pid: peer.pid }))
  return () => {
    const change = changes.shift()
    if (change !== undefined) return Promise.resolve(change)
    return new Promise((resolve) => asked.push(resolve))
  }
}

function prepare(order: RequestOrder) {
  const { codec = 'messagePack', length = 0, value, lane, timeoutMs, traceparent } = order
  const payload = codec === 'bytes' ? pattern(length) : value
  const client = connections.get(order.connection)!
  return [client, contract(order.method, codec), payload, { lane, timeoutMs, traceparent }] as const
}

async function request(order: RequestOrder, id: number): Promise<unknown> {
  const [client, method, payload, options] = prepare(order)
  const controller = new AbortController()
  if (order.aborted) controller.abort()
  cancels.set(id, controller)
  try {
    const { signal } = controller
    return toResult(payload, await client.request(method, payload, { ...options, signal }))
  } finally {
    cancels.delete(id)
  }
}

/** Some at a time, so that requests are on their way whenever the peer leaves. */
async function untilLeaving(order: RequestOrder) {
  const [client, method, payload, options] = prepare(order)
  const failed: string[] = []
  let answered = 0
  const series = async () => {
    while (client.isOpen && !client.isLeaving) {
      try {
        await client.request(method, payload, options)
        answered++
      } catch (error) {
        failed.push((error as IpcError).code)
      }
    }
  }
  await Promise.all(Array.from({ length: 16 }, series))
  return { answered, failed }
}

function requestSync(order: RequestOrder): unknown {
  const [client, method, payload, { lane, timeoutMs }] = prepare(order)
  return toResult(payload, client.requestSync(method, payload, { lane, timeoutMs }))
}

function toResult(sent: unknown, answer: unknown): unknown {
  if (!(answer instanceof Uint8Array)) return answer
  const same = sent instanceof Uint8Array && Buffer.compare(sent, answer) === 0
  return { length: answer.length, same }
}

async function execute(line: string): Promise<void> {
  const { id, do: command } = JSON.parse(line) as { id: number; do: Record<string, unknown> }
  const [name] = Object.keys(command)
  const answer = (outcome: object) => {
    process.stdout.write(JSON.stringify({ id, ...outcome }) + '\n')
  }
  try {
    const run = commands[name as keyof Commands]
    if (run === undefined) throw new Error(`unknown command ${name}`)
    current = id
    answer({ ok: (await run(command[name])) ?? null })
  } catch (error) {
    answer({ error: toFailure(error) })
  }
}

const lines = createInterface({ input: process.stdin })
lines.on('line', (line) => void execute(line))
// The process that started this one has exited.
lines.on('close', () => process.exit())

/** Writes everything that is published on the channels, as deep as there is anything to see. */
function watchChannels(): void {
  const CHANNELS: (keyof DiagnosticsChannels)[] = [
    ...(['start', 'end', 'error'] as const).flatMap((moment) => [
      `ringpost:request:${moment}` as const,
      `ringpost:stream:${moment}` as const,
      `ringpost:handler:${moment}` as const,
    ]),
    ...(['ringpost:event:send', 'ringpost:connection:open', 'ringpost:connection:close'] as const),
  ]
  for (const name of CHANNELS) {
    subscribe(name, (message) => {
      const all = { depth: 8, maxArrayLength: null, maxStringLength: null }
      // The error itself is the handler's own, and holds what that has put there.
      console.error(name, inspect({ ...(message as object), error: undefined }, all))
    })
  }
}
