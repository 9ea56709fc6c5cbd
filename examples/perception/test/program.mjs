// The whole as a person starts it.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { hasStarted, started, until } from '../../testing/processes.mjs'
import { Place } from './helpers.mjs'

const RUN = fileURLToPath(new URL('../run.mjs', import.meta.url))

test('it says what happens, starts a killed producer again, and ends on Ctrl-C', async (t) => {
  const place = new Place(t)
  const program = started(t, RUN, place.environment, '--port', '0')
  const url = await program.prints(/curl -s (http:\S+\/health)$/)
  const healthy = () =>
    until('it is healthy', async () => (await fetch(url)).status === 200)
  const pid = await program.prints(/producer: process (\d+) publishes/)
  await healthy()
  process.kill(Number(pid), 'SIGKILL')
  await program.prints(/The producer was ended by SIGKILL; another is started/)
  await program.prints(/its last frames are served as stale/)
  await program.prints(/the producer is back after (\d+) ms/)
  assert.notEqual(await program.prints(/producer: process (\d+) publishes/), pid)
  await healthy()
  program.signalAll('SIGINT')
  assert.equal(await program.ended, 0)
  await program.prints(/Both have ended/)
  assert.deepEqual(place.files(), [])
})

test('if the program itself is killed, both processes end without a trace', async (t) => {
  const place = new Place(t)
  const program = started(t, RUN, place.environment, '--port', '0')
  await program.prints(/producer: process (\d+) publishes/)
  program.child.kill('SIGKILL')
  // It is only closed when the others have closed their output as well.
  assert.equal(await program.ended, 'SIGKILL')
  assert.deepEqual(place.files(), [])
})

test('so does what the program has only just started', async (t) => {
  const program = started(t, RUN, new Place(t).environment, '--port', '0')
  await hasStarted(program.child.pid, 1)
  program.child.kill('SIGKILL')
  assert.equal(await program.ended, 'SIGKILL')
})

test('a second one of the same name says why it does not run', async (t) => {
  const place = new Place(t)
  const first = started(t, RUN, place.environment, '--port', '0')
  await first.prints(/producer: process (\d+) publishes/)
  const second = started(t, RUN, place.environment, '--port', '0')
  await second.prints(/a producer named "perception" is running already/)
  assert.equal(await second.ended, 1)
  first.signalAll('SIGTERM')
  assert.equal(await first.ended, 0)
})
