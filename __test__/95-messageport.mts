// Ports between processes: what one of Node.js does, ours does; and what only processes do.

import { once } from 'node:events'
import { isDeepStrictEqual } from 'node:util'
import { MessageChannel, Worker, type MessagePort as NodePort } from 'node:worker_threads'
import * as Comlink from 'comlink'
import test, { type ExecutionContext } from 'ava'
import {
  bytes,
  connect,
  createServer,
  stream,
  structuredClone as codec,
  type Client,
  type IpcError,
} from 'ringpost'
import { connectPort, onPort, openPort, servePorts, type MessagePort } from 'ringpost/messageport'
import { asAny, obey, type AnyPort, type Command, type PortsProgram } from './helpers/ports.mjs'
import { Program, until } from './helpers/program.mjs'

let names = 0
/** The machine may be busy. */
const CONNECTING = { connectTimeoutMs: 60_000 }
const SERVING = { helloTimeoutMs: 60_000 }

function start(t: ExecutionContext, role: PortsProgram['role'], name = `ports-${++names}`) {
  const program = new Program('ports', { name, role } satisfies PortsProgram)
  t.teardown(() => program.kill())
  return Object.assign(program, { name })
}

const shared = new Program('ports', { name: 'ports', role: 'serve' } satisfies PortsProgram)
await shared.report()

/** A port whose other end obeys, in another process. */
async function ours(t: ExecutionContext): Promise<AnyPort> {
  const port = await connectPort('ports', CONNECTING)
  t.teardown(() => port.close())
  return port
}

/** A connection to the same process. */
async function connected(t: ExecutionContext): Promise<Client> {
  const client = await connect('ports', CONNECTING)
  t.teardown(() => client.close())
  return client
}

/** A process of its own, and a connection to it. */
async function served(t: ExecutionContext) {
  const program = start(t, 'serve')
  await program.report()
  const client = await connect(program.name, CONNECTING)
  t.teardown(() => client.close())
  return { program, client }
}

/** The same of Node.js. */
function nodes(t: ExecutionContext): AnyPort {
  const { port1, port2 } = new MessageChannel()
  obey(asAny(port2))
  t.teardown(() => port1.close())
  return asAny(port1)
}

const command = (port: AnyPort, what: Command, ports: NodePort[] = []) =>
  port.postMessage(what, ports)

/** The next messages. */
async function next(port: AnyPort, count: number): Promise<unknown[]> {
  const found: unknown[] = []
  const all = new Promise<void>((resolve) => {
    const take = (value: unknown) => {
      found.push(value)
      if (found.length < count) return
      port.off('message', take)
      resolve()
    }
    port.on('message', take)
  })
  await all
  return found
}

/** The name of what a call throws. */
function thrown(work: () => unknown): string {
  try {
    work()
    return 'nothing'
  } catch (error) {
    return (error as Error).name
  }
}

// ---- what ports of Node.js do ----

const SITUATIONS: Record<string, { run(port: AnyPort): unknown; expected: unknown }> = {
  'messages arrive in order, with their types': {
    async run(port) {
      command(port, { post: [1, new Map([['a', new Set([2n])]]), undefined, [, 1], /x/g] })
      return next(port, 5)
    },
    expected: [1, new Map([['a', new Set([2n])]]), undefined, [, 1], /x/g],
  },
  'messages wait until a listener is there, and while there is none': {
    async run(port) {
      command(port, { post: [1, 2, 3] })
      await new Promise((resolve) => setTimeout(resolve, 50))
      const first = await next(port, 3)
      command(port, { post: [4, 5] })
      await new Promise((resolve) => setTimeout(resolve, 50))
      return [...first, ...(await next(port, 2))]
    },
    expected: [1, 2, 3, 4, 5],
  },
  'a handler gets an event, and none when it was taken back': {
    async run(port) {
      const found: unknown[] = []
      command(port, { post: ['event'] })
      const first = await new Promise<MessageEvent>((resolve) => {
        port.onmessage = (event) => resolve(event as never)
      })
      const { type, data, ports, target } = first
      found.push(type, data, ports.length, target === port, first instanceof MessageEvent)
      port.onmessage = null
      found.push(port.onmessage)
      command(port, { post: ['later'] })
      return [...found, ...(await next(port, 1))]
    },
    expected: ['message', 'event', 0, true, true, null, 'later'],
  },
  'once() is for one message, and the same function is one listener': {
    async run(port) {
      const found: unknown[] = []
      const listener = (value: unknown) => found.push(value)
      port.once('message', (value) => found.push(['once', value]))
      port.on('message', listener)
      port.on('message', listener)
      command(port, { post: [1, 2] })
      await until('all have come', () => found.length >= 3)
      port.off('message', listener)
      port.off('message', () => {})
      command(port, { post: [3] })
      return [...found, ...(await next(port, 1))]
    },
    expected: [['once', 1], 1, 2, 3],
  },
  'what was posted before close() arrives, and close after it, once': {
    async run(port) {
      const found: unknown[] = []
      port.on('close', () => found.push('close'))
      port.on('message', (value) => found.push(value))
      command(port, { post: [1, 2], close: true })
      await until('it is closed', () => found.includes('close'))
      found.push(port.postMessage('dropped'), thrown(() => port.postMessage(() => 1)))
      port.close()
      await new Promise((resolve) => setTimeout(resolve, 50))
      return found
    },
    expected: [1, 2, 'close', undefined, 'DataCloneError'],
  },
  'close() ends it at once, and says so later': {
    async run(port) {
      const found: unknown[] = []
      port.on('message', (value) => found.push(value))
      const closed = once(port as never, 'close')
      port.on('close', () => found.push('close'))
      command(port, { post: [1] })
      port.close()
      found.push('returned', port.hasRef())
      await closed
      return [...found, port.hasRef()]
    },
    expected: ['returned', true, 'close', false],
  },
  'what cannot be cloned is refused, and nothing is lost by it': {
    async run(port) {
      const memory = new ArrayBuffer(4)
      const { port1: dead, port2: alive } = new MessageChannel()
      dead.close()
      const found: unknown[] = [
        ...[() => 1, Symbol('x'), { a: new WeakMap() }].map((value) => thrown(() => port.postMessage(value))),
        thrown(() => port.postMessage(() => 1, [memory])),
        thrown(() => port.postMessage(1, [memory, memory])),
        thrown(() => port.postMessage(1, [memory, dead])),
        thrown(() => port.postMessage(1, 5 as never)),
        memory.byteLength,
      ]
      alive.close()
      command(port, { post: ['fine'] })
      return [...found, ...(await next(port, 1))]
    },
    expected: [...Array<string>(6).fill('DataCloneError'), 'TypeError', 4, 'fine'],
  },
  'transferred memory is gone here and arrives': {
    async run(port) {
      const memory = Uint8Array.of(1, 2, 3)
      const other = new ArrayBuffer(8)
      port.postMessage({ post: [memory, other] }, [memory.buffer])
      port.postMessage({ post: [] }, { transfer: [other] })
      return [memory.length, other.byteLength, ...(await next(port, 2))]
    },
    expected: [0, 0, Uint8Array.of(1, 2, 3), new ArrayBuffer(8)],
  },
  'it keeps the process alive while there are listeners for messages': {
    run(port) {
      const found = [port.hasRef()]
      const look = (work: () => unknown) => (work(), found.push(port.hasRef()))
      const listener = () => {}
      look(() => port.on('close', listener))
      look(() => port.on('message', listener))
      look(() => port.off('message', listener))
      look(() => port.ref())
      look(() => port.unref())
      look(() => (port.onmessage = listener))
      look(() => (port.onmessage = null))
      return found
    },
    expected: [false, false, true, false, true, false, true, false],
  },
  'a port can be transferred, with what waits in it': {
    async run(port) {
      const { port1, port2 } = new MessageChannel()
      port1.postMessage(1)
      command(port, { double: asAny(port2) }, [port2])
      port1.postMessage(21)
      const found = await next(asAny(port1), 2)
      port1.close()
      return [...found, ...(await next(port, 1))]
    },
    expected: [2, 42, 'closed'],
  },
  'ports that are in no value arrive with the event': {
    async run(port) {
      const channels = [new MessageChannel(), new MessageChannel()]
      command(port, { count: true }, channels.map(({ port2 }) => port2))
      const found = await next(port, 1)
      for (const { port1 } of channels) {
        found.push(...(await next(asAny(port1), 1)))
        port1.close()
      }
      return found
    },
    expected: [2, 'hello', 'hello'],
  },
}

for (const [name, { run, expected }] of Object.entries(SITUATIONS)) {
  test(name, async (t) => {
    t.deepEqual(await run(nodes(t)), expected, 'of Node.js')
    t.deepEqual(await run(await ours(t)), expected, 'between processes')
  })
}

// ---- two processes ----

test('both ends are told once when the process of the other is killed', async (t) => {
  const program = start(t, 'serve')
  await program.report()
  const client = await connect(program.name, { ...CONNECTING, reconnect: false })
  t.teardown(() => client.close())
  const [port, waiting] = [openPort(client, 'main'), openPort(client, 'main')]
  let count = 0
  for (const one of [port, waiting]) one.on('close', () => count++)
  port.on('message', () => {})
  command(asAny(waiting), { post: ['not read'] })
  // Behind that: it has arrived.
  command(asAny(port), { post: ['read'] })
  await next(asAny(port), 1)
  await program.kill()
  t.is((await port.closed)?.code, 'ERR_PEER_LOST')
  t.is((await waiting.closed)?.code, 'ERR_PEER_LOST')
  port.postMessage('dropped')
  port.close()
  await new Promise((resolve) => setImmediate(resolve))
  t.is(count, 2)

  const served: MessagePort[] = []
  const server = await servePorts('killed-client', (one) => served.push(one), SERVING)
  t.teardown(() => server.close())
  const peer = start(t, 'connect', 'killed-client')
  await until('it has connected', () => served.length === 1)
  const [one] = served
  let closes = 0
  one.on('close', () => closes++)
  await peer.kill()
  t.is((await one.closed)?.code, 'ERR_PEER_LOST')
  t.is(closes, 1)
})

/** What a port is beneath. */
const Main = stream<Uint8Array, Uint8Array, Uint8Array, Uint8Array>('messageport:main', { codec: bytes })
const NOTHING = new Uint8Array(0)

/** A port to which the other end posts, when it is asked to; that it ends comes right behind. */
async function ending(t: ExecutionContext, name: string, values: unknown[], end: () => void) {
  const server = await createServer(name, SERVING)
  t.teardown(() => server.close())
  server.handle(Main, async (_, items) => {
    for await (const first of items) if (first !== undefined) break
    for (const value of values) items.write(codec.encode([value]))
    end()
    return NOTHING
  })
  const client = await connect(name, CONNECTING)
  t.teardown(() => client.close())
  const port = openPort(client, 'main')
  const found: unknown[] = []
  port.on('close', () => found.push('close'))
  return { port, found }
}

const fail = () => {
  throw Object.assign(new Error('it is gone'), { code: 'E_GONE' })
}

test('a port whose listener has gone with a message is told that the other side is gone', async (t) => {
  const served: MessagePort[] = []
  const server = await servePorts('gone', (one) => served.push(one), SERVING)
  t.teardown(() => server.close())
  const client = await connect('gone', CONNECTING)
  t.teardown(() => client.close())
  const port = openPort(client, 'main')
  await until('it is there', () => served.length === 1)
  let isClosed = false
  served[0].on('close', () => (isClosed = true))
  served[0].once('message', () => {})
  for (const value of [1, 2]) port.postMessage(value)
  // What of this arrives does so together with the end.
  void client.close()
  await until('it is told', () => isClosed)
  t.is((await served[0].closed)?.code, 'ERR_PEER_LOST')
})

test('messages that have come before the other side was gone are read one by one', async (t) => {
  const { port } = await ending(t, 'one-by-one', [1, 2, 3], fail)
  const found: unknown[] = []
  void (async () => {
    // Between one and the next nobody listens.
    while (found.length < 3) found.push(...(await once(port, 'message')))
  })()
  port.postMessage('go on')
  await port.closed
  await new Promise((resolve) => setImmediate(resolve))
  t.deepEqual(found, [1, 2, 3])
})

for (const isListenedTo of [false, true]) {
  const which = isListenedTo ? 'whose listener has gone' : 'that nobody listens to'
  test(`a port ${which} is told when the other side no longer waits for it`, async (t) => {
    // As one that was closed answers in the end, although not all was read.
    const { port, found } = await ending(t, `gives-up-${isListenedTo}`, [1, 2], () => {})
    if (isListenedTo) port.once('message', (value) => found.push(value))
    port.postMessage('go on')
    await until('it is told', () => found.includes('close'))
    t.deepEqual(found, isListenedTo ? [1, 'close'] : ['close'])
    t.is(await port.closed, null)
  })
}

test('closing at one end closes the other, and ends the connection', async (t) => {
  const program = start(t, 'serve')
  await program.report()
  const port = await connectPort(program.name, CONNECTING)
  port.close()
  t.is(await port.closed, null)
  t.is(await program.report(), 'close')
  const stays = (await connect(program.name, CONNECTING)).ref()
  t.teardown(() => stays.close())
  const one = openPort(stays, 'main')
  command(one, { close: true })
  t.is(await one.closed, null)
  t.true(stays.isOpen)
})

test('what the other side does not read waits up to a bound, then it is refused, and nothing is lost', async (t) => {
  const { program, client } = await served(t)
  const port = openPort(client, 'silent', { queuedMax: 100_000 })
  const text = 'x'.repeat(1_000)
  let number = 0
  const error = t.throws<IpcError>(() => {
    for (;;) {
      port.postMessage({ number, text })
      number++
    }
  })
  t.is(error.code, 'ERR_FULL')
  t.regex(error.message, /bytes wait for the other side to read, at most 100000 may: .* queuedMax/)
  t.true(number > 250 && number < 2_000, `${number} messages`)
  const memory = new ArrayBuffer(8)
  t.throws(() => port.postMessage(text, [memory]), { code: 'ERR_FULL' })
  t.is(memory.byteLength, 8, 'it is not taken for a message that was not posted')
  program.send('read')
  await until('there is room', () => {
    try {
      port.postMessage({ number, text })
      return true
    } catch {
      return false
    }
  })
  port.close()
  t.deepEqual(await program.report(), { count: number + 1, isInOrder: true })
})

test('a message of no length and a long one arrive, one that is too long is refused', async (t) => {
  const port = (await ours(t)) as MessagePort
  const long = new Uint8Array(40_000_000).fill(7)
  command(asAny(port), { post: ['', long] })
  t.true(isDeepStrictEqual(await next(asAny(port), 2), ['', long]))
  t.throws(() => port.postMessage(new Uint8Array(68_000_000)), { code: 'ERR_TOO_LARGE' })
  command(asAny(port), { post: ['still there'] })
  t.deepEqual(await next(asAny(port), 1), ['still there'])
})

test('a process that ends by itself first writes what it has posted', async (t) => {
  const found: number[] = []
  let isClosed = false
  const server = await servePorts('left', (port) => {
    port.on('close', () => (isClosed = true))
    setTimeout(() => port.on('message', ({ number }: { number: number }) => found.push(number)), 100)
  }, SERVING)
  t.teardown(() => server.close())
  const program = start(t, 'leave', 'left')
  t.false(await program.report(), 'it is not kept alive by anything else')
  t.is(await program.end(), 0)
  await until('all have come', () => isClosed)
  t.deepEqual(found, Array.from({ length: 1_000 }, (_, number) => number))
})

test('a process does not wait for ever until what it has posted is read', async (t) => {
  const served: MessagePort[] = []
  const server = await servePorts('unread', (port) => served.push(port), SERVING)
  t.teardown(() => server.close())
  const program = start(t, 'leave', 'unread')
  t.false(await program.report())
  t.is(await program.end(), 0)
  t.is((await served[0].closed)?.code, 'ERR_PEER_LOST')
})

test('an open port that is not referenced lets its process end', async (t) => {
  const server = await servePorts('unreferenced', (port) => obey(asAny(port)), SERVING)
  t.teardown(() => server.close())
  const program = start(t, 'unref', 'unreferenced')
  t.true(await program.report())
  t.is(await program.end(), 0)
})

test('several ports share a connection, in both directions, and end by themselves', async (t) => {
  const { program, client } = await served(t)
  const back = new Promise<unknown>((resolve) => onPort(client, 'back', (port) => port.once('message', resolve)))
  const ports = Array.from({ length: 3 }, () => openPort(client, 'main'))
  const deaf = openPort(client, 'deaf')
  t.is(await back, 'from the server')
  ports[0].close()
  for (const port of ports.slice(1)) {
    command(asAny(port), { post: ['here'] })
    t.deepEqual(await next(asAny(port), 1), ['here'])
  }
  const unknown = openPort(client, 'unknown')
  t.is((await unknown.closed)?.code, 'ERR_UNKNOWN_METHOD')
  t.is(await program.report(), 'close')
  await client.close()
  t.is((await deaf.closed)?.code, 'ERR_CLOSED')
  const ends = [await program.report(), await program.report(), await program.report()]
  const lost = 'ERR_PEER_LOST'
  t.deepEqual(ends.toSorted(), [lost, lost, { deaf: lost }])
})

test('a listener that throws ends neither the port nor other listeners', async (t) => {
  const client = await connected(t)
  const port = openPort(client, 'throws')
  port.postMessage('throw')
  port.postMessage('next')
  t.deepEqual((await next(asAny(port), 3)).toSorted(), ['next', 'throw', 'thrown by a listener'])
})

test('a port ends with its worker thread', async (t) => {
  const server = await servePorts('threads', (port) => obey(asAny(port)), SERVING)
  t.teardown(() => server.close())
  const code = `
    const { parentPort } = require('node:worker_threads')
    const { connectPort } = require('ringpost/messageport')
    connectPort('threads', { connectTimeoutMs: 60_000 }).then((port) => {
      port.on('message', (value) => parentPort.postMessage(value))
      port.postMessage({ post: [new Map([[1, 2]])] })
    })`
  const worker = new Worker(code, { eval: true })
  t.deepEqual(await once(worker, 'message'), [new Map([[1, 2]])])
  const [connection] = server.connections
  await worker.terminate()
  await connection.closed
  await until('it is gone', () => server.connections.size === 0)
})

// ---- hostile peers, and mistakes ----

test('bytes that are no message become a messageerror, and the port goes on', async (t) => {
  const client = await connected(t)
  const Raw = stream<Uint8Array, Uint8Array, Uint8Array, Uint8Array>('messageport:checks', { codec: bytes })
  const raw = client.stream(Raw, new Uint8Array(0))
  const answers: unknown[] = []
  const reading = raw.forEach((items) => void answers.push(...items.map((item) => codec.decode(item))))
  const stand = (number: number) => [0x5c, 0xff, 1, 4, number, 0, 0, 0]
  const wrong = [
    ...[[1], [1, 2, 3], [0xff, 15, 0x49, 2], [0xff, 15, 0x61, ...Array<number>(5).fill(0xff)]],
    // A list with a message and more ports than there is of anything.
    [0xff, 15, 0x41, 1, ...stand(1).slice(0, 5), 0x24, 0, 1],
  ]
  for (const item of wrong) raw.write(Uint8Array.from(item))
  await until('all are answered', () => answers.length === wrong.length)
  for (const [error] of answers as [IpcError][]) t.regex(error.message, /^message: cannot be decoded/)
  // A port that nobody has offered is closed.
  raw.write(Uint8Array.from([0xff, 15, 0x41, 1, ...stand(7), 0x24, 0, 1]))
  await until('it is closed', () => isDeepStrictEqual(answers.at(-1), ['ERR_UNKNOWN_METHOD']))
  raw.write(codec.encode(['fine']))
  await until('it goes on', () => isDeepStrictEqual(answers.at(-1), ['fine']))
  raw.cancel()
  await t.throwsAsync(reading, { code: 'ERR_CANCELLED' })
})

test('only what a port can send is taken', async (t) => {
  const port = (await ours(t)) as MessagePort
  const { port1, port2 } = new MessageChannel()
  const wrong: [unknown, RegExp][] = [
    [[port], /transfer: MessagePort cannot be transferred, only ArrayBuffers and the ports of a Mess/],
    [[new SharedArrayBuffer(1)], /transfer: SharedArrayBuffer cannot be transferred/],
    [[port1, port1], /transfer: the same object twice/],
    [[structuredClone(new ArrayBuffer(1)), null], /transfer: null cannot be transferred/],
  ]
  for (const [list, message] of wrong) {
    t.throws(() => port.postMessage('x', list as never), { name: 'DataCloneError', code: 'ERR_INVALID_PAYLOAD', message })
  }
  const { port1: closed, port2: other } = new MessageChannel()
  closed.close()
  t.throws(() => port.postMessage('x', [closed]), {
    name: 'DataCloneError',
    code: 'ERR_INVALID_PAYLOAD',
    message: /^transfer: /,
  })
  other.close()
  const gone = new ArrayBuffer(1)
  structuredClone(gone, { transfer: [gone] })
  t.throws(() => port.postMessage('x', [gone]), { message: 'transfer: ArrayBuffer was transferred before' })
  t.throws(() => port.postMessage({ port }), { message: 'message.port.closed: Promise cannot be cloned' })
  t.throws(() => port.postMessage({ port1 }), { message: 'message.port1: MessagePort cannot be cloned' })
  t.throws(() => port.postMessage('x', { transfer: 5 } as never), { instanceOf: TypeError })
  t.throws(() => port.on('message', 'no function' as never), { instanceOf: TypeError })
  port1.close()
  port2.close()
  await t.throwsAsync(connectPort('nobody'), { code: 'ERR_NO_SERVER' })
  await t.throwsAsync(connectPort('x', { queueMax: 1 } as never), { message: /queueMax/ })
  await t.throwsAsync(connectPort('x', { queuedMax: -1 }), { instanceOf: RangeError })
  await t.throwsAsync(connectPort('x', { reconnect: true } as never), { message: /one session/ })
  await using server = await createServer('plain', SERVING)
  t.throws(() => onPort(server, 'x', undefined as never), { instanceOf: TypeError })
  t.throws(() => onPort(server, 'a\nb', () => {}), { instanceOf: RangeError })
  const refused = await connectPort('plain', CONNECTING)
  t.is((await refused.closed)?.code, 'ERR_UNKNOWN_METHOD')
})

test('a transferred port that cannot pass on a message is closed at both ends, with a warning', async (t) => {
  const port = await ours(t)
  const { port1, port2 } = new MessageChannel()
  const warned = once(process, 'warning')
  command(port, { double: asAny(port2) }, [port2])
  const closed = once(port1, 'close')
  port1.postMessage(new SharedArrayBuffer(1))
  const [warning] = (await warned) as [Error]
  t.regex(warning.message, /a message of a transferred port was not passed on/)
  await closed
  t.deepEqual(await next(port, 1), ['closed'])
})

test('a transferred port that is never fetched is closed with the port it was sent over', async (t) => {
  const { program, client } = await served(t)
  const port = openPort(client, 'silent')
  const { port1, port2 } = new MessageChannel()
  const closed = once(port1, 'close')
  port.postMessage(port2, [port2])
  await program.kill()
  await closed
  t.pass()
})

test('a transferred port whose other end was closed before it was fetched is closed', async (t) => {
  const served: MessagePort[] = []
  const server = await servePorts('fetched-late', (one) => served.push(one), SERVING)
  t.teardown(() => server.close())
  const port = await connectPort('fetched-late', CONNECTING)
  t.teardown(() => port.close())
  const { port1, port2 } = new MessageChannel()
  port.postMessage(port2, [port2])
  port1.close()
  await until('it is there', () => served.length === 1)
  // The other end is told some turns later.
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
  const [fetched] = (await next(asAny(served[0]), 1)) as [MessagePort]
  let isClosed = false
  fetched.on('close', () => (isClosed = true))
  await until('it is closed', () => isClosed)
  t.is(await fetched.closed, null)
})

// ---- Comlink ----

interface Exposed {
  add(a: number, b: number): number
  names: Map<number, Set<string>>
  sum(list: number[], of: (value: number, square: (n: number) => Promise<number>) => Promise<number>): number
  fail(): never
  Counter: new () => { increment(): number }
}

test('Comlink works over a port, with callbacks, classes and errors', async (t) => {
  const { program, client } = await served(t)
  const port = openPort(client, 'comlink')
  const remote = Comlink.wrap<Exposed>(port)
  t.is(await remote.add(2, 3), 5)
  t.deepEqual((await remote.names) as unknown, new Map([[1, new Set(['one'])]]))
  // A callback, which is given a callback of the other side.
  const half = Comlink.proxy(async (value: number, square: (n: number) => Promise<number>) => (await square(value)) / 2)
  t.is(await remote.sum([1, 2, 3], half), 7)
  const error = await t.throwsAsync(async () => remote.fail(), { name: 'RangeError' })
  t.is(error.message, 'as asked')
  const counter = await new remote.Counter()
  await counter.increment()
  t.is(await counter.increment(), 2)
  remote[Comlink.releaseProxy]()
  t.is(await port.closed, null)
  t.is(await program.report(), 'comlink: close')
})
