// Each producer with each API: node examples/perception/test/pairs.mjs
//
// What they need is built by node ci/perception.mjs --pairs, which starts this.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from '../../testing/processes.mjs'
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
      const { number, why } = await until('the producer is known to be gone', async () => {
        const found = checked('tracks', await api.ask(PATHS.tracks))
        return found.stale && found
      })
      assert.equal(why, 'the producer is gone')
      await place.producer({ in: producing })
      await fresh(api, 'tracks', number)
      // Commands are for producers that take them.
      const { status, body } = await api.refresh({ horizonMs: 2_000 })
      assert.deepEqual([status, body.status], producing === 'rust' ? [200, 'ok'] : [503, undefined])
      const { checks } = (await api.health()).body
      assert.deepEqual([checks.detections, checks.tracks, checks.timelines], [true, true, true])
    })
  }
}

/** Waits until a frame is served that is further than that, and fresh; checks all of it. */
function fresh(api, which, number) {
  return until(`${which} are fresh`, async () => {
    const answer = await api.ask(PATHS[which])
    if (answer.status !== 200) return false
    const found = checked(which, answer)
    return !found.stale && found.number > number
  })
}
