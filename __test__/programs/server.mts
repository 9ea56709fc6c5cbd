// A server that handles all contracts, with the name and options passed as its argument.

import { readdirSync, writeFileSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { configure, createServer, IpcError, type Connection, type Context } from 'ringpost'
import * as contracts from '../helpers/contracts.mjs'
import type { Back, Failure } from '../helpers/contracts.mjs'
import type { Settings } from '../helpers/program.mjs'
import * as streams from '../helpers/streams.mjs'

const settings = JSON.parse(process.argv[2]) as Settings
if (settings.waiting) configure(settings.waiting)
const server = await createServer(settings.name, settings.server)

// ---- answers ----

const abandoned = new Map<string, string>()

server.handle(contracts.Echo, (value) => value)
server.handle(contracts.EchoBytes, (value) => value)
server.handle(contracts.EchoJson, (value) => value)
server.handle(contracts.Tally, (value) => value * 2)
server.handle(contracts.Unchecked, (value) => value)
server.handle(contracts.Positive, (value) => value)
server.handle(contracts.Fail, (failure) => {
  throw toError(failure)
})
server.handle(contracts.FailOddly, (what) => {
  throw what
})
const begun = new Set<string>()
server.handle(contracts.HasStarted, (label) => begun.has(label))
server.handle(contracts.Never, (label, { signal }) => {
  begun.add(label)
  const note = () => abandoned.set(label, (signal.reason as IpcError).code)
  signal.addEventListener('abort', note)
  return new Promise<never>(() => {})
})
server.handle(contracts.Abandoned, (label) => abandoned.get(label) ?? null)
server.handle(contracts.Wait, (ms) => setTimeout(ms, ms))
server.handle(contracts.Inspect, (_, { lane, remainingMs, traceparent, peer }) => ({
  lane,
  remainingMs,
  traceparent: traceparent ?? null,
  peer,
}))
server.handle(contracts.Descriptors, () => readdirSync('/proc/self/fd').length)

let lastMemory: ArrayBufferLike | undefined
server.handle(
  contracts.Borrowed,
  (payload) => {
    const isSame = payload.buffer === lastMemory
    lastMemory = payload.buffer
    return Uint8Array.of(isSame ? 1 : 0, ...payload)
  },
  { borrowed: true },
)

server.handle(contracts.Inherit, ({ name, timeoutMs }, context) =>
  context.connection.request(name, undefined, { timeoutMs, parent: context }),
)
server.handle(contracts.SendTicks, ({ label, count }, { connection }) => {
  for (let step = 0; step < count; step++) connection.notify(contracts.Tick, [label, step])
})

const busy = new Map<string, contracts.Seen>()
server.handle(contracts.Busy, (label, context) => {
  const { signal } = context
  const before = context.cancelled
  writeFileSync(contracts.busyFile(label), '')
  const end = performance.now() + 30_000
  while (!context.cancelled && performance.now() < end);
  busy.set(label, { before, after: context.cancelled, turned: signal.aborted })
})
server.handle(contracts.BusyFor, (label) => busy.get(label) ?? null)

// ---- streams ----

server.handle(streams.Numbers, async function* ([label, count], { signal }) {
  signal.addEventListener('abort', () => abandoned.set(label, (signal.reason as IpcError).code))
  try {
    for (let number = 0; number < count; number++) yield number
    return 'whole'
  } finally {
    if (!abandoned.has(label)) abandoned.set(label, 'ended')
  }
})
server.handle(streams.Echoed, async (_, items) => {
  let count = 0
  for await (const item of items) {
    if (!items.write(item)) await items.ready()
    count++
  }
  return count
})
server.handle(streams.Chunks, async (params, items) => {
  const [count, length] = JSON.parse(Buffer.from(params).toString()) as number[]
  const chunk = new Uint8Array(length).fill(7)
  for (let sent = 0; sent < count; sent++) if (!items.write(chunk)) await items.ready()
  return Buffer.from('whole')
})
server.handle(streams.Pushy, (_, items) => {
  try {
    for (;;) items.write(new Uint8Array(100))
  } catch (error) {
    return (error as IpcError).code
  }
})
server.handle(streams.Checked, async (values, items) => {
  for (const value of values) items.write(value)
  for await (const value of items) items.write(value)
})
let tokenSeen = () => {}
server.handle(streams.TokenSeen, () => tokenSeen())
server.handle(streams.Tokens, async function* () {
  for (const token of ['one', 'by', 'one']) {
    const seen = new Promise<void>((resolve) => (tokenSeen = resolve))
    yield token
    await seen
  }
})

function toError({ cause, name, message, code }: Failure): Error {
  const error = new Error(message, cause && { cause: toError(cause) })
  error.name = name
  return code === undefined ? error : Object.assign(error, { code })
}

// ---- requests and events to the client ----

server.handle(contracts.RequestBack, async (back, { connection }) => {
  try {
    return await ask(connection, back)
  } catch (error) {
    return (error as IpcError).code
  }
})
server.handle(contracts.NotifyBack, ({ name, payload, count }, { connection }) => {
  for (let sent = 0; sent < count; sent++) connection.notify(name, payload)
})

function ask(connection: Connection, { name, payload, sync, timeoutMs }: Back): unknown {
  const options = timeoutMs === undefined ? {} : { timeoutMs }
  return sync
    ? connection.requestSync(name, payload, options)
    : connection.request(name, payload, options)
}

// ---- received messages ----

const ticks = new Map<string, number[]>()
const ticked = new WeakMap<Connection, number>()

server.handle(contracts.Tick, ([label, step]) => {
  const row = ticks.get(label)
  if (row) row.push(step)
  else ticks.set(label, [step])
})
// Delayed, because answers are written at the end of the turn.
server.handle(contracts.Note, (file) => void setTimeout(20).then(() => writeFileSync(file, '')))
server.handle(contracts.PeerDropped, (_, { connection }) => connection.stats().peerDropped)
server.handle(contracts.Blob, (payload) => payload)
let packedTicked = 0
server.handle(contracts.PackedTick, (payload) => (packedTicked += payload.length))
server.handle('packed-ticked', () => packedTicked)
server.handle(contracts.Ticks, (label) => ticks.get(label) ?? [])
let tickedLast = 0
server.handle(contracts.TickedLast, () => tickedLast)
server.handle(contracts.TickBytes, (payload, { connection }: Context) => {
  tickedLast = payload.at(-1) ?? 0
  ticked.set(connection, (ticked.get(connection) ?? 0) + payload.length)
})
server.handle(contracts.TickedBytes, (_, { connection }) => ticked.get(connection) ?? 0)

// ---- ends ----

server.handle(contracts.Block, (ms) => {
  const end = performance.now() + ms
  while (performance.now() < end);
})
server.handle(contracts.CloseHere, async (_, { connection }) => {
  await connection.close()
  return 'never delivered'
})
server.handle(contracts.End, (how) => {
  if (how === 'kill') process.kill(process.pid, 'SIGKILL')
  if (how === 'exit') process.exit(3)
  setImmediate(() => {
    throw new Error('uncaught on purpose')
  })
  return new Promise<never>(() => {})
})

process.on('disconnect', () => process.exit())
process.send!('ready')
