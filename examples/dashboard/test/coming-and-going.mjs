// Pages that come and go: what the server keeps of them. For ten minutes with `--long`, in which its
// memory is looked at as well.

import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { until } from '../../testing/processes.mjs'
import { isLong, kindOf, openPages, Place, says } from './helpers.mjs'

const STREAMS_EACH = 20
/** While pools and the heap find their size. */
const WARM_UP_MS = 120_000
const LONG_MS = 600_000
/** What a heap may grow by between two collections. */
const GROWTH_MAX = 8 << 20

const descriptors = ({ pid }) => readdirSync(`/proc/${pid}/fd`).length

/** Bytes of a process's own. */
function memory({ pid }) {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/^RssAnon:\s+(\d+)/m.exec(status)[1]) * 1024
}

/** So many streams, each until it has a picture: some show all, some nothing, some just vanish. */
async function streams(place, at) {
  const each = Array.from({ length: STREAMS_EACH }, async (_, index) => {
    const socket = place.stream(at)
    await new Promise((resolve) => {
      socket.on('message', (data, isBinary) => {
        const kind = kindOf(data, isBinary)
        if (index % 3 > 0) socket.send(kind)
        if (kind === 'camera') resolve()
      })
    })
    socket[index % 2 === 0 ? 'close' : 'terminate']()
  })
  await Promise.all(each)
}

test('pages come and go, and nothing is left of them', async (t) => {
  const place = new Place(t)
  await place.producer()
  const at = await place.server()
  await streams(place, at)
  const settled = () => until('all have left', () => descriptors(at.child) <= before)
  let before = Infinity
  // The lowest of some moments, in which none is there.
  for (let look = 0; look < 10; look++) {
    before = Math.min(before, descriptors(at.child))
    await sleep(50)
  }
  for (let round = 0; round < 3; round++) {
    await streams(place, at)
    await settled()
  }
})

test('over ten minutes of pages that come and go its memory is flat', { skip: !isLong }, async (t) => {
  const place = new Place(t)
  await place.producer()
  const at = await place.server()
  const samples = []
  const start = Date.now()
  while (Date.now() - start < WARM_UP_MS + LONG_MS) {
    const { pages, noise } = await openPages(t, at.link, 6)
    await streams(place, at)
    for (const page of pages) await says(page, 'camera', 'Live')
    await pages[0].context().close()
    assert.deepEqual(noise, [])
    if (Date.now() - start > WARM_UP_MS) samples.push(memory(at.child))
  }
  // The least of each half: what is never collected is in both.
  const middle = Math.floor(samples.length / 2)
  const least = (some) => Math.min(...some)
  const [first, second] = [least(samples.slice(0, middle)), least(samples.slice(middle))]
  const words = `${samples.length} rounds, ${first >> 10} KiB, then ${second >> 10} KiB`
  console.log(words)
  assert.ok(second - first < GROWTH_MAX, words)
})
