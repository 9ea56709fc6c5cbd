// What happens when the producer is not there, is gone, comes back, hangs, or leaves garbage.

import assert from 'node:assert/strict'
import { closeSync, copyFileSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs'
import { test } from 'node:test'
import { until } from '../../testing/processes.mjs'
import { checked, PATHS, Place } from './helpers.mjs'

const NOTHING = { detections: false, tracks: false, timelines: false, commands: false, statistics: false }

test('before there is a producer everything is unavailable, and then there by itself', async (t) => {
  const place = new Place(t)
  const api = await place.api()
  for (const path of Object.values(PATHS)) {
    const { status, headers, body } = await api.ask(path)
    assert.deepEqual([status, headers['retry-after'], body.error], [503, '1', 'unavailable'])
  }
  assert.equal((await api.refresh({})).status, 503)
  const { status, body } = await api.health()
  assert.equal(status, 503)
  assert.deepEqual(body.checks, NOTHING)
  await place.producer()
  await api.healthy()
  checked('tracks', await api.ask(PATHS.tracks))
  assert.equal((await api.refresh({})).status, 200)
})

test('a killed producer is noticed at once, and its last frames are served as stale', async (t) => {
  const place = new Place(t)
  const [api, producer] = [await place.api(), await place.producer()]
  await api.healthy()
  const before = checked('detections', await api.ask(PATHS.detections))
  await producer.kill()
  const after = await stale(api)
  assert.equal(after.why, 'the producer is gone')
  assert.ok(after.number >= before.number)
  // It does not change any more but for its age.
  const later = checked('detections', await api.ask(PATHS.detections))
  assert.deepEqual(later.frame, after.frame)
  assert.ok(later.ageMs > after.ageMs)
  const refused = await until('its connection has ended', async () => {
    const { status, body } = await api.refresh({})
    return status === 503 && body
  })
  assert.equal(refused.message, 'the producer is gone')
  const { status, body } = await api.health()
  assert.equal(status, 503)
  assert.deepEqual({ ...body.checks, statistics: false }, NOTHING)
  await until('the statistics are too old', async () => !(await api.health()).body.checks.statistics)
  await api.prints(/the producer is gone/)
})

test('an API that is started beside what a killed producer has left serves that', async (t) => {
  const place = new Place(t)
  const producer = await place.producer()
  await (await place.api()).healthy()
  await producer.kill()
  const late = await place.api()
  assert.equal(checked('tracks', await late.ask(PATHS.tracks)).stale, true)
})

test('the next producer is there by itself, again and again', async (t) => {
  const place = new Place(t)
  const api = await place.api()
  let last = { number: 0 }
  for (let round = 0; round < 5; round++) {
    const producer = await place.producer({ seed: round })
    await api.healthy()
    const found = checked('detections', await api.ask(PATHS.detections))
    assert.equal(found.stale, false)
    assert.ok(found.number > last.number)
    assert.equal((await api.refresh({})).body.status, 'ok')
    last = found
    await producer.kill()
    await stale(api)
  }
  const { counters } = (await api.health()).body
  assert.equal(counters.detections.corrupt, 0)
})

test('after a producer that has ended in good order, and the next, nothing old is served', async (t) => {
  const place = new Place(t)
  const [api, first] = [await place.api(), await place.producer({ seed: 1 })]
  await api.healthy()
  const before = checked('detections', await api.ask(PATHS.detections))
  assert.equal(await first.end(), 0)
  assert.deepEqual(place.files(), [])
  await stale(api)
  const late = await place.api()
  assert.equal((await late.ask(PATHS.detections)).status, 503)
  // Numbers begin again, and frames of the same number are others.
  await place.producer({ seed: 2 })
  const timestamps = new Set()
  await until('it is further than the first', async () => {
    const { number, frame, stale } = checked('detections', await api.ask(PATHS.detections))
    if (!stale) timestamps.add(frame.timestamp)
    return !stale && number > before.number + 1
  })
  assert.ok(timestamps.size > 0 && !timestamps.has(before.frame.timestamp))
})

test('a producer that hangs is late, not gone; what it does not answer times out', async (t) => {
  const place = new Place(t)
  const [api, producer] = [await place.api({ commandTimeoutMs: 200 }), await place.producer()]
  await api.healthy()
  await producer.freeze()
  const { status, body } = await api.refresh({})
  assert.deepEqual([status, body.error], [504, 'timeout'])
  assert.equal(body.message, 'the producer has not answered within 200 ms')
  const late = await until('its frames are too old', async () => {
    const found = checked('detections', await api.ask(PATHS.detections))
    return found.stale && found
  })
  assert.equal(late.why, 'the producer is late')
  assert.equal((await api.health()).status, 503)
  producer.thaw()
  await api.healthy()
  await until('it answers again', async () => (await api.refresh({})).status === 200)
})

test('bits that flip in a frame cost no one anything: the last good one is served, and counted', async (t) => {
  const place = new Place(t)
  const [api, producer] = [await place.api(), await place.producer()]
  await api.healthy()
  await producer.freeze()
  const good = checked('detections', await api.ask(PATHS.detections))
  // Both slots, so that there is no whole value in the file; and the number of the newest, so that
  // it is looked at.
  const file = place.frameFile('detections')
  flip(file, 'payloads')
  flip(file, 'latest')
  const served = checked('detections', await api.ask(PATHS.detections))
  assert.deepEqual(served.frame, good.frame)
  const { counters } = (await api.health()).body
  assert.ok(counters.detections.corrupt > 0)
  // One that has not seen it before has nothing to serve, and says so.
  const late = await place.api()
  assert.equal((await late.ask(PATHS.detections)).status, 503)
  // The producer writes whole ones again.
  producer.thaw()
  await until('there is another', async () => {
    const { frame } = checked('detections', await api.ask(PATHS.detections))
    return frame.frameId > good.frame.frameId
  })
  await late.healthy()
  checked('detections', await late.ask(PATHS.detections))
})

test('a file with another magic is no frame: the last good one is served, until there is another', async (t) => {
  const place = new Place(t)
  const [api, producer] = [await place.api(), await place.producer()]
  await api.healthy()
  await producer.kill()
  const good = await stale(api)
  const file = place.frameFile('detections')
  copyFileSync(file, `${file}.wrong`)
  flip(`${file}.wrong`, 'magic')
  renameSync(`${file}.wrong`, file)
  const served = checked('detections', await api.ask(PATHS.detections))
  assert.deepEqual([served.frame, served.stale], [good.frame, true])
  assert.ok((await api.health()).body.counters.detections.corrupt > 0)
  const late = await place.api()
  assert.equal((await late.ask(PATHS.detections)).status, 503)
  const { failures, failure } = (await late.health()).body.counters.detections
  assert.ok(failures > 0)
  assert.match(failure, /does not begin like a state frame/)
  await place.producer()
  await Promise.all([api.healthy(), late.healthy()])
  checked('detections', await late.ask(PATHS.detections))
})

/** What is served once the producer is known to be gone. A frame that was written less than a
 * millisecond ago still counts as one of a producer that lives. */
function stale(api) {
  return until('it is known that the producer is gone', async () => {
    const found = checked('detections', await api.ask(PATHS.detections))
    return found.stale && found
  })
}

/** Where things are in the file of a frame: its number, and the offset of its values. */
const LATEST = 256
const DATA_OFFSET = 32

/** Flips a bit of each eighth byte of a part of a frame's file. */
function flip(path, part) {
  const file = openSync(path, 'r+')
  const bytes = readFileSync(file)
  const data = Number(bytes.readBigUInt64LE(DATA_OFFSET))
  const parts = { magic: [0, 8], latest: [LATEST, LATEST + 8], payloads: [data, bytes.length] }
  const [from, to] = parts[part]
  for (let at = from; at < to; at += 8) {
    writeSync(file, Uint8Array.of(bytes[at] ^ (part === 'latest' ? 2 : 1)), 0, 1, at)
  }
  closeSync(file)
}
