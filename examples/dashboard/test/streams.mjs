// What is on its way to a browser, and when it is taken for gone.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { until } from '../../testing/processes.mjs'
import { kindOf, numberOf, Place } from './helpers.mjs'

test('a browser that shows nothing gets one message of each kind, and then the newest', async (t) => {
  const place = new Place(t)
  const producer = await place.producer()
  const newest = place.newest()
  const at = await place.dashboard()
  const [asleep, awake] = [place.stream(at), place.stream(at)]
  const [got, pictures] = [[], []]
  asleep.on('message', (data, isBinary) => {
    const kind = kindOf(data, isBinary)
    got.push(kind)
    if (kind === 'camera') pictures.push(numberOf(data))
  })
  let last = 0
  awake.on('message', (data, isBinary) => {
    const kind = kindOf(data, isBinary)
    if (kind === 'camera') last = numberOf(data)
    awake.send(kind)
  })
  await until('it has its first messages', () => pictures.length === 1)
  const start = newest()
  producer.kill('SIGUSR1')
  await until('there is an error', () => got.includes('errors'))
  producer.kill('SIGUSR1')
  await until('the other has seen ten more', () => last >= start + 10)
  // Of each kind one, though much has come since.
  assert.deepEqual(got.toSorted(), ['camera', 'errors', 'posture', 'status'])
  const before = newest()
  asleep.send('camera')
  await until('it has the next', () => pictures.length === 2)
  // The server may be one behind.
  assert.ok(pictures[1] >= before - 1, `${pictures[1]}, though ${before} was there`)
})

test('what was on its way when the producer was killed is taken back', async (t) => {
  const place = new Place(t)
  const producer = await place.producer()
  const at = await place.dashboard()
  const [asleep, awake] = [place.stream(at), place.stream(at)]
  const statuses = []
  awake.on('message', (data, isBinary) => {
    const kind = kindOf(data, isBinary)
    if (kind === 'status') statuses.push(JSON.parse(data))
    awake.send(kind)
  })
  let pictures = 0
  asleep.on('message', (data, isBinary) => {
    const kind = kindOf(data, isBinary)
    if (kind === 'camera') pictures++
    if (kind === 'status') asleep.send(kind)
  })
  await until('it has a picture', () => pictures === 1)
  producer.kill('SIGKILL')
  const isGone = ({ producer, process }) => producer === 'gone' && process === null
  await until('the other knows', () => statuses.some(isGone))
  asleep.send('camera')
  const seen = statuses.length
  await until('the server has said more', () => statuses.length >= seen + 2)
  assert.equal(pictures, 1)
  // And who comes now gets no picture either.
  const late = place.stream(at)
  const kinds = []
  late.on('message', (data, isBinary) => kinds.push(kindOf(data, isBinary)))
  await until('it has the status', () => kinds.length > 0)
  assert.deepEqual(kinds, ['status'])
})

test('one that does not answer is gone after a while; one that answers stays', async (t) => {
  const place = new Place(t)
  const at = await place.dashboard({ heartbeat: { intervalMs: 100, timeoutMs: 1_000 } })
  const silent = place.stream(at, { autoPong: false })
  const alive = place.stream(at)
  let pings = 0
  alive.on('ping', () => pings++)
  let closed
  silent.once('close', (code) => (closed = code))
  await until('it is closed', () => closed)
  assert.equal(closed, 1006)
  await until('the other was asked more often', () => pings > 20)
  assert.equal(alive.readyState, alive.OPEN)
  assert.equal(at.pages(), 1)
})

test('one that leaves is forgotten at once, however it leaves', async (t) => {
  const place = new Place(t)
  await place.producer()
  const at = await place.dashboard()
  for (const leave of ['close', 'terminate']) {
    const sockets = Array.from({ length: 5 }, () => place.stream(at))
    await until('all are there', () => at.pages() === 5)
    for (const socket of sockets) socket[leave]()
    await until('all have left', () => at.pages() === 0)
  }
})

test('a server that ends does not wait for a page that is asleep', async (t) => {
  const place = new Place(t)
  const at = await place.dashboard()
  const socket = place.stream(at)
  await once(socket, 'open')
  socket.pause()
  await at.close()
})
