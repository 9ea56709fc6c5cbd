// The engine as a module in WebAssembly, two of them in one process: requests both ways, however what
// is sent is cut, and peers and hosts that do not behave. `node ci/wasm.mjs` makes the module.

import { Buffer } from 'node:buffer'
import ava from 'ava'
import { eachSeed } from './helpers/random.mjs'
import { Host, Network, built } from './helpers/wasm-host.mjs'

const test = built === undefined ? ava.skip : ava
const { KIND_ERROR, KIND_ONE_WAY, KIND_REPLY, KIND_REQUEST } = built?.constants ?? {}

const HELLO = Buffer.from('how do you do')

interface Pair {
  network: Network
  server: Host
  client: Host
  /** The connection, as each has it. */
  served: number
  link: number
}

/** A server and a client that is connected to it. */
function pair(options: object = {}): Pair {
  const network = new Network()
  const [server, client] = [network.host(), network.host()]
  network.listen('/here', server, options)
  return { network, server, client, ...connected(network, server, client, options) }
}

function connected(network: Network, server: Host, client: Host, options: object = {}) {
  const link = client.connect(['/here'], options)
  network.settle()
  return { link, served: server.last('EVENT_ACCEPTED')!.link }
}

/** Ids of requests in one slot are told apart by how often it was used. */
let generation = 0

/** A request and its answer. */
function ask({ network, server, client, link, served }: Pair, payload: Uint8Array = HELLO): Buffer {
  const code = client.call('code', 'echo')
  client.send({ link, kind: KIND_REQUEST, code, id: [3, ++generation], payload, timeoutMs: 1000 })
  network.settle()
  const { id, payload: arrived } = server.last('KIND_REQUEST')!
  server.send({ link: served, kind: KIND_REPLY, id, payload: arrived })
  network.settle()
  return client.last('KIND_REPLY')!.payload
}

const reason = (host: Host) => host.last('EVENT_CLOSED')?.payload.toString().split('\n').slice(1)

test('requests are answered both ways, and names are named', (t) => {
  const { network, server, client, link, served } = pair()
  t.deepEqual(ask({ network, server, client, link, served }), HELLO)
  t.is(server.last('EVENT_NAMED')!.payload.toString(), 'echo')
  t.deepEqual(ask({ network, server: client, client: server, link: served, served: link }), HELLO)
  const peer = JSON.parse(client.last('EVENT_CONNECTED')!.payload.toString()) as object
  t.like(peer, { pid: 0, uid: 1000, transport: 'socket', isSelf: false })
  t.like(client.call('stats'), { connections: 1, handshakesFailed: 0, lostWakeups: 0, wakesBy: 'host' })
  t.like(client.call('linkStats', link), { sent: 2, received: 2, queued: 0 })
  client.call('close', link, false)
  network.settle()
  t.deepEqual([reason(client), reason(server)], [[''], ['']])
  t.like(client.call('linkStats', link), { sent: 2, received: 2 })
  client.call('forget', link)
  t.is(client.call('linkStats', link), null)
  t.deepEqual([network.open(server), network.open(client)], [[], []])
})

test('wherever what is sent is cut, it arrives', (t) => {
  const { network, server, client, ...first } = pair()
  let longest = 0
  const converse = ({ link, served }: { link: number; served: number }) => {
    t.deepEqual(ask({ network, server, client, link, served }), HELLO)
    longest = Math.max(...network.open(client).map((end) => network.sent(end)), longest)
    longest = Math.max(...network.open(server).map((end) => network.sent(end)), longest)
    client.call('close', link, false)
    network.settle()
    t.deepEqual([reason(client), reason(server)], [[''], ['']])
  }
  converse(first)
  t.true(longest > 200)
  for (let place = 1; place <= longest; place++) {
    network.pieces = (bytes, sent) => {
      const at = place - sent
      return at > 0 && at < bytes.length ? [bytes.subarray(0, at), bytes.subarray(at)] : [bytes]
    }
    converse(connected(network, server, client))
  }
  network.pieces = (bytes) => Array.from(bytes, (byte) => Uint8Array.of(byte))
  converse(connected(network, server, client))
})

test('wherever a connection ends in the middle, both know it, and go on', (t) => {
  const { network, server, client, ...first } = pair()
  const { link, served } = first
  t.deepEqual(ask({ network, server, client, link, served }), HELLO)
  client.call('close', link, false)
  network.settle()
  for (let place = 1; place <= 600; place += 3) {
    let isOver = false
    network.pieces = (bytes, sent) => {
      if (isOver) return []
      isOver = sent + bytes.length > place
      return [isOver ? bytes.subarray(0, place - sent) : bytes]
    }
    const link = client.connect(['/here'])
    network.settle()
    const isOpen = client.last('EVENT_CONNECTED')?.link === link
    if (isOpen) {
      client.send({ link, kind: KIND_REQUEST, code: client.call('code', 'echo'), id: [7, place] })
      network.settle()
    }
    for (const end of network.open(client)) network.end(end)
    network.settle()
    t.is(client.last('EVENT_CLOSED')!.link, link)
    t.regex(reason(client)![0], /^ERR_(HANDSHAKE|PEER_LOST)$/)
    if (isOpen) t.deepEqual(client.last('EVENT_ENDED')!.id, [7, place])
    t.deepEqual([network.open(server), network.open(client)], [[], []])
  }
  network.pieces = (bytes) => [bytes]
  const last = connected(network, server, client)
  t.deepEqual(ask({ network, server, client, ...last }), HELLO)
})

test('a peer that sends nonsense ends its own connection and nothing else', async (t) => {
  await eachSeed(t, 60, (random) => {
    const { network, server, client, link, served } = pair()
    const other = connected(network, server, client)
    const [victim] = network.open(server)
    // In the place of a HELLO, or behind the handshake.
    const end = random.below(2) === 0 ? network.stranger('/here') : victim
    for (let chunk = 0; chunk < 4; chunk++) {
      const bytes = random.bytes(1 + random.below(200))
      // What looks like a record of the right form comes further.
      if (random.below(2) === 0) bytes.set([random.below(10), random.below(4), 0, 0, 8, 0, 0, 0].slice(0, bytes.length))
      network.deliver(end, bytes)
      network.settle()
    }
    server.pass(300)
    network.settle()
    t.is(server.last('EVENT_CLOSED')?.link, end === victim ? served : undefined)
    if (end === victim) {
      t.is(reason(server)![0], 'ERR_CORRUPT')
      t.is(client.last('EVENT_CLOSED')!.link, link)
    }
    t.deepEqual(ask({ network, server, client, ...other }), HELLO)
  })
})

test('clients that say nothing are turned away in time', (t) => {
  const { network, server } = pair()
  network.stranger('/here')
  network.settle()
  t.is(network.open(server).length, 2)
  t.true(server.exports.due() <= server.now + 250)
  server.pass(251)
  t.is(network.open(server).length, 1)
  t.is(server.call('stats').handshakesFailed, 1)
})

test('long payloads cross in either direction, in memory of their own', (t) => {
  const all = pair()
  for (const length of [16 << 10, 100_001, 3 << 20]) {
    const payload = Buffer.alloc(length, `${length} bytes `)
    t.true(ask(all, payload).equals(payload))
  }
  const { network, client, link, served, server } = all
  client.call('close', link, false)
  network.settle()
  // Only what was lent to JavaScript for good is still known.
  t.true(client.memory.size <= 4 && server.memory.size <= 4, `${client.memory.size}`)
  t.is(served, server.last('EVENT_CLOSED')!.link)
})

test('a message may be no longer than a module could keep, whatever was asked for', (t) => {
  const { network, server, client, ...ends } = pair({ messageLenMax: Number.MAX_SAFE_INTEGER })
  const { messageLenMax } = JSON.parse(client.last('EVENT_CONNECTED')!.payload.toString()) as Record<string, number>
  t.is(messageLenMax, 2 ** 31 - 1)
  t.deepEqual(ask({ network, server, client, ...ends }), HELLO)
})

test('while its host takes nothing, a module keeps what is to be sent, and sends it later', (t) => {
  const { network, server, client, link } = pair()
  const [end] = network.open(client)
  const code = client.call('code', 'event')
  network.full.add(network.key(end))
  const payload = Buffer.alloc(10_000, 'x')
  for (let count = 0; count < 100; count++) client.send({ link, kind: KIND_ONE_WAY, code, payload })
  network.settle()
  t.is(server.last('KIND_ONE_WAY'), undefined)
  t.true(client.call('linkStats', link).queued > 0)
  const changed = client.exports.standing_changed()
  t.not(changed, 0, 'that it waits is told')
  t.is(client.exports.standing_changed(), 0, 'once')
  network.full.clear()
  client.exports.drained(end.socket)
  network.settle()
  t.is(server.entered.filter(({ kind }) => kind === KIND_ONE_WAY).length, 100)
  t.is(client.call('linkStats', link).queued, 0)
})

test('what fills one memory and the next in one batch arrives whole', (t) => {
  const { network, server, client, link } = pair()
  const code = client.call('code', 'event')
  const payloads = Array.from({ length: 300 }, (_, at) => Buffer.alloc(1 + ((at * 7) % 900), `${at} `))
  const pieces: Uint8Array[] = []
  // All of it is there before the server has its turn.
  network.pieces = (bytes) => (pieces.push(bytes), [])
  for (const payload of payloads) client.send({ link, kind: KIND_ONE_WAY, code, payload })
  client.settle()
  network.pieces = (bytes) => [bytes]
  const [end] = network.open(server)
  for (const piece of pieces) network.deliver(end, piece)
  network.settle()
  const arrived = server.entered.filter(({ kind }) => kind === KIND_ONE_WAY)
  t.is(arrived.length, 300)
  t.true(payloads.every((payload, at) => payload.equals(arrived[at].payload)))
})

test('a connection that cannot be made says why', (t) => {
  const network = new Network()
  const client = network.host()
  const codes = ['ERR_NO_SERVER', 'ERR_ACCESS', undefined, 'ERR_NO_DESCRIPTORS', 'ERR_SYSTEM']
  for (const [why, code] of codes.entries()) {
    const link = client.connect(['/nowhere'])
    const [[socket, address]] = client.connects.splice(0)
    t.is(address, '/nowhere')
    t.is(socket % 2, 1)
    client.exports.connect_failed(socket, why)
    client.settle()
    if (code !== undefined) {
      t.is(client.last('EVENT_CLOSED')!.link, link)
      t.is(reason(client)![0], code)
      if (why === 0) t.is(reason(client)![1], 'no server is named "demo" at /nowhere')
      continue
    }
    // A full queue is tried again, until the time is over.
    client.pass(5)
    const [[again]] = client.connects.splice(0)
    t.not(again, socket)
    client.pass(5000)
    t.deepEqual([client.last('EVENT_CLOSED')!.link, reason(client)![0]], [link, 'ERR_TIMEOUT'])
  }
})

test('each address is tried, and a server that comes is found', (t) => {
  const network = new Network()
  const [server, client] = [network.host(), network.host()]
  const link = client.dial(['/first', '/here'])
  for (let attempt = 0; attempt < 20; attempt++) {
    network.settle()
    client.pass(700)
  }
  t.is(client.entered.length, 0)
  network.listen('/here', server)
  client.call('appeared')
  network.settle()
  t.is(client.last('EVENT_CONNECTED')?.link, link)
  const { link: served } = server.last('EVENT_ACCEPTED')!
  t.deepEqual(ask({ network, server, client, link, served }), HELLO)
})

test('a server that closes its name closes its socket, and keeps its connections', (t) => {
  const { network, server, client, link, served } = pair()
  const waiting = network.stranger('/here')
  server.call('closeListener', server.last('EVENT_ACCEPTED')!.code)
  network.settle()
  t.false(network.open(server).some(({ socket }) => socket === waiting.socket))
  t.deepEqual(ask({ network, server, client, link, served }), HELLO)
})

test('a name that its host has lost is an event', (t) => {
  const { network, server } = pair()
  const listener = server.last('EVENT_ACCEPTED')!.code
  server.call('nameLost', listener, 'ERR_NAME_IN_USE\nanother has it')
  network.settle()
  const { code, payload } = server.last('EVENT_NAME_LOST')!
  t.deepEqual([code, payload.toString()], [listener, 'ERR_NAME_IN_USE\nanother has it'])
})

test('what a module does not have is an error that says so', (t) => {
  const network = new Network()
  const host = network.host()
  for (const transport of ['sealed', 'portable']) {
    const refused = { code: 'ERR_FEATURE', message: /shares no memory/ }
    t.throws(() => host.connect(['/here'], { transport }), refused)
    t.throws(() => network.listen('/here', host, { transport }), refused)
  }
  t.throws(() => host.connect(['/here'], { transport: 'smoke' }), { code: 'ERR_INVALID_ARGUMENT' })
  t.throws(() => host.takeOver(), { code: 'ERR_FEATURE', message: /cannot be taken over/ })
  t.notThrows(() => host.connect(['/here'], { transport: 'socket' }))
})

test('arguments of a host that make no sense are errors, and the module goes on', async (t) => {
  const all = pair()
  const { client } = all
  const wrong = (...values: [string, ...unknown[]]) => t.throws(() => client.call(...values), { code: 'ERR_INTERNAL' })
  for (const method of ['connect', 'listen', 'dial', 'close', 'cancel', 'code', 'totalsAdd', 'open']) {
    wrong(method)
    wrong(method, -1, 'x', {}, [], null)
    wrong(method, { a: 1 }, 1.5, true)
  }
  wrong('totalsStats', 77)
  wrong('histogramRecord', 77, 1)
  wrong('nothing of that name')
  await eachSeed(t, 300, (random) => {
    t.throws(() => client.callBytes(random.bytes(random.below(60))))
  })
  t.deepEqual(ask(all), HELLO)
})

test('an outbox that makes no sense is an error', (t) => {
  const { client, link } = pair()
  t.throws(() => client.send({ link, kind: 9 }), { code: 'ERR_INTERNAL' })
  t.notThrows(() => client.send({ link: 77, kind: KIND_ERROR }))
})

test('requests are timed, and what is counted adds up', (t) => {
  const all = pair()
  const { network, client, link } = all
  ask(all)
  client.send({ link, kind: KIND_REQUEST, code: client.call('code', 'echo'), id: [4, 1], timeoutMs: 50 })
  network.settle()
  t.true(client.exports.due() <= client.now + 50)
  client.pass(51)
  t.deepEqual(client.last('EVENT_ENDED')!.id, [4, 1])
  const sum = client.call('totalsNew')
  client.call('totalsAdd', sum, link)
  client.call('totalsAdd', sum, link)
  const copy = client.call('totalsCopy', sum)
  client.call('totalsForget', sum)
  t.is(client.call('totalsStats', copy).sent, 4)
  t.deepEqual(client.call('totalsTraffic', copy).sent[0], [0, 0, 4, 0])
  t.is(client.call('totalsBuckets', copy).below.length, client.call('latencyBounds').length)
  const [one, other] = [client.call('histogramNew'), client.call('histogramNew')]
  client.call('histogramRecord', one, 2.5)
  client.call('histogramRecord', other, 1.5)
  client.call('histogramMerge', one, other)
  client.call('histogramMerge', one, one)
  t.is(client.call('histogramSummary', one).count, 4)
  t.deepEqual(client.call('overflowDefault').slice(2), [Infinity, 'dropNewest'])
})

test('JavaScript is woken when it wants to be', (t) => {
  const { client } = pair()
  const rang = () => new Uint32Array(client.exports.memory.buffer, client.exports.state_pointer())[built!.constants.STATE_RANG]
  client.exports.wake_at(client.now + 20)
  client.pass(10)
  t.is(rang(), 0)
  client.pass(10)
  t.is(rang(), 1)
})

