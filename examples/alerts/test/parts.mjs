// The parts that need no other process.

import assert from 'node:assert/strict'
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { LANES, OVERFLOW, TYPES } from '../contract.mjs'
import { Desk } from '../desk.mjs'
import { Latency } from '../latency.mjs'
import { notifier } from '../notify.mjs'
import { meetingPlace, until } from './helpers.mjs'

const MINUTE_MS = 60_000

const day = (seed) => {
  const desk = new Desk(seed)
  return Array.from({ length: MINUTE_MS }, () => desk.step()).flat()
}

test('each type has a lane, and each of those lanes a policy', () => {
  assert.deepEqual(TYPES.length, 6)
  for (const type of TYPES) assert.ok(LANES[type] in OVERFLOW, type)
})

test('a seed gives the same day again, another one another day', () => {
  assert.deepEqual(day(7), day(7))
  assert.notDeepEqual(day(7), day(8))
})

test('a day at the desk has everything in it, and no correction without an alert', () => {
  const happened = day(1)
  const types = new Set(happened.map(({ type }) => type))
  const wanted = TYPES.filter((type) => type !== 'status_change')
  assert.deepEqual([...types].sort(), wanted.sort())
  let isBad = false
  for (const { type } of happened) {
    if (type === 'alert') assert.equal(isBad, false)
    if (type === 'correction') assert.equal(isBad, true)
    if (type === 'alert' || type === 'correction') isBad = type === 'alert'
  }
})

test('a score is one of 0 to 100, whatever the noise', () => {
  for (const { type, details } of day(3)) {
    if (type === 'posture_update') assert.ok(details.score >= 0 && details.score <= 100)
  }
})

test('latency: percentiles are those of what was recorded, to within a hundredth', () => {
  const latency = new Latency()
  assert.deepEqual(latency.summary(), { count: 0, meanMs: 0, p50Ms: 0, p95Ms: 0, maxMs: 0 })
  for (let ms = 1; ms <= 1_000; ms++) latency.record(ms)
  const { count, meanMs, p50Ms, p95Ms, maxMs } = latency.summary()
  assert.equal(count, 1_000)
  const expected = [
    [meanMs, 500.5],
    [p50Ms, 500],
    [p95Ms, 950],
    [maxMs, 1_000],
  ]
  for (const [seen, right] of expected) assert.ok(Math.abs(seen / right - 1) < 0.01, `${seen}`)
})

test('an alert is shown by the command of the desktop, as it is, whatever is in it', async (t) => {
  const { directory } = meetingPlace()
  const [command, shown] = [join(directory, 'notify-send'), join(directory, 'shown')]
  const print = `printf '%s\\n' "$@" > '${shown}.new'`
  writeFileSync(command, `#!/bin/sh\n${print}\nmv '${shown}.new' '${shown}'\n`)
  chmodSync(command, 0o700)
  const { PATH } = process.env
  t.after(() => (process.env.PATH = PATH))
  process.env.PATH = `${directory}:${PATH}`
  notifier()('Sit up', '-h; $(touch it) `touch it`')
  await until('it is shown', () => existsSync(shown))
  const lines = readFileSync(shown, 'utf8').trimEnd().split('\n')
  assert.deepEqual(lines.slice(-3), ['--', 'Sit up', '-h; $(touch it) `touch it`'])
})

test('a desktop without that command has no notifications, and no error', (t) => {
  const { PATH } = process.env
  t.after(() => (process.env.PATH = PATH))
  process.env.PATH = meetingPlace().directory
  notifier()('Sit up', 'now')
})
