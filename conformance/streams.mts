// Streams: the handlers of every test peer, and the execution of a stream command.

import { setTimeout as sleep } from 'node:timers/promises'
import {
  bytes,
  stream,
  type Client,
  type Connection,
  type IpcError,
  type Server,
  type ServerStream,
  type Stream,
} from 'ringpost'
import { log } from './methods.mjs'
import { pattern, type StreamOrder, type Streamed } from './wire.mjs'

const Count = stream<number, number, never, number>('count')
const Sum = stream<null, never, number, number>('sum')
const Unread = stream<null, never, number, number>('unread')
const Double = stream<null, number, number, number>('double')
const Resumed = stream<number, number, never, number>('resumed', { resumable: true })
const Breaks = stream<null, number>('breaks')
const Endless = stream<null, number>('endless')
/** The params are JSON in bytes: the number of items and the length of each. */
const Bulk = stream<Uint8Array, Uint8Array, never, Uint8Array>('bulk', { codec: bytes })
const contracts: Record<string, Stream> = {
  count: Count,
  sum: Sum,
  unread: Unread,
  double: Double,
  resumed: Resumed,
  breaks: Breaks,
  endless: Endless,
  bulk: Bulk,
  unhandled: stream('unhandled'),
  add: stream('add'),
}

export function handleStreams(end: Server | Connection): void {
  end.handle(Count, function* (count) {
    for (let number = 0; number < count; number++) yield number
    return count
  })
  end.handle(Sum, async (_, items) => {
    let sum = 0
    for await (const number of items) sum += number
    return sum
  })
  // Reads no items and never ends.
  end.handle(Unread, () => new Promise<number>(() => {}))
  end.handle(Double, async (_, items) => {
    let count = 0
    for await (const number of items) {
      if (!items.write(2 * number)) await items.ready()
      count++
    }
    return count
  })
  // Stops half way, unless it was asked for before. Its result is what had been taken then.
  end.handle(Resumed, async (count, items) => {
    for (let number = items.itemsTaken; number < count; number++) {
      if (!items.write(number)) await items.ready()
      if (items.replayed || number + 1 < count / 2) continue
      log.counts.set('half', (log.counts.get('half') ?? 0) + 1)
      await new Promise(() => {})
    }
    return items.itemsTaken
  })
  end.handle(Breaks, async function* () {
    yield* [0, 1, 2]
    await sleep(1)
    throw Object.assign(new Error('failed on purpose'), { code: 'E_BROKEN' })
  })
  end.handle(Endless, async (_, items) => {
    log.counts.set('streaming', (log.counts.get('streaming') ?? 0) + 1)
    try {
      for (let number = 0; ; number++) if (!items.write(number)) await items.ready()
    } finally {
      log.counts.set('streamed', (log.counts.get('streamed') ?? 0) + 1)
    }
  })
  end.handle(Bulk, bulk)
}

async function bulk(params: Uint8Array, items: ServerStream<Uint8Array>): Promise<Uint8Array> {
  const [count, length] = JSON.parse(Buffer.from(params).toString()) as number[]
  const item = pattern(length)
  for (let sent = 0; sent < count; sent++) if (!items.write(item)) await items.ready()
  return Buffer.from('done')
}

/** Opens a stream, reads it as ordered, and reports the outcome. */
export async function runStream(
  client: Client,
  order: StreamOrder,
  signal?: AbortSignal,
): Promise<Streamed> {
  const { method, value = null, up, take = Infinity, pauseMs = 0, length = 0 } = order
  const { lane, timeoutMs, window: windowBytes } = order
  const contract = contracts[method]
  const isBulk = contract === Bulk
  const params: unknown = isBulk ? Buffer.from(JSON.stringify(value)) : value
  const items = client.stream(contract, params, { lane, timeoutMs, windowBytes, signal })
  const uploaded = up === undefined ? undefined : upload(items, up)
  // A failure also ends the reading below, which reports it.
  uploaded?.catch(() => {})
  const expected = isBulk ? pattern(length) : undefined
  const factor = contract === Double ? 2 : 1
  const found: Streamed = { items: 0, inOrder: true, result: null, failure: null }
  try {
    for await (const item of items) {
      found.inOrder &&= expected
        ? Buffer.compare(item, expected) === 0
        : item === found.items * factor
      if (++found.items === take) break
      if (found.items === 1 && pauseMs > 0) await sleep(pauseMs)
    }
    await uploaded
    const result: unknown = await items.result
    found.result = isBulk ? Buffer.from(result as Uint8Array).toString() : result
  } catch (error) {
    found.failure = (error as IpcError).code ?? String(error)
  }
  return found
}

async function upload(items: ReturnType<Client['stream']>, count: number): Promise<void> {
  for (let number = 0; number < count; number++) if (!items.write(number)) await items.ready()
  items.end()
}
