// A service of one machine, as clients of another one find it.

import { setTimeout as delay } from 'node:timers/promises'
import ava from 'ava'
import { IpcError } from 'ringpost'
import * as contracts from './helpers/contracts.mjs'
import { answered, isLong, job, Machine, Nats, until } from './helpers/machines.mjs'

const { Alarm, Blob, Count, Echo, Fail, Look, Mirror, Note, Notes, Odd, Secret } = contracts
const { Shout, Text, Wait, Waited, Zeros } = contracts

/** Serial, so that they do not compete for the processors. */
const test = ava.serial

const nats = await Nats.start('max_payload: 65536\n')
const [home, away] = [new Machine('home'), new Machine('away')]
await home.server()
const exporter = await home.bridge(job('exportService', 'Full', nats))
const importer = await away.bridge(
  // What ends at both ends does not do so for want of heartbeats.
  job('importService', 'Full', nats, { heartbeatMs: 60_000, windowBytes: 8_192 }),
)
const client = await away.client()
test.after.always(() => client.close())

test('values of every codec arrive as they are', async (t) => {
  const value = { big: 2n ** 60n, at: new Date(5), list: [1.5, null, 'ä'], raw: Uint8Array.of(1) }
  t.deepEqual(await client.request(Echo, value), value)
  t.is(await client.request(Echo, undefined), null)
  t.deepEqual(await client.request(Text, { text: '"' }), { text: '"' })
  t.is(await client.request(Odd, 41), 42)
  for (const length of [0, 1, 1_000, 65_000]) {
    const payload = Buffer.alloc(length, 'payload')
    t.is(Buffer.compare(await client.request(Blob, payload), payload), 0, `${length}`)
  }
})

test('many requests at a time have their own results', async (t) => {
  const all = Array.from({ length: isLong ? 50_000 : 2_000 }, (_, number) => number)
  // No more than the two bridges take.
  for (let at = 0; at < all.length; at += 2_000) {
    const some = all.slice(at, at + 2_000)
    t.deepEqual(await Promise.all(some.map((number) => client.request(Echo, number))), some)
  }
  await until('no call is left', async () => (await importer.stats()).calls === 0)
  await until('none is left there', async () => (await exporter.stats()).calls === 0)
})

test('an error of the handler has its name, message, code, cause and data', async (t) => {
  const error = await t.throwsAsync<IpcError>(client.request(Fail, 'out of paper'))
  t.like(error, { name: 'TypeError', message: 'out of paper', code: 'E_SITE', isRemote: true })
  t.like(error.cause, { name: 'RangeError', message: 'too low', code: 'E_LOW' })
  t.deepEqual((error as unknown as { data: unknown }).data, { at: [1, 2] })
  t.regex(error.stack!, /\[remote\].*server\.mjs/)
})

test('what is not offered, and what is called as something else, is refused', async (t) => {
  await t.throwsAsync(client.request(Secret), { code: 'ERR_UNKNOWN_METHOD' })
  await t.throwsAsync(client.request('count', 3), { code: 'ERR_INVALID_ARGUMENT' })
})

test('deadline, lane and trace reach the handler', async (t) => {
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
  const options = { timeoutMs: 20_000, lane: 'high', traceparent } as const
  const seen = await client.request(Look, undefined, options)
  t.like(seen, { lane: 'high', traceparent })
  // Not the default of any of the three connections on the way.
  t.true(seen.remainingMs! > 0 && seen.remainingMs! < 25_000, `${seen.remainingMs}`)
  const without = await client.request(Look, undefined, { timeoutMs: Infinity })
  t.like(without, { remainingMs: null, traceparent: null, lane: 'normal' })
})

test('a request that is cancelled, or has no time left, ends at both ends', async (t) => {
  const started = (label: string) =>
    until(`${label} has started`, () => client.request(Waited, label))
  const controller = new AbortController()
  const wait = (label: string) => ({ label, ms: 120_000 })
  const cancelled = client.request(Wait, wait('cancelled'), { signal: controller.signal })
  await started('cancelled')
  controller.abort(new Error('changed my mind'))
  await t.throwsAsync(cancelled, { message: 'changed my mind' })
  const late = client.request(Wait, wait('late'), { timeoutMs: 500 })
  await t.throwsAsync(late, { code: 'ERR_TIMEOUT' })
  for (const label of ['cancelled', 'late']) {
    const abandoned = async () => (await client.request(Waited, label)) === 'abandoned'
    await until(`${label} is abandoned there`, abandoned)
  }
  // At once: before the other side has said where it listens.
  const quick = new AbortController()
  const never = client.request(Wait, wait('quick'), { signal: quick.signal })
  quick.abort()
  await t.throwsAsync(never, { any: true })
  await until('no call is left', async () => (await exporter.stats()).calls === 0)
  await until('none is left here', async () => (await importer.stats()).calls === 0)
})

test('a request that takes longer than it may be silent is answered', async (t) => {
  const caller = new Machine('caller')
  await caller.bridge(job('importService', 'Site', nats, { heartbeatMs: 200 }))
  const client = await caller.client()
  // On a machine that is busy, a heartbeat may be late as well.
  const ask = () => client.request(Wait, { label: 'long', ms: 1_500 }).catch(() => undefined)
  t.is(await until('it is answered', ask), 'long')
  await client.close()
})

test('a payload above the limit of the NATS server is refused with both sizes', async (t) => {
  const message = /takes 70,\d\d\d bytes, and the NATS server takes 65,536 \(max_payload\)/
  const long = client.request(Blob, new Uint8Array(70_000))
  await t.throwsAsync(long, { code: 'ERR_TOO_LARGE', message })
  await t.throwsAsync(client.request(Zeros, 70_000), { code: 'ERR_TOO_LARGE', message })
  t.is(await client.request(Echo, 1), 1)
})

test('items of a stream arrive in order, at the speed of their reader', async (t) => {
  const stream = client.stream(Count, 5_000)
  const items: number[] = []
  for await (const item of stream) items.push(item)
  t.deepEqual(items, Array.from({ length: 5_000 }, (_, at) => at + 1))
  t.is(await stream.result, 12_502_500)
  const empty = client.stream(Count, 0)
  for await (const item of empty) t.fail(`${item}`)
  t.is(await empty.result, 0)
})

test('a stream goes in both directions, and ends with what its handler has thrown', async (t) => {
  const send = async (count: number, params: { fail?: string }) => {
    const stream = client.stream(Mirror, params)
    const upload = async () => {
      for (let at = 0; at < count; at++) {
        if (!stream.write(Buffer.alloc(1_000, at))) await stream.ready()
      }
      stream.end()
    }
    const uploaded = upload()
    const items: number[] = []
    const reading = (async () => {
      for await (const item of stream) items.push(item[999])
    })().catch(() => {})
    const result = stream.result
    await Promise.allSettled([uploaded, reading, result])
    return { items, result }
  }
  const { items, result } = await send(300, {})
  t.is(await result, 300)
  t.deepEqual(items, Array.from({ length: 300 }, (_, at) => at % 256))
  const failed = await send(20, { fail: 'enough' })
  await t.throwsAsync(failed.result, { message: 'enough' })
  t.is(failed.items.length, 20)
})

test('a stream that was answered is read to its end, however slowly', async (t) => {
  const prefix = 'slow'
  const exporter = await home.bridge(job('exportService', 'Site', nats, { prefix }))
  const caller = new Machine('caller')
  await caller.bridge(job('importService', 'Site', nats, { prefix, heartbeatMs: 100 }))
  const client = await caller.client()
  const read = async () => {
    const stream = await answered(client, exporter)
    // Longer than the other side may be silent.
    await delay(1_000)
    const items: number[] = []
    for await (const item of stream) items.push(item[0])
    return [items, await stream.result]
  }
  // On a machine that is busy, a heartbeat may be late before it is answered.
  const found = await until('it is read', () => read().catch(() => undefined))
  t.deepEqual(found, [Array.from({ length: 12 }, (_, at) => at), 12])
  await client.close()
})

test('a stream that is left early, or has an item above the limit, ends at both ends', async (t) => {
  const stream = client.stream(Count, 1_000_000)
  const result = t.throwsAsync(stream.result, { any: true })
  for await (const item of stream) if (item === 100) break
  await result
  const long = client.stream(Mirror, {})
  long.write(new Uint8Array(100_000))
  await t.throwsAsync(long.result, { code: 'ERR_TOO_LARGE' })
  await until('no call is left', async () => (await exporter.stats()).calls === 0)
  await until('none is left here', async () => (await importer.stats()).calls === 0)
})

test('events reach the server, and those of the server its clients here', async (t) => {
  for (const text of ['one', 'two', 'three']) client.notify(Note, text)
  await until('three notes', async () => (await client.request(Notes)).length === 3)
  t.deepEqual(await client.request(Notes), ['one', 'two', 'three'])
  const alarms: string[] = []
  client.on(Alarm, (text) => alarms.push(text))
  await client.request(Shout, 'fire')
  await until('an alarm', () => alarms.length === 1)
  t.deepEqual(alarms, ['fire'])
})

test('two exporters share the requests, and all of them go on when one is killed', async (t) => {
  const second = new Machine('second')
  const [prefix, server] = ['group', await second.server()]
  const first = await home.bridge(job('exportService', 'Site', nats, { prefix }))
  const other = await second.bridge(job('exportService', 'Site', nats, { prefix }))
  const caller = new Machine('caller')
  await caller.bridge(job('importService', 'Site', nats, { prefix, heartbeatMs: 500 }))
  const client = await caller.client()
  const ask = async () => {
    const all = Array.from({ length: 100 }, () => client.request(Look))
    return new Set((await Promise.all(all)).map(({ pid }) => pid)).size
  }
  t.is(await ask(), 2)
  // A server that is gone: its bridge leaves the group.
  await server.kill()
  await until('all requests are answered by one', async () => (await ask().catch(() => 0)) === 1)
  await second.server()
  await until('both answer again', async () => (await ask()) === 2)
  await other.kill()
  await until('all requests are answered by one', async () => (await ask().catch(() => 0)) === 1)
  await first.kill()
  // Until the NATS server has noticed it, a request may still be sent to the one that is gone.
  const refusal = () => client.request(Look).then(() => '', (error: IpcError) => error.message)
  await until('nobody is there', async () => /no exporter listens/.test(await refusal()))
  await t.throwsAsync(client.request(Look), { code: 'ERR_NO_SERVER' })
  await client.close()
})

test('a bridge whose exporter is killed tells at once, also of what takes long', async (t) => {
  const prefix = 'killed'
  const one = await home.bridge(job('exportService', 'Site', nats, { prefix }))
  const caller = new Machine('caller')
  await caller.bridge(job('importService', 'Site', nats, { prefix, heartbeatMs: 200 }))
  const client = await caller.client()
  const lasting = client.request(Wait, { label: 'killed', ms: 120_000 }, { timeoutMs: Infinity })
  const stream = client.stream(Mirror, {})
  await until('it has started', () => client.request(Waited, 'killed'))
  const outcomes = Promise.all([
    t.throwsAsync(lasting, { code: 'ERR_PEER_LOST' }),
    t.throwsAsync(stream.result, { code: 'ERR_PEER_LOST' }),
  ])
  await one.kill()
  await outcomes
  await client.close()
})

test('more calls than there may be are refused, and what the server does not know as well', async (t) => {
  const prefix = 'few'
  await home.bridge(job('exportService', 'Site', nats, { prefix, callsMax: 2 }))
  const caller = new Machine('caller')
  const importer = await caller.bridge(job('importService', 'Full', nats, { prefix }))
  const client = await caller.client()
  const controller = new AbortController()
  const { signal } = controller
  const waits = ['a', 'b'].map((label) =>
    client.request(Wait, { label, ms: 120_000 }, { signal }).catch(() => {}),
  )
  const isFull = async () => {
    const outcome = await client.request(Echo, 1).catch((error: IpcError) => error.code)
    return outcome === 'ERR_FULL'
  }
  await until('it is full', isFull)
  controller.abort()
  await Promise.all(waits)
  await until('it is not full any more', async () => !(await isFull()))
  // It is offered here and exported nowhere.
  await t.throwsAsync(client.request(Notes), { code: 'ERR_NO_SERVER' })
  client.notify(Note, 'nobody takes it')
  await until('it is told', () => importer.dropped.unclaimed === 1)
  await client.close()
})
