// How events arrive: urgent ones beside the stream, from several producers, for a long time, and at
// a watcher that is frozen.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Actor, centreOf, isLong, meetingPlace, print, until, watcherOf } from './helpers.mjs'

const STREAM_PER_SECOND = 1_000

const statsOf = (watcher, name = 'centre') => watcher.do('watcherStats', name)

/** Waits until all that was sent of these types is there. */
async function arrived(watcher, sent, name = 'centre') {
  for (const [type, count] of Object.entries(sent)) {
    await until(`${count} of ${type} are there`, async () => {
      const { types } = await statsOf(watcher, name)
      return types[type].received >= count
    })
  }
  const stats = await statsOf(watcher, name)
  for (const [type, count] of Object.entries(sent)) {
    const { received, missed } = stats.types[type]
    assert.deepEqual({ type, received, missed }, { type, received: count, missed: 0 })
  }
  assert.deepEqual(stats.faults, [])
  return stats
}

/** Of the stream, what was dropped is counted on both sides: nothing is lost in silence. */
async function streamAddsUp(centre, watcher) {
  // The last one comes when there is room again, and shows the watcher what it has missed.
  await until('the last update of the stream is there', async () => {
    const before = await statsOf(watcher)
    await centre.do('emit', 'posture_update', 1)
    await until('it has come, or was dropped', async () => {
      const { sent, dropped } = await centre.do('centreStats')
      const { received } = (await statsOf(watcher)).types.posture_update
      return received + dropped.low === sent.posture_update
    })
    const after = await statsOf(watcher)
    return after.types.posture_update.received > before.types.posture_update.received
  })
  const { sent, dropped } = await centre.do('centreStats')
  const { received, missed } = (await statsOf(watcher)).types.posture_update
  assert.equal(received + missed, sent.posture_update)
  assert.equal(missed, dropped.low)
  return missed
}

const seconds = isLong ? 10 : 2
test(`100 alerts in ${seconds} s beside the posture stream`, async (t) => {
  const { directory } = meetingPlace()
  const centre = await centreOf(t, 'centre', directory)
  const watcher = await watcherOf(t, 'centre', directory)
  await Promise.all([
    centre.do('emit', 'alert', 100, 100 / seconds),
    centre.do('emit', 'posture_update', STREAM_PER_SECOND * seconds, STREAM_PER_SECOND),
  ])
  const { types } = await arrived(watcher, { alert: 100 })
  await streamAddsUp(centre, watcher)
  print(t, types.alert.latency)
})

test('three producers and one consumer: 60 of 60', async (t) => {
  const { directory } = meetingPlace()
  const names = ['camera', 'chair', 'keyboard']
  const centres = await Promise.all(names.map((name) => centreOf(t, name, directory)))
  const consumer = new Actor(t)
  for (const name of names) await consumer.do('watch', name, directory)
  await Promise.all(centres.map((centre) => centre.do('emit', 'alert', 20, 20)))
  for (const name of names) await arrived(consumer, { alert: 20 }, name)
})

const minute = isLong ? 60 : 5
test(`1,000 events a second for ${minute} s: no critical one is lost`, async (t) => {
  const { directory } = meetingPlace()
  const centre = await centreOf(t, 'centre', directory)
  const watcher = await watcherOf(t, 'centre', directory)
  const mix = { alert: 20, error: 5, status_change: 5, camera_state: 20, correction: 50 }
  const sent = Object.entries(mix).map(([type, rate]) => [type, rate * minute])
  await Promise.all([
    ...sent.map(([type, count]) => centre.do('emit', type, count, mix[type])),
    centre.do('emit', 'posture_update', 900 * minute, 900),
  ])
  const { types } = await arrived(watcher, Object.fromEntries(sent))
  const missed = await streamAddsUp(centre, watcher)
  t.diagnostic(`${missed} of ${900 * minute} posture updates were dropped`)
  print(t, types.alert.latency)
})

test('a watcher that is frozen for two seconds gets every alert of them', async (t) => {
  const { directory } = meetingPlace()
  const centre = await centreOf(t, 'centre', directory)
  const watcher = await watcherOf(t, 'centre', directory)
  watcher.freeze()
  await Promise.all([
    centre.do('emit', 'alert', 100, 50),
    centre.do('emit', 'posture_update', 2 * STREAM_PER_SECOND, STREAM_PER_SECOND),
  ])
  const reports = async (text) => (await centre.do('reports')).some((line) => line.includes(text))
  await until('that is reported', () => reports('does not read its events'))
  watcher.thaw()
  await arrived(watcher, { alert: 100 })
  await until('its return is reported', () => reports('reads its events again'))
  const missed = await streamAddsUp(centre, watcher)
  assert.ok(missed > 0)
  const { state } = await statsOf(watcher)
  assert.equal(state, 'open')
})

test('a full LOW lane drops what comes, counts it, and harms nothing else', async (t) => {
  const { directory } = meetingPlace()
  const centre = await centreOf(t, 'centre', directory)
  const [frozen, other] = [
    await watcherOf(t, 'centre', directory),
    await watcherOf(t, 'centre', directory),
  ]
  frozen.freeze()
  await centre.do('emit', 'posture_update', 5_000, 10_000)
  const sent = { alert: 5, error: 4, status_change: 3, camera_state: 2, correction: 1 }
  for (const [type, count] of Object.entries(sent)) await centre.do('emit', type, count)
  await arrived(other, sent)
  frozen.thaw()
  await arrived(frozen, sent)
  const { dropped } = await centre.do('centreStats')
  assert.ok(dropped.low > 0)
  assert.deepEqual({ ...dropped, low: 0 }, { critical: 0, high: 0, normal: 0, low: 0 })
})

test('alerts that wait a second for a frozen watcher are counted and reported', async (t) => {
  const { directory } = meetingPlace()
  const centre = await centreOf(t, 'centre', directory)
  const watcher = await watcherOf(t, 'centre', directory)
  watcher.freeze()
  // Many times what its lane holds.
  await centre.do('emit', 'alert', 5_000)
  await until('some are dropped', async () => {
    const { dropped } = await centre.do('centreStats')
    return dropped.critical > 0
  })
  watcher.thaw()
  await until('each has come, or is counted', async () => {
    const { dropped, refused } = await centre.do('centreStats')
    const { received } = (await statsOf(watcher)).types.alert
    return received + dropped.critical + refused === 5_000
  })
  const lines = await centre.do('reports')
  assert.ok(lines.some((line) => /has missed \d+ events of the lane "critical"/.test(line)))
  // What comes later comes as ever.
  const { received } = (await statsOf(watcher)).types.alert
  await centre.do('emit', 'alert', 1)
  await until('the next alert is there', async () => {
    const { types } = await statsOf(watcher)
    return types.alert.received === received + 1 && types.alert.missed > 0
  })
})
