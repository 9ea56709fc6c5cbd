// What the command shows of servers and of what is published: from outside, whatever their processes
// do.

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import {
  connect,
  createMap,
  createServer,
  createStateFrame,
  createTopic,
  layout,
  sharedMap,
  stateFrame,
  subscribe,
  topic,
  type ServerStats,
} from 'ringpost'
import { known as inspect } from '../cli/inspect.mjs'
import { objects, type Found } from '../cli/objects.mjs'
import type { Seen } from '../cli/process.mjs'
import { directory } from './helpers/directory.mjs'
import { Program, until } from './helpers/program.mjs'

const COMMAND = fileURLToPath(new URL('../cli/main.mjs', import.meta.url))
/** What must not be shown anywhere. */
const CANARY = 'canary-4711'

async function run(...words: string[]) {
  const child = fork(COMMAND, words, { silent: true })
  const texts = Promise.all([text(child.stdout!), text(child.stderr!)])
  const [code] = (await once(child, 'exit')) as [number | null]
  const [out, err] = await texts
  return { code, out, err }
}

/** What a command prints as JSON. */
const printed = async (...words: string[]) =>
  (JSON.parse((await run(...words)).out) as { objects: Found[] }).objects

/** All that is listed. */
const list = () => new Map(objects().map((object) => [`${object.kind} ${object.name}`, object]))

async function serve(name: string): Promise<Program> {
  const program = new Program('status', { name })
  await program.report()
  return program
}

async function isIn(name: string, condition: Seen['condition']) {
  let last: Seen['condition'] | undefined
  const isSo = async () => (last = (await inspect(name))[0].seen?.condition) === condition
  await until(`${name} is ${condition}`, isSo).catch((error: Error) => {
    throw new Error(`${error.message}, last ${last}`)
  })
}

const statusOf = (name: string) => join(directory, `${name}.status`)

test.serial('what a server shows is what it has counted, and no payload', async (t) => {
  const start = performance.now()
  const server = await serve('counted')
  const [fresh] = await inspect('counted')
  // By a clock that ticks every few milliseconds.
  t.true(fresh.server!.shownAgoMs <= performance.now() - start + 20)
  const [one, two] = await Promise.all([connect('counted'), connect('counted')])
  for (let at = 0; at < 50; at++) await one.request('echo', `${CANARY} ${at}`)
  for (let at = 0; at < 20; at++) two.notify('note', CANARY)
  await two.request('echo', CANARY)
  server.send('stats')
  const stats = await server.report<ServerStats>()
  let shown!: Found['server']
  await until('all is shown', async () => {
    shown = (await inspect('counted'))[0].server
    return shown!.totals.received === stats.received && shown!.totals.sent === stats.sent
  })
  const { totals, rows, connections, accepted, pid } = shown!
  t.is(stats.received, 71)
  const counters = ['bytesSent', 'bytesReceived', 'doorbells', 'queuedBytes', 'refused'] as const
  for (const key of counters) {
    t.is(totals[key], stats[key], key)
  }
  t.deepEqual(totals.dropped, stats.dropped)
  t.deepEqual([connections, accepted, pid], [2, 2, server.pid])
  t.deepEqual(rows.map(({ number, pid }) => [number, pid]), [[1, process.pid], [2, process.pid]])
  t.deepEqual(rows.map(({ counts }) => counts.received), [50, 21])
  await one.close()
  await until('one is gone', async () => (await inspect('counted'))[0].server!.connections === 1)
  const after = (await inspect('counted'))[0].server!
  t.deepEqual(after.rows.map(({ number }) => number), [2])
  t.is(after.totals.received, 71, 'what one has counted that is over is still in the sum')
  t.false(readFileSync(statusOf('counted')).includes(CANARY))
  const { out } = await run('inspect', 'counted')
  t.regex(out, /^server counted in .*\n {2}condition {4}a/)
  t.false(out.includes(CANARY))
  await two.close()
  server.send('close')
  await server.end()
  t.false(list().has('server counted'), 'nothing is left of one that has closed')
})

test.serial('a server that is stopped, hangs, computes or has died is told apart', async (t) => {
  const server = await serve('hanging')
  const client = await connect('hanging', { reconnect: false })
  await isIn('hanging', 'asleep')
  server.stop()
  await isIn('hanging', 'stopped')
  server.resume()
  await isIn('hanging', 'asleep')
  const lost = client.request('hang', null, { timeoutMs: 1e8 }).catch(() => 'lost')
  await isIn('hanging', 'stuck')
  const { out } = await run('inspect', 'hanging')
  t.regex(out, /condition +stuck: it is awake, and its engine turned last [\d.]+ m?s ago\n/)
  t.is((await inspect('hanging'))[0].server!.connections, 1)
  await server.kill()
  t.is(await lost, 'lost')
  await isIn('hanging', 'dead')
  t.false(list().get('server hanging')!.alive)
  const busy = await serve('busy')
  t.false(list().has('server hanging'), 'the next server clears it away')
  // What is awake when it begins to compute is stuck.
  await isIn('busy', 'asleep')
  busy.send('compute')
  await isIn('busy', 'busy')
  await busy.kill()
})

test.serial('a new server shows itself in place of the old', async (t) => {
  const old = await createServer('handed')
  const client = await connect('handed')
  const next = new Program('status', { name: 'handed', options: { takeOver: true } })
  await next.report()
  await until('the new one is shown', async () => {
    return (await inspect('handed'))[0].server!.pid === next.pid
  })
  await client.close()
  await old.close()
  const [{ alive, server }] = await inspect('handed')
  t.deepEqual([alive, server!.pid, server!.accepted], [true, next.pid, 0])
  await next.kill()
})

test.serial('more connections than have a row are counted, and rows are used again', async (t) => {
  const server = await serve('many')
  const clients = await Promise.all(Array.from({ length: 1500 }, () => connect('many')))
  const look = async () => (await inspect('many'))[0].server!
  await until('all are shown', async () => (await look()).connections === 1500)
  t.is((await look()).rows.length, 1024)
  t.regex((await run('inspect', 'many')).out, /and 476 more connections\n$/)
  await Promise.all(clients.slice(100).map((client) => client.close()))
  await until('they are gone', async () => (await look()).connections === 100)
  const one = await connect('many')
  const { rows, accepted } = await look()
  t.true(rows.length <= 101)
  t.is(accepted, 1501)
  t.is(rows.at(-1)!.number, 1501)
  await Promise.all([one, ...clients.slice(0, 100)].map((client) => client.close()))
  await server.kill()
})

test.serial('a status that is removed comes back, and one that is spoilt is an error', async (t) => {
  const server = await createServer('spoilt')
  const client = await connect('spoilt')
  rmSync(statusOf('spoilt'))
  await until('it is back', async () => (await inspect('spoilt'))[0].server?.rows.length === 1)
  const whole = readFileSync(statusOf('spoilt'))
  const spoilt: [string, () => void][] = [
    ['ERR_ACCESS', () => chmodSync(statusOf('spoilt'), 0o644)],
    ['ERR_CORRUPT', () => truncateSync(statusOf('spoilt'), 5000)],
    ['ERR_CORRUPT', () => writeFileSync(statusOf('spoilt'), 'x'.repeat(whole.length))],
    ['ERR_CORRUPT', () => writeFileSync(statusOf('spoilt'), '')],
    ['ERR_ACCESS', () => (rmSync(statusOf('spoilt')), mkdirSync(statusOf('spoilt')))],
  ]
  for (const [code, spoil] of spoilt) {
    spoil()
    const [{ alive, error, server }] = await inspect('spoilt')
    t.deepEqual([alive, error!.code, server], [true, code, null])
    t.true(list().get('server spoilt')!.alive)
    chmodSync(statusOf('spoilt'), 0o600)
  }
  t.is(await client.ping().then(() => 'alive'), 'alive', 'the server does not mind')
  await client.close()
  await server.close()
  // Nor does one that finds something in its way.
  const next = await createServer('spoilt')
  t.is((await inspect('spoilt'))[0].error!.code, 'ERR_ACCESS')
  await next.close()
  rmSync(statusOf('spoilt'), { recursive: true })
})

test.serial('what is in a spoilt status is shown as it is, and no more than there is', async (t) => {
  const server = await createServer('claims')
  const client = await connect('claims')
  await until('it is shown', async () => (await inspect('claims'))[0].server!.connections === 1)
  const whole = readFileSync(statusOf('claims'))
  await client.close()
  await server.close()
  writeFileSync(join(directory, 'claims.lock'), 'ringpost\n')
  const shown = async (change: (bytes: Buffer) => void) => {
    const bytes = Buffer.from(whole)
    change(bytes)
    writeFileSync(statusOf('claims'), bytes, { mode: 0o600 })
    return (await inspect('claims'))[0]
  }
  // All that the checksum of the head does not cover.
  const filled = await shown((bytes) => bytes.fill(0xff, 256))
  t.is(filled.server!.rows.length, 1024)
  t.is(filled.server!.version, '')
  t.is(filled.seen!.condition, 'dead')
  const escaped = await shown((bytes) => bytes.write('\x1b[2J', 400, 'latin1'))
  t.is(escaped.server!.version, '')
  const stopped = await shown((bytes) => bytes.writeBigUInt64LE(7n, 512))
  t.is(stopped.server!.connections, 1, 'a record whose writer has stopped in the middle of it')
  rmSync(statusOf('claims'))
  rmSync(join(directory, 'claims.lock'))
})

test.serial('what is published is shown without what is in it', async (t) => {
  const Pose = layout({ x: 'f64', id: 'u32' })
  const frame = createStateFrame(stateFrame('thing', { codec: Pose }))
  const publisher = createTopic(topic('thing'))
  const map = createMap(sharedMap('thing', { entriesMax: 10 }))
  const reader = subscribe(topic('thing'), { mode: 'lossless' })
  frame.write({ x: 1, id: 2 })
  frame.write({ x: 2, id: 3 })
  await publisher.publish(CANARY)
  map.set(CANARY, CANARY)
  const { code, out, err } = await run('inspect', 'thing')
  t.deepEqual([code, err, out.includes(CANARY)], [0, '', false])
  t.true(out.includes(Pose.description))
  const [first, second, third] = (await inspect('thing')).map(({ kind, alive, published }) => {
    t.true(alive)
    t.is(published!.pid, process.pid)
    return { kind, ...published! }
  })
  t.like(first, { kind: 'stateFrame', number: 2, codec: 'custom', layout: Pose.description })
  t.like(second, { kind: 'topic', number: 1, codec: 'MessagePack', entries: null })
  t.deepEqual(second.lossless!.map(({ isCutOff }) => isCutOff), [false])
  t.true(second.lossless![0].behind! > CANARY.length)
  t.like(third, { kind: 'map', entries: 1, capacity: 10, number: null })
  t.true([first, second].every(({ writtenAgoMs }) => writtenAgoMs! < 60_000))
  const json = await printed('inspect', 'thing', '--json')
  t.deepEqual(json.map(({ kind }) => kind), ['stateFrame', 'topic', 'map'])
  const listed = (await run('ls')).out
  t.regex(listed, /^state frame +thing .* alive +value 2 /m)
  t.regex(listed, /^topic +thing .* alive +message 1, 1 lossless /m)
  t.regex(listed, /^map +thing .* alive +1 of 10 entries /m)
  reader.close()
  publisher.close()
  t.deepEqual(list().get('topic thing')!.published!.lossless, [])
  t.false(list().get('topic thing')!.alive)
  frame.close({ remove: true })
  map.close({ remove: true })
})

test.serial('a name that nothing has is answered with what there is', async (t) => {
  const server = await createServer('there')
  const { code, out, err } = await run('inspect', 'nowhere')
  t.deepEqual([code, out], [1, ''])
  t.regex(err, /^ringpost inspect: nothing is named 'nowhere', there is\n\nkind .*\n[^]*server +there /)
  const json = await printed('ls', '--json')
  t.deepEqual(json.filter(({ alive }) => alive).map(({ name }) => name), ['there'])
  await server.close()
})

for (const [words, sentence] of [
  [['inspect'], /^ringpost inspect: a name is missing\n/],
  [['inspect', 'a', 'b'], /^ringpost inspect: one name is enough, got 'b' as well\n/],
  [['inspect', 'a', '--xml'], /^ringpost inspect: Unknown option '--xml'\n/],
  [['ls', 'a'], /^ringpost ls: 'a' is one word too many\n/],
] as const) {
  test.serial(`a mistake is answered with the usage: ${words.join(' ')}`, async (t) => {
    const { code, out, err } = await run(...words)
    t.deepEqual([code, out], [2, ''])
    t.regex(err, sentence)
    t.regex(err, /\n\nusage: ringpost /)
  })
}

test.serial('a directory that is open to others is refused', async (t) => {
  chmodSync(directory, 0o755)
  const [listed, inspected] = await Promise.all([run('ls'), run('inspect', 'any')])
  chmodSync(directory, 0o700)
  t.deepEqual([listed.code, inspected.code], [1, 1])
  t.regex(listed.err, /^ringpost ls: .* is open to others, its mode is 755/)
})
