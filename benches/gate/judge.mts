// From measurements to an answer. No allowance for chance is made by hand: the confidence interval
// decides, and as long as it does not, more is measured. Runs one after the other may be alike, which
// looks like more certainty than there is; see `widening` and `RUNS_SLOWER`.

import { median } from '../compare.mjs'

export type Answer = 'not slower' | 'slower' | 'undecided'

/** What is known about a row. */
export interface Verdict {
  /** How fast the candidate is, in terms of the base: 0.9 is a tenth slower. */
  ratio: number
  /** Where that truly lies. */
  low: number
  high: number
  answer: Answer
}

/** Standard errors on each side of an estimate. Several rows are judged again and again, so the
 * usual two would be wrong too often; to call a row slower, which stops a change, takes more. */
const REACH = 2.2
const REACH_SLOWER = 2.8
/** Runs before any answer: fewer do not show that consecutive runs are alike. */
const RUNS_MIN = 16
/**
 * Runs before a row is called slower. One build may be in a slow mode for many runs, and until it
 * leaves that, it looks exactly as if it had lost something: with one chance in ten a run to change
 * modes, in 1 of 100 comparisons for the first 40 runs. Modes are taken to be worth up to `MODE`, so
 * a loss that exceeds the tolerance by more is called one earlier.
 */
const RUNS_SLOWER = 60
const MODE = 0.15
/** Consecutive runs without a loss that show a mode. With an independent error that is as large as
 * a quarter of the loss, they hardly ever occur by chance. */
const STREAK = 3

/** Compares runs in which both took part: `differences` of logarithms, candidate minus base. */
export function judgePaired(differences: number[], tolerance: number): Verdict {
  const n = differences.length
  const halfway = median(differences) / 2
  return verdict(walshAverages(differences), {
    ...{ runs: n, tolerance, middle: (n * (n + 1)) / 4 },
    spread: widening(differences) * Math.sqrt((n * (n + 1) * (2 * n + 1)) / 24),
    isLasting: !hasStreak(differences, (run) => run > halfway),
  })
}

/** Compares runs of the candidate with those of a record. */
export function judgeApart(candidate: number[], base: number[], tolerance: number): Verdict {
  const shifts = candidate.flatMap((ours) => base.map((theirs) => ours - theirs))
  const [n, m] = [candidate.length, base.length]
  const halfway = (median(candidate) + median(base)) / 2
  const variance = widening(candidate) ** 2 / n + widening(base) ** 2 / m
  return verdict(shifts, {
    ...{ runs: m < RUNS_MIN ? 0 : n, tolerance, middle: (n * m) / 2 },
    spread: n * m * Math.sqrt(variance / 12),
    isLasting:
      !hasStreak(candidate, (run) => run > halfway) && !hasStreak(base, (run) => run < halfway),
  })
}

/** One for all rows: slower if any is, not slower if none can be. */
export function conclude(answers: Answer[]): Answer {
  if (answers.includes('slower')) return 'slower'
  return answers.includes('undecided') ? 'undecided' : 'not slower'
}

interface Facts {
  /** Of the candidate; none if those of the record are too few. */
  runs: number
  tolerance: number
  /** What the rank test expects of its sum of ranks, and by how much that varies. */
  middle: number
  spread: number
  /** No stretch of the runs is without the loss. */
  isLasting: boolean
}

/**
 * The median of all of them is the estimate of Hodges and Lehmann; leaving out so many on each side
 * gives the interval that belongs to the rank tests of Wilcoxon and of Mann and Whitney. Both look
 * at order and not at distance, because a run on a busy machine can be off by anything.
 */
function verdict(values: number[], facts: Facts): Verdict {
  const { runs, tolerance, middle, spread, isLasting } = facts
  const sorted = Float64Array.from(values).sort()
  const last = sorted.length - 1
  /** Where the true ratio lies, if there are enough values to say. */
  const within = (reach: number): [low: number, high: number] => {
    const out = Math.floor(middle - reach * spread)
    if (!(out >= 0) || runs < RUNS_MIN) return [0, Infinity]
    return [Math.exp(sorted[out]), Math.exp(sorted[last - out])]
  }
  const [low, high] = within(REACH)
  const floor = 1 - tolerance
  const most = within(REACH_SLOWER)[1]
  const isSure = runs >= RUNS_SLOWER || most < floor - MODE
  const isSlower = most < floor && isSure && isLasting
  const answer = isSlower ? 'slower' : low > floor ? 'not slower' : 'undecided'
  return { ratio: last >= 0 ? Math.exp(sorted[last >> 1]) : NaN, low, high, answer }
}

/**
 * By how much an interval is wider because consecutive runs are alike: `n` runs whose ranks
 * correlate by `r` are worth `n (1 - r) / (1 + r)` independent ones. Few runs show too little of
 * it, so `r` is the upper end of what it may be, at 95 %.
 */
function widening(runs: number[]): number {
  const n = runs.length
  const order = runs.map((_, index) => index).sort((a, b) => runs[a] - runs[b])
  const fromMiddle: number[] = []
  order.forEach((index, rank) => (fromMiddle[index] = rank - (n - 1) / 2))
  const products = fromMiddle.slice(1).map((rank, index) => rank * fromMiddle[index])
  const sum = products.reduce((total, product) => total + product, 0)
  const estimate = (12 * sum) / (n * (n * n - 1))
  const r = Math.min(0.95, Math.max(0, estimate + 1.64 / Math.sqrt(n)))
  return Math.sqrt((1 + r) / (1 - r))
}

/** Whether so many runs one after the other are `other` than the rest that a mode explains it. */
function hasStreak(runs: number[], isOther: (run: number) => boolean): boolean {
  let length = 0
  return runs.some((run) => (length = isOther(run) ? length + 1 : 0) === STREAK)
}

/** The means of all pairs, each value with itself too. */
function walshAverages(values: number[]): number[] {
  const means: number[] = []
  for (let one = 0; one < values.length; one++) {
    for (let other = one; other < values.length; other++) {
      means.push((values[one] + values[other]) / 2)
    }
  }
  return means
}
