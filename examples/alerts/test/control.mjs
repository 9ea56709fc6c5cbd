// Callbacks, and control from the other end.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Centre } from '../centre.mjs'
import { Watcher } from '../watcher.mjs'
import { centreOf, meetingPlace, until } from './helpers.mjs'

async function watch(t, directory, options) {
  const watcher = await Watcher.open('centre', { directory, ...options })
  t.after(() => watcher.close())
  // Once it has answered, the centre knows of this watcher, and sends it whatever comes next.
  await watcher.centreStats()
  return watcher
}

test('a callback that throws is reported, and the others are called all the same', async (t) => {
  const { directory } = meetingPlace()
  const centre = await centreOf(t, 'centre', directory)
  const failures = []
  const watcher = await watch(t, directory, { failed: ({ message }) => failures.push(message) })
  const called = []
  watcher.on('alert', ({ number }) => called.push(`first ${number}`))
  watcher.on('alert', () => {
    throw new Error('the second cannot')
  })
  watcher.on('alert', async () => {
    await Promise.reject(new Error('nor can the third'))
  })
  watcher.on('alert', ({ number }) => called.push(`fourth ${number}`))
  watcher.on('error', ({ number }) => called.push(`error ${number}`))
  await centre.do('emit', 'alert', 2)
  await centre.do('emit', 'error', 1)
  await until('all have been called', () => called.length === 5 && failures.length === 4)
  assert.deepEqual(called.sort(), ['error 1', 'first 1', 'first 2', 'fourth 1', 'fourth 2'])
  const [second, third] = ['the second cannot', 'nor can the third']
  assert.deepEqual(failures.sort(), [third, third, second, second])
  const { failedCallbacks, types } = watcher.stats()
  assert.equal(failedCallbacks, 4)
  assert.equal(types.alert.received, 2)
})

test('a callback that is taken back is not called again', async (t) => {
  const { directory } = meetingPlace()
  const centre = await centreOf(t, 'centre', directory)
  const watcher = await watch(t, directory)
  const called = []
  const registration = watcher.on('alert', () => called.push('taken back'))
  watcher.on('alert', ({ number }) => called.push(number))
  await centre.do('emit', 'alert', 1)
  await until('both are called', () => called.length === 2)
  registration.dispose()
  await centre.do('emit', 'alert', 1)
  await until('the other is called', () => called.length === 3)
  assert.deepEqual(called, ['taken back', 1, 2])
})

test('pause, resume and stats, from any watcher, are seen by all', async (t) => {
  const { directory } = meetingPlace()
  const changes = []
  const changed = (monitoring) => changes.push(monitoring)
  const centre = await Centre.open('centre', { directory, changed })
  t.after(() => centre.close())
  const [one, other] = [await watch(t, directory), await watch(t, directory)]
  const seen = []
  other.on('status_change', ({ monitoring }) => seen.push(monitoring))
  assert.equal(await one.pause(), true)
  assert.equal(await one.pause(), false)
  assert.equal(centre.monitoring, false)
  assert.equal(await other.resume(), false)
  assert.equal(await one.resume(), true)
  await until('both changes are seen', () => seen.length === 2)
  assert.deepEqual(seen, [false, true])
  assert.deepEqual(changes, seen)
  const { uptimeMs, ...stats } = await one.centreStats()
  assert.ok(uptimeMs > 0)
  assert.deepEqual(stats, {
    monitoring: true,
    clients: 2,
    sent: {
      ...{ alert: 0, error: 0, status_change: 2, camera_state: 0, correction: 0 },
      posture_update: 0,
    },
    refused: 0,
    dropped: { critical: 0, high: 0, normal: 0, low: 0 },
  })
})

test('a watcher that comes first waits for its centre', async (t) => {
  const { directory } = meetingPlace()
  const opening = watch(t, directory)
  const centre = await centreOf(t, 'centre', directory)
  const watcher = await opening
  await centre.do('emit', 'alert', 1)
  await until('the alert is there', () => watcher.stats().types.alert.received === 1)
})

const ENDS = { 'is killed': (centre) => centre.kill(), closes: (centre) => centre.do('close') }
for (const [how, end] of Object.entries(ENDS)) {
  test(`a centre that ${how} is followed by the next, and nothing counts as missed`, async (t) => {
    const { directory } = meetingPlace()
    const first = await centreOf(t, 'centre', directory)
    const watcher = await watch(t, directory)
    const seen = []
    watcher.follow({ lost: () => seen.push('lost'), back: (pid) => seen.push(pid) })
    await first.do('emit', 'alert', 3)
    await until('three alerts are there', () => watcher.stats().types.alert.received === 3)
    await end(first)
    await until('that is noticed', () => seen.length === 1)
    const second = await centreOf(t, 'centre', directory, 10)
    await until('the next is there', () => seen.length === 2)
    assert.deepEqual(seen, ['lost', watcher.pid])
    await second.do('emit', 'alert', 2)
    await until('two more are there', () => watcher.stats().types.alert.received === 5)
    assert.equal(watcher.stats().types.alert.missed, 0)
  })
}
