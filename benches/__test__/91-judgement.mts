// The statistics behind the words "slower" and "leak", on figures with a known answer.

import test from 'ava'
import { conclude, judgeApart, judgePaired, type Answer } from '../gate/judge.mjs'
import type { SoakSample } from '../results.mjs'
import { trends, variation } from '../trend.mjs'
import { eachSeed } from '../../__test__/helpers/random.mjs'

const TOLERANCE = 0.05
/** Runs the gate has time for, and those of a record. */
const RUNS = 60
const RECORDED = 40
/** Comparisons of which it is counted how each ends. */
const COMPARED = 200
/** Takes a tenth longer. */
const TENTH = Math.log(1 / 1.1)

/** Mostly a few percent, and now and then far off: as runs on a busy machine. */
function noise(next: () => number): number {
  const usual = (next() + next() + next() + next() - 2) * 0.05
  return next() < 0.1 ? usual * 20 : usual
}

type Series = () => number

/** Within 2.5 %, so that single comparisons have a certain answer. */
const quiet = (next: () => number) => () => (next() - 0.5) * 0.05

const independent = (next: () => number) => () => noise(next)

/** Each run is like the one before: a standard deviation of 15 %, and a correlation of 0.8. */
function correlated(next: () => number): Series {
  const normal = () => (next() + next() + next() + next() - 2) * Math.sqrt(3) * 0.15
  let last = normal()
  return () => (last = 0.8 * last + 0.6 * normal())
}

/** Beside its noise, now and then something is worth `loss` for a while. */
function sticking(next: () => number, loss: number, chanceToEnd: number): Series {
  let isSlow = next() < 0.5
  return () => {
    if (next() < chanceToEnd) isSlow = !isSlow
    return noise(next) + (isSlow ? Math.log(1 - loss) : 0)
  }
}

/** The gate's answer to a change, judged after every second run. */
function sequential(run: Series, judge = judgePaired): Answer {
  const differences: number[] = []
  while (differences.length < RUNS) {
    differences.push(run(), run())
    const { answer } = judge(differences, TOLERANCE)
    if (answer !== 'undecided') return answer
  }
  return 'undecided'
}

/** How often each answer is given in `COMPARED` comparisons. */
function answers(series: () => Series, shift: number, judge = () => judgePaired) {
  const counts = { slower: 0, 'not slower': 0, undecided: 0 }
  for (let number = 0; number < COMPARED; number++) {
    const run = series()
    counts[sequential(() => shift + run(), judge())]++
  }
  return counts
}

test('chance accuses no change, and a slower one is found', async (t) => {
  await eachSeed(t, 1, ({ next }) => {
    const unchanged = answers(() => independent(next), 0)
    t.is(unchanged.slower, 0)
    t.true(unchanged['not slower'] > 0.9 * COMPARED)
    const slower = answers(() => independent(next), TENTH)
    t.is(slower['not slower'], 0)
    // 95 of 100 are found.
    t.true(slower.slower > 0.85 * COMPARED, `${slower.slower} of ${COMPARED}`)
  })
})

// How often each of these happens is known from longer simulations. The bounds are so far above that
// less than one seed in 10,000 exceeds any.

test('runs that are like the one before accuse no change and clear no slower one', async (t) => {
  await eachSeed(t, 1, ({ next }) => {
    // At most 0.1 of 100, and 0.8 of 100.
    const { slower } = answers(() => correlated(next), 0)
    t.true(slower <= 5, `${slower} of ${COMPARED}`)
    const cleared = answers(() => correlated(next), TENTH)['not slower']
    t.true(cleared <= 10, `${cleared} of ${COMPARED}`)
  })
})

test('a mode that lasts for many runs is no loss', async (t) => {
  await eachSeed(t, 1, ({ next }) => {
    // 0.7 of 100, and 4.5 of 100: a mode that a run ends with a chance of 0.05 lasts in 2.4 of 100
    // from the first run to the 60th, and then it is not to be told from a loss.
    for (const [loss, chanceToEnd, most] of [[0.15, 0.1, 11], [0.1, 0.05, 26]] as const) {
      const { slower } = answers(() => sticking(next, loss, chanceToEnd), 0)
      t.true(slower <= most, `${slower} of ${COMPARED}`)
    }
  })
})

test('a loss that is larger than modes are is found early', async (t) => {
  await eachSeed(t, 20, ({ next }) => {
    const errors = Array.from({ length: RUNS }, quiet(next))
    const judge = (shift: number, runs: number) =>
      judgePaired(errors.slice(0, runs).map((error) => shift + error), TOLERANCE).answer
    t.is(judge(Math.log(0.5), 40), 'slower')
    t.is(judge(TENTH, RUNS - 2), 'undecided')
    t.is(judge(TENTH, RUNS), 'slower')
  })
})

/** Judges beside a record of a series like it. */
const beside = (base: Series): typeof judgePaired => {
  const recorded = Array.from({ length: RECORDED }, base)
  return (runs, tolerance) => judgeApart(runs, recorded, tolerance)
}

test('runs of different times are compared as well', async (t) => {
  await eachSeed(t, 20, ({ next }) => {
    const answer = (shift: number) => {
      const run = quiet(next)
      return sequential(() => shift + run(), beside(quiet(next)))
    }
    t.is(answer(0), 'not slower')
    t.is(answer(Math.log(1 / 1.25)), 'slower')
  })
})

test('of different times, too, runs may be like the one before', async (t) => {
  await eachSeed(t, 1, ({ next }) => {
    // 0.1 of 100, and 0.5 of 100.
    for (const series of [() => correlated(next), () => sticking(next, 0.15, 0.05)]) {
      const { slower } = answers(series, 0, () => beside(series()))
      t.true(slower <= 8, `${slower} of ${COMPARED}`)
    }
    const cleared = answers(() => correlated(next), TENTH, () => beside(correlated(next)))
    t.true(cleared['not slower'] <= 10, `${cleared['not slower']} of ${COMPARED}`)
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
