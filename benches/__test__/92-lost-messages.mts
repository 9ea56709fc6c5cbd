// The runner counts messages: a transport that loses, doubles or changes them has no figures.

import test from 'ava'
import { Pair } from '../pair.mjs'
import { TRANSPORTS, type TransportEntry } from '../transports.mjs'
import { directory } from '../../__test__/helpers/directory.mjs'

const lossy: TransportEntry = {
  name: 'lossy',
  label: 'not to be trusted',
  adapter: new URL('./programs/lossy-adapter.mjs', import.meta.url),
  rust: null,
  rustAdapter: 'lossy',
  settings: {},
  builtIn: true,
}
;(TRANSPORTS as TransportEntry[]).push(lossy)

/** What can be measured, in a small form. */
const MEASUREMENTS: Record<string, (pair: Pair) => Promise<{ count: number }>> = {
  'one-way messages': (pair) => pair.oneWay({ size: 64, ms: 50 }),
  'a burst': (pair) => pair.burst({ size: 64, count: 1000 }),
  'round trips': (pair) => pair.latency({ size: 64, ms: 50 }),
  'requests in flight': (pair) => pair.pipelined({ size: 64, ms: 50, inFlight: 8 }),
  objects: (pair) => pair.items({ ms: 50 }),
  'a stream': (pair) => pair.stream({ size: 64, ms: 10 }),
}

/** One message in so many is compared whole, with its number: without that the count is all there
 * is. */
const WRONG = /messages were sent and \d+ received|came out different/

const FAULTS: Record<string, [what: string, says: RegExp][]> = {
  loses: [
    ['one-way messages', WRONG],
    ['a burst', WRONG],
  ],
  doubles: [
    ['one-way messages', WRONG],
    ['a burst', WRONG],
  ],
  'loses the last of a thousand': [['a burst', /1000 messages were sent and 999 received/]],
  'doubles the last of a thousand': [['a burst', /1000 messages were sent and 1001 received/]],
  'answers wrongly': [
    ['round trips', /came out different/],
    ['requests in flight', /came out different/],
  ],
  'changes an object': [['objects', /the object with number \d+ came out different/]],
  'loses an object': [['objects', /messages were sent and \d+ received|came out different/]],
  'changes an item': [['a stream', /came out different/]],
  'loses an item': [['a stream', /\d+ of \d+ items came/]],
}

const settings = (what: string, fault: string) => ({ directory, fault, items: what === 'objects' })

for (const [what, measure] of Object.entries(MEASUREMENTS)) {
  test.serial(`${what}: without a fault there is a figure`, async (t) => {
    const pair = await Pair.open('lossy', { settings: settings(what, 'none') })
    t.teardown(() => pair.kill())
    const { count } = await measure(pair)
    t.true(count > 0)
  })
}

for (const [fault, found] of Object.entries(FAULTS)) {
  for (const [what, says] of found) {
    test.serial(`${what}: a transport that ${fault} is detected`, async (t) => {
      const pair = await Pair.open('lossy', { settings: settings(what, fault) })
      t.teardown(() => pair.kill())
      await t.throwsAsync(MEASUREMENTS[what](pair), { message: says })
    })
  }
}
