// The statistics behind the words "slower" and "leak", on figures with a known answer.

import test from 'ava'
import { conclude, judgeApart, judgePaired, type Answer } from '../gate/judge.mjs'
import type { SoakSample } from '../results.mjs'
import { trends, variation } from '../trend.mjs'
import { eachSeed } from '../../__test__/helpers/random.mjs'

const TOLERANCE = 0.05
/** Runs the gate has time for. */
const RUNS = 60

/** Mostly a few percent, and now and then far off: as runs on a busy machine. */
function noise(next: () => number): number {
  const usual = (next() + next() + next() + next() - 2) * 0.05
  return next() < 0.1 ? usual * 20 : usual
}

/** The gate's answer to a change, judged after every second run. */
function sequential(next: () => number, shift: number): Answer {
  const differences: number[] = []
  while (differences.length < RUNS) {
    differences.push(shift + noise(next), shift + noise(next))
    const { answer } = judgePaired(differences, TOLERANCE)
    if (answer !== 'undecided') return answer
  }
  return 'undecided'
}

const count = (answers: Answer[], answer: Answer) => answers.filter((one) => one === answer).length

test('chance accuses no change, and a slower one is found', async (t) => {
  await eachSeed(t, 1, ({ next }) => {
    const unchanged = Array.from({ length: 500 }, () => sequential(next, 0))
    t.is(count(unchanged, 'slower'), 0)
    t.true(count(unchanged, 'not slower') > 450)
    const slower = Array.from({ length: 500 }, () => sequential(next, Math.log(1 / 1.1)))
    t.is(count(slower, 'not slower'), 0)
    t.true(count(slower, 'slower') > 450)
  })
})

test('runs of different times are compared as well', async (t) => {
  await eachSeed(t, 20, ({ next }) => {
    const runs = (shift: number) => Array.from({ length: 40 }, () => shift + noise(next))
    t.is(judgeApart(runs(0), runs(0), TOLERANCE).answer, 'not slower')
    t.is(judgeApart(runs(Math.log(1 / 1.15)), runs(0), TOLERANCE).answer, 'slower')
  })
})

test('a few runs decide nothing', (t) => {
  const { answer, low, high } = judgePaired([-1, -1, -1, -1], TOLERANCE)
  t.deepEqual([answer, low, high], ['undecided', 0, Infinity])
  t.is(judgeApart([-1, -1], [0, 0], TOLERANCE).answer, 'undecided')
  t.is(judgePaired([], TOLERANCE).answer, 'undecided')
})

test('one slow row is enough, and one undecided row keeps the rest from being cleared', (t) => {
  t.is(conclude(['not slower', 'not slower']), 'not slower')
  t.is(conclude(['not slower', 'undecided']), 'undecided')
  t.is(conclude(['undecided', 'slower', 'not slower']), 'slower')
})

/** An hour of samples, of which the client's memory grows by so much. */
function samples(next: () => number, bytesAnHour: number): SoakSample[] {
  const rest = { descriptors: 30, mappings: 200, loopDelayP99: 0, cpu: 0.1 }
  let wandering = 0
  return Array.from({ length: 360 }, (_, index) => {
    wandering = wandering * 0.8 + (next() - 0.5) * 200_000
    const residentBytes = 5e7 + wandering + (bytesAnHour * index) / 360
    const about = { residentBytes, ...rest }
    const sides = { client: about, server: { ...about, ...rest } }
    return { at: index * 10, ...sides } as Partial<SoakSample> as SoakSample
  })
}

const verdictOf = (found: SoakSample[], begins = [0]) =>
  trends(found, begins).find(({ of }) => of === 'client.residentBytes')!

/** Hours of which it is seen how often something holds that one of them may miss. */
const HOURS = 200

test('growth is distinguished from fluctuation', async (t) => {
  await eachSeed(t, 1, ({ next }) => {
    let covered = 0
    for (let hour = 0; hour < HOURS; hour++) {
      t.is(verdictOf(samples(next, 0)).verdict, 'does not grow')
      const grows = verdictOf(samples(next, 20 << 20))
      t.is(grows.verdict, 'grows')
      covered += grows.low < 20 << 20 && grows.high > 20 << 20 ? 1 : 0
    }
    // In 95 of 100 the interval has the truth in it, give or take what is no normal distribution.
    t.true(covered > HOURS * 0.85 && covered < HOURS, `in ${covered} of ${HOURS}`)
    t.is(verdictOf(samples(next, 20 << 20).slice(0, 8)).verdict, 'too short to tell')
  })
})

test('a new process is not growth', async (t) => {
  await eachSeed(t, 10, ({ next }) => {
    const [first, second] = [samples(next, 0), samples(next, 0)]
    for (const sample of second) {
      sample.at += 3600
      sample.client.residentBytes += 50 << 20
    }
    t.is(verdictOf([...first, ...second], [0, first.length]).verdict, 'does not grow')
  })
})

test('variation is standard deviation by mean', (t) => {
  t.is(variation([10, 10, 10]), 0)
  t.is(variation([5, 15]), 0.5)
})
