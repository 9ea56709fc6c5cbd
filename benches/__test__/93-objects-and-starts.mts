// Objects under measurement, and processes that are measured from their start.

import { encode } from '@msgpack/msgpack'
import test from 'ava'
import { compareItem, ITEM_LEN, makeItem } from '../item.mjs'
import { Pair } from '../pair.mjs'
import { Starts } from '../start.mjs'
import { directory } from '../../__test__/helpers/directory.mjs'

test('an object has 20 fields and 1 KiB', (t) => {
  const item = makeItem(4_711)
  t.is(Object.keys(item).length, 20)
  const { length } = encode(item)
  t.true(Math.abs(length - ITEM_LEN) < 16, `${length} bytes`)
})

test('an object that differs in one field, or in its number, is another', (t) => {
  t.notThrows(() => compareItem(makeItem(7), 7))
  t.throws(() => compareItem(makeItem(8), 7))
  t.throws(() => compareItem({ ...makeItem(7), digest: '' }, 7))
})

for (const transport of ['ringpost', 'expert', 'uds']) {
  test.serial(`objects arrive whole: ${transport}`, async (t) => {
    const pair = await Pair.open(transport, { settings: { directory, items: true } })
    t.teardown(() => pair.kill())
    const { count } = await pair.items({ ms: 50 })
    t.true(count > 64)
  })
}

for (const transport of ['ringpost', 'expert'] as const) {
  test.serial(`a process starts and has its first answer: ${transport}`, async (t) => {
    const starts = await Starts.open(transport, directory)
    t.teardown(() => starts.kill())
    const { value, cpu } = await starts.turn()
    t.true(value > 0 && cpu > 0)
  })
}

test.serial('a process that ends without an answer is an error', async (t) => {
  const starts = await Starts.open('expert', directory)
  starts.kill()
  await t.throwsAsync(starts.turn())
})
