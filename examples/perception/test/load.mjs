// Many clients at once, each of whose answers is looked at; a reader beside a writer that never
// pauses; what all of it takes.

import assert from 'node:assert/strict'
import http from 'node:http'
import { statSync } from 'node:fs'
import { test } from 'node:test'
import { openStateFrame } from 'ringpost'
import { framesOf } from '../../../dist/examples/perception/api/contract.mjs'
import { checked, checkFrame, isLong, PATHS, percentile, Place } from './helpers.mjs'

const CLIENTS = 50
const LOAD_MS = isLong ? 30_000 : 2_000
const READS = 10_000
/** Never woken. */
const PAUSE = new Int32Array(new SharedArrayBuffer(4))
const PAUSE_MS = 0.01
/** What all shared files may take together. */
const MEMORY_MAX = 1 << 20

test(`${CLIENTS} clients at once get whole frames in order, and nothing else`, async (t) => {
  const place = new Place(t)
  const [api] = [await place.api(), await place.producer()]
  await api.healthy()
  const end = performance.now() + LOAD_MS
  const spans = []
  const client = async (number) => {
    const by = new http.Agent({ keepAlive: true, maxSockets: 1 })
    const last = {}
    const which = Object.keys(PATHS)
    for (let turn = number; performance.now() < end; turn++) {
      const start = performance.now()
      const what = which[turn % 4]
      if (what === undefined) {
        const { status, body } = await api.refresh({ horizonMs: 1_000 + turn % 1_000 }, { by })
        assert.deepEqual([status, body.status], [200, 'ok'])
      } else {
        const found = checked(what, await api.ask(PATHS[what], { by }))
        assert.ok(found.number >= (last[what] ?? 0))
        last[what] = found.number
      }
      spans.push(performance.now() - start)
    }
    by.destroy()
  }
  await Promise.all(Array.from({ length: CLIENTS }, (_, number) => client(number)))
  const rate = Math.round((spans.length / LOAD_MS) * 1e3)
  const [p50, p99] = [0.5, 0.99].map((share) => percentile(spans, share).toFixed(1))
  t.diagnostic(`${rate} requests a second, p50 ${p50} ms, p99 ${p99} ms`)
  assert.ok(spans.length > CLIENTS)
  const { counters } = (await api.health()).body
  for (const { corrupt, failures } of Object.values(counters)) assert.deepEqual([corrupt, failures], [0, 0])
})

test(`no frame is torn in ${READS} reads of a newer producer, which writes without a pause`, async (t) => {
  const place = new Place(t)
  const newer = await place.newerProducer()
  const reader = openStateFrame(framesOf(place.name).detections, { directory: place.directory })
  t.after(() => reader.close())
  let [fresh, last] = [0, 0n]
  // Every object says of which frame it is. Without assertions, which take longer than a read.
  const isWhole = ({ frameId, timestamp, objects }) =>
    timestamp === Number(frameId) &&
    objects.length === Number(frameId % 51n) &&
    objects.every(({ seenAt }) => seenAt === timestamp)
  while (fresh < READS) {
    const { status, value } = reader.read()
    if (status !== 'fresh') {
      // There is no core for both at the moment: the writer may have this one.
      Atomics.wait(PAUSE, 0, 0, PAUSE_MS)
      continue
    }
    fresh++
    assert.ok(value.frameId > last && isWhole(value))
    last = value.frameId
  }
  assert.deepEqual(Object.keys(reader.read().value), ['frameId', 'timestamp', 'objects'])
  assert.equal(reader.stats().corrupt, 0)
  t.diagnostic(`${last} frames were written meanwhile`)
  await newer.kill()
})

test('a web API that is older than its producer serves what it knows', async (t) => {
  const place = new Place(t)
  const [api] = [await place.api(), await place.newerProducer()]
  const { status, body } = await api.ask(PATHS.detections)
  assert.deepEqual([status, body.stale], [200, false])
  assert.ok(body.frame.frameId > 0)
  assert.deepEqual(Object.keys(body.frame), ['frameId', 'timestamp', 'objects'])
  checkFrame('detections', { ...body.frame, objects: [] })
})

test('all shared files together are small', async (t) => {
  const place = new Place(t)
  const [api] = [await place.api(), await place.producer()]
  await api.healthy()
  const frames = place.files().filter((file) => file.endsWith('.frame'))
  assert.equal(frames.length, 3)
  const sizes = Object.keys(PATHS).map((which) => statSync(place.frameFile(which)).size)
  const bytes = sizes.reduce((sum, size) => sum + size, 0)
  t.diagnostic(`${Math.ceil(bytes / 1024)} KiB for three frames`)
  assert.ok(bytes < MEMORY_MAX)
})
