// Transports at their limits and in the end: sides that are slow, leave, die or send what is no
// message.

import { execFileSync, fork, type StdioOptions } from 'node:child_process'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import test, { type ExecutionContext } from 'ava'
import { bytes, connect, IpcError, json, stream } from 'ringpost'
import * as jsonrpc from 'ringpost/jsonrpc'
import type { Message } from 'vscode-jsonrpc'
import { wireNumber } from '../ts/values/codec.js'
import './helpers/directory.mjs'
import { until } from './helpers/program.mjs'

const { createClientTransport, createServerTransport, serveClients, startServer } = jsonrpc
const PROGRAM = fileURLToPath(new URL('./programs/jsonrpc.mjs', import.meta.url))
const HOSTILE = fileURLToPath(new URL('./programs/jsonrpc-hostile.mjs', import.meta.url))
const NODE = process.execPath

type Note = Message & { method: string; params?: any; id?: number; result?: any }
const note = (method: string, ...params: unknown[]): Note => ({ jsonrpc: '2.0', method, params })
const request = (id: number, method: string, ...params: unknown[]): Note => ({
  ...note(method, ...params),
  id,
})

// One after the other: each has processes of its own.

/** All that a transport reports, in order. */
function watch({ reader, writer }: jsonrpc.Transport) {
  const seen: string[] = []
  const messages: Note[] = []
  reader.onError((error) => seen.push(`read ${(error as IpcError).code}`))
  reader.onClose(() => seen.push('reader closed'))
  reader.onPartialMessage(() => seen.push('partial'))
  writer.onError(([error, , count]) => seen.push(`write ${(error as IpcError).code} ${count}`))
  writer.onClose(() => seen.push('writer closed'))
  const listen = () =>
    reader.listen((message) => {
      messages.push(message as Note)
      seen.push(`got ${(message as Note).method ?? 'answer'}`)
    })
  return { seen, messages, listen }
}

/** A server in a process of its own. `later` listens only when it is sent a message. */
async function start(t: ExecutionContext, way = 'started', options?: jsonrpc.StartOptions) {
  const stdio: StdioOptions = ['ignore', 'ignore', 'inherit', 'ipc']
  const args = [PROGRAM, 'vscode-jsonrpc', way]
  const server = await startServer(NODE, args, { stdio, ...options })
  t.teardown(() => server.process.kill('SIGKILL'))
  const ended = once(server.process, 'exit') as Promise<[number | null, string | null]>
  return { ...server, ended, ...watch(server) }
}

/** A server at a name, in a process of its own. */
const SERVING = [PROGRAM, 'vscode-jsonrpc', 'serving']
async function serve(t: ExecutionContext, name: string, [program, ...rest] = SERVING) {
  const child = fork(program, [...rest, name])
  t.teardown(() => child.kill('SIGKILL'))
  await once(child, 'message')
  return child
}

test.serial('a side that does not read makes the other wait, and gets all of it later', async (t) => {
  const { writer, process: child } = await start(t, 'later')
  const long = 'x'.repeat(64 << 10)
  let written = 0
  const writing = (async () => {
    for (; written < 500; written++) await writer.write(note('note', written, long))
  })()
  await until('the window is full', () => written * long.length > 3 << 20)
  // All 31 MiB would long be written if nothing held them up.
  t.true(written < 200, `${written}`)
  child.send('listen')
  await writing
  void writer.write(note('count'))
  t.deepEqual(await once(child, 'message'), [500, undefined])
})

test.serial('what waits for a side that does not read has a bound', async (t) => {
  const { writer, process: child, seen } = await start(t, 'later', { backlogMax: 8 << 20 })
  const long = 'x'.repeat(1 << 20)
  const writes = Array.from({ length: 20 }, (_, n) => writer.write(note('note', n, long)))
  const refused = writes.map((write) => write.then(() => 'written', ({ code }: IpcError) => code))
  t.true(seen.length > 5)
  t.is(seen[0], 'write ERR_FULL 1')
  child.send('listen')
  const outcomes = await Promise.all(refused)
  const count = outcomes.filter((outcome) => outcome === 'written').length
  t.true(count >= 7 && count + seen.length === 20, outcomes.join())
  t.deepEqual([...outcomes].sort().reverse(), outcomes, 'the first are those that were written')
  void writer.write(note('count'))
  t.deepEqual(await once(child, 'message'), [count, undefined])
})

test.serial('a message that cannot be sent is refused, and the next one is not', async (t) => {
  const { writer, seen, messages, listen } = await start(t, 'started', { messageLenMax: 1 << 20 })
  listen()
  const large = writer.write(note('note', 'x'.repeat(2 << 20)))
  const { message } = await t.throwsAsync(large, { code: 'ERR_TOO_LARGE' })
  t.regex(message, /2097\d+ bytes, at most 1048576 .*raise messageLenMax on both sides/)
  await t.throwsAsync(writer.write(note('note', 1n)), { code: 'ERR_INVALID_PAYLOAD' })
  await t.throwsAsync(writer.write(undefined as never), { code: 'ERR_INVALID_PAYLOAD' })
  await writer.write(request(1, 'echo', 'next'))
  await until('it is answered', () => messages.length === 1)
  t.deepEqual(messages[0].result, ['next'])
  t.deepEqual(seen.slice(0, 3), [
    ...['write ERR_TOO_LARGE 1', 'write ERR_INVALID_PAYLOAD 2', 'write ERR_INVALID_PAYLOAD 3'],
  ])
})

test.serial('what is no message is reported, and nothing is taken after the end', async (t) => {
  await serve(t, 'hostile', [HOSTILE])
  const transport = await createClientTransport('hostile')
  const { seen, listen } = watch(transport)
  const told: string[] = []
  transport.reader.onError(({ message }) => told.push(message))
  listen()
  await until('it has ended', () => seen.includes('reader closed'))
  t.regex(told[0], /^a message that is no JSON( at position \d+)?$/)
  t.is(told[1], 'a message that is no UTF-8')
  const misplaced = 'a message whose texts are not where it says'
  t.deepEqual(told.slice(2), Array<string>(8).fill(misplaced))
  t.is(Reflect.get({}, 'polluted'), undefined)
  transport.writer.dispose()
  const invalid = Array<string>(10).fill('read ERR_INVALID_PAYLOAD')
  t.deepEqual(seen, [...invalid, 'got text', 'got valid', 'reader closed'])
})

test.serial('a listener that throws does not keep the next message away', async (t) => {
  const { reader, writer, seen } = await start(t)
  let calls = 0
  reader.listen(() => {
    if (++calls === 1) throw new TypeError('a mistake')
  })
  await writer.write(request(1, 'echo'))
  await writer.write(request(2, 'echo'))
  await until('both were delivered', () => calls === 2)
  t.deepEqual(seen, ['read undefined'])
  t.throws(() => reader.listen(() => {}), { code: 'ERR_INVALID_ARGUMENT' })
})

test.serial('a side that ends still gets answers, and then both have ended', async (t) => {
  const { writer, seen, messages, listen, ended } = await start(t)
  listen()
  for (let n = 0; n < 100; n++) void writer.write(note('note', n))
  void writer.write(request(1, 'notes'))
  writer.end()
  writer.end()
  await t.throwsAsync(writer.write(note('note')), { code: 'ERR_CLOSED' })
  await until('it has answered', () => messages.length === 1)
  t.is(messages[0].result.length, 100)
  t.false(seen.includes('reader closed'))
  writer.dispose()
  t.deepEqual(await ended, [0, null])
})

test.serial('both ends close once both have ended', async (t) => {
  const { writer, seen, listen, ended } = await start(t)
  listen()
  await writer.write(note('end'))
  await until('it has ended', () => seen.includes('reader closed'))
  t.false(seen.includes('writer closed'))
  writer.end()
  t.deepEqual(await ended, [0, null])
  t.deepEqual(seen, ['reader closed', 'writer closed'])
})

test.serial('what was written before dispose() arrives', async (t) => {
  const { writer, process: child, ended } = await start(t)
  for (let n = 0; n < 300; n++) void writer.write(note('note', 'x'.repeat((n * 997) % 30_000)))
  void writer.write(note('count'))
  writer.dispose()
  writer.dispose()
  t.deepEqual(await once(child, 'message'), [300, undefined])
  t.deepEqual(await ended, [0, null])
})

test.serial('a side that is disposed is gone although the other one never reads', async (t) => {
  const { writer, ended } = await start(t, 'later')
  const long = 'x'.repeat(1 << 20)
  for (let n = 0; n < 10; n++) void writer.write(note('note', long)).catch(() => {})
  writer.dispose()
  // It still waits to be told to listen.
  t.deepEqual(await ended, [null, 'SIGTERM'])
})

test.serial('a server that does not end by itself is ended', async (t) => {
  const { writer, ended } = await start(t, 'stubborn')
  writer.dispose()
  t.deepEqual(await ended, [null, 'SIGTERM'])
})

/** What is connected to, and what connects, at this end. */
const KILLED = {
  'a killed server that was started': start,
  async 'a killed server that was there'(t: ExecutionContext) {
    const child = await serve(t, 'killed')
    const transport = await createClientTransport('killed')
    return { ...transport, ...watch(transport), process: child }
  },
}
for (const [title, connected] of Object.entries(KILLED)) {
  test.serial(`${title} is reported once, after its last message`, async (t) => {
    const { writer, seen, messages, listen, process: child } = await connected(t)
    listen()
    await writer.write(request(1, 'send', 1_000, 1 << 20))
    await until('messages come', () => messages.length > 3)
    child.kill('SIGKILL')
    await until('it is noticed', () => seen.filter((what) => what.endsWith('closed')).length > 1)
    for (const [n, { params }] of messages.entries()) {
      t.deepEqual([params[0], params[1].length], [n, 1 << 20])
    }
    t.deepEqual(seen.filter((what) => what !== 'got sent').sort(), [
      ...['read ERR_PEER_LOST', 'reader closed', 'writer closed'],
    ])
    t.true(seen.indexOf('reader closed') > seen.lastIndexOf('got sent'))
    await t.throwsAsync(writer.write(note('note')), { code: 'ERR_PEER_LOST' })
  })
}

test.serial('a sender that is stopped in the middle of a message is waited for', async (t) => {
  const { writer, seen, messages, listen, process: child } = await start(t)
  listen()
  await writer.write(request(1, 'send', 20, 8 << 20))
  await until('messages come', () => messages.length > 0)
  child.kill('SIGSTOP')
  await writer.write(request(2, 'echo'))
  child.kill('SIGCONT')
  await until('all are there', () => messages.length === 22)
  t.false(seen.includes('partial'))
})

test.serial('a server cannot be started in vain without being told', async (t) => {
  const started = (...args: Parameters<typeof startServer>) => startServer(...args)
  const fail = (code: string, message: RegExp) => ({ code, message })
  await t.throwsAsync(started('/no/such/program'), fail('ERR_NO_SERVER', /cannot be started/))
  const ended = started(NODE, ['-e', 'process.exit(3)', '--'])
  await t.throwsAsync(ended, fail('ERR_NO_SERVER', /ended \(3\).*createServerTransport/))
  const idle = [NODE, ['-e', 'setInterval(() => {}, 1e6)', '--']] as const
  const late = started(...idle, { connectTimeoutMs: 50 })
  await t.throwsAsync(late, fail('ERR_TIMEOUT', /within 50 ms/))
  const reason = new Error('never mind')
  const aborted = started(...idle, { signal: AbortSignal.abort(reason) })
  t.is(await t.throwsAsync(aborted), reason)
  const controller = new AbortController()
  const waiting = started(...idle, { signal: controller.signal })
  controller.abort(reason)
  t.is(await t.throwsAsync(waiting), reason)
  const misspelt = started(NODE, [], { conectTimeoutMs: 1 } as never)
  const hint = /did you mean 'connectTimeoutMs'/
  await t.throwsAsync(misspelt, { instanceOf: TypeError, message: hint })
  await t.throwsAsync(started(7 as never), { instanceOf: TypeError })
})

for (const connectTimeoutMs of [Infinity, 2 ** 31]) {
  test.serial(`a server may take ${connectTimeoutMs} ms to connect`, async (t) => {
    const { process: child } = await start(t, 'started', { connectTimeoutMs })
    t.is(child.exitCode, null)
  })
}

test.serial('the other end of a started server is that server alone', async (t) => {
  t.throws(() => createServerTransport(), fails('ERR_INVALID_ARGUMENT', /no argument --ringpost=/))
  const { process: child, reader, writer } = await start(t)
  const name = child.spawnargs.at(-1)!.replace('--ringpost=', '')
  await t.throwsAsync(createClientTransport(name), { code: 'ERR_TOKEN' })
  await t.throwsAsync(connect(name, { token: 'guessed' }), { code: 'ERR_TOKEN' })
  const answered = new Promise((resolve) => reader.listen(resolve))
  await writer.write(request(1, 'echo'))
  await answered
})

const fails = (code: string, message: RegExp) => ({ code, message })

test.serial('a started server that cannot connect says so', async (t) => {
  const server = await serveClients('with-token', () => {}, { token: 'right' })
  t.teardown(() => server.close())
  const child = fork(PROGRAM, ['vscode-jsonrpc', 'started', '--ringpost=with-token'], {
    env: { ...process.env, RINGPOST_TOKEN: 'wrong' },
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  const printed = await text(child.stderr!)
  t.regex(printed, /no connection to the editor: .*\n/)
  t.regex(printed, /ERR_TOKEN|token/)
})

test.serial('a server that runs has any number of clients, each for itself', async (t) => {
  await serve(t, 'shared')
  const clients = await Promise.all([1, 2, 3].map(() => createClientTransport('shared')))
  const watched = clients.map(watch)
  for (const { listen } of watched) listen()
  for (const [n, { writer }] of clients.entries()) void writer.write(note('note', `of ${n}`))
  clients[0].writer.dispose()
  await until('the first has left', () => watched[0].seen.includes('reader closed'))
  for (const n of [1, 2]) {
    await clients[n].writer.write(request(1, 'notes'))
    await until('it is answered', () => watched[n].messages.length === 1)
    t.deepEqual(watched[n].messages[0].result, [`of ${n}`])
    clients[n].writer.dispose()
  }
})

test.serial('a server can refuse a client, and one that is not there is reported', async (t) => {
  await t.throwsAsync(createClientTransport('absent'), { code: 'ERR_NO_SERVER' })
  const refuse = () => {
    throw Object.assign(new Error('not today'), { code: 'E_CLOSED' })
  }
  const server = await serveClients('refusing', refuse, { token: 'secret' })
  t.teardown(() => server.close())
  const transport = await createClientTransport('refusing', { token: 'secret' })
  const { seen, listen } = watch(transport)
  listen()
  await until('it is refused', () => seen.length === 3)
  t.deepEqual(seen.sort(), ['read E_CLOSED', 'reader closed', 'writer closed'])
  await t.throwsAsync(serveClients('refusing', 7 as never), { instanceOf: TypeError })
})

const REFUSALS: Record<string, () => void | Promise<void>> = {
  throwing() {
    throw new Error('no')
  },
  rejecting: () => Promise.reject(new Error('no')),
}
for (const [how, refuse] of Object.entries(REFUSALS)) {
  test.serial(`the transport of a client that is refused by ${how} is over`, async (t) => {
    let at: ReturnType<typeof watch> & jsonrpc.Transport
    const serving = (transport: jsonrpc.Transport) => {
      // One that listened would be told by its reader.
      at = { ...transport, ...watch(transport) }
      return refuse()
    }
    const server = await serveClients(`refusing-by-${how}`, serving)
    t.teardown(() => server.close())
    const client = await createClientTransport(`refusing-by-${how}`)
    const { seen, listen } = watch(client)
    listen()
    await until('it is refused', () => seen.length === 3)
    await until('it is over here', () => at.seen.includes('writer closed'))
    await t.throwsAsync(at!.writer.write(note('note')), { code: 'ERR_CLOSED' })
    t.deepEqual(at!.seen, ['writer closed', 'write ERR_CLOSED 1'])
  })
}

test.serial('an item that cannot be read ends the transport, and both sides are told', async (t) => {
  const accepted: (ReturnType<typeof watch> & jsonrpc.Transport)[] = []
  const server = await serveClients('misread', (transport) => {
    const watched = watch(transport)
    accepted.push({ ...transport, ...watched })
    watched.listen()
  })
  t.teardown(() => server.close())
  const client = await connect('misread', { reconnect: false })
  t.teardown(() => client.close())
  const contract = stream<void, Uint8Array, Uint8Array, void>('jsonrpc', { codec: bytes })
  const items = client.stream(contract)
  // Then what it writes says that it is JSON, which no transport of ours would.
  Object.assign(contract, { codecNumber: wireNumber(json) })
  items.write(Buffer.from('{}'))
  await until('it is over', () => accepted[0]?.seen.length === 3)
  t.deepEqual(accepted[0].seen.sort(), [
    ...['read ERR_INVALID_PAYLOAD', 'reader closed', 'writer closed'],
  ])
  await t.throwsAsync(items.result, { code: 'ERR_INVALID_PAYLOAD' })
  const late = accepted[0].writer.write(note('note'))
  await t.throwsAsync(late, { code: 'ERR_INVALID_PAYLOAD' })
})

test.serial('a client whose transport has ended is told although its server goes on', async (t) => {
  let finish!: () => void
  const server = await serveClients('lasting', async ({ reader, writer }) => {
    reader.onClose(() => writer.end())
    reader.listen(() => {})
    await new Promise<void>((resolve) => (finish = resolve))
  })
  t.teardown(() => server.close())
  t.teardown(() => finish())
  const transport = await createClientTransport('lasting')
  const { seen, listen } = watch(transport)
  listen()
  transport.writer.end()
  await until('both have ended', () => seen.length === 2)
  t.deepEqual(seen.sort(), ['reader closed', 'writer closed'])
})

const IN_WORKER = `
const { parentPort } = require('node:worker_threads')
require('ringpost/jsonrpc').createClientTransport('for-worker').then(({ reader, writer }) => {
  reader.listen((message) => parentPort.postMessage(message))
  return writer.write({ jsonrpc: '2.0', id: 1, method: 'echo', params: ['from a worker'] })
})
`

test.serial('a worker thread has transports, and takes them with it', async (t) => {
  await serve(t, 'for-worker')
  const worker = new Worker(IN_WORKER, { eval: true })
  const [{ result }] = (await once(worker, 'message')) as [Note]
  t.deepEqual(result, ['from a worker'])
  await worker.terminate()
  const transport = await createClientTransport('for-worker')
  const { messages, listen } = watch(transport)
  listen()
  await transport.writer.write(request(1, 'echo'))
  await until('the server lives', () => messages.length === 1)
  transport.writer.dispose()
})

test.serial('no copy of vscode-jsonrpc is loaded, and both kinds of module are the same', (t) => {
  const script = `
    require('ringpost')
    const alone = Object.keys(require.cache).filter((path) => path.includes('jsonrpc'))
    require('ringpost/jsonrpc')
    const loaded = Object.keys(require.cache).filter((path) => path.includes('vscode'))
    console.log(JSON.stringify({ alone, loaded }))`
  const printed = execFileSync(NODE, ['-e', script], { encoding: 'utf8' })
  t.deepEqual(JSON.parse(printed), { alone: [], loaded: [] })
  const common = createRequire(import.meta.url)('ringpost/jsonrpc') as typeof jsonrpc
  const names = ['createClientTransport', 'createServerTransport', 'serveClients', 'startServer']
  t.deepEqual(Object.keys(jsonrpc).sort(), names)
  for (const name of names as (keyof typeof jsonrpc)[]) t.is(common[name], jsonrpc[name])
})
