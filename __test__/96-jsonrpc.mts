// Transports for editors and language servers: the situations in which `vscode-jsonrpc` tests its
// own, between two processes, over ours and beside it over stdio, with each version that may be used.

import { spawn, type ChildProcess } from 'node:child_process'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { startServer, type StartedServer } from 'ringpost/jsonrpc'
import type * as Rpc from 'vscode-jsonrpc/node'
import './helpers/directory.mjs'

const PROGRAM = fileURLToPath(new URL('./programs/jsonrpc.mjs', import.meta.url))

type Library = typeof Rpc

interface Side {
  rpc: Library
  connection: Rpc.MessageConnection
  process: ChildProcess
}

/** Both ends of a connection, of which the other one is a process of its own. */
async function connect(copy: string, way: 'stdio' | 'started'): Promise<Side> {
  const rpc = createRequire(import.meta.url)(`${copy}/node`) as Library
  const { reader, writer, process } = await (way === 'stdio' ? overStdio(rpc, copy) : started(copy))
  const connection = rpc.createMessageConnection(reader, writer)
  connection.listen()
  return { rpc, connection, process }
}

const started = (copy: string) => startServer(process.execPath, [PROGRAM, copy, 'started'])

function overStdio(rpc: Library, copy: string): StartedServer {
  const stdio = ['pipe', 'pipe', 'inherit'] as const
  const child = spawn(process.execPath, [PROGRAM, copy, 'stdio'], { stdio: [...stdio] })
  const reader = new rpc.StreamMessageReader(child.stdout)
  return { reader, writer: new rpc.StreamMessageWriter(child.stdin), process: child }
}

function end({ connection, process }: Side): void {
  connection.dispose()
  process.kill('SIGKILL')
}

type Situation = (t: ExecutionContext, side: Side) => Promise<void>

/** The next notification of a name. */
const next = <T,>(connection: Rpc.MessageConnection, name: string): Promise<T> =>
  new Promise((resolve) => {
    const registration = connection.onNotification(name, (params: T) => {
      registration.dispose()
      resolve(params)
    })
  })

const SITUATIONS: Record<string, Situation> = {
  'a request is answered': async (t, { connection }) => {
    t.deepEqual(await connection.sendRequest('echo', { value: 'foo' }), [{ value: 'foo' }])
  },

  'requests in flight together are each answered': async (t, { connection }) => {
    const asked = Array.from({ length: 100 }, (_, n) => connection.sendRequest('echo', { n }))
    t.deepEqual(await Promise.all(asked), Array.from({ length: 100 }, (_, n) => [{ n }]))
  },

  'params arrive as they were given': async (t, { connection, rpc }) => {
    const { byName, byPosition } = rpc.ParameterStructures
    const echo = (...params: unknown[]) => connection.sendRequest('echo', ...params)
    t.deepEqual(await echo(), [])
    t.deepEqual(await echo(null), [null])
    t.deepEqual(await echo(undefined), [null])
    t.deepEqual(await echo(0), [0])
    t.deepEqual(await echo(true), [true])
    t.deepEqual(await echo(''), [''])
    t.deepEqual(await echo([10, 20, 30]), [[10, 20, 30]])
    t.deepEqual(await echo(byPosition, { value: 10 }), [{ value: 10 }])
    t.deepEqual(await echo(byName, { value: 10 }), [{ value: 10 }])
    t.deepEqual(await echo({ left: undefined, right: [undefined] }), [{ right: [null] }])
    t.is(await connection.sendRequest('add', 10, 20, 30), 60)
    t.is(await connection.sendRequest('add', 10, 20, 30, undefined), 60)
    t.is(await connection.sendRequest('nothing'), null)
  },

  'typed requests fill up missing params': async (t, { connection, rpc }) => {
    const add = new rpc.RequestType3<number, number, number | null, number, void>('add')
    const { token } = new rpc.CancellationTokenSource()
    t.is(await connection.sendRequest(add, 10, 20, 30, token), 60)
    t.is(await (connection.sendRequest as (...all: unknown[]) => Promise<unknown>)(add, 1, 2), 3)
  },

  'texts of all kinds arrive': async (t, { connection }) => {
    const texts = ['', '\0', '"\\\r\n\u2028', 'grün', '日本語', '👩‍👩‍👧', '\ud800', '\ufeff']
    t.deepEqual(await connection.sendRequest('echo', texts, ...texts), [texts, ...texts])
    const long = texts.slice(0, 6).join('').repeat(20_000)
    t.deepEqual(await connection.sendRequest('echo', { long }), [{ long }])
  },

  'documents arrive in their places, whatever is beside them': async (t, { connection }) => {
    const [ascii, latin, wide] = ['x', 'ü', '日本👩'].map((text) => text.repeat(40_000))
    const own: unknown = JSON.parse(`{ "__proto__": ${JSON.stringify(wide)} }`)
    for (const params of [
      { textDocument: { version: 1 }, contentChanges: [{ text: ascii }, { range: 0, text: wide }] },
      { [latin]: latin, '': ascii, list: [[[[[[[wide]]]]]]] },
      [...Array(100).keys(), ascii],
      { broken: `${wide}\ud800`, marked: `\ufeff${ascii}`, none: undefined, own },
    ]) {
      const expected: unknown = JSON.parse(JSON.stringify(params))
      t.deepEqual(await connection.sendRequest('echo', params), [expected])
    }
    const changed = { text: ascii, toJSON: () => ({ text: wide }) }
    t.deepEqual(await connection.sendRequest('echo', { changed }), [{ changed: { text: wide } }])
    t.is(changed.text, ascii)
  },

  'a large message arrives whole, and others behind it': async (t, { connection }) => {
    const large = 'x'.repeat(8 << 20)
    const answers = [connection.sendRequest('echo', large), connection.sendRequest('echo', 'small')]
    const [[echoed], small] = (await Promise.all(answers)) as [[string], string[]]
    t.true(echoed === large)
    t.deepEqual(small, ['small'])
  },

  'errors keep code, message and data': async (t, { connection, rpc }) => {
    const { InternalError, InvalidRequest, MethodNotFound } = rpc.ErrorCodes
    const failure = async (method: string) => {
      const error = await t.throwsAsync(connection.sendRequest(method), { any: true })
      const { code, message, data } = error as Rpc.ResponseError<unknown>
      return { code, message, data }
    }
    t.deepEqual(await failure('refuse'), {
      ...{ code: InvalidRequest, message: 'not like this', data: { tries: 3 } },
    })
    t.like(await failure('fail'), { code: InternalError, data: undefined })
    t.regex((await failure('fail')).message, /a mistake/)
    t.is((await failure('no such method')).code, MethodNotFound)
  },

  'notifications keep their order among requests': async (t, { connection }) => {
    const text = (n: number) => 'x'.repeat((n * 997) % 9_000)
    const notes = Array.from({ length: 500 }, (_, n) => ({ n, text: text(n) }))
    for (const note of notes) void connection.sendNotification('note', note)
    t.deepEqual(await connection.sendRequest('notes'), notes)
  },

  'a notification that nobody handles is reported': async (t, { connection }) => {
    void connection.sendNotification('unheard of', { value: true })
    t.deepEqual(await connection.sendRequest('unhandled'), ['unheard of'])
  },

  'the other side asks as well, and reports progress': async (t, { connection, rpc }) => {
    connection.onRequest('question', (question: string) => `${question}!`)
    t.is(await connection.sendRequest('ask', 'really'), 'really!')
    const seen: number[] = []
    connection.onProgress(new rpc.ProgressType<number>(), 'job', (done) => void seen.push(done))
    t.is(await connection.sendRequest('work', 'job'), 'done')
    t.deepEqual(seen, [1, 2, 3])
  },

  'progress that nobody handles is reported': async (t, { connection }) => {
    const seen: unknown[] = []
    connection.onUnhandledProgress(({ value }) => seen.push(value))
    t.is(await connection.sendRequest('work', 'unknown job'), 'done')
    t.deepEqual(seen, [1, 2, 3])
  },

  'a request is canceled, also before it is sent': async (t, { connection, rpc }) => {
    const source = new rpc.CancellationTokenSource()
    const hanging = connection.sendRequest('hang', source.token)
    t.deepEqual(await connection.sendRequest('echo', 'meanwhile'), ['meanwhile'])
    source.cancel()
    await t.throwsAsync(hanging, { message: 'canceled' })
    await t.throwsAsync(connection.sendRequest('hang', source.token), { message: 'canceled' })
  },
}

/** After these a connection is of no more use. */
const ENDINGS: Record<string, Situation> = {
  'a disposed connection rejects what is pending': async (t, { connection }) => {
    const hanging = connection.sendRequest('hang')
    t.deepEqual(await connection.sendRequest('echo', 'meanwhile'), ['meanwhile'])
    let disposals = 0
    connection.onDispose(() => disposals++)
    connection.dispose()
    connection.dispose()
    t.is(disposals, 1)
    await t.throwsAsync(hanging, { message: /disposed/ })
    t.throws(() => void connection.sendNotification('note'), { message: /disposed/ })
  },

  'what was sent before the end arrives, and then the close': async (t, { connection }) => {
    const closed = new Promise<void>((resolve) => connection.onClose(() => resolve()))
    const said = next(connection, 'said')
    void connection.sendNotification('bye')
    await said
    await closed
    t.throws(() => void connection.sendNotification('note'), { message: /closed/ })
  },
}

const VERSIONS = ['vscode-jsonrpc', 'vscode-jsonrpc-9', 'vscode-jsonrpc-8']
const PAIRS = [
  ['stdio', VERSIONS[0]],
  ...VERSIONS.map((copy) => ['started', copy]),
] as ['stdio' | 'started', string][]

for (const [way, copy] of PAIRS) {
  const shared = connect(copy, way)
  test.after.always(async () => end(await shared))
  for (const [title, situation] of Object.entries(SITUATIONS)) {
    test(`${way}, ${copy}: ${title}`, async (t) => situation(t, await shared))
  }
  for (const [title, situation] of Object.entries(ENDINGS)) {
    test.serial(`${way}, ${copy}: ${title}`, async (t) => {
      const side = await connect(copy, way)
      t.teardown(() => end(side))
      await situation(t, side)
    })
  }
}
