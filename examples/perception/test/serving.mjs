// What the web API answers while all is well, and to whom.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checked, PATHS, Place } from './helpers.mjs'

test('all three frames are served, each from the newest one on', async (t) => {
  const place = new Place(t)
  const api = await place.api()
  await place.producer()
  await api.healthy()
  for (const [which, path] of Object.entries(PATHS)) {
    const { stale, why, number } = checked(which, await api.ask(path))
    assert.deepEqual([stale, why], [false, null])
    let next
    do {
      next = checked(which, await api.ask(`${path}?again`))
    } while (next.number === number)
    assert.ok(next.number > number && next.frame.timestamp > 0)
  }
  const { status, body } = await api.health()
  assert.equal(status, 200)
  assert.deepEqual(body.checks, {
    ...{ detections: true, tracks: true, timelines: true },
    ...{ commands: true, statistics: true },
  })
  assert.equal(body.counters.detections.corrupt, 0)
})

test('timelines are made anew when that is asked for', async (t) => {
  const place = new Place(t)
  const api = await place.api()
  await place.producer()
  await api.healthy()
  const { status, body } = await api.refresh({ horizonMs: 2_000 })
  assert.equal(status, 200)
  assert.equal(body.status, 'ok')
  const [, number] = /^timelines number (\d+) look 2000 ms ahead$/.exec(body.message)
  const { frame, number: seen } = checked('timelines', await api.ask(PATHS.timelines))
  assert.ok(seen >= Number(number))
  assert.deepEqual(frame.snapshots.map(({ aheadMs }) => Math.round(aheadMs)), [400, 800, 1200, 1600, 2000])
  // Without a body it is as far ahead as usual.
  const usual = await api.refresh('', { headers: {} })
  assert.match(usual.body.message, /look 5000 ms ahead/)
})

test('what is no request of this API is refused with the reason', async (t) => {
  const api = await new Place(t).api()
  const refused = async (asked, status, reason) => {
    const answer = await asked
    assert.deepEqual([answer.status, answer.body.error], [status, 'refused'])
    assert.match(answer.body.message, reason)
  }
  const text = { headers: { 'content-type': 'text/plain' } }
  await refused(api.ask('/'), 404, /there is no \//)
  await refused(api.ask('/constructor'), 404, /there is no/)
  await refused(api.ask('/api/timeline/refresh'), 405, /is for POST/)
  await refused(api.ask('/api/health', { method: 'POST' }), 405, /is for GET/)
  await refused(api.ask('/api/health', { headers: { host: 'evil.example' } }), 403, /this machine/)
  await refused(api.refresh('{}', text), 415, /must be application\/json, got text\/plain/)
  await refused(api.refresh('{'), 400, /not JSON/)
  await refused(api.refresh('[1]'), 400, /must be an object/)
  await refused(api.refresh('null'), 400, /must be an object/)
})

test('a body that is too long is refused, and the next request is answered', async (t) => {
  const api = await new Place(t).api()
  const answer = await api.refresh(JSON.stringify({ long: 'x'.repeat(16 * 1024) }))
  assert.equal(answer.status, 413)
  assert.equal((await api.health()).status, 503)
})

test('it listens at one address of this machine, and at no other', async (t) => {
  const api = await new Place(t).api()
  assert.equal((await api.health()).status, 503)
  // Were it to listen at all addresses, this would be one of them.
  await assert.rejects(fetch(`http://127.0.0.2:${api.port}/api/health`), (error) => {
    assert.equal(error.cause.code, 'ECONNREFUSED')
    return true
  })
})
