// Each producer with each API: node examples/perception/test/pairs.mjs
//
// What they need is built by node ci/perception.mjs --pairs, which starts this.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { started, until } from '../../testing/processes.mjs'
import { checked, PATHS, Place } from './helpers.mjs'

for (const producing of ['rust', 'c']) {
  for (const serving of ['typescript', 'python']) {
    test(`a producer in ${producing} and an API in ${serving}`, async (t) => {
      const place = new Place(t)
      const api = await place.api({ in: serving })
      for (const path of Object.values(PATHS)) assert.equal((await api.ask(path)).status, 503)
      const first = await place.producer({ in: producing })
      for (const which of Object.keys(PATHS)) await fresh(api, which, 0)
      await first.kill()
      const { number: last, why } = await until('the producer is known to be gone', async () => {
        const found = checked('tracks', await api.ask(PATHS.tracks))
        return found.stale && found
      })
      assert.equal(why, 'the producer is gone')
      await place.producer({ in: producing })
      await fresh(api, 'tracks', last)
      const { commands } = await until('commands are taken', async () => {
        const { checks } = (await api.health()).body
        // Not all of them have statistics.
        return Object.values({ ...checks, statistics: true }).every((isFine) => isFine) && checks
      })
      assert.equal(commands, true)
      const { status, body } = await api.refresh({ horizonMs: 2_000 })
      assert.deepEqual([status, body.status], [200, 'ok'])
      const [, number] = /^timelines number (\d+) look 2000 ms ahead$/.exec(body.message)
      const { frame, number: seen } = checked('timelines', await api.ask(PATHS.timelines))
      assert.ok(seen >= Number(number))
      assert.equal(frame.snapshots[4].aheadMs, 2_000)
      assert.equal((await api.refresh({ horizonMs: null })).body.status, 'ok')
      for (const horizonMs of [99, 60_001, 'far', true, [1], -1e9, 1e9, 1e300]) {
        const refused = await api.refresh({ horizonMs })
        assert.deepEqual([refused.status, refused.body.status], [400, 'invalid'], `${horizonMs}`)
      }
    })
  }
}

test('a producer in C and an API in Python start and end with one command', async (t) => {
  const place = new Place(t)
  const run = fileURLToPath(new URL('../run.mjs', import.meta.url))
  const languages = ['--producer', 'c', '--api', 'python']
  const program = started(t, run, place.environment, '--port', '0', ...languages)
  const url = await program.prints(/curl -s (http:\S+\/health)$/)
  const healthy = () => until('it is healthy', async () => (await fetch(url)).status === 200)
  const pid = await program.prints(/producer: process (\d+) publishes/)
  await healthy()
  process.kill(Number(pid), 'SIGKILL')
  await program.prints(/The producer was ended by SIGKILL; another is started/)
  assert.notEqual(await program.prints(/producer: process (\d+) publishes/), pid)
  await healthy()
  program.signalAll('SIGINT')
  assert.equal(await program.ended, 0)
  assert.deepEqual(place.files(), [])
})

/** Waits until a frame is served that is further than that, and fresh; checks all of it. */
function fresh(api, which, number) {
  return until(`${which} are fresh`, async () => {
    const answer = await api.ask(PATHS[which])
    if (answer.status !== 200) return false
    const found = checked(which, answer)
    return !found.stale && found.number > number
  })
}
