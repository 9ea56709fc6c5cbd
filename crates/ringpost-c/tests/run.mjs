// The C programs beside programs in TypeScript, each in a process of its own. ci/c.mjs compiles
// them and starts this: PROGRAMS names their folder, RUNNER what they are started with, if
// anything.

import assert from 'node:assert/strict'
import { fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import * as ringpost from 'ringpost'
import { Position } from './layouts.mjs'

const { PROGRAMS, RUNNER = '' } = process.env
const { bytes, connect, createServer, createStateFrame, createTopic, json } = ringpost
const { method, event, openStateFrame, stateFrame, subscribe, topic } = ringpost

const Shout = method('shout', { codec: bytes })

/** A directory to meet in, and C programs there.
 * @param {import('node:test').TestContext} t */
function meeting(t) {
  const directory = mkdtempSync(join(tmpdir(), 'ringpost-c-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  const start = (name, ...args) => {
    const [command, ...rest] = [...RUNNER.split(' ').filter(Boolean), join(PROGRAMS, name)]
    const child = spawn(command, [...rest, directory, ...args], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    t.after(() => child.kill('SIGKILL'))
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
    const ended = once(child, 'close').then(([code, signal]) => signal ?? code)
    return {
      ended,
      says: async (expected) => assert.equal((await lines.next()).value, expected),
      tell: (text) => child.stdin.write(text),
      end: () => child.stdin.end(),
    }
  }
  return { directory, start }
}

test('whatever is passed wrongly is an error', async (t) => {
  assert.equal(await meeting(t).start('misuse').ended, 0)
})

test('the programs of the README run as printed', async (t) => {
  const { directory, start } = meeting(t)
  process.env.RINGPOST_DIR = directory
  const server = await createServer('demo')
  server.handle(Shout, (payload) => Buffer.from(Buffer.from(payload).toString().toUpperCase()))
  const [asks, waits] = [start('readme-1'), start('readme-2')]
  await asks.says('HELLO')
  await waits.says('number 1: sunny')
  assert.deepEqual([await asks.ended, await waits.ended], [0, 0])
  await server.close()
  // Without one it says why it has failed.
  assert.equal(await start('readme-1').ended, 1)
})

test('a client in C asks, fails, gives up, cancels and listens', async (t) => {
  const { directory, start } = meeting(t)
  const client = start('client', 'all')
  const server = await createServer('demo', { directory })
  t.after(() => server.close())
  server.handle(Shout, (payload) => Buffer.from(Buffer.from(payload).toString().toUpperCase()))
  server.handle(method('sum', { codec: json }), ({ a, b }) => a + b)
  server.handle(method('fail', { codec: bytes }), () => {
    throw Object.assign(new Error('this cannot work'), { code: 'E_ON_FIRE' })
  })
  server.handle(method('hang', { codec: bytes }), () => new Promise(() => {}))
  server.handle(event('ticks', { codec: bytes }), (payload, { connection }) => {
    for (let tick = 0; tick < Number(Buffer.from(payload).toString()); tick++) {
      connection.notify(event('tick', { codec: bytes }), Buffer.from(`${tick}`))
    }
  })
  assert.equal(await client.ended, 0)
})

test('a descriptor says what comes behind something that concerns no one', async (t) => {
  const { directory, start } = meeting(t)
  const server = await createServer('demo', { directory })
  t.after(() => server.close())
  const client = start('client', 'unheard')
  await client.says('listens')
  server.notify(event('nothing', { codec: bytes }), Buffer.alloc(0))
  await client.says('waits')
  server.notify(event('tick', { codec: bytes }), Buffer.alloc(0))
  assert.equal(await client.ended, 0)
})

for (const [mode, when] of [
  ['lost', ''],
  ['flooded', ', behind whatever it has sent'],
]) {
  test(`a server that is killed is seen by all who wait for it${when}`, async (t) => {
    const { directory, start } = meeting(t)
    const server = fork(fileURLToPath(new URL('peer.mjs', import.meta.url)), [directory])
    t.after(() => server.kill('SIGKILL'))
    assert.equal(await start('client', mode).ended, 0)
  })
}

test('a server in C answers now, later, with an error, and not at all', async (t) => {
  const { directory, start } = meeting(t)
  const server = start('server')
  const client = await connect('c-server', { directory, connectTimeoutMs: 60_000 })
  t.after(() => client.close())
  const ask = (name, text = '') => client.request(method(name, { codec: bytes }), Buffer.from(text))
  assert.equal(Buffer.from(await ask('shout', 'hello')).toString(), 'HELLO')
  const refused = await ask('refuse').catch((error) => error)
  assert.deepEqual([refused.code, refused.message], ['E_NEVER', 'this is refused'])
  assert.equal((await ask('nothing').catch((error) => error)).code, 'ERR_UNKNOWN_METHOD')
  const heard = new Promise((resolve) => {
    const done = event('done', { codec: bytes })
    client.on(done, (payload) => resolve(Buffer.from(payload).toString()))
  })
  const later = ask('later')
  await ask('now', 'at last')
  assert.equal(Buffer.from(await later).toString(), 'at last')
  assert.equal(await heard, 'all')
  await ask('stop')
  assert.equal(await server.ended, 0)
})

test('frames of C are read in TypeScript, also when their writer is gone', async (t) => {
  const { directory, start } = meeting(t)
  const writer = start('published', 'write')
  await writer.says('written')
  const reader = openStateFrame(stateFrame('position', { codec: Position }), { directory })
  t.after(() => reader.close())
  const { status, value, number } = reader.read()
  assert.deepEqual({ status, value, number }, {
    status: 'fresh',
    value: { id: 3, x: 4.5, label: 'c' },
    number: 3,
  })
  writer.end()
  assert.equal(await writer.ended, 0)
  for await (const { status } of reader.changes()) if (status === 'stale') break
})

test('frames of TypeScript are read in C', async (t) => {
  const { directory, start } = meeting(t)
  const reader = start('published', 'read')
  await reader.says('waits')
  const writer = createStateFrame(stateFrame('place', { codec: Position }), { directory })
  writer.write({ id: 1, x: 2.5, label: 'ts' })
  await reader.says('one')
  writer.write({ id: 2, x: 5, label: 'ts' })
  await reader.says('two')
  writer.close()
  assert.equal(await reader.ended, 0)
})

test('a lossless subscriber in C receives everything, though the ring is short', async (t) => {
  const { directory, start } = meeting(t)
  const subscriber = start('published', 'subscribe')
  await subscriber.says('waits')
  const Numbers = topic('numbers', { codec: bytes, capacity: 4096 })
  const publisher = createTopic(Numbers, { directory, timeoutMs: 60_000 })
  t.after(() => publisher.close())
  for (let value = 1n; value <= 10_000n; value++) {
    await publisher.publish(new Uint8Array(BigUint64Array.of(value).buffer))
  }
  await subscriber.says('received')
  subscriber.end()
  assert.equal(await subscriber.ended, 0)
})

test('a publisher in C waits for a lossless subscriber in TypeScript', async (t) => {
  const { directory, start } = meeting(t)
  const publisher = start('published', 'publish')
  await publisher.says('publishes')
  const letters = topic('letters', { codec: bytes })
  const subscription = subscribe(letters, { directory, mode: 'lossless' })
  publisher.tell('\n')
  let expected = 1n
  for await (const { value, skipped } of subscription) {
    const [found] = new BigUint64Array(Uint8Array.from(value).buffer)
    assert.deepEqual([found, skipped], [expected, 0])
    if (expected++ === 10_000n) break
  }
  await publisher.says('published')
  publisher.end()
  assert.equal(await publisher.ended, 0)
})

test('slow subscribers hold a publisher up, miss messages, or are cut off', async (t) => {
  assert.equal(await meeting(t).start('published', 'hold-up').ended, 0)
})
