// Commands to the producer: carried out, refused with the reason, and counted.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect, method } from 'ringpost'
import { ConfigUpdate, RefreshTimelines, SyncSwarm } from '../../../dist/examples/perception/api/contract.mjs'
import { until } from '../../testing/processes.mjs'
import { checked, PATHS, Place, readStatistics } from './helpers.mjs'

async function connected(t) {
  const place = new Place(t)
  await place.producer()
  const client = await connect(place.name, { directory: place.directory })
  t.after(() => client.close())
  let count = 0
  const send = (command, data) =>
    client.request(command, { requestId: `${++count}`, timestamp: Date.now(), data })
  return { place, client, send }
}

test('a configuration is carried out and acknowledged', async (t) => {
  const { place, send } = await connected(t)
  const api = await place.api()
  const before = Date.now()
  const answer = await send(ConfigUpdate, { framesPerSecond: 50, objects: 50 })
  assert.deepEqual([answer.requestId, answer.status], ['1', 'ok'])
  assert.equal(answer.message, '50 frames per second of 50 objects')
  assert.ok(answer.timestamp >= before - 1_000)
  const { frame } = await until('there are 50 objects', async () => {
    const found = checked('detections', await api.ask(PATHS.detections))
    return found.frame.objects.length === 50 && found
  })
  assert.ok(frame.objects.every(({ id }) => id > 0))
  await send(ConfigUpdate, { objects: 0 })
  await until('there are none', async () => {
    return checked('tracks', await api.ask(PATHS.tracks)).frame.objects.length === 0
  })
})

test('what the producer knows of others, and what it was told, is in its statistics', async (t) => {
  const { place, send } = await connected(t)
  const neighbours = [{ id: 'north', x: 0, y: 20.5 }, { id: 'south', x: 0, y: -20 }]
  const { status, message } = await send(SyncSwarm, { neighbours })
  assert.deepEqual([status, message], ['ok', '2 neighbours are known'])
  assert.equal((await send(SyncSwarm, { neighbours: 'none' })).status, 'invalid')
  const statistics = await until('they are counted', () => {
    const read = readStatistics(place)
    return read.neighbours === 2 && read.commands.refused === 1 && read
  })
  assert.ok(statistics.uptimeSeconds > 0 && statistics.frames > 0)
  assert.deepEqual(statistics.commands, { accepted: 1, refused: 1 })
  assert.equal(statistics.activeTimelines, 24)
})

test('the statistics are whole whenever they are read', async (t) => {
  const place = new Place(t)
  await place.producer()
  await until('they are there', () => place.files().includes('statistics.json'))
  const seen = new Set()
  await until('they were replaced', () => {
    for (let time = 0; time < 100; time++) seen.add(readStatistics(place).timestamp)
    return seen.size > 2
  })
})

test('commands that make no sense are answered with the reason', async (t) => {
  const { client, send } = await connected(t)
  for (const [command, data, reason] of [
    [ConfigUpdate, {}, /framesPerSecond or objects must be given/],
    [ConfigUpdate, { framesPerSecond: 0.5 }, /framesPerSecond must be from 1 to 100, got 0.5/],
    [ConfigUpdate, { framesPerSecond: NaN }, /.+/],
    [ConfigUpdate, { objects: -1 }, /invalid value: integer `-1`/],
    [ConfigUpdate, { objcts: 1 }, /unknown field `objcts`/],
    [RefreshTimelines, { horizonMs: 60_001 }, /horizonMs must be from 100 to 60000/],
    [RefreshTimelines, 'soon', /data: invalid type/],
    [SyncSwarm, { neighbours: [{ id: 'a' }] }, /missing field `x`/],
    [SyncSwarm, null, /missing field `neighbours`/],
  ]) {
    const { status, message, requestId } = await send(command, data)
    assert.equal(status, 'invalid', message)
    assert.match(message, reason)
    assert.match(requestId, /^\d+$/)
  }
  const answer = await client.request(ConfigUpdate, { requestId: '', timestamp: 0, data: { objects: 1 } })
  assert.match(answer.message, /requestId must have 1 to 64 bytes/)
})

test('what is no command at all fails as a request, and the next is answered', async (t) => {
  const { client, send } = await connected(t)
  for (const params of [undefined, 'refresh', { requestId: 1 }, { requestId: 'a', timestamp: 'now' }]) {
    const asked = client.request(RefreshTimelines, params)
    await assert.rejects(asked, { code: 'ERR_INVALID_PAYLOAD', isRemote: true })
  }
  await assert.rejects(client.request(method('SELF_DESTRUCT')), { code: 'ERR_UNKNOWN_METHOD' })
  assert.equal((await send(RefreshTimelines, {})).status, 'ok')
})
