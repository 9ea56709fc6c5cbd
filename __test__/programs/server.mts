// A server that has all contracts, under the name and with the options it is started with.

import { readdirSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { configure, createServer, IpcError, type Connection, type Context } from 'ringpost'
import * as contracts from '../helpers/contracts.mjs'
import type { Back, Failure } from '../helpers/contracts.mjs'
import type { Settings } from '../helpers/program.mjs'

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
server.handle(contracts.Never, (label, { signal }) => {
  const note = () => abandoned.set(label, (signal.reason as IpcError).code)
  signal.addEventListener('abort', note)
  return new Promise<never>(() => {})
})
server.handle(contracts.Abandoned, (label) => abandoned.get(label) ?? null)
server.handle(contracts.Wait, (ms) => setTimeout(ms, ms))
server.handle(contracts.Look, (_, { lane, remainingMs, traceparent, peer }) => ({
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

function toError({ cause, name, message, code }: Failure): Error {
  const error = new Error(message, cause && { cause: toError(cause) })
  error.name = name
  return code === undefined ? error : Object.assign(error, { code })
}

// ---- asking and telling the client ----

server.handle(contracts.AskBack, async (back, { connection }) => {
  try {
    return await ask(connection, back)
  } catch (error) {
    return (error as IpcError).code
  }
})
server.handle(contracts.TellBack, ({ name, payload, count }, { connection }) => {
  for (let sent = 0; sent < count; sent++) connection.notify(name, payload)
})

function ask(connection: Connection, { name, payload, sync, timeoutMs }: Back): unknown {
  const options = timeoutMs === undefined ? {} : { timeoutMs }
  return sync
    ? connection.requestSync(name, payload, options)
    : connection.request(name, payload, options)
}

// ---- what has come ----

const ticks = new Map<string, number[]>()
const ticked = new WeakMap<Connection, number>()

server.handle(contracts.Tick, ([label, step]) => {
  const row = ticks.get(label)
  if (row) row.push(step)
  else ticks.set(label, [step])
})
server.handle(contracts.Ticks, (label) => ticks.get(label) ?? [])
server.handle(contracts.TickBytes, (payload, { connection }: Context) => {
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
  return 'nobody hears this'
})
server.handle(contracts.End, (how) => {
  if (how === 'kill') process.kill(process.pid, 'SIGKILL')
  if (how === 'exit') process.exit(3)
  setImmediate(() => {
    throw new Error('uncaught, as it should be')
  })
  return new Promise<never>(() => {})
})

process.on('disconnect', () => process.exit())
process.send!('ready')
