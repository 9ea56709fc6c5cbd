// Waits, signals and listeners: what was given up, aborted or taken back leaves nothing behind.

import { EventEmitter, getEventListeners, on, once } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import ava from 'ava'
import {
  connect,
  createServer,
  event,
  stream,
  type Connection,
  type Context,
  type IpcError,
  type Server,
} from 'ringpost'
import { Program, until } from './helpers/program.mjs'

const test = ava.serial
const Said = event<any>('said')
const Items = stream<null, unknown, string, null>('items')
const listening = (signal: AbortSignal) => getEventListeners(signal, 'abort').length

setFlagsFromString('--expose-gc')
const gc = runInNewContext('gc') as () => void

let names = 0

interface Met extends AsyncDisposable {
  server: Server
  client: Connection
  /** The server's end of it. */
  connection: Connection
}

/** A server and a client in this thread. */
async function meet(): Promise<Met> {
  const server = await createServer(`waits-${++names}`)
  const client = await connect(server.name, { overflow: { normal: { waitMs: Infinity } } })
  await until('it has come', () => server.connections.size === 1)
  const [connection] = server.connections
  return {
    ...{ server, client, connection },
    async [Symbol.asyncDispose]() {
      await Promise.all([client.close(), server.close()])
    },
  }
}

/** Writes until there is no room, and is never read. */
function fillUp(client: Connection) {
  const items = client.stream(Items, null, { windowBytes: 4096 })
  items.result.catch(() => {})
  while (items.write('x'.repeat(500)));
  return items
}

// ---- waits ----

test('calls with an aborted signal reject with its reason and do nothing else', async (t) => {
  await using met = await meet()
  const { server, client } = met
  server.handle(Items, () => new Promise(() => {}))
  const reason = new Error('given up before')
  const given = { signal: AbortSignal.abort(reason) }
  const items = fillUp(client)
  for (let at = 0; at < 100; at++) client.notify('said', 'x'.repeat(50_000))
  for (const promise of [
    client.drained(given),
    items.ready(given),
    client.request('any', null, given),
    connect(server.name, given),
    client.events(Said, given).next(),
  ]) {
    t.is(await t.throwsAsync(promise), reason)
  }
  t.is(t.throws(() => client.stream(Items, null, given)), reason)
  // Their outcomes arrive now, and no listener is left.
  await client.close()
  await setTimeout(10)
  t.is(listening(given.signal), 0)
})

test('an aborted wait retains neither memory nor the process', async (t) => {
  const server = new Program('edge', { verb: 'answers', name: 'given-up' })
  await server.report()
  t.teardown(() => server.kill())
  const program = new Program('edge', { verb: 'gives-up', name: 'given-up' })
  t.is(await program.report(), 'connected')
  server.stop()
  program.send('go')
  t.deepEqual(await program.report(), ['ERR_TIMEOUT', 'mine'])
  t.is(await Promise.race([program.end(), setTimeout(8000, 'it stays')]), 0)
})

test('thousands of waits leave nothing in memory', async (t) => {
  await using met = await meet()
  const { server, client } = met
  server.handle(Items, () => new Promise(() => {}))
  const items = fillUp(client)
  const wait = async (times: number) => {
    for (let at = 0; at < times; at++) {
      await items.ready({ timeoutMs: 1e-3 }).catch(() => {})
      const controller = new AbortController()
      const waiting = items.ready({ signal: controller.signal, timeoutMs: 1e9 }).catch(() => {})
      controller.abort()
      await waiting
    }
  }
  await wait(300)
  // What is compiled meanwhile stays, too, but not each time.
  const rounds: number[] = []
  for (let round = 0; round < 3; round++) {
    gc()
    const before = process.memoryUsage().heapUsed
    await wait(3000)
    gc()
    rounds.push((process.memoryUsage().heapUsed - before) / 3000)
  }
  t.true(Math.min(...rounds) < 100, `${rounds} bytes each`)
})

test('timeouts longer than a Node timer can have are kept', async (t) => {
  await using met = await meet()
  const { server, client } = met
  server.handle(Items, () => new Promise(() => {}))
  const warnings: Error[] = []
  const note = (warning: Error) => warnings.push(warning)
  process.on('warning', note)
  const items = fillUp(client)
  const waits = [2 ** 31, 2 ** 32 + 1, 1e12, 1e300].map((timeoutMs) => items.ready({ timeoutMs }))
  const first = Promise.race(waits.map((wait) => wait.catch((error: IpcError) => error.code)))
  t.is(await Promise.race([first, setTimeout(100, 'they wait')]), 'they wait')
  t.is((await connect(server.name, { connectTimeoutMs: 1e300 })).isOpen, true)
  items.cancel()
  t.is(await first, 'ERR_CANCELLED')
  process.off('warning', note)
  t.deepEqual(warnings, [])
  const patient = await createServer(`${server.name}-patient`, { helloTimeoutMs: Infinity })
  t.true((await connect(patient.name)).isOpen)
  await patient.close()
})

test('alarms ring in order, and cleared ones do not ring', async (t) => {
  await using met = await meet()
  const { server, client } = met
  server.handle(Items, () => new Promise(() => {}))
  const items = fillUp(client)
  const order: number[] = []
  const controller = new AbortController()
  const { signal } = controller
  const waits = [50, 10, 40, 20, 60, 30].map((timeoutMs) =>
    items.ready({ timeoutMs, signal: timeoutMs === 40 ? signal : undefined }).catch((error: IpcError) => {
      if (error.code === 'ERR_TIMEOUT') order.push(timeoutMs)
    }),
  )
  controller.abort()
  await Promise.all(waits)
  t.deepEqual(order, [10, 20, 30, 50, 60])
})

test('replacing clocks and timers, as test frameworks do, has no effect', async (t) => {
  const program = new Program('edge', { verb: 'faked', name: 'faked' })
  const seen = await program.report()
  t.deepEqual(seen, { outcomes: ['ERR_TIMEOUT', 'ERR_TIMEOUT'], left: [true, true] })
})

test('functions that return a promise never throw', async (t) => {
  await using met = await meet()
  const { server, client } = met
  server.handle(Items, () => new Promise(() => {}))
  const items = client.stream(Items, null)
  items.result.catch(() => {})
  const wrong = [7, null, { code: 'no contract' }] as never[]
  const calls: (() => Promise<unknown>)[] = [
    ...wrong.map((method) => () => client.request(method)),
    ...wrong.map((event) => () => client.send(event)),
    () => client.request('any', null, { timeoutMs: -1 }),
    () => client.request('any', null, { misspelt: 1 } as never),
    () => client.request('any', () => {}),
    () => client.drained({ timeoutMs: 'soon' as never }),
    () => client.send('any', null, { lane: 'fast' as never }),
    () => items.ready({ signal: 'no signal' as never }),
    () => items.forEach(null as never),
    () => items.forEach(() => {}, { borrowed: 1 as never }),
    () => connect(7 as never),
    () => createServer('any', { misspelt: 1 } as never),
    () => connect('any', { handlers: 'none' as never }),
  ]
  for (const call of calls) {
    let promise: Promise<unknown> | undefined
    t.notThrows(() => (promise = call()), call.toString())
    await t.throwsAsync(promise!, undefined, call.toString())
  }
})

// ---- signals ----

test('a signal has one listener however many calls use it', async (t) => {
  await using met = await meet()
  const { server, client } = met
  const warnings: Error[] = []
  const note = (warning: Error) => warnings.push(warning)
  process.on('warning', note)
  let free!: () => void
  const freed = new Promise<void>((resolve) => (free = resolve))
  server.handle('slow', () => freed)
  server.handle(Items, () => new Promise(() => {}))
  const controller = new AbortController()
  const { signal } = controller
  const asked = Array.from({ length: 30 }, () => client.request('slow', null, { signal }))
  const items = Array.from({ length: 20 }, () => client.stream(Items, null, { signal }))
  const results = items.map((one) => t.throwsAsync(one.result, { message: 'enough' }))
  const loops = Array.from({ length: 20 }, () => client.events(Said, { signal }))
  client.on(Said, () => {}, { signal })
  const full = fillUp(client)
  const ready = t.throwsAsync(full.ready({ signal }), { message: 'enough' })
  t.is(listening(signal), 1)
  free()
  await Promise.all(asked)
  t.is(listening(signal), 1)
  controller.abort(new Error('enough'))
  await Promise.all([...results, ready])
  for (const loop of loops) await t.throwsAsync(loop.next(), { message: 'enough' })
  t.is(listening(signal), 0)
  await setTimeout(0)
  process.off('warning', note)
  t.deepEqual(warnings, [])
})

test('a call that has ended releases its signal', async (t) => {
  await using met = await meet()
  const { server, client } = met
  const { signal } = new AbortController()
  server.handle('ask', () => 1)
  server.handle(Items, async function* () {
    yield 1
  })
  await client.request('ask', null, { signal })
  await client.stream(Items, null, { signal })[Symbol.asyncIterator]().return!()
  await client.events(Said, { signal }).return!()
  for (let at = 0; at < 20; at++) {
    const closed = await connect(server.name, { signal })
    closed.on(Said, () => {}, { signal })
    closed.handle('ask', () => 1)
    closed.once('said', () => {}, { signal })
    const loop = closed.events(Said, { signal })
    await closed.close()
    // Nor does what comes too late.
    closed.on(Said, () => {}, { signal })
    t.is(closed.listenerCount(Said), 0)
    t.true((await loop.next()).done)
  }
  await until('all is over', () => listening(signal) === 0)
  const own = await createServer(`${server.name}-own`)
  own.on(Said, () => {}, { signal })
  await own.close()
  t.is(listening(signal), 0)
})

test('a request ends with its parent or its own signal, and reacts to neither afterwards', async (t) => {
  await using met = await meet()
  const { server, client, connection } = met
  const parents: Context[] = []
  server.handle('all', (_, context) => {
    parents.push(context)
    return new Promise(() => {})
  })
  client.handle('back', () => new Promise(() => {}))
  client.handle('at-once', () => 1)
  const cancelled = new AbortController()
  const asked = client.request('all', null, { signal: cancelled.signal }).catch(() => {})
  await until('it is worked on', () => parents.length === 1)
  const [parent] = parents
  const controller = new AbortController()
  const { signal } = controller
  // Signals made of several are kept by those they are made of, for as long as those live.
  const { any } = AbortSignal
  AbortSignal.any = () => t.fail()
  t.teardown(() => (AbortSignal.any = any))
  await connection.request('at-once', null, { parent, signal })
  t.deepEqual([listening(parent.signal), listening(signal)], [0, 0])
  const first = connection.request('back', null, { parent, signal })
  const second = connection.request('back', null, { parent })
  t.deepEqual([listening(parent.signal), listening(signal)], [1, 1])
  controller.abort(new Error('mine'))
  await t.throwsAsync(first, { message: 'mine' })
  cancelled.abort()
  await asked
  await t.throwsAsync(second, { code: 'ERR_CANCELLED' })
  t.deepEqual([listening(parent.signal), listening(signal)], [0, 0])
  await t.throwsAsync(connection.request('back', null, { parent }), { code: 'ERR_CANCELLED' })
})

test('a cancel and a rejection in one turn cause no error event', async (t) => {
  await using met = await meet()
  const { client, server } = met
  server.handle(Items, () => new Promise(() => {}))
  const errors: Error[] = []
  client.on('error', (error) => errors.push(error))
  // More waits than is allowed, so the engine refuses; and no caller waits for it any more.
  const name = `${server.name}-narrow`
  const narrow = await createServer(name)
  const full = await connect(name, { backlogMax: 0, overflow: { normal: 'fail' } })
  full.on('error', (error) => errors.push(error))
  const outcomes: Promise<unknown>[] = []
  for (let at = 0; at < 100; at++) {
    const controller = new AbortController()
    const { signal } = controller
    outcomes.push(full.request('any', 'x'.repeat(100_000), { signal }).catch(() => {}))
    controller.abort()
  }
  await Promise.all(outcomes)
  await setTimeout(10)
  await Promise.all([full.close(), narrow.close()])
  t.deepEqual(errors, [])
})

// ---- ends ----

test('closed clients and servers do not keep the process alive', async (t) => {
  await using met = await meet()
  const program = new Program('edge', { verb: 'refs-after-close', name: met.server.name })
  t.is(await Promise.race([program.end(), setTimeout(8000, 'it stays')]), 0)
})

test('a loop over events of a closed connection ends at once', async (t) => {
  const { server, client } = await meet()
  await client.close()
  await server.close()
  for (const endpoint of [client, server]) {
    for await (const event of endpoint.events(Said)) t.fail(String(event))
    t.true((await endpoint.events(Said, { signal: new AbortController().signal }).next()).done)
  }
})

test('a loop that is always a few events behind releases those it has received', async (t) => {
  await using met = await meet()
  const { server, client } = met
  const loop = client.events<{ at: number }>(Said)
  const tell = (at: number) => server.notify(Said, { at, pad: new Uint8Array(10_000) })
  for (let at = 0; at < 3; at++) tell(at)
  const taken: WeakRef<object>[] = []
  for (let at = 0; at < 500; at++) {
    taken.push(new WeakRef((await loop.next()).value as object))
    tell(at + 3)
    await new Promise(setImmediate)
  }
  await setTimeout(10)
  gc()
  const left = taken.filter((ref) => ref.deref() !== undefined).length
  t.true(left < 20, `${left} are left`)
  await loop.return!()
})

// ---- two that ask each other ----

test('synchronous requests in both directions over two connections do not deadlock', async (t) => {
  const server = new Program('edge', { verb: 'calls-back', name: 'calls-back' })
  await server.report()
  t.teardown(() => server.kill())
  const [one, other] = [await connect('calls-back'), await connect('calls-back')]
  other.handle('back', (value) => value)
  const start = performance.now()
  let outcome
  try {
    outcome = one.requestSync<null, { code?: string }>('cross', null, { timeoutMs: 10_000 })
  } catch (error) {
    outcome = error as IpcError
  }
  t.is(outcome.code, 'ERR_WOULD_DEADLOCK')
  t.true(performance.now() - start < 4000)
  // Where one of the two does not block, neither gets that error.
  t.deepEqual(await one.request('cross'), { answer: 1 })
  await Promise.all([one.close(), other.close()])
})

// ---- listeners ----

test('listeners of contracts are added and removed by every emitter method', async (t) => {
  await using met = await meet()
  const { server, client } = met
  let told = 0
  const tell = async () => {
    const at = ++told
    const heard = once(client, 'heard')
    server.notify(Said, at)
    server.notify('heard')
    await heard
  }
  const heard: string[] = []
  const listeners = ['a', 'b', 'c'].map((name) => () => void heard.push(name))
  const [a, b, c] = listeners
  client.on(Said, a)
  client.addListener(Said, b)
  client.prependListener(Said, c)
  client.prependOnceListener(Said, a)
  t.is(client.listenerCount(Said), 4)
  t.is(client.listenerCount(Said, a), 2)
  t.deepEqual(client.listeners(Said), [a, c, a, b])
  await tell()
  t.deepEqual(heard.splice(0), ['a', 'c', 'a', 'b'])
  client.off(Said, a).removeListener(Said, b).off(Said, b)
  await tell()
  t.deepEqual(heard.splice(0), ['c'])
  client.on('said', a)
  t.deepEqual(client.listeners('said'), [c, a])
  t.is((client as EventEmitter).listenerCount('said'), 2)
  client.removeAllListeners(Said)
  const { unhandled } = client.stats()
  await tell()
  t.deepEqual(heard, [])
  t.is(client.stats().unhandled, unhandled + 1)
  client.on(Said, a)
  client.once('close', a)
  const eventNames: unknown[] = client.eventNames()
  t.true(eventNames.includes('said') && eventNames.includes('close'))
  client.removeAllListeners()
  t.is(client.listenerCount(Said) + client.listenerCount('close'), 0)
  t.throws(() => (client as EventEmitter).emit('said'), { code: 'ERR_INVALID_ARGUMENT' })
  t.throws(() => client.on(7 as never, a), { code: 'ERR_INVALID_ARGUMENT' })
})

test('the helpers of node:events accept contracts and names', async (t) => {
  await using met = await meet()
  const { server, client, connection } = met
  for (const name of [Said, 'said'] as const) {
    const loop = on(client as EventEmitter, name as string)
    server.notify(Said, 1)
    t.is((await loop.next()).value[0], 1)
    await loop.return!()
    t.is(client.listenerCount(Said), 0)
    const waited = once(client as EventEmitter, name as string)
    server.notify(Said, 2)
    const [payload, context] = (await waited) as [number, Context]
    t.deepEqual([payload, context.connection === client], [2, true])
    const given = new AbortController()
    const aborted = once(client as EventEmitter, name as string, given)
    given.abort()
    await t.throwsAsync(aborted, { name: 'AbortError' })
    t.is(client.listenerCount(Said), 0)
  }
  const gone = once(connection, 'close')
  await client.close()
  t.deepEqual(await gone, [null])
})

test('a bare name is an event of the peer unless the emitter reserves it', async (t) => {
  await using met = await meet()
  const { server, client, connection } = met
  const heard: unknown[] = []
  t.is(client.on('tick', (value) => heard.push(value)), client)
  client.once('tick', (value) => heard.push(['once', value]))
  server.on('tock', (value, context) => heard.push([value, context.connection === connection]))
  for (const at of [1, 2]) server.notify('tick', at)
  await until('it has heard', () => heard.length === 3)
  client.notify('tock', 3)
  await until('the server has', () => heard.length === 4)
  t.deepEqual(heard.splice(0), [1, ['once', 1], 2, [3, true]])
  const loop = client.events<number>('tick')
  server.notify('tick', 4)
  t.is((await loop.next()).value, 4)
  await loop.return!()
  // Its own names are not to be had from the other side; by a contract they are.
  client.on('close', () => heard.push('closed'))
  client.on('error', () => heard.push('failed'))
  client.on(event<number>('close'), (value) => heard.push(value))
  for (const name of ['close', 'error', 'newListener']) server.notify(name, 5)
  server.notify('tick', 6)
  await until('all have come', () => heard.includes(6))
  t.deepEqual(heard, [4, 5, 6])
})
