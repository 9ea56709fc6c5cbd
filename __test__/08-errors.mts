// What is told of a failure: everything that can be carried, whatever was thrown, and whose it was.

import { Socket } from 'node:net'
import { isDeepStrictEqual } from 'node:util'
import vm from 'node:vm'
import test from 'ava'
import { connect, createServer, IpcError, json, messagePack, method, stream } from 'ringpost'
import { decodeError, encodeError, readError } from '../ts/values/remote-error.js'
import { Echo, Fail } from './helpers/contracts.mjs'
import { serve } from './helpers/program.mjs'
import { eachSeed } from './helpers/random.mjs'

const server = await createServer('failing')
const client = await connect('failing')
// Connected from the start: a test here may take so long at a stretch that a client is given up.
const far = await connect((await serve()).name)
test.after.always(() => far.close())
test.after.always(() => client.close())
test.after.always(() => server.close())

let handlers = 0
/** What comes of a handler that throws what this makes. */
async function told(make: () => unknown): Promise<any> {
  const name = `handler-${++handlers}`
  server.handle(name, () => {
    throw make()
  })
  return client.request(name).then(
    () => {
      throw new Error('it was answered')
    },
    (error: unknown) => error,
  )
}

// ---- what arrives ----

test('own properties of an error arrive if they can be encoded', async (t) => {
  const socket = new Socket()
  const error = await told(() =>
    Object.assign(new RangeError('no'), {
      ...{ errno: -2, syscall: 'open', path: '/x', at: new Date(5), data: Float64Array.of(1) },
      ...{ nothing: undefined, null: null, fn: () => 1, symbol: Symbol('s'), set: new Set(), socket },
      ...{ list: [1, { deep: true }], [Symbol('hidden')]: 1, lone: '\ud800' },
    }),
  )
  socket.destroy()
  const { code, isRemote, ...properties } = error
  t.deepEqual([code, isRemote], ['ERR_HANDLER', true])
  t.deepEqual(properties, {
    ...{ errno: -2, syscall: 'open', path: '/x', at: new Date(5), data: Float64Array.of(1) },
    ...{ null: null, list: [1, { deep: true }] },
  })
  t.is(error.name, 'RangeError')
})

test('properties named like parts of an error do not replace them', async (t) => {
  const error = await told(() => {
    const thrown = Object.assign(new Error('mine'), { isRemote: 'no', toString: 'x', then: 1 })
    const value = { polluted: true }
    return Object.defineProperty(thrown, '__proto__', { value, enumerable: true })
  })
  t.is(error.isRemote, true)
  t.is(error.then, 1)
  t.true(error instanceof IpcError)
  t.is(({} as { polluted?: true }).polluted, undefined)
  t.is(error.polluted, undefined)
})

test('codes are text or numbers, except the legacy numbers of a DOMException', async (t) => {
  const coded = (code: unknown) => told(() => Object.assign(new Error('e'), { code }))
  t.is((await coded('E_MINE')).code, 'E_MINE')
  t.is((await coded('')).code, '')
  for (const code of [404, 0, -1, 1.5]) t.is((await coded(code)).code, code)
  for (const code of [true, {}, [], null, NaN, Symbol('s'), 1n]) {
    t.is((await coded(code)).code, 'ERR_HANDLER')
  }
  class Own extends Error {
    get code() {
      return 'E_GETTER'
    }
  }
  t.is((await told(() => new Own())).code, 'E_GETTER')
  const aborted = await told(() => AbortSignal.abort().reason as unknown)
  t.deepEqual([aborted.name, aborted.code], ['AbortError', 'ERR_HANDLER'])
  const late = await told(() => new DOMException('late', 'TimeoutError'))
  t.deepEqual([late.name, late.message, late.code], ['TimeoutError', 'late', 'ERR_HANDLER'])
})

test('a cause of any type is preserved', async (t) => {
  const cause = async (cause: unknown) => (await told(() => new Error('e', { cause }))).cause as unknown
  for (const value of ['text', 0, '', false, 1.5, [1], { why: { deep: 1 } }, new Date(3)]) {
    t.deepEqual(await cause(value), value)
  }
  t.is(await cause(undefined), undefined)
  t.is(await cause(() => 1), undefined)
  t.like(await cause(new TypeError('inner', { cause: 'root' })), {
    ...{ name: 'TypeError', message: 'inner', cause: 'root', isRemote: true },
  })
  t.like(await cause(new Set()), { message: 'Set was thrown' })
  t.like(await cause({ fn() {}, message: 'said', code: 'E' }), { message: 'said', code: 'E' })
})

test('an AggregateError keeps its errors', async (t) => {
  const error = await told(() =>
    new AggregateError(
      [Object.assign(new TypeError('one'), { code: 'E_ONE' }), 'two', { three: 3 }, undefined],
      'all have failed',
      { cause: new Error('root') },
    ),
  )
  t.is(error.name, 'AggregateError')
  t.is(error.errors.length, 3)
  t.like(error.errors[0], { name: 'TypeError', message: 'one', code: 'E_ONE', isRemote: true })
  t.deepEqual(error.errors.slice(1), ['two', { three: 3 }])
  t.is(error.cause.message, 'root')
  const rejected = await told(() => new AggregateError([new AggregateError([new Error('deep')])]))
  t.is(rejected.errors[0].errors[0].message, 'deep')
  const listed = await told(() => Object.assign(new Error('v'), { errors: { field: ['bad'] } }))
  t.deepEqual(listed.errors, { field: ['bad'] }, 'a property, where it is no list')
})

test('a thrown value that is not an error arrives as one', async (t) => {
  const plain = await told(() => ({ code: 'E_PLAIN', message: 'plain words', status: 7, stack: 1 }))
  t.like(plain, { name: 'Error', code: 'E_PLAIN', message: 'plain words', status: 7 })
  t.like(await told(() => ({ a: 1 })), { message: 'Object was thrown', a: 1 })
  t.like(await told(() => [1, 2]), { message: '1,2' })
  for (const [thrown, message] of [
    ...[['text', 'text'], [7, '7'], [undefined, 'undefined'], [null, 'null'], [5n, '5']],
    ...[[Symbol('s'), 'Symbol(s)'], [() => 'source', 'function was thrown'], ['', 'string was thrown']],
  ]) {
    t.like(await told(() => thrown), { name: 'Error', message, code: 'ERR_HANDLER', isRemote: true })
  }
})

test('errors of another realm keep all their parts', async (t) => {
  const other = vm.createContext({})
  const of = (text: string) => told(() => vm.runInContext(text, other) as unknown)
  const error = await of(
    'Object.assign(new TypeError("boom", { cause: new Error("deep") }), { code: "E_BOOM", n: [1] })',
  )
  t.like(error, { name: 'TypeError', message: 'boom', code: 'E_BOOM', n: [1] })
  t.is(error.cause.message, 'deep')
  t.is((await of('new AggregateError([new Error("one")])')).errors[0].message, 'one')
  t.regex(error.stack, /TypeError: boom\n {4}\[remote\] at evalmachine/)
})

// ---- what is hostile ----

const throwing = (): never => {
  throw new Error('hostile')
}
const everything = Object.fromEntries(
  Object.getOwnPropertyNames(Reflect).map((trap) => [trap, throwing]),
) as ProxyHandler<any>

const HOSTILE: (() => unknown)[] = [
  ...['name', 'message', 'code', 'stack', 'cause', 'errors', 'mine', 'then', 'toString', 'toJSON'].map(
    (key) => () =>
      Object.defineProperty(new Error('e'), key, { get: throwing, enumerable: true }),
  ),
  () => new Proxy(new Error('e'), everything),
  () => Object.assign(new Error('e'), { inner: new Proxy({}, everything) }),
  () => new Error('e', { cause: new Proxy(new Error('c'), everything) }),
  () => new AggregateError([new Proxy(new Error('c'), everything)]),
  () => Object.assign(new Error('e'), { errors: new Proxy([], everything) }),
  () => {
    const { proxy, revoke } = Proxy.revocable(new Error('e'), {})
    revoke()
    return proxy
  },
  () => ({ toString: throwing, constructor: { get name(): never { return throwing() } } }),
  () => Object.assign(new Error('e'), { message: { toString: throwing }, name: 5, stack: throwing }),
  () => Object.create(null) as unknown,
  () => Object.create(Error.prototype) as unknown,
]

test('an error whose properties throw fails only its own request', async (t) => {
  server.handle(Echo, (value) => value)
  for (const make of HOSTILE) {
    const [error, other] = await Promise.all([told(make), client.request(Echo, 'alive')])
    t.is(other, 'alive')
    t.true(error instanceof IpcError)
    t.is(error.isRemote, true)
    t.is(typeof error.message, 'string')
    t.is(typeof error.stack, 'string')
  }
})

test('a getter of an error may send messages', async (t) => {
  const seen: unknown[] = []
  client.on('notified', (value: unknown) => seen.push(value))
  const [connection] = server.connections
  const error = await told(() => ({
    get message() {
      connection.notify('note', 'x'.repeat(3000))
      return 'fine'
    },
    get extra() {
      messagePack.encode({ a: 'side trip' })
      return { b: 'y'.repeat(2000) }
    },
  }))
  t.is(error.message, 'fine')
  t.deepEqual(error.extra, { b: 'y'.repeat(2000) })
})

// ---- how much ----

test('an error is truncated to a fixed size, part by part', async (t) => {
  const huge = () => {
    const error: Error = new Error('m'.repeat(1e6), { cause: 'c'.repeat(1e6) })
    error.stack = 's'.repeat(1e6)
    return Object.assign(error, {
      ...{ buffer: Buffer.alloc(10e6), text: 't'.repeat(1e6), small: 1 },
      ...Object.fromEntries(Array.from({ length: 1000 }, (_, at) => [`p${at}`, at])),
    })
  }
  const payload = encodeError(huge())
  t.true(payload.length < 3 * 65_536 + 2 * 16_384, `${payload.length} bytes`)
  const error = await told(huge)
  t.is(error.message.length, 16_384)
  t.is(error.small, 1)
  t.is(error.text, undefined)
  t.is(error.buffer, undefined)
  t.true(Object.keys(error).length < 70)
  t.is(error.cause.message.length, 16_384, 'a text too long for a value is still a text')
})

test('infinite chains of causes and errors are truncated', async (t) => {
  const circle: Error & { cause?: unknown } = new Error('again')
  circle.cause = circle
  const depth = (error: any): number => (error?.cause ? 1 + depth(error.cause) : 0)
  t.is(depth(await told(() => circle)), 8)
  const bush: Error & { errors?: unknown[] } = new Error('bush')
  bush.errors = new Array(100).fill(bush)
  const count = (error: any): number =>
    1 + (error.errors ?? []).reduce((sum: number, one: any) => sum + count(one), 0)
  const found = await told(() => bush)
  t.true(found.errors.length <= 16)
  t.true(count(found) <= 32, String(count(found)))
})

test('a lone surrogate in an error, original or from truncation, is replaced', async (t) => {
  const error = await told(() => new Error(`${'x'.repeat(16_383)}🦀`))
  t.is(error.message, `${'x'.repeat(16_383)}\ufffd`)
  t.is((await told(() => new Error('\ud800'))).message, '\ufffd')
})

test('an error arrives even if the agreed message length is short', async (t) => {
  for (const messageLenMax of [600, 60, 30, 1]) {
    await using small = await createServer('small')
    small.handle('fail', () => {
      throw Object.assign(new Error('m'.repeat(5000)), { code: 'E_SMALL', more: 'p'.repeat(500) })
    })
    await using asking = await connect('small', { messageLenMax })
    const error = await t.throwsAsync<IpcError>(asking.request('fail', undefined, { timeoutMs: 5000 }))
    t.is(error.code, messageLenMax > 20 ? 'E_SMALL' : 'ERR_INVALID_PAYLOAD', `${messageLenMax}`)
  }
})

// ---- stacks ----

const frames = (error: Error): string[] => error.stack!.split('\n').slice(1)

test("a stack marks the remote frames and keeps the caller's", async (t) => {
  async function whoWaits(): Promise<unknown> {
    return await client.request('deep')
  }
  const throwDeep = () => {
    throw new TypeError('deep inside')
  }
  server.handle('deep', throwDeep)
  const error = await t.throwsAsync<IpcError>(whoWaits())
  t.regex(error.stack!, /^TypeError: deep inside\n {4}\[remote\] at throwDeep /)
  const lines = frames(error)
  const first = lines.findIndex((line) => !line.startsWith('    [remote] at '))
  t.true(first > 0)
  t.regex(lines[first], /^ {4}at async whoWaits \(.*08-errors/)
  t.true(lines.slice(first).every((line) => line.startsWith('    at ')))
  const all = await t.throwsAsync(Promise.all([whoWaits()]))
  t.regex(all.stack!, /\n {4}at async whoWaits /)
  const mapped = await t.throwsAsync((async () => await client.request('deep').then((x) => x))())
  t.regex(mapped.stack!, /\n {4}at async .*08-errors/)
  error.stack = 'replaced'
  t.is(error.stack, 'replaced')
})

test('the stack of a synchronous request, and of an error without remote frames', async (t) => {
  function whoCalls(): void {
    far.requestSync(Fail, { name: 'Error', message: 'far' })
  }
  const error = t.throws<IpcError>(whoCalls)
  t.regex(error.stack!, /^Error: far\n {4}\[remote\] at /)
  t.regex(error.stack!, /\n {4}at whoCalls /)
  const [bare] = [await told(() => 'text')]
  t.regex(bare.stack, /^Error: text\n {4}\[remote\] the other side sent no stack\n {4}at async /)
})

test('the error of a request without an answer has the stack of the caller', async (t) => {
  server.handle('never', () => new Promise(() => {}))
  async function whoWaited(): Promise<void> {
    await client.request('never', undefined, { timeoutMs: 10 })
  }
  const error = await t.throwsAsync(whoWaited(), { code: 'ERR_TIMEOUT' })
  t.regex(error.stack!, /at async whoWaited/)
})

test('an error that was forwarded shows the stacks of both hops', async (t) => {
  server.handle('pass-on', async function passOn() {
    return await far.request(Fail, { name: 'Error', message: 'far', code: 'E_FAR' })
  })
  const error = await t.throwsAsync<IpcError>(client.request('pass-on'), { code: 'E_FAR' })
  t.regex(error.stack!, /\[remote\] at .*server\.m[\s\S]*\[remote\] at async .*passOn/)
  t.notRegex(error.stack!, /\[remote\] *\[remote\]/)
})

// ---- what else ----

test('an error in JSON has all parts except its stack', async (t) => {
  const error = await told(() =>
    Object.assign(new AggregateError([new Error('one')], 'all', { cause: 'why' }), { code: 'E', n: 1 }),
  )
  t.deepEqual(JSON.parse(JSON.stringify(error)), {
    ...{ name: 'AggregateError', message: 'all', code: 'E', isRemote: true, n: 1, cause: 'why' },
    errors: [{ name: 'Error', message: 'one', code: 'ERR_HANDLER', isRemote: true }],
  })
})

test('a method called as a stream, a stream called as a method, and an unknown name', async (t) => {
  const refused = { code: 'ERR_INVALID_ARGUMENT' }
  server.handle('plain', () => 1)
  const items = client.stream(stream('plain'))
  await t.throwsAsync(items.result, { ...refused, message: /"plain" is no stream, but was called as one/ })
  await t.throwsAsync(async () => {
    for await (const item of client.stream(stream('plain'))) t.fail(String(item))
  }, refused)
  server.handle(stream('streaming'), () => 1)
  await t.throwsAsync(client.request('streaming'), { ...refused, message: /"streaming" is a stream, but was called as none/ })
  await t.throwsAsync(client.request('nothing'), {
    code: 'ERR_UNKNOWN_METHOD',
    message: 'there is no handler for the method "nothing"',
  })
})

test('a validator that throws or is asynchronous is reported', async (t) => {
  const validator = (validate: () => unknown) => ({ '~standard': { validate } }) as never
  const ask = (name: string, validate: () => unknown) => {
    server.handle(method(name, { params: validator(validate) }), () => 1)
    return client.request(name)
  }
  const refused = (message: RegExp) => ({ code: 'ERR_INVALID_PAYLOAD', message })
  await t.throwsAsync(ask('v1', throwing), refused(/params: the validator failed: hostile/))
  await t.throwsAsync(ask('v2', () => Promise.reject(new Error('x'))), refused(/it is asynchronous/))
  await t.throwsAsync(ask('v3', () => undefined), refused(/the validator failed/))
  await t.throwsAsync(ask('v4', () => ({ issues: [{ message: 'bad' }] })), refused(/says: bad/))
})

test('any value can be encoded as an error, and any bytes decode to one', async (t) => {
  await eachSeed(t, 2000, (r) => {
    const payload = new Uint8Array(encodeError(r.pick(HOSTILE)()))
    if (r.below(2)) payload[r.below(payload.length)] = r.below(256)
    const error = decodeError(r.below(2) ? payload : r.bytes(r.below(60)))
    if (!(error instanceof IpcError) || !error.isRemote) t.fail('not a remote error')
    if (typeof error.stack !== 'string') t.fail('a stack that is none')
    const again = decodeError(encodeError(error))
    const parts = ({ name, message, code }: IpcError) => [name, message, code]
    if (!isDeepStrictEqual(parts(again), parts(error))) t.deepEqual(parts(again), parts(error))
  })
  t.like(readError(json.encode({ name: 'x' }), false), { code: 'ERR_INVALID_PAYLOAD' })
  t.regex(String(readError(new Uint8Array(2 ** 21), true).message), /2097152 bytes/)
})
