// The shared state: read anywhere, whole, without the backend's help, and with safe answers when
// there is none.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { State } from '../state.mjs'
import { Actor, meetingPlace, until } from './helpers.mjs'

const READERS = 10
const READS = 1_000

function reader(t, directory) {
  const state = new State('desk', { directory })
  t.after(() => state.close())
  return state
}

async function owner(t, directory, ttlMs) {
  const actor = new Actor(t)
  await actor.do('publish', 'desk', { directory, ttlMs })
  return actor
}

const NOTHING = { hasBackend: false, monitoring: false, camera: 'unknown', statistics: undefined }
const all = ({ hasBackend, monitoring, camera, statistics }) => ({
  hasBackend,
  monitoring,
  camera,
  statistics,
})
const STATISTICS = { updates: 4, goodShare: 0.5, alerts: 1, corrections: 1 }

test('ten readers, a thousand reads each, while it changes: nothing is torn', async (t) => {
  const { directory } = meetingPlace()
  const writer = await owner(t, directory)
  await writer.do('keepChanging')
  const readers = Array.from({ length: READERS }, () => new Actor(t))
  const read = readers.map((actor) => actor.do('readState', 'desk', directory, READS))
  for (const fault of await Promise.all(read)) assert.equal(fault, null)
})

test('without a backend the answers are safe, until one comes', async (t) => {
  const { directory } = meetingPlace()
  const state = reader(t, directory)
  assert.deepEqual(all(state), NOTHING)
  const writer = await owner(t, directory)
  await writer.do('set', 'monitoring', true)
  await writer.do('set', 'camera', 'connected')
  await writer.do('setStatistics', STATISTICS)
  assert.deepEqual(all(state), {
    hasBackend: true,
    monitoring: true,
    camera: 'connected',
    statistics: STATISTICS,
  })
})

test('flags of a killed backend are not believed, its statistics stay for their time', async (t) => {
  const { directory } = meetingPlace()
  const state = reader(t, directory)
  const writer = await owner(t, directory)
  await writer.do('set', 'monitoring', true)
  await writer.do('setStatistics', STATISTICS)
  await writer.kill()
  await until('it is gone', () => !state.monitoring)
  assert.deepEqual(all(state), { ...NOTHING, statistics: STATISTICS })
  const next = await owner(t, directory)
  await next.do('set', 'monitoring', true)
  await until('the next is found', () => state.monitoring)
})

test('statistics that are not renewed are gone when their time is over', async (t) => {
  const { directory } = meetingPlace()
  const state = reader(t, directory)
  const writer = await owner(t, directory, 200)
  await writer.do('set', 'monitoring', true)
  await writer.do('setStatistics', STATISTICS)
  await until('they are gone', () => state.statistics === undefined)
  assert.equal(state.monitoring, true)
})

test('a backend that ends leaves no file', async (t) => {
  const { directory, files } = meetingPlace()
  const state = reader(t, directory)
  const writer = await owner(t, directory)
  await writer.do('set', 'monitoring', true)
  assert.equal(state.monitoring, true)
  await writer.do('unpublish')
  assert.equal(state.monitoring, false)
  assert.deepEqual(files(), [])
})
