// Requests in flight beside a slow and obvious twin: a slot is used again, an id never is.

import assert from 'node:assert/strict'
import test from 'ava'
import { Pending } from '../ts/connection/pending.js'
import { eachSeed } from './helpers/random.mjs'

test('a call is found by its own id only, until it is taken', async (t) => {
  await eachSeed(t, 300, (random) => {
    const pending = new Pending<string>()
    /** Every call that was ever added, by its id; `undefined` once it was taken. */
    const twin = new Map<string, string | undefined>()
    const ids: [slot: number, generation: number][] = []
    /** How often each slot was used. */
    const uses = new Map<number, number>()
    const live = () => [...twin.values()].filter((call) => call !== undefined).length
    let slotsMax = 0
    for (let step = 0; step < 200; step++) {
      if (ids.length === 0 || random.below(2) === 0) {
        const before = live()
        const slot = pending.add(`call ${step}`)
        const generation = pending.generation(slot)
        const id = `${slot} ${generation}`
        uses.set(slot, (uses.get(slot) ?? 0) + 1)
        // The other side takes a number that is not the next for one of long ago.
        assert.equal(generation, uses.get(slot))
        assert.ok(!twin.has(id), 'an id is used once')
        assert.ok(slot <= before || slot < slotsMax, 'a slot that is free is used before a new one')
        slotsMax = Math.max(slotsMax, slot + 1)
        twin.set(id, `call ${step}`)
        ids.push([slot, generation])
      } else {
        const [slot, generation] = random.pick(ids)
        const id = `${slot} ${generation}`
        const call = twin.get(id)
        assert.equal(pending.get(slot, generation), call)
        if (random.below(2)) {
          assert.equal(pending.take(slot, generation), call)
          twin.set(id, undefined)
        }
        assert.equal(pending.get(slot, generation + 1), twin.get(`${slot} ${generation + 1}`))
        assert.equal(pending.get(slot + slotsMax, generation), undefined)
      }
      assert.equal(pending.size, live())
    }
    assert.ok(slotsMax <= ids.length)
  })
})

test('no more slots are used than calls were in flight at once', (t) => {
  const pending = new Pending<number>()
  for (let round = 0; round < 1000; round++) {
    const slots = [0, 1, 2].map((call) => pending.add(call))
    t.deepEqual(slots.toSorted(), [0, 1, 2])
    for (const slot of slots) t.is(typeof pending.take(slot, pending.generation(slot)), 'number')
  }
})
