// Curves: what is measured for them, where they bend, and how they are shown.

import test from 'ava'
import { amongBusy } from '../busy.mjs'
import { childrenOf } from './helpers/children.mjs'
import { Pair } from '../pair.mjs'
import { cpuMs } from '../process.mjs'
import { document } from '../report/document.mjs'
import { html } from '../report/html.mjs'
import { bend, curve, curves } from '../report/scale.mjs'
import { casesOf } from '../suites/scale.mjs'
import { missed } from '../missed.mjs'
import { directory } from '../../__test__/helpers/directory.mjs'
import { empty, fixture } from './helpers/fixture.mjs'

const NAMES = ['connections', 'payload', 'in-flight', 'neighbours'] as const

const points = (...ys: [x: number, y: number][]) => ys.map(([x, y]) => ({ x, y }))
const time = { name: 'p50', unit: 'ns' }
const rate = { name: 'requests a second', unit: '/s' }

test('a latency bends where it is more than three times its smallest', (t) => {
  const bent = points([1, 1_000], [4, 900], [16, 2_700], [64, 2_701], [256, 9_000])
  t.is(bend(bent, time, String), 'p50 is more than 3 times its smallest, 900 ns, from 64 on.')
  const straight = bend(bent.slice(0, 3), time, String)
  t.is(straight, 'p50 stays within 3 times its smallest, 900 ns, up to 16.')
  // What comes before the smallest is no bend.
  const falling = bend(points([1, 4_000], [4, 1_000], [16, 1_500]), time, String)
  t.is(falling, 'p50 stays within 3 times its smallest, 1.00 µs, up to 16.')
})

test('a rate bends where twice as much gives less than one and a half times', (t) => {
  // Between 4 and 16 it doubles twice, so that 2.25 times would be just enough.
  const bent = points([1, 100], [2, 200], [4, 400], [16, 880])
  t.regex(bend(bent, rate, String), /^twice as much gives less than 1.5 times .* from 4 on\.$/)
  const straight = points([1, 100], [2, 200], [4, 400], [16, 920])
  t.regex(bend(straight, rate, String), /^twice as much gives at least 1.5 times .* up to 16\.$/)
  t.regex(bend(bent.slice(0, 1), rate, String), /too few/)
})

test('every curve has a plot, a table, the places of its bends, and a reason', (t) => {
  const results = fixture()
  t.deepEqual(curves(results).map(({ name }) => name), [...NAMES])
  const page = html(results)
  const { markdown } = document(results)
  for (const { title, charts, bends, reason, sheet, text } of curves(results)) {
    t.true(charts.length > 0 && bends.length === charts.length)
    for (const sentence of bends) {
      t.regex(sentence, /^Ringpost: .*\. Unix socket, by an expert: .*\.$/)
      t.true(page.includes(sentence) && text.includes(sentence))
    }
    t.true(page.includes(reason) && markdown.includes(reason) && text.includes(reason))
    for (const chart of charts) t.true(page.includes(`id="plot-${chart.name}"`))
    t.regex(markdown, new RegExp(`### ${title}\n`))
    const [{ lines }] = sheet.groups
    t.is(lines.length, 3 + Number(title === 'Payload'))
    t.true(lines.every(({ cells }) => cells.length === sheet.columns.length))
    t.is(sheet.columns.filter(({ title }) => title.endsWith(', cores')).length, 2)
  }
  t.deepEqual(curves(empty()), [])
})

test('a point that has failed is in no plot, and says so in the table', (t) => {
  const results = fixture()
  const points = () => curve(results, 'connections')!.charts[0].svg().match(/class="mark /g)!.length
  const before = points()
  const one = results.measurements.find(({ id }) => id === 'scale.connections.1000')!
  one.failed = 'a message was lost'
  // One of p50, one of p99.
  t.is(points(), before - 2)
  t.regex(curve(results, 'connections')!.text.join('\n'), /1,000 .*✗ failed/)
})

for (const name of NAMES) {
  test(`the quick form of a curve has fewer points: ${name}`, (t) => {
    const all = casesOf(name, { quick: false, ms: 10 })
    const few = casesOf(name, { quick: true, ms: 10 })
    t.true(few.length >= 3 && few.length < all.length)
    const ids = all.map(({ id }) => id)
    t.is(new Set(ids).size, ids.length)
  })
}

test('a curve over connections is held to as many as it asks for', (t) => {
  for (const { suite, checks } of casesOf('connections', { quick: false, ms: 10 })) {
    t.is(suite, 'scale')
    t.is(checks!.length, 1)
  }
  const [one] = fixture().measurements
  const [{ checks }] = casesOf('connections', { quick: true, ms: 10 })
  const fewer = { ...checks![0], seen: 0, ok: false }
  const lines = missed({ ...empty(), measurements: [{ ...one, checks: [fewer] }] })
  t.regex(lines[0], /connections that open files allow/)
})

for (const transport of ['ringpost', 'expert']) {
  test.serial(`each of many connections is asked: ${transport}`, async (t) => {
    const pair = await Pair.open(transport, { settings: { directory } })
    t.teardown(() => pair.kill())
    await pair.connectUpTo(40)
    const { count, p50 } = await pair.askEach({ size: 64, connections: 40, ms: 1 })
    t.true(count >= 40 && p50 > 0)
    // There are no more than were opened.
    await t.throwsAsync(pair.askEach({ size: 64, connections: 41, ms: 1 }))
    await pair.close()
  })

  for (const name of NAMES) {
    test.serial(`the first and the last point are measured: ${name}, ${transport}`, async (t) => {
      const cases = casesOf(name, { quick: true, ms: 10 })
      const pair = await Pair.open(transport, { settings: { directory } })
      t.teardown(() => pair.kill())
      for (const one of name === 'connections' ? [cases[0]] : [cases[0], cases.at(-1)!]) {
        await one.warmUp(pair)
        t.true((await one.play(pair)).value > 0)
      }
    })
  }
}

test.serial('neighbours compute while something is measured, and end with it', async (t) => {
  const pids = await amongBusy(2, async () => {
    const children = childrenOf(process.pid)
    const before = children.map(cpuMs)
    const isBusy = () => children.every((pid, index) => cpuMs(pid) > before[index] + 1)
    while (!isBusy()) await new Promise((done) => setTimeout(done, 5))
    return children
  })
  t.is(pids.length, 2)
  while (pids.some((pid) => childrenOf(process.pid).includes(pid))) {
    await new Promise((done) => setTimeout(done, 5))
  }
  await t.throwsAsync(amongBusy(1, () => Promise.reject(new Error('it failed'))))
})
