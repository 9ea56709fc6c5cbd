// What is published on channels of node:diagnostics_channel, on both sides.

import { channel, subscribe, unsubscribe } from 'node:diagnostics_channel'
import test, { type ExecutionContext } from 'ava'
import {
  connect,
  createServer,
  event,
  IpcError,
  type CallMessage,
  type Client,
  type DiagnosticsChannels,
} from 'ringpost'
import { Numbers, type Published } from './helpers/inside.mjs'
import { inside } from './helpers/look-inside.mjs'
import { until } from './helpers/program.mjs'

type Name = keyof DiagnosticsChannels
type Seen = [moment: string, message: CallMessage]

const TRACE = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'

/** Records what is published here about one connection. */
function watch(names: Name[], client?: Client): { seen: Seen[]; stop(): void } {
  const seen: Seen[] = []
  const listeners = names.map((name) => {
    const listener = (message: unknown) => {
      if (client !== undefined && (message as CallMessage).connection !== client) return
      seen.push([name.slice('ringpost:'.length), message as CallMessage])
    }
    subscribe(name, listener)
    return () => unsubscribe(name, listener)
  })
  return { seen, stop: () => listeners.forEach((stop) => stop()) }
}

/** Takes the listeners of the test runner away until the test is over. */
function alone(t: ExecutionContext, name: 'uncaughtException' | 'unhandledRejection'): void {
  const listeners = process.rawListeners(name) as (() => void)[]
  process.removeAllListeners(name)
  t.teardown(() => listeners.forEach((listener) => process.on(name, listener)))
}

const moments = (what: 'request' | 'stream'): Name[] => [
  `ringpost:${what}:start`,
  `ringpost:${what}:end`,
  `ringpost:${what}:error`,
]
const published = (client: Client) => client.request<void, Published[]>('published')

test.serial('a request is published when it begins, and once when it has ended', async (t) => {
  const { client, program } = await inside(t)
  const { seen, stop } = watch(moments('request'), client)
  await client.request('see', undefined, { lane: 'high' })
  client.requestSync('see')
  await t.throwsAsync(client.request('fail'), { code: 'E_MINE' })
  t.throws(() => client.requestSync('fail'), { code: 'E_MINE' })
  await t.throwsAsync(client.request('none'), { code: 'ERR_UNKNOWN_METHOD' })
  await t.throwsAsync(client.request('never', 0, { timeoutMs: 1 }), { code: 'ERR_TIMEOUT' })
  const signal = AbortSignal.abort()
  await client.request('see', 0, { signal }).catch((error) => t.is(error, signal.reason))
  const wrong = { timeoutMs: 'soon' } as object
  await t.throwsAsync(client.request('see', 0, wrong), { instanceOf: TypeError })
  stop()
  await client.request('see')
  t.deepEqual(
    seen.map(([moment, { name, lane, code }]) => [moment, name, lane, code ?? null]),
    [
      ['request:start', 'see', 'high', null],
      ['request:end', 'see', 'high', null],
      ['request:start', 'see', 'normal', null],
      ['request:end', 'see', 'normal', null],
      ['request:start', 'fail', 'normal', 'E_MINE'],
      ['request:error', 'fail', 'normal', 'E_MINE'],
      ['request:start', 'fail', 'normal', 'E_MINE'],
      ['request:error', 'fail', 'normal', 'E_MINE'],
      ['request:start', 'none', 'normal', 'ERR_UNKNOWN_METHOD'],
      ['request:error', 'none', 'normal', 'ERR_UNKNOWN_METHOD'],
      ['request:start', 'never', 'normal', 'ERR_TIMEOUT'],
      ['request:error', 'never', 'normal', 'ERR_TIMEOUT'],
      ['request:start', 'see', 'normal', 'AbortError'],
      ['request:error', 'see', 'normal', 'AbortError'],
    ],
  )
  for (let at = 0; at < seen.length; at += 2) {
    const [[, start], [, end]] = [seen[at], seen[at + 1]]
    t.is(start, end)
    t.true(end.durationMs! > 0)
    t.is(end.kind, 'method')
    t.is(end.peer.pid, program.pid)
    t.is(end.error !== undefined, end.code !== undefined)
  }
})

test.serial('a failure nobody handles is unhandled also where it is published', async (t) => {
  const { client } = await inside(t)
  const { stop } = watch(moments('request'), client)
  alone(t, 'unhandledRejection')
  const unhandled = new Promise((resolve) => process.once('unhandledRejection', resolve))
  void client.request('fail')
  t.is(((await unhandled) as IpcError).code, 'E_MINE')
  stop()
})

test.serial('the stack of an error leads to its caller also where it is published', async (t) => {
  const { client } = await inside(t)
  const { stop } = watch(moments('request'), client)
  async function whoAsks(): Promise<void> {
    await client.request('fail')
  }
  const error = await t.throwsAsync(whoAsks)
  t.regex(error.stack!, /\[remote\] at .*inside/)
  t.regex(error.stack!, /at async whoAsks/)
  stop()
})

test.serial('a stream is published from its request to its result', async (t) => {
  const { client } = await inside(t)
  const { seen, stop } = watch(moments('stream'), client)
  const numbers: number[] = []
  for await (const number of client.stream(Numbers, 3)) numbers.push(number)
  await t.throwsAsync(client.stream(Numbers, -1).result, { code: 'E_NEGATIVE' })
  const cancelled = client.stream(Numbers, 1e9)
  cancelled.cancel()
  await t.throwsAsync(cancelled.result, { code: 'ERR_CANCELLED' })
  await until('all have ended', () => seen.length === 6)
  stop()
  t.deepEqual(numbers, [0, 1, 2])
  t.deepEqual(
    seen.map(([moment, { kind, code }]) => [moment, kind, code]),
    [
      ['stream:start', 'stream', undefined],
      ['stream:end', 'stream', undefined],
      ['stream:start', 'stream', 'E_NEGATIVE'],
      ['stream:error', 'stream', 'E_NEGATIVE'],
      ['stream:start', 'stream', 'ERR_CANCELLED'],
      ['stream:error', 'stream', 'ERR_CANCELLED'],
    ],
  )
  await client.close()
  const { seen: late, stop: stopLate } = watch(moments('stream'), client)
  t.throws(() => client.stream(Numbers, 1), { code: 'ERR_CLOSED' })
  // What is not sent is not published.
  t.deepEqual(late, [])
  stopLate()
})

test.serial('a handler is published when it is called, and once when it has ended', async (t) => {
  const { client } = await inside(t)
  await client.request('see')
  await client.request('see later')
  await t.throwsAsync(client.request('fail'))
  await t.throwsAsync(client.request('reject'))
  await t.throwsAsync(client.request('none'))
  await t.throwsAsync(client.request('never', 0, { timeoutMs: 50 }))
  await t.throwsAsync(client.request('settles late', 0, { timeoutMs: 50 }))
  await client.stream(Numbers, 3).result
  await t.throwsAsync(client.stream(Numbers, -1).result)
  await client.send(event('seen'))
  await client.request('published', undefined).then((all) => {
    const handled = (all as Published[]).filter(({ moment }) => moment.startsWith('ringpost:handler'))
    const told = handled.map(({ moment, kind, name, code }) => {
      return [moment.split(':')[2], kind, name, code ?? null].join(' ')
    })
    t.deepEqual(told.filter((line) => !line.includes('published')), [
      'start method see ',
      'end method see ',
      'start method see later ',
      'end method see later ',
      'start method fail ',
      'error method fail E_MINE',
      'start method reject ',
      'error method reject TypeError',
      'start method never ',
      'error method never ERR_CANCELLED',
      'start method settles late ',
      'error method settles late ERR_CANCELLED',
      'start stream numbers ',
      'end stream numbers ',
      'start stream numbers ',
      'error stream numbers E_NEGATIVE',
      'start event seen ',
      'end event seen ',
    ])
    t.true(handled.every(({ pid }) => pid === process.pid))
    const over = handled.filter(({ moment }) => !moment.endsWith('start'))
    t.true(over.every(({ durationMs }) => durationMs! > 0))
  })
})

test.serial('a traceparent that a subscriber sets arrives, in place of any other', async (t) => {
  const { client } = await inside(t)
  const set = (message: unknown) => ((message as CallMessage).traceparent = TRACE)
  const names = ['ringpost:request:start', 'ringpost:stream:start', 'ringpost:event:send'] as const
  for (const name of names) subscribe(name, set)
  await client.request('see', undefined, { traceparent: TRACE.replace('0af7', '1111') })
  client.requestSync('see')
  await client.stream(Numbers, 1).result
  client.notify('seen')
  await client.send('seen')
  for (const name of names) unsubscribe(name, set)
  await client.request('see')
  const own = TRACE.replace('0af7', '2222')
  client.requestSync('see', undefined, { traceparent: own })
  client.handle('theirs', (_, { traceparent }) => traceparent)
  t.is(await client.request('back sync', 'theirs', { traceparent: own }), own)
  const traces = (await published(client)).filter(({ moment }) => moment.endsWith('handler:start'))
  t.deepEqual(
    traces.map(({ name, traceparent }) => [name, traceparent]),
    [
      ...[['see', TRACE], ['see', TRACE], ['numbers', TRACE], ['seen', TRACE], ['seen', TRACE]],
      ...[['see', undefined], ['see', own], ['back sync', own], ['published', undefined]],
    ],
  )
})

test.serial('a traceparent that is none is an uncaught error of the subscriber alone', async (t) => {
  const { client } = await inside(t)
  alone(t, 'uncaughtException')
  const uncaught = new Promise((resolve) => process.once('uncaughtException', resolve))
  const set = (message: unknown) => ((message as CallMessage).traceparent = 'garbage')
  subscribe('ringpost:request:start', set)
  t.deepEqual(await client.request('see'), [null, 'bound to see'])
  unsubscribe('ringpost:request:start', set)
  t.like(await uncaught, { name: 'RangeError', code: 'ERR_INVALID_ARGUMENT' })
})

test.serial('an event arrives as it was sent, whatever its subscribers send', async (t) => {
  const server = await createServer('audited')
  const clients = [await connect('audited'), await connect('audited')]
  t.teardown(() => Promise.all([...clients.map((client) => client.close()), server.close()]))
  const audit = (message: unknown) => {
    const { connection, name } = message as CallMessage
    if (name === 'tick') connection.notify(event('audit'), 'of a tick')
  }
  const heard: unknown[] = []
  for (const side of [server, ...clients]) side.on(event('tick'), (payload) => heard.push(payload))
  await until('both are there', () => server.connections.size === 2)
  subscribe('ringpost:event:send', audit)
  t.true(clients[0].notify('tick', 1))
  await clients[0].send('tick', 2)
  server.notify('tick', 3)
  unsubscribe('ringpost:event:send', audit)
  await until('all are there', () => heard.length === 4)
  t.deepEqual(heard, [1, 2, 3, 3])
  const close = (message: unknown) => void (message as CallMessage).connection.close()
  subscribe('ringpost:event:send', close)
  t.throws(() => clients[0].notify('tick', 4), { code: 'ERR_CLOSED' })
  await t.throwsAsync(clients[1].send('tick', 5), { code: 'ERR_CLOSED' })
  unsubscribe('ringpost:event:send', close)
})

test.serial('subscribers wrap a handler, the first one outermost', async (t) => {
  const server = await createServer('around')
  const client = await connect('around')
  t.teardown(() => Promise.all([client.close(), server.close()]))
  const order: string[] = []
  server.handle('wrapped', () => order.push('handler'))
  const wrapIn = (name: string) => (message: unknown) => {
    ;(message as DiagnosticsChannels['ringpost:handler:start']).around((work) => {
      order.push(`${name} in`)
      const result = work()
      order.push(`${name} out`)
      return result
    })
  }
  const wraps = [wrapIn('first'), wrapIn('second')]
  for (const wrap of wraps) subscribe('ringpost:handler:start', wrap)
  t.is(await client.request('wrapped'), 3)
  for (const wrap of wraps) unsubscribe('ringpost:handler:start', wrap)
  t.deepEqual(order, ['first in', 'second in', 'handler', 'second out', 'first out'])
  // What a subscriber does wrong there fails the request, and nothing else.
  server.handle(Numbers, async () => null)
  const broken = (message: unknown) => {
    ;(message as DiagnosticsChannels['ringpost:handler:start']).around(() => {
      throw Object.assign(new Error('around nothing'), { code: 'E_AROUND' })
    })
  }
  subscribe('ringpost:handler:start', broken)
  await t.throwsAsync(client.request('wrapped'), { code: 'E_AROUND' })
  await t.throwsAsync(client.stream(Numbers, 1).result, { code: 'E_AROUND' })
  unsubscribe('ringpost:handler:start', broken)
  t.is(await client.stream(Numbers, 1).result, null)
  t.false(channel('ringpost:handler:start').hasSubscribers)
})

test.serial('a connection is published when it is open and when it has ended', async (t) => {
  const names: Name[] = ['ringpost:connection:open', 'ringpost:connection:close']
  const { seen, stop } = watch(names)
  const { client, program } = await inside(t)
  const other = (await inside(t)).client
  await client.close()
  other.notify('never')
  await program.kill()
  await other.close()
  stop()
  t.deepEqual(
    seen.map(([moment, { connection }]) => [moment, connection === client]),
    [
      ['connection:open', true],
      ['connection:open', false],
      ['connection:close', true],
      ['connection:close', false],
    ],
  )
  t.is((seen[2][1] as unknown as DiagnosticsChannels['ringpost:connection:close']).reason, null)
  const { seen: lost, stop: stopLost } = watch(['ringpost:connection:close'])
  const third = await inside(t)
  const there = (await published(third.client)).map(({ moment, pid }) => [moment, pid])
  t.deepEqual(there[0], ['ringpost:connection:open', process.pid])
  await third.program.kill()
  await third.client.closed
  stopLost()
  const [[, message]] = lost as unknown as [string, { reason: IpcError }][]
  t.is(message.reason.code, 'ERR_PEER_LOST')
})
