// What is heard is what was sent: sample by sample, and each at its time.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { noteOff, noteOn, now, parameter, tempo } from '../../../dist/examples/audio/contract.mjs'
import { play, score } from '../../../dist/examples/audio/score.mjs'
import { until } from '../../testing/processes.mjs'
import { carriedOut, checkFile, Place } from './helpers.mjs'

/** Frames from the time of a command to when it is heard. */
const LATENCY = 512n

test('a score is heard as it is written: nothing is lost, nothing is late', async (t) => {
  const place = new Place(t)
  const synth = await place.synth({ args: ['--workers', '2'] })
  const control = await place.control()
  const { startedAt } = await control.status()
  // In fast motion, and so far ahead that a busy machine does not make it late.
  const fast = score().map(({ ms, action }) => ({ ms: ms / 8, action }))
  const played = await play(control, fast, { aheadMs: 1_500, report: true })
  assert.equal(played.length, fast.length)
  const commands = await carriedOut(control, played)
  for (const { number, at } of played) {
    const { due, applied } = control.reports.get(number)
    assert.equal(due, ((at - startedAt) * 44_100n) / 1_000_000_000n + LATENCY)
    assert.equal(applied, due)
  }
  const { late, missing, refused, unreported, unrecorded } = await control.status()
  assert.deepEqual({ late, missing, refused, unreported, unrecorded }, {
    ...{ late: 0n, missing: 0n, refused: 0n, unreported: 0n, unrecorded: 0n },
  })
  const heard = await checkFile(synth, commands)
  assert.ok(heard.some((sample) => Math.abs(sample) > 3_000))
  assert.ok(heard.length > Number(control.reports.get(played.at(-1).number).applied))
})

test('what comes when its time is over is heard at once, and counted', async (t) => {
  const place = new Place(t)
  const synth = await place.synth()
  const control = await place.control()
  const second = 1_000_000_000n
  const played = []
  const send = (action, at) => played.push({ number: control.send(action, at, true), action })
  send(noteOn(60, 1), now() - second)
  await carriedOut(control, played)
  const [{ due, applied }] = control.reports.values()
  assert.ok(applied > due)
  const { late, latestFrames } = await control.status()
  assert.deepEqual([late, latestFrames], [1n, applied - due])
  // A key that is struck again while it sounds, in the order of times and not of sending.
  const soon = now() + second / 2n
  send(noteOff(60), soon + 1_000_000n)
  send(noteOn(60, 0.5), soon)
  send(parameter('overtone', 1), soon + 500_000n)
  send(tempo(400), soon)
  send(noteOn(60, 1), soon + 30_000_000n)
  send(tempo(0), soon + 400_000_000n)
  send(noteOff(60), soon + 400_000_000n)
  const commands = await carriedOut(control, played)
  await checkFile(synth, commands)
})

test('it ends while a control process goes on to play', async (t) => {
  const place = new Place(t)
  const synth = await place.synth()
  const control = await place.control()
  const playing = setInterval(() => control.send(noteOn(60)), 1)
  t.after(() => clearInterval(playing))
  assert.equal(await synth.end(), 0)
  await control.says(/the audio process is gone/)
})

test('a command that is measured is played as well', async (t) => {
  const place = new Place(t)
  const synth = await place.synth()
  const control = await place.control()
  const { roundTrip, oneWay } = await control.measure(noteOn(69, 1))
  assert.ok(oneWay > 0 && oneWay < roundTrip)
  const counted = async () => (await control.status()).sounding === 1n
  await until('it sounds', counted)
  assert.equal(await synth.end(), 0)
})
