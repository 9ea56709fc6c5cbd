// What is done in every runtime: `serve <name>` is a server, and `<feature> <name> [worker]` a client
// that checks one thing and ends by itself. Only a client that has printed "fine" has found it so.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import {
  connect,
  createServer,
  createStateFrame,
  event,
  method,
  openStateFrame,
  stateFrame,
  stream,
  structuredClone,
} from 'ringpost'
import { connectPort, servePorts } from 'ringpost/messageport'

const Clone = method('clone', { codec: structuredClone })
const Count = stream('count')
const Sum = stream('sum')
const Note = event('note')
const Frame = stateFrame('frame')
/** Longer than a ring. */
const LARGE = 3_000_000

const FEATURES = {
  async connect(client, name) {
    assert.equal(client.state, 'open')
    assert.equal(client.peer.pid, await client.request('pid'))
    assert((await client.ping()) > 0)
    await assert.rejects(connect(`${name}-absent`), { code: 'ERR_NO_SERVER' })
  },

  async requests(client) {
    const value = { text: 'grüße', list: [1, -2.5, null], bytes: new Uint8Array([0, 255]) }
    assert.deepEqual(await client.request('echo', value), value)
    const large = new Uint8Array(LARGE).fill(7)
    assert.deepEqual(await client.request('echo', large), large)
    const many = Array.from({ length: 1000 }, (_, n) => n)
    assert.deepEqual(await Promise.all(many.map((n) => client.request('echo', n))), many)
    assert.equal(client.requestSync('echo', 'sync'), 'sync')
    const failure = { name: 'RangeError', code: 'E_ASKED', message: 'as asked' }
    await assert.rejects(client.request('fail'), failure)
    await assert.rejects(client.request('wait', null, { timeoutMs: 20 }), { code: 'ERR_TIMEOUT' })
  },

  async streams(client) {
    const seen = []
    for await (const n of client.stream(Count, 20_000)) seen.push(n)
    assert.deepEqual(seen, Array.from({ length: 20_000 }, (_, n) => n))
    for await (const n of client.stream(Count, Infinity)) if (n === 10) break
    const sum = client.stream(Sum, null)
    for (let n = 1; n <= 20_000; n++) if (!sum.write(n)) await sum.ready()
    sum.end()
    assert.equal(await sum.result, 200_010_000)
  },

  // Each side has fallen asleep before it is asked again.
  async asleep(client) {
    for (let n = 0; n < 5; n++) {
      await setTimeout(100)
      assert.equal(await client.request('echo', n), n)
    }
  },

  async 'one-way'(client) {
    const sent = Array.from({ length: 1000 }, (_, n) => n)
    for (const n of sent) if (!client.notify(Note, n)) await client.drained()
    await client.send(Note, 'last')
    assert.deepEqual(await client.request('notes'), [...sent, 'last'])
  },

  async events(client) {
    const [first] = await Promise.all([once(client, 'news'), client.request('publish', ['one'])])
    assert.equal(first[0], 'one')
    const seen = []
    const loop = client.events('news')
    await client.request('publish', ['two', 'three'])
    for await (const news of loop) if (seen.push(news) === 2) break
    assert.deepEqual(seen, ['two', 'three'])
  },

  async cancel(client) {
    const controller = new AbortController()
    const asked = client.request('wait', null, { signal: controller.signal })
    await client.ping()
    controller.abort(new Error('enough'))
    await assert.rejects(asked, { message: 'enough' })
    assert.equal(await client.request('cancelled'), 1)
  },

  async publish(client) {
    const reader = openStateFrame(Frame)
    const changes = reader.changes()
    for (let n = 1; n <= 20; n++) {
      const changed = changes.next()
      await client.request('write', n)
      assert.deepEqual((await changed).value.value, { n })
    }
    reader.close()
  },

  async clone(client) {
    const value = new Map([['key', new Set([1n, new Date(0)])]])
    assert.deepEqual(await client.request(Clone, value), value)
  },

  async ports(_, name) {
    const port = await connectPort(`${name}-ports`)
    const answer = once(port, 'message')
    port.postMessage(new Map([['n', 1]]))
    assert.deepEqual((await answer)[0], new Map([['n', 1]]))
    port.close()
  },

  // The server is killed, and the next one started, when this has printed its line.
  async reconnect(client) {
    const before = await client.request('pid')
    client.ref()
    console.log('kill')
    await once(client, 'disconnect')
    assert.notEqual(await client.request('pid'), before)
    assert.equal(client.stats().reconnects, 1)
  },

  async worker(client, name, path) {
    for (const round of ['first', 'second']) {
      const own = `${name}-${round}`
      const worker = new Worker(path, { workerData: { name, own } })
      const [answer] = await once(worker, 'message')
      assert.equal(answer, 'answer')
      const inside = await connect(own)
      assert.equal(await inside.request('echo', round), round)
      const lost = once(inside.ref(), 'disconnect')
      await worker.terminate()
      await lost
      await inside.close()
      assert.equal(await client.request('echo', 'alive'), 'alive')
    }
  },
}

async function serve(name) {
  const server = await createServer(name)
  const notes = []
  let cancelled = 0
  let frame
  server.handle(Clone, (value) => value)
  server.handle('pid', () => process.pid)
  server.handle('echo', (value) => value)
  server.handle('fail', () => {
    throw Object.assign(new RangeError('as asked'), { code: 'E_ASKED' })
  })
  server.handle('wait', (_, { signal }) => {
    signal.addEventListener('abort', () => cancelled++)
    return new Promise(() => {})
  })
  server.handle('cancelled', () => cancelled)
  server.handle('notes', () => notes)
  server.handle('publish', (news) => {
    for (const each of news) server.notify('news', each)
  })
  server.handle('write', (n) => {
    frame ??= createStateFrame(Frame)
    frame.write({ n })
  })
  server.on(Note, (note) => notes.push(note))
  server.handle(Count, function* (end) {
    for (let n = 0; n < end; n++) yield n
  })
  server.handle(Sum, async (_, items) => {
    let sum = 0
    for await (const item of items) sum += item
    return sum
  })
  await servePorts(`${name}-ports`, (port) => {
    port.on('message', (value) => port.postMessage(value))
  })
  console.log('ready')
}

async function check(feature, name, path) {
  const client = await connect(name)
  await FEATURES[feature](client, name, path)
  await client.close()
  console.log('fine')
}

const [what, name, path] = process.argv.slice(2)
const done = what === 'serve' ? serve(name) : check(what, name, path)
done.catch((error) => {
  console.error(error)
  process.exit(1)
})
