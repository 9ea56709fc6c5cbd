// The handlers of every test peer, on servers and on connections alike.

import { setTimeout as sleep } from 'node:timers/promises'
import {
  bytes,
  event,
  json,
  messagePack,
  method,
  type Connection,
  type Context,
  type IpcError,
  type Method,
  type Server,
  type ServerOptions,
  type StandardSchema,
} from 'ringpost'
import type { Chosen, Failure } from './wire.mjs'

/** A one-way message that starts with the numbers of its series and of itself. */
export const Note = event<Uint8Array>('note', { codec: bytes })

/** What handlers have recorded. */
export const log = {
  counts: new Map<string, number>(),
  streams: new Map<number, { count: number; last: number; inOrder: boolean }>(),
}
const count = (what: string) => log.counts.set(what, (log.counts.get(what) ?? 0) + 1)

/** The method whose messages are compressed. */
const PACKED = 'packed bytes'
/** The method whose requests are sent again when their session is lost. */
const REPEATED = 'onceMore'

const codecs = { bytes, json, messagePack }
const contracts = new Map<string, Method>()

export function contract(name: string, codec: keyof typeof codecs): Method {
  const key = `${codec} ${name}`
  const known = contracts.get(key)
  if (known !== undefined) return known
  const fresh = method(name, {
    codec: codecs[codec],
    compress: name === PACKED,
    idempotent: name === REPEATED,
  })
  contracts.set(key, fresh)
  return fresh
}

export function toOptions(chosen: Chosen = {}): Omit<ServerOptions, 'handlers'> {
  const { overflow, ...rest } = chosen
  if (overflow === undefined) return rest as ServerOptions
  const all = { critical: overflow, high: overflow, normal: overflow, low: overflow }
  return { ...rest, overflow: all } as ServerOptions
}

export function toFailure(error: unknown): Failure {
  if (!(error instanceof Error)) return { message: String(error), value: error }
  const { name, message, stack, cause } = error
  const { isRemote, code: own, errors } = error as IpcError
  // The code of a DOMException is a number, and an application's may be one.
  const code = error instanceof DOMException ? 'ABORTED' : own && String(own)
  const properties = { ...error, isRemote: undefined } as Record<string, unknown>
  if (typeof own !== 'number') properties.code = undefined
  return {
    ...{ name, message, code, stack, properties, isRemote },
    cause: cause ? toFailure(cause) : undefined,
    errors: errors?.map(toFailure),
  }
}

function toError(failure: Failure): unknown {
  if (failure.value !== undefined) return failure.value
  const { name, message, code, stack, cause, errors, properties } = failure
  const error = new Error(message, cause ? { cause: toError(cause) } : undefined)
  if (errors) Object.assign(error, { errors: errors.map(toError) })
  return Object.assign(error, { name, code, ...(stack ? { stack } : {}) }, properties)
}

const echo = (value: unknown) => value
const positive: StandardSchema<number> = {
  '~standard': {
    validate: (value) =>
      typeof value === 'number' && value > 0
        ? { value }
        : { issues: [{ message: 'has to be above 0' }] },
  },
}

/** Counts the start of a handler and the cancellation of its request. */
async function observed<T>({ signal }: Context, work: Promise<T>): Promise<T> {
  count('started')
  signal.addEventListener('abort', () => count('cancelled'))
  return work
}

export function handleAll(end: Server | Connection): void {
  end.handle(Note, (payload) => {
    const view = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength)
    const stream = view.readUInt32LE(0)
    const seen = log.streams.get(stream) ?? { count: 0, last: -1, inOrder: true }
    const number = view.readUInt32LE(4)
    seen.inOrder &&= number > seen.last
    seen.last = number
    seen.count++
    log.streams.set(stream, seen)
  })
  end.handle('add', ([a, b]: number[]) => a + b)
  end.handle(method<number, number>('positive', { params: positive }), (value) => value)
  end.handle('context', (_, { lane, remainingMs, traceparent }) => ({
    lane,
    remainingMs: Number.isFinite(remainingMs) ? remainingMs : null,
    trace: traceparent?.replaceAll('-', '') ?? null,
  }))
  end.handle('text', (length: number) => '7'.repeat(length))
  end.handle('sleep', (ms: number, context) => {
    const { signal } = context
    return observed(context, sleep(ms, 'slept', { signal }))
  })
  end.handle('later', ([ms, length]: number[], context) =>
    observed(context, sleep(ms, '7'.repeat(length))),
  )
  // Answers only what was sent before: whether the caller has any time left.
  end.handle(REPEATED, (_, context) => {
    const { replayed, remainingMs } = context
    return observed(context, replayed ? Promise.resolve(remainingMs > 0) : new Promise(() => {}))
  })
  end.handle('never', (_, context) => observed(context, new Promise(() => {})))
  end.handle('closeHere', async (_, { connection }) => connection.close())
  handleRequestBack(end)
  handleFailures(end)
  // A name stands for one contract, so each codec has its own name.
  end.handle(contract(PACKED, 'bytes'), echo)
  for (const codec of Object.keys(codecs) as (keyof typeof codecs)[]) {
    end.handle(contract(`echo ${codec}`, codec), echo)
  }
}

interface Back {
  method: string
  value: unknown
  timeoutMs?: number
  waiting?: boolean
}

function handleRequestBack(end: Server | Connection): void {
  end.handle('requestBack', ({ method, value, timeoutMs, waiting }: Back, { connection }) =>
    waiting
      ? connection.requestSync(method, value, { timeoutMs })
      : connection.request(method, value, { timeoutMs }),
  )
}

function handleFailures(end: Server | Connection): void {
  end.handle('fail', (failure: Failure) => {
    throw toError(failure)
  })
  end.handle('throw', () => {
    throw new Error('failed on purpose')
  })
  end.handle('reject', async () => {
    await sleep(1)
    throw Object.assign(new Error('after a while'), { code: 'E_REJECTED' })
  })
  end.handle('late', (ms: number) => {
    const end = performance.now() + ms
    while (performance.now() < end);
    return 'late'
  })
  end.handle(contract('twice', 'bytes'), () => {
    return new Promise((resolve) => {
      resolve(Buffer.from('first'))
      resolve(Buffer.from('second'))
    })
  })
}
