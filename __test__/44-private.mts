// Nothing private leaks: what is sent is in no error, counter, channel, warning, or printed object.
// conformance/rows/private.mts has the same for processes of both languages.

import { subscribe as onChannel, unsubscribe } from 'node:diagnostics_channel'
import { setImmediate as turn } from 'node:timers/promises'
import { inspect } from 'node:util'
import test from 'ava'
import {
  connect,
  createMap,
  createPool,
  createServer,
  createStateFrame,
  createTopic,
  json,
  method,
  openMap,
  openStateFrame,
  sharedMap,
  stateFrame,
  stream,
  subscribe,
  topic,
  type CallMessage,
  type DiagnosticsChannels,
} from 'ringpost'
import './helpers/directory.mjs'
import { until } from './helpers/program.mjs'

const Repeat = stream<string, string, string, string>('repeat')
const SECRET = `canary-${Math.random().toString(36).slice(2)}`
const FORMS = (() => {
  const bytes = [...Buffer.from(SECRET)]
  const hex = bytes.map((byte) => byte.toString(16))
  return [SECRET, hex.join(''), hex.join(' '), bytes.join(', '), Buffer.from(SECRET).toString('base64').slice(0, -3)]
})()
/** All that was written, or could be by someone who prints what there is to be had. */
const written: string[] = []
const look = (thing: unknown) => {
  written.push(inspect(thing))
  written.push(inspect(thing, { depth: 8, maxArrayLength: null, maxStringLength: null, showHidden: true }))
}
process.on('warning', ({ message, detail }: Error & { detail?: string }) => written.push(message, detail ?? ''))
const CHANNELS = [
  ...(['request', 'stream', 'handler'] as const).flatMap((what) =>
    (['start', 'end', 'error'] as const).map((moment) => `ringpost:${what}:${moment}` as const),
  ),
  ...(['ringpost:event:send', 'ringpost:connection:open', 'ringpost:connection:close'] as const),
] satisfies (keyof DiagnosticsChannels)[]

const isClean = () => {
  // How long lines are is up to what prints them.
  const all = written.join('\n').replaceAll(/\s+/g, ' ')
  return FORMS.filter((form) => all.includes(form))
}

test.serial('everything that is sent stays out of everything that is written', async (t) => {
  const moments = new Set<string>()
  const listen = (message: unknown, name: string | symbol) => {
    moments.add(String(name))
    // The error itself is the handler's own, and holds what that has put there.
    look({ ...(message as object), error: undefined })
  }
  for (const name of CHANNELS) onChannel(name, listen)
  await using server = await createServer('private', {
    token: SECRET,
    handlers(it) {
      it.handle('echo', (value, context) => (look(context), value))
      it.handle('fail', () => {
        throw Object.assign(new Error('told', { cause: { SECRET } }), { code: 'E_TOLD' })
      })
      it.handle(Repeat, async function* (params, stream) {
        look(stream)
        yield params
        for await (const item of stream) yield item
        return params
      })
      // One fails with data, one with something that is no error, one cannot read what comes.
      it.on('note', () => {
        throw Object.assign(new Error('noted'), { data: SECRET, cause: { SECRET } })
      })
      it.on('note', () => {
        throw { SECRET, text: SECRET }
      })
    },
  })
  const client = await connect('private', { token: SECRET })
  const value = { [SECRET]: SECRET, bytes: Buffer.from(SECRET) }
  t.is((await client.request<object, typeof value>('echo', value))[SECRET], SECRET)
  await t.throwsAsync(client.request('fail', value), { code: 'E_TOLD' })
  await t.throwsAsync(client.request('none', value), { code: 'ERR_UNKNOWN_METHOD' })
  const repeated = client.stream(Repeat, SECRET)
  look(repeated)
  repeated.write(SECRET)
  repeated.end()
  const items = []
  for await (const item of repeated) items.push(item)
  t.deepEqual(items, [SECRET, SECRET])
  client.notify('note', value)
  server.notify('news', value)
  await using pool = createPool('private', { token: SECRET })
  await pool.request('echo', SECRET)
  for (const thing of [client, server, pool, ...server.connections]) look([thing, thing.stats()])
  await until('both have failed', () => written.filter((line) => line.includes('"note"')).length >= 2)
  await client.close()
  await turn()
  for (const name of CHANNELS) unsubscribe(name, listen)
  const expected = CHANNELS.filter((name) => name !== 'ringpost:stream:error')
  for (const name of expected) t.true(moments.has(name), name)
  t.deepEqual(isClean(), [])
})

test.serial('what is published is in the file, and in nothing that is printed', async (t) => {
  const [Frame, Topic, Map] = [stateFrame('private'), topic('private'), sharedMap('private')]
  using frame = createStateFrame(Frame)
  using publisher = createTopic(Topic)
  using map = createMap(Map)
  using reader = openStateFrame(Frame)
  using found = openMap(Map)
  const subscription = subscribe(Topic)
  frame.write(SECRET)
  void publisher.publish(SECRET)
  map.set(SECRET, SECRET)
  t.is(reader.read().value, SECRET)
  t.is(found.get(SECRET), SECRET)
  t.is((await subscription.next()).value!.value, SECRET)
  for (const thing of [frame, publisher, map, reader, found, subscription]) look(thing)
  for (const thing of [publisher, reader, found, subscription]) look(thing.stats())
  t.throws(() => map.set(SECRET.repeat(1000), 1))
  subscription.close()
  t.deepEqual(isClean(), [])
})

test.serial('what cannot be read or sent is not quoted', async (t) => {
  const Json = method<unknown, string>('json', { codec: json })
  await using server = await createServer('quoted', {
    handlers: (it) => it.handle(Json, () => 'read'),
  })
  const client = await connect('quoted')
  const texts = [SECRET, `"${SECRET}`, `{"a":${SECRET}}`, `["${SECRET}" "b"]`, `"a" ${SECRET}`]
  for (const text of texts) {
    const error = t.throws(() => json.decode(Buffer.from(text)))
    look(error)
    t.regex(error.message, /^a text that is no JSON/)
  }
  const refused = await t.throwsAsync(client.request('json', { secret: SECRET, wrong: () => SECRET }))
  look(refused)
  const invalid = await t.throwsAsync(client.request('json', SECRET))
  t.is((invalid as Error & { code: string }).code, 'ERR_INVALID_PAYLOAD')
  look(invalid)
  await client.close()
  t.is(server.name, 'quoted')
  t.deepEqual(isClean(), [])
})

test.serial('an error keeps its data for the caller alone, and its stack if it is to', async (t) => {
  const fail = () => {
    throw Object.assign(new Error('told', { cause: new Error('below') }), { data: SECRET })
  }
  for (const exposeStacks of [true, false]) {
    await using server = await createServer('stacks', { exposeStacks })
    server.handle('fail', fail)
    server.handle('back', (_, { connection }) => connection.request('fail'))
    const client = await connect('stacks', { exposeStacks: false })
    client.handle('fail', fail)
    let local: unknown
    const listen = (message: unknown) => (local = (message as CallMessage).error)
    onChannel('ringpost:handler:error', listen)
    const error = await t.throwsAsync<Error & { data: string }>(client.request('fail'))
    unsubscribe('ringpost:handler:error', listen)
    t.is(error.data, SECRET)
    const shown = [error.stack!, (error.cause as Error).stack!]
    for (const stack of shown) t.is(/\[remote\] at /.test(stack), exposeStacks, stack)
    t.regex((local as Error).stack!, /at fail/, 'the side of the handler has it')
    const { stack } = await t.throwsAsync(client.request('back'))
    t.notRegex(stack!, /\[remote\].*at fail/)
    await client.close()
  }
})
