// What misses a floor, a bar or a rate is in the results, in the last lines and in the exit code.

import test from 'ava'
import { exitCode } from '../cli/bench.mjs'
import { row, type Row } from '../compare.mjs'
import { missed } from '../missed.mjs'
import type { Pair } from '../pair.mjs'
import type { Results, Soak, Trend } from '../results.mjs'
import { Run, type Observer, type Plan } from '../run.mjs'
import { affordable, atLeast, atMost, manyEnough } from '../scenarios/scenario.mjs'
import { compare, percentiles } from '../suites/engine/sides.mjs'
import { missedRate } from '../suites/suite.mjs'
import { empty, fixture, soak } from './helpers/fixture.mjs'

/** A row whose ratio to the reference is this. */
const rowOf = (id: string, ratio: number): Row =>
  row(id, id, '/s', 'more', [{ ours: { value: ratio, cpu: 1 }, reference: { value: 1, cpu: 1 } }])

const alone = (id: string, ours: number): Row => ({ ...rowOf(id, ours), ours, reference: NaN })

const grown = (verdict: Trend['verdict']): Soak => {
  const figures = { slope: 9e6, low: 8e6, high: 1e7 }
  const trend = { of: 'client.residentBytes', unit: 'B', ...figures, verdict } as const
  return { ...soak(60), trends: [trend], verdict: verdict === 'grows' ? 'leak' : 'no leak' }
}

test('a floor that is not reached has a line, and one that is reached has none', (t) => {
  const [one] = fixture().measurements
  const checks = [
    atLeast('messages a second', '/s', 1_000, 999),
    atLeast('messages a second', '/s', 1_000, 1_000),
    atMost('round trip, p99', 'ns', 1_000, 1_001),
    atMost('round trip, p99', 'ns', 1_000, 1_000),
  ]
  t.deepEqual(missed({ ...empty(), measurements: [{ ...one, name: 'all', checks }] }), [
    'all: messages a second: 999 /s, wanted ≥ 1.00 k/s',
    'all: round trip, p99: 1.00 µs, wanted ≤ 1.00 µs',
  ])
})

test('a row below its bar has a line, and one at it or without one has none', (t) => {
  const rows = [rowOf('one-way.64', 1.4), rowOf('one-way.64', 1.5), rowOf('unheld', 0.1)]
  rows.push(alone('memory.server', 3.5), alone('memory.server', 3))
  t.deepEqual(missed({ ...empty(), rows }), [
    'one-way.64: 1.40×, bar ≥ 1.5',
    'memory.server: 3.50 /s, bar ≤ 3',
  ])
})

test('a leak has a line', (t) => {
  t.deepEqual(missed({ ...empty(), soak: grown('grows') }), ['soak: client.residentBytes grows'])
  t.deepEqual(missed({ ...empty(), soak: grown('does not grow') }), [])
})

test('what is unknown wins over what is known and too low', (t) => {
  const code = (some: Partial<Results>) => exitCode({ ...empty(), ...some })
  const [interrupted, failures, leftOut, missed] = [true, ['one'], ['another'], ['a third']]
  t.is(code({}), 0)
  t.is(code({ missed }), 5)
  t.is(code({ missed, leftOut }), 3)
  t.is(code({ missed, leftOut, failures }), 1)
  t.is(code({ missed, leftOut, failures, interrupted }), 130)
})

test('the code that continuous integration accepts is that of a missed figure', async (t) => {
  const { MISSED } = (await import(new URL('../../../ci/step.mjs', import.meta.url).href)) as {
    MISSED: number
  }
  t.is(exitCode({ ...empty(), missed: ['one'] }), MISSED)
})

function startedRun(): Run {
  const plan = { transports: [] as Plan['transports'] } as Plan
  const observer = { row() {}, found() {} } as Partial<Observer> as Observer
  return new Run(plan, [], observer, new AbortController().signal)
}

test('a run collects what was missed, and a row at fault has failed instead', (t) => {
  const run = startedRun()
  run.addRow(rowOf('one-way.64', 1.4))
  run.addRow({ ...rowOf('open.200.p50', 0.5), fault: 'ours: missed its rate' })
  run.addRow({ ...rowOf('open.200.p99', 0.5), fault: 'ours: missed its rate' })
  const { missed, failures } = run.finish()
  t.deepEqual(missed, ['one-way.64: 1.40×, bar ≥ 1.5'])
  t.deepEqual(failures, ['open.200.p50: ours: missed its rate'])
})

test('a row of an open loop says which side did not keep the rate', async (t) => {
  const figures = { p50: 1, p90: 1, p99: 1, p999: 1 }
  const cost = { clientCpuMs: 1, serverCpuMs: 1, othersCpuMs: 0, wallMs: 1 }
  const rows = (ours: number, reference: number) => {
    const pairs = { ours: { rate: ours }, reference: { rate: reference } }
    return compare(
      { turns: 2, ms: 100, rust: false, brief: false },
      pairs as unknown as Record<keyof typeof pairs, Pair>,
      percentiles('open.200', 'open loop', ['p50']),
      async (pair) => ({ ...figures, ...cost, ...(pair as unknown as { rate: number }) }),
      undefined,
      (result) => missedRate((result as unknown as { rate: number }).rate, 200, 100),
    )
  }
  t.is((await rows(200, 200))[0].fault, undefined)
  t.is((await rows(150, 200))[0].fault, 'ours: missed its rate: 150 /s of 200 /s')
  t.is((await rows(200, 150))[0].fault, 'reference: missed its rate: 150 /s of 200 /s')
})

test('fewer connections than asked for are a floor that is missed', (t) => {
  t.is(affordable(1_000, 20_000), 1_000)
  t.is(affordable(1_000, 1_024), 960)
  t.true(manyEnough(1_000, 1_000).ok)
  t.false(manyEnough(1_000, 960).ok)
})
