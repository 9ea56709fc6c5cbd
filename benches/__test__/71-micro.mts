// The micro benchmarks in their shortest form: they prove their answers and give figures.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { microCases, microSuite } from '../micro/index.mjs'
import { estimates, filterOf } from '../micro/rust.mjs'

const SHORT = { seconds: 0.01, repeats: 2 }

test.serial('every case checks its answer and gives a figure', async (t) => {
  const names: string[] = []
  const measurements = await microSuite({ ...SHORT, step: (name) => names.push(name) })
  const cases = microCases()
  t.is(measurements.length, cases.length)
  t.is(new Set(measurements.map(({ id }) => id)).size, cases.length)
  for (const { id, suite, metric, repeats, failed } of measurements) {
    t.is(failed, null, id)
    t.is(suite, 'micro')
    t.is(metric.unit, 'ns')
    t.is(repeats.length, SHORT.repeats, id)
    for (const { value, details } of repeats) {
      t.true(Number.isFinite(value) && value > 0, `${id}: ${value}`)
      t.true(details!.low <= value && value <= details!.high, id)
    }
  }
  const first = cases.map(({ name }) => name)
  t.deepEqual(names, [...first, ...first], 'all have a turn before any has another')
})

test.serial('only selected cases are measured', async (t) => {
  const ids = async (only: string | string[]) =>
    (await microSuite({ ...SHORT, repeats: 1, only })).map(({ id }) => id)
  t.deepEqual(await ids('pending.one'), ['micro.js.pending.one'])
  t.deepEqual(await ids(['js.records.read', 'dispatch.event']), [
    'micro.js.records.read',
    'micro.js.dispatch.event',
  ])
  t.deepEqual(await ids('rust'), [])
})

test('an interrupted suite keeps its results', async (t) => {
  const ending = new AbortController()
  const measurements = await microSuite({
    ...SHORT,
    only: 'pending',
    step: () => ending.abort(),
    signal: ending.signal,
  })
  t.is(measurements.length, 1)
  t.is(measurements[0].repeats.length, 1)
})

test('criterion is given a filter for the same cases', (t) => {
  t.is(filterOf(undefined), '')
  t.is(filterOf(['micro.rust']), '')
  t.is(filterOf(['micro', 'js']), '')
  t.is(filterOf(['js.codec', 'micro.js']), null)
  const matches = (only: string, id: string) => new RegExp(filterOf(only)!).test(id)
  t.true(matches('ring', 'ring/push-pop-64'))
  t.true(matches('micro.rust.ring.push-pop-64', 'ring/push-pop-64'))
  t.false(matches('ring.push-pop-64', 'ring/push-pop-64-batch-64'))
  t.false(matches('ring', 'string/push-pop-64'))
})

test('criterion results are medians per operation', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'ringpost-test-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const write = (name: string, throughput: object | null, low: number) => {
    const at = join(folder, 'ring', name, 'new')
    mkdirSync(at, { recursive: true })
    const identity = { group_id: 'ring', function_id: name, throughput }
    const confidence_interval = { lower_bound: low, upper_bound: low + 128 }
    const median = { point_estimate: low + 64, confidence_interval }
    writeFileSync(join(at, 'benchmark.json'), JSON.stringify(identity))
    writeFileSync(join(at, 'estimates.json'), JSON.stringify({ median }))
  }
  write('a', null, 100)
  write('b', { Bytes: 64 }, 200)
  write('c', { Elements: 64 }, 6400)
  t.deepEqual(
    estimates(folder).map(({ id, pair, repeats }) => [id, pair, repeats]),
    [
      ['micro.rust.ring.a', 'rust-rust', [{ value: 164, details: { low: 100, high: 228 } }]],
      ['micro.rust.ring.b', 'rust-rust', [{ value: 264, details: { low: 200, high: 328 } }]],
      ['micro.rust.ring.c', 'rust-rust', [{ value: 101, details: { low: 100, high: 102 } }]],
    ],
  )
})
