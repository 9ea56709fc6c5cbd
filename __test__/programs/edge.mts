// Misbehaving code and processes that end: each verb is a scenario that reports what it observes.

import { AsyncLocalStorage } from 'node:async_hooks'
import { setTimeout } from 'node:timers/promises'
import { runInNewContext } from 'node:vm'
import { isMainThread, Worker, workerData } from 'node:worker_threads'
import {
  bytes,
  configure,
  connect,
  createServer,
  event,
  method,
  stream,
  type ClientOptions,
  type Codec,
  type Connection,
} from 'ringpost'

export interface Edge {
  verb: string
  /** Name of the server to connect to or to start. */
  name: string
  thing?: keyof typeof THINGS
  options?: ClientOptions
  wake?: 'loop' | 'thread'
}

const edge = (isMainThread ? JSON.parse(process.argv[2]) : workerData) as Edge
if (edge.wake) configure({ wake: edge.wake })
const report = (value: unknown) => process.send!(value)
const join = () => connect(edge.name, { reconnect: false, ...edge.options })
const Said = event<any>('said')
const Bulk = event<Uint8Array>('bulk', { codec: bytes })
const WAITING: ClientOptions = { overflow: { normal: { waitMs: Infinity } } }

/** Values to throw. */
const THINGS = {
  undefined: () => undefined,
  null: () => null,
  number: () => 42,
  object: () => ({ code: 'E_MINE' }),
  string: () => 'oops',
  error: () => new Error('mine'),
  'error of another realm': () => runInNewContext('new Error("elsewhere")') as unknown,
  'error whose stack throws': () =>
    Object.defineProperty(new Error('mine'), 'stack', {
      get() {
        throw new Error('no stack')
      },
    }),
  'error whose all throws': () => {
    const get = () => {
      throw null
    }
    const all = { get }
    return Object.defineProperties(new Error('mine'), {
      ...{ name: all, message: all, stack: all, cause: all, code: all },
    })
  },
  'proxy of which nothing can be asked': () =>
    new Proxy(
      {},
      {
        get() {
          throw null
        },
        has() {
          throw null
        },
        getPrototypeOf() {
          throw null
        },
        ownKeys() {
          throw null
        },
      },
    ),
}

/** Thenables that misbehave. */
const ODD_PROMISES = {
  'whose then throws when asked for': () =>
    Object.defineProperty({}, 'then', {
      get() {
        throw null
      },
    }),
  'whose then throws when called': () => ({
    then() {
      throw null
    },
  }),
  'that is kept and broken': () => ({
    then(kept: (value: unknown) => void, broken: (reason: unknown) => void) {
      kept(1)
      broken(null)
      kept(2)
    },
  }),
}

/** Two clients send requests and events in one turn, some of which fail in the given way. */
async function fail(how: string, make: () => unknown): Promise<unknown> {
  const warnings: { message: string; detail: unknown }[] = []
  const warn = ({ message, ...rest }: Error) => {
    warnings.push({ message, detail: (rest as { detail?: unknown }).detail })
  }
  process.on('warning', warn)
  const uncaught: unknown[] = []
  const raise = (error: unknown) => uncaught.push(String(error))
  process.on('uncaughtException', raise)
  const name = `${edge.name}-${how}`
  await using server = await createServer(name)
  const fails: Record<string, () => unknown> = {
    throws() {
      throw make()
    },
    rejects: async () => {
      await Promise.resolve()
      throw make()
    },
    returns: make,
  }
  const came: number[] = []
  server.on(Said, (at: number) => (at < 0 ? fails[how]() : came.push(at)))
  server.handle('ask', (at: number) => (at < 0 ? fails[how]() : at))
  const [one, other] = [await connect(name), await connect(name)]
  const outcomes: Promise<unknown>[] = []
  for (const at of [0, -1, 1, -1, 2]) {
    for (const client of [one, other]) {
      client.notify(Said, at)
      outcomes.push(client.request('ask', at).catch((error: Error) => error.message))
    }
  }
  const ended = await Promise.all(outcomes)
  await setTimeout(0)
  const answered = ended.filter((outcome) => typeof outcome === 'number').length
  const result = { came: came.sort().join(''), ended: ended.length, answered, warnings, uncaught }
  await Promise.all([one.close(), other.close()])
  process.off('warning', warn).off('uncaughtException', raise)
  return result
}

const verbs: Record<string, () => unknown> = {
  // ---- asynchronous contexts ----

  /** Makes its first connections inside `AsyncLocalStorage.run`. */
  async within() {
    const storage = new AsyncLocalStorage<string>()
    const server = await storage.run('the server', () => createServer(edge.name))
    const look = () => storage.getStore() ?? 'nothing'
    server.handle('look', look)
    const client = await storage.run('the client', join)
    client.handle('look', look)
    server.handle('back', (_, { connection }) => connection.request('look'))
    report([await client.request('look'), await client.request('back')])
    await Promise.all([client.close(), server.close()])
  },

  // ---- thrown values ----

  async thrown() {
    const make = THINGS[edge.thing!]
    report([await fail('throws', make), await fail('rejects', make)])
  },

  async 'odd-promises'() {
    const results: unknown[] = []
    for (const make of Object.values(ODD_PROMISES)) results.push(await fail('returns', make))
    report(results)
  },

  /** Listeners throw `null` while other messages arrive. */
  async listeners() {
    const order: string[] = []
    process.on('uncaughtException', (error) => order.push(`uncaught ${String(error)}`))
    const throwing = () => {
      throw null
    }
    const server = await createServer(edge.name)
    server.on('connection', throwing)
    server.on('connection', () => order.push('connection'))
    server.handle('ask', (value) => value)
    const [one, other, closing] = [await join(), await join(), await join()]
    for (const name of ['close', 'error'] as const) {
      closing.on(name, throwing)
      closing.on(name, () => order.push(name))
    }
    closing.on(Said, throwing)
    while (server.connections.size < 3) await setTimeout(1)
    const connections = [...server.connections]
    for (const connection of connections) connection.notify(Said)
    void connections[2].close()
    const answers = await Promise.all([one.request('ask', 1), other.request('ask', 2)])
    await closing.closed
    await setTimeout(0)
    report({ order, answers, left: server.connections.size })
    await Promise.all([one.close(), other.close(), server.close()])
  },

  /** Sends events to its client and is killed. */
  async 'sends-and-dies'() {
    const server = await createServer(edge.name)
    server.handle('tell', (count: number, { connection }) => {
      for (let at = 0; at < count; at++) connection.notify(Said, at)
      setImmediate(() => process.kill(process.pid, 'SIGKILL'))
      return new Promise(() => {})
    })
    server.handle(stream('pull'), () => new Promise(() => {}))
    report('up')
  },

  /** Answers each event of a peer that has died, in every way. */
  async 'answers-dead-peer'() {
    const warnings: string[] = []
    process.on('warning', ({ message }) => warnings.push(message))
    const client = await join()
    const items = client.stream(stream('pull'), null)
    items.result.catch(() => {})
    let came = 0
    client.on(Said, async (at: number) => {
      came++
      items.write(at)
      client.notify('heard', at)
      await client.request('again', at)
    })
    const told = client.request('tell', 20).catch((error: { code: string }) => error.code)
    setImmediate(() => {
      // The peer sends everything and dies while this loop is blocked.
      for (const end = performance.now() + 200; performance.now() < end; );
    })
    const outcome = await told
    await client.closed
    await setTimeout(50)
    report({ came, outcome, warnings })
  },

  // ---- first messages ----

  /** Sends an event, a request and a stream as soon as a client connects. */
  async 'sends-on-connect'() {
    const server = await createServer(edge.name)
    server.handle('echo', (value) => value)
    server.on('connection', async (connection) => {
      connection.notify(Said, 'hello')
      const who = connection.request('who')
      const what = connection.stream(stream('what'), null)
      what.result.catch(() => {})
      try {
        connection.notify(Said, await who)
        for await (const item of what) connection.notify(Said, item)
      } catch {
        // The client does not answer.
      }
    })
    process.on('disconnect', () => process.exit())
    report('up')
  },

  /** Sends events and a request as soon as it is connected. */
  async 'sends-first'() {
    const client = await join()
    client.notify(Said, 'first')
    client.notify(Said, 'second')
    report(await client.request('who').catch((error: { code: string }) => error.code))
    await client.close()
  },

  /** Is server and client, and both send at once. */
  async 'both-at-once'() {
    const server = await createServer(edge.name)
    let [heard, asked] = [0, 0]
    const speak = async (connection: Connection) => {
      connection.notify(Said)
      const answer = connection.request('who')
      await Promise.resolve()
      connection.on(Said, () => heard++)
      connection.handle('who', () => asked++)
      await answer
    }
    const spoken: Promise<void>[] = []
    server.on('connection', (connection) => spoken.push(speak(connection)))
    const clients = await Promise.all(
      Array.from({ length: 100 }, async () => {
        const client = await join()
        spoken.push(speak(client))
        return client
      }),
    )
    while (spoken.length < 200) await setTimeout(1)
    await Promise.all(spoken)
    while (heard < 200) await setTimeout(1)
    const unhandled = clients.reduce((sum, client) => sum + client.stats().unhandled, 0)
    report({ heard, asked, unhandled })
    await server.close()
  },

  // ---- exits ----

  /** Ends by itself with many messages queued. */
  async 'ends-by-itself'() {
    const client = await connect(edge.name, WAITING)
    process.disconnect()
    client.unref()
    for (let at = 0; at < 250; at++) client.notify(Bulk, new Uint8Array(100_000))
  },

  /** The same with a peer that does not read; the peer is suspended after the report. */
  async 'ends-unread'() {
    const client = await connect(edge.name, WAITING)
    report('connected')
    await new Promise((resolve) => process.once('message', resolve))
    process.disconnect()
    for (let at = 0; at < 100; at++) client.notify(Bulk, new Uint8Array(100_000))
  },

  /** Sends in the turn in which it exits. */
  async exits() {
    const client = await join()
    process.on('exit', () => client.notify(Said, 'from a listener of exit'))
    client.notify(Said, 'in the turn of the end')
    process.exit(3)
  },

  async throws() {
    const client = await join()
    setImmediate(() => {
      client.notify(Said, 'in the turn of the end')
      throw new Error('uncaught on purpose')
    })
  },

  /** Exits in a handler, before its answers are sent. */
  async 'exits-in-a-handler'() {
    const client = await join()
    client.on(event('go'), () => {
      client.notify(Said, 'in the turn of the end')
      process.exit(3)
    })
    await client.request('go', undefined)
  },

  async worker() {
    if (!isMainThread) {
      const client = await join()
      await new Promise(setImmediate)
      client.notify(Said, 'in the turn of the end')
      process.exit()
    }
    const worker = new Worker(process.argv[1], { workerData: edge })
    await new Promise((resolve) => worker.once('exit', resolve))
  },

  async terminated() {
    if (!isMainThread) {
      const client = await join()
      await client.request('ask', 1)
      await new Promise(setImmediate)
      client.notify(Said, 'in the turn of the end')
      for (;;);
    }
    const worker = new Worker(process.argv[1], { workerData: edge })
    process.on('message', () => void worker.terminate())
    await new Promise((resolve) => worker.once('exit', resolve))
    process.disconnect()
  },

  /** Connects, sends, and exits before anything can be answered. */
  async 'sends-and-exits'() {
    const client = await join()
    client.notify(Said, 'first')
    client.notify(Said, 'last')
    process.exit()
  },

  /** Calls `ref()` on a closed client and a closed server. */
  async 'refs-after-close'() {
    const client = await join()
    await client.close()
    client.ref()
    client.handle('never', () => 0)
    const server = await createServer(`${edge.name}-too`)
    await server.close()
    server.ref()
  },

  /** Waits for space, gives up, and has nothing else to keep it alive. */
  async 'gives-up'() {
    const client = await connect(edge.name, WAITING)
    report('connected')
    await new Promise((resolve) => process.once('message', resolve))
    for (let at = 0; at < 100; at++) client.notify(Bulk, new Uint8Array(100_000))
    const outcomes: string[] = []
    const note = (error: { code: string }) => outcomes.push(error.code)
    for (let at = 0; at < 20; at++) await client.drained({ timeoutMs: 0.01 }).catch(note)
    await client.drained({ signal: AbortSignal.abort({ code: 'mine' }) }).catch(note)
    report([...new Set(outcomes)])
    process.disconnect()
  },

  // ---- clocks ----

  /** Replaces all timers and clocks, as test frameworks do. */
  async faked() {
    const server = await createServer(edge.name)
    const Items = stream('items')
    const left: number[] = []
    server.handle('left', (_, context) => {
      left.push(context.remainingMs)
      return null
    })
    server.handle(Items, () => new Promise(() => {}))
    server.handle('never', () => new Promise(() => {}))
    const client = await join()
    const fake = () => undefined as never
    const globals = globalThis as unknown as Record<string, unknown>
    const timers = ['setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask', 'clearTimeout']
    for (const name of timers) {
      globals[name] = fake
    }
    globals.Date = class {
      static now = () => 0
    }
    process.nextTick = fake
    process.hrtime = Object.assign(() => [0, 0], { bigint: () => 0n }) as never
    performance.now = () => 0
    const outcomes: unknown[] = []
    const note = (error: { code: string }) => outcomes.push(error.code)
    await client.request('left', undefined, { timeoutMs: 5000 })
    const items = client.stream(Items, null, { windowBytes: 4096 })
    items.result.catch(() => {})
    while (items.write('x'.repeat(500)));
    await items.ready({ timeoutMs: 20 }).catch(note)
    client.notify('told')
    await client.request('left', undefined, { timeoutMs: 5000 })
    await client.request(method('never'), undefined, { timeoutMs: 20 }).catch(note)
    report({ outcomes, left: left.map((ms) => ms > 4000 && ms <= 5010) })
    process.exit()
  },

  // ---- synchronous requests in both directions ----

  /** Sends a synchronous request over the caller's other connection. */
  async 'calls-back'() {
    const server = await createServer(edge.name)
    server.handle('cross', (_, { connection }) => {
      const other = [...server.connections].find((one) => one !== connection)!
      try {
        return { answer: other.requestSync('back', 1, { timeoutMs: 5000 }) }
      } catch (error) {
        return { code: (error as { code: string }).code }
      }
    })
    report('up')
  },

  // ---- memory ----

  /** Echoes every payload. */
  async answers() {
    const server = await createServer(edge.name)
    const plain: Codec<Uint8Array> = {
      name: 'plain',
      encode: (value) => value,
      decode: (value) => value.slice(),
    }
    for (const name of ['greedy', 'nested']) {
      server.handle(method(name, { codec: plain }), (value) => value)
    }
    server.handle(method('ask', { codec: bytes }), (value: Uint8Array) => value)
    process.on('disconnect', () => process.exit())
    report('up')
  },

  /** Keeps one small payload in a hundred. */
  async keeps() {
    const server = await createServer(edge.name)
    const client = await connect(edge.name, WAITING)
    const connection = await new Promise<Connection>((resolve) => {
      for (const one of server.connections) resolve(one)
      server.on('connection', resolve)
    })
    const kept: Uint8Array[] = []
    let came = 0
    client.on(Bulk, (payload) => {
      if (came++ % 100 === 0) kept.push(payload)
    })
    globalThis.gc!()
    const before = process.memoryUsage().arrayBuffers
    for (let sent = 0; sent < 20_000; ) {
      for (let step = 0; step < 100; step++, sent++) {
        connection.notify(Bulk, new Uint8Array([10, 100, 400][sent % 3]))
      }
      await setTimeout(0)
    }
    while (came < 20_000) await setTimeout(1)
    globalThis.gc!()
    await setTimeout(10)
    globalThis.gc!()
    report({ kept: kept.length, bytes: process.memoryUsage().arrayBuffers - before })
    await Promise.all([client.close(), server.close()])
  },
}

await verbs[edge.verb]()
