// Scenarios of the benchmark runner, in a form so small that nothing is measured: that messages of
// all sizes arrive whole, once and in order, and that it would be noticed if they did not.

import test from 'ava'
import { Arrivals, pattern } from '../scenarios/peers.mjs'
import { stamp } from '../payload.mjs'
import type { Form, Outcome, Scenario } from '../scenarios/scenario.mjs'
import { scenarioSuite } from '../suites/scenarios.mjs'
import { scenario as aiBackend } from '../scenarios/ai-backend.mjs'
import { scenario as aiBackendCrowd } from '../scenarios/ai-backend-crowd.mjs'
import { Answers } from '../scenarios/ai-backend/windows.mjs'
import { scenario as alerts } from '../scenarios/alerts.mjs'
import { scenario as audio } from '../scenarios/audio.mjs'
import { scenario as dashboard } from '../scenarios/dashboard.mjs'
import { scenario as extremes } from '../scenarios/extremes.mjs'
import { scenario as handover } from '../scenarios/handover.mjs'
import { scenario as languageServer } from '../scenarios/language-server.mjs'
import { scenario as perception } from '../scenarios/perception.mjs'
import { scenario as pool } from '../scenarios/pool.mjs'
import { scenario as restart } from '../scenarios/restart.mjs'
import { scenario as large } from '../scenarios/large-beside-small.mjs'
import { scenario as manyToMany } from '../scenarios/many-to-many.mjs'
import { scenario as underLoad } from '../scenarios/measured-under-load.mjs'
import { scenario as oversized } from '../scenarios/oversized.mjs'
import { scenario as stateFrame } from '../scenarios/state-frame.mjs'
import { scenario as map } from '../scenarios/map.mjs'
import { scenario as topic } from '../scenarios/topic.mjs'
import { scenario as scrape } from '../scenarios/scrape.mjs'
import { scenario as tasks } from '../scenarios/tasks.mjs'
import { scenario as thousand } from '../scenarios/thousand-connections.mjs'
import { directory } from '../../__test__/helpers/directory.mjs'

async function played(scenario: Scenario): Promise<Outcome & { shares: number[] }> {
  const shares: number[] = []
  const form: Form = {
    ...{ short: true, scale: 0.05, directory, signal: AbortSignal.timeout(120_000) },
    progress: (share) => shares.push(share),
  }
  return { ...(await scenario.run(form)), shares }
}

const PLAYED = [
  ...[extremes, manyToMany, oversized, tasks, large, thousand, underLoad],
  ...[handover, restart, pool, stateFrame, alerts, audio, perception, dashboard],
  ...[topic, map, scrape, aiBackend, aiBackendCrowd, languageServer],
]
for (const scenario of PLAYED) {
  test.serial(scenario.title, async (t) => {
    const { failed, repeats, checks, shares } = await played(scenario)
    t.is(failed, null)
    for (const { value, cpu } of repeats) t.true(value > 0 && cpu!.client > 0 && cpu!.server > 0)
    t.true(repeats.length > 0)
    t.true(checks.length > 0 && checks.every(({ seen }) => Number.isFinite(seen)))
    t.true(shares.length > 0 && shares.every((share) => share >= 0 && share <= 1))
  })
}

/** The payload number `sequence` of a sender. */
function payload(sequence: number, length = 64, sender = 3): Uint8Array {
  const made = pattern(length, sender)
  stamp(made, sequence)
  return made
}

test('what arrives whole and in order has no fault', (t) => {
  const arrivals = new Arrivals(true)
  for (let sequence = 0; sequence < 300; sequence++) arrivals.got(payload(sequence, sequence * 8))
  t.deepEqual(arrivals.faults, [])
  t.is(arrivals.count, 300)
  t.is(arrivals.sender, 3)
})

const FAULTY: Record<string, Uint8Array[]> = {
  'a message is missing': [payload(0), payload(2)],
  'one comes twice': [payload(0), payload(0)],
  'two are the wrong way round': [payload(0), payload(2), payload(1)],
  'an empty one is missing': [payload(0), payload(1), payload(3)],
  'one comes from another sender': [payload(0), payload(1, 64, 4)],
  'a byte is wrong': [payload(0).fill(0, 63)],
}
for (const [what, messages] of Object.entries(FAULTY)) {
  test(`it is detected that ${what}`, (t) => {
    const arrivals = new Arrivals(true)
    for (const message of messages) arrivals.got(message)
    t.true(arrivals.faults.length > 0)
  })
}

test('it is detected that an answer is another one than before, or that of another question', (t) => {
  const [one, other] = [Uint8Array.of(1), Uint8Array.of(2)]
  const answers = new Answers()
  answers.got('one', one)
  answers.got('one', one)
  t.deepEqual(answers.take(), [])
  answers.got('one', other)
  answers.got('other', one)
  t.is(answers.take().length, 2)
})

const alone = { short: true, progress: () => {} }

test('an unknown scenario is refused', async (t) => {
  const { signal } = new AbortController()
  const suite = scenarioSuite({ ...alone, only: ['mixd'], signal, done: () => t.fail() })
  await t.throwsAsync(suite, { instanceOf: RangeError, message: /'mixd'.*mixed/ })
})

test('a scenario that is interrupted leaves no result', async (t) => {
  const signal = AbortSignal.timeout(100)
  const suite = scenarioSuite({ ...alone, only: ['mixed'], signal, done: () => t.fail() })
  t.deepEqual(await suite, [])
})
