// The whole as a person starts it.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { producerProgram } from '../programs.mjs'
import { hasStarted, started } from '../../testing/processes.mjs'
import { openPages, Place, says } from './helpers.mjs'

const RUN = fileURLToPath(new URL('../run.mjs', import.meta.url))

/** Where subscribers of a topic say that they are there, whether or not there is a publisher. */
const KEPT = ['dashboard-errors.topic-readers']

/** The process that this one has started with such words in its command. */
function childOf(pid, words) {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')
  return children.map(Number).find((each) => {
    return readFileSync(`/proc/${each}/cmdline`, 'utf8').includes(words)
  })
}

test('it prints the link, starts what was killed again, and ends on Ctrl-C', async (t) => {
  const place = new Place(t)
  const program = started(t, RUN, place.environment)
  const link = await program.prints(/^ {2}(http:\/\/127\.0\.0\.1:\d+\/#[\w-]{43})$/)
  const { pages: [page] } = await openPages(t, link, 1)
  await program.prints(/server: (1) page$/)
  const pid = await program.prints(/producer: process (\d+) publishes/)
  await says(page, 'camera', 'Live')

  process.kill(Number(pid), 'SIGKILL')
  process.kill(childOf(program.child.pid, 'server/main.mjs'), 'SIGKILL')
  await program.prints(/The producer was ended by SIGKILL; another is started/)
  await program.prints(/The server was ended by SIGKILL; another is started/)
  await says(page, 'connection', 'No connection')
  await page.getByRole('alert').filter({ hasText: 'cannot be reached' }).waitFor()
  await page.locator('#placeholder', { hasText: 'No connection' }).waitFor()
  await says(page, 'posture', 'Unknown')
  await says(page, 'connection', 'Connected')
  await says(page, 'camera', 'Live')
  assert.equal(await page.getByRole('alert').count(), 0)

  program.signalAll('SIGINT')
  assert.equal(await program.ended, 0)
  await program.prints(/Both have ended/)
  assert.deepEqual(place.files(), KEPT)
})

test('if the program itself is killed, both processes end without a trace', async (t) => {
  const place = new Place(t)
  const program = started(t, RUN, place.environment)
  await program.prints(/producer: process (\d+) publishes/)
  program.child.kill('SIGKILL')
  // It is only closed when the others have closed their output as well.
  assert.equal(await program.ended, 'SIGKILL')
  assert.deepEqual(place.files(), KEPT)
})

test('so does what the program has only just started', async (t) => {
  const program = started(t, RUN, new Place(t).environment)
  await hasStarted(program.child.pid, 1)
  program.child.kill('SIGKILL')
  assert.equal(await program.ended, 'SIGKILL')
})

test('a second one, of the same name or at the same port, says why it does not run', async (t) => {
  const place = new Place(t)
  const first = started(t, RUN, place.environment)
  const port = await first.prints(/127\.0\.0\.1:(\d+)/)
  await first.prints(/producer: process (\d+) publishes/)
  for (const [args, expected] of [
    [[], /a producer named "dashboard" is running already/],
    [['--name', 'other', '--port', port], new RegExp(`port ${port} is in use`)],
  ]) {
    const second = started(t, RUN, place.environment, ...args)
    await second.prints(expected)
    assert.equal(await second.ended, 1)
  }
  first.signalAll('SIGTERM')
  assert.equal(await first.ended, 0)
})

test('a producer names the argument that makes no sense', () => {
  for (const [args, message] of [
    [['--nam', 'one'], 'there is no option --nam'],
    [['--name'], '--name needs a value'],
  ]) {
    const { status, stderr } = spawnSync(producerProgram(), args, { encoding: 'utf8' })
    assert.deepEqual([status, stderr], [1, `producer: ${message}\n`])
  }
})
