// What happens when a process dies, when there is too much, and when it makes no sense.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect } from 'ringpost'
import { Command, commandsOf, Measured, noteOff, noteOn, now, parameter, Play, Reported, tempo } from '../../../dist/examples/audio/contract.mjs'
import { until } from '../../testing/processes.mjs'
import { carriedOut, Place } from './helpers.mjs'
import { readWav } from './render.mjs'

/** More than fit into the ring and the audio thread's schedule together. */
const FLOOD = 3_000

test('a control process is killed: its notes end, the audio goes on, and the next one plays', async (t) => {
  const place = new Place(t)
  const synth = await place.synth()
  const main = place.main()
  await main.prints(/plays 4 bars/)
  const desk = await place.status()
  await until('it is heard', async () => (await desk()).sounding > 0n)
  await main.kill()
  await synth.prints(new RegExp(`control process ${main.pid} is gone: the peer ended without`))
  const { frames } = await until('its notes have ended', async () => {
    const status = await desk()
    return status.sounding === 0n && status
  })
  const later = await until('the audio goes on', async () => {
    const status = await desk()
    return status.frames > frames + 4_410n && Number(status.frames)
  })
  const control = await place.control()
  const number = control.send(noteOn(69), now(), true)
  const [{ frame }] = await carriedOut(control, [{ number, action: noteOn(69) }])
  assert.equal(await synth.end(), 0)
  // Between the two nothing is heard, no beat either.
  const heard = readWav(synth.wav)
  assert.ok(heard.subarray(later, frame).every((sample) => sample === 0))
  assert.ok(heard.subarray(frame, frame + 2_000).some((sample) => sample !== 0))
  assert.deepEqual(place.left(), [])
})

test('an audio process is killed: the control process says so, and finds the next one', async (t) => {
  const place = new Place(t)
  const first = await place.synth()
  const control = await place.control()
  control.send(parameter('overtone', 0.5))
  await until('a second is written', async () => (await control.status()).frames > 66_150n)
  await first.kill()
  await control.says(/the audio process is gone, and commands are not sent/)
  assert.equal(control.send(noteOn(60)), null)
  assert.equal(control.unsent, 1)
  await assert.rejects(control.measure(noteOn(60)), { code: /ERR_NO_SERVER|ERR_PEER_LOST/ })
  // What it had recorded can be read.
  assert.ok(readWav(first.wav).length >= 44_100)
  const second = await place.synth()
  await control.says(new RegExp(`is back \\(${second.pid}\\) after \\d+ ms; 1 commands were not sent so far`))
  const number = control.send(noteOff(60), now(), true)
  await carriedOut(control, [{ number, action: noteOff(60) }])
  const { commands, missing } = await control.status()
  // The first command of the session, the parameter that was set before, and this one.
  assert.deepEqual([commands, missing], [3n, 0n])
})

test('a flood beyond the ring is counted at both ends, and what comes after it is played', async (t) => {
  const place = new Place(t)
  const synth = await place.synth()
  const control = await place.control()
  await synth.freeze()
  const at = now()
  const flood = []
  for (let sent = 0; sent < FLOOD; sent++) flood.push(control.send(parameter('gain', 1), at, true))
  await control.says(/there was no room for \d+ commands, which were dropped/)
  synth.thaw()
  const last = { number: control.send(tempo(0), now(), true), action: tempo(0) }
  await carriedOut(control, [last])
  const { dropped, reports } = control
  assert.ok(dropped > 0 && dropped < FLOOD, `${dropped}`)
  const { missing, commands, unreported, unrecorded } = await control.status()
  assert.equal(missing, BigInt(dropped))
  assert.equal(commands, BigInt(FLOOD - dropped + 2))
  assert.deepEqual([unreported, unrecorded], [0n, 0n])
  assert.equal(flood.filter((number) => reports.has(number)).length, FLOOD - dropped)
  // Each frame was made up for, though the process did not run.
  const { frames } = await control.status()
  assert.equal(await synth.end(), 0)
  assert.ok(readWav(synth.wav).length >= Number(frames))
})

test('what makes no sense is refused and counted, and what comes after it is played', async (t) => {
  const place = new Place(t)
  const synth = await place.synth()
  const { directory, name } = place
  const client = await connect(commandsOf(name), { directory, connectTimeoutMs: 30_000 })
  const refused = new Map()
  client.on(Reported, (report) => refused.set(report.number, report.refused))
  const command = { number: 1n, at: now(), value: 0.5, kind: 1, target: 60, report: 1 }
  const wrong = [
    { kind: 9 },
    { target: 128 },
    { value: NaN },
    { value: 1.5 },
    { kind: 3, target: 2 },
    { kind: 4, value: -1 },
    { at: now() + 60_000_000_000n },
  ]
  let number = 0n
  for (const change of wrong) client.notify(Play, { ...command, ...change, number: ++number })
  for (const length of [0, 31, 33]) client.notify('command', new Uint8Array(length))
  client.notify('another', command)
  client.notify(Play, { ...command, number: ++number })
  await until('the last is reported', () => refused.has(number))
  const outcomes = [...wrong.map(() => 1n), 0n]
  assert.deepEqual([...refused.values()], outcomes)
  const desk = await connect(name, { directory })
  const measured = (bytes) => desk.request(Measured, bytes)
  await assert.rejects(measured(new Uint8Array(5)), { code: 'ERR_INVALID_PAYLOAD' })
  await assert.rejects(measured(Command.encode({ ...command, kind: 9 })), { code: 'ERR_INVALID_COMMAND' })
  const status = await (await place.status())()
  assert.equal(status.refused, BigInt(wrong.length + 4))
  await Promise.all([client.close(), desk.close()])
  // Nor does it matter who leaves as soon as it has come.
  for (let time = 0; time < 5; time++) {
    await (await connect(commandsOf(name), { directory, connectTimeoutMs: 30_000 })).close()
  }
  await place.control()
  assert.equal(await synth.end(), 0)
})

test('actions that make no sense are refused before they are sent', () => {
  for (const [make, message] of [
    [() => noteOn(128), 'key must be from 0 to 127, got 128'],
    [() => noteOff(1.5), 'key must be a whole number, got 1.5'],
    [() => noteOn(60, -1), 'velocity must be from 0 to 1, got -1'],
    [() => parameter('gain', NaN), 'gain must be from 0 to 1, got NaN'],
    [() => tempo(10), 'bpm must be from 20 to 400, got 10'],
  ]) {
    assert.throws(make, new RangeError(message))
  }
})
