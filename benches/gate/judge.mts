// From measurements to an answer. No allowance for chance is made by hand: the confidence interval
// decides, and as long as it does not, more is measured.

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
 * usual two would be wrong too often. */
const REACH = 2.2
/** Calling a row slower takes more, because that stops a change. Simulated with runs that differ by
 * a third, as on a machine at its worst, 2.2 accuses an unchanged row in 17 of 1,000 comparisons,
 * and 2.8 in one or none; a row that lost a tenth on an average day is still found, a little later.
 * */
const REACH_SLOWER = 2.8

/** Compares runs in which both took part: `differences` of logarithms, candidate minus base. */
export function judgePaired(differences: number[], tolerance: number): Verdict {
  const n = differences.length
  const spread = Math.sqrt((n * (n + 1) * (2 * n + 1)) / 24)
  return verdict(walshAverages(differences), (n * (n + 1)) / 4, spread, tolerance)
}

/** Compares runs of the candidate with those of a record. */
export function judgeApart(candidate: number[], base: number[], tolerance: number): Verdict {
  const shifts = candidate.flatMap((ours) => base.map((theirs) => ours - theirs))
  const [n, m] = [candidate.length, base.length]
  return verdict(shifts, (n * m) / 2, Math.sqrt((n * m * (n + m + 1)) / 12), tolerance)
}

/** One for all rows: slower if any is, not slower if none can be. */
export function conclude(answers: Answer[]): Answer {
  if (answers.includes('slower')) return 'slower'
  return answers.includes('undecided') ? 'undecided' : 'not slower'
}

/**
 * The median of all of them is the estimate of Hodges and Lehmann; leaving out so many on each side
 * gives the interval that belongs to the rank tests of Wilcoxon and of Mann and Whitney. Both look
 * at order and not at distance, because a run on a busy machine can be off by anything. `middle`
 * and `spread` are what the test expects of its sum of ranks.
 */
function verdict(values: number[], middle: number, spread: number, tolerance: number): Verdict {
  const sorted = values.sort((a, b) => a - b)
  const last = sorted.length - 1
  /** Where the true ratio lies, if there are enough values to say. */
  const within = (reach: number): [low: number, high: number] => {
    const out = Math.floor(middle - reach * spread)
    if (out < 0 || last < 0) return [0, Infinity]
    return [Math.exp(sorted[Math.min(last, out)]), Math.exp(sorted[Math.max(0, last - out)])]
  }
  const [low, high] = within(REACH)
  const floor = 1 - tolerance
  const isSlower = within(REACH_SLOWER)[1] < floor
  const answer = isSlower ? 'slower' : low > floor ? 'not slower' : 'undecided'
  return { ratio: last >= 0 ? Math.exp(sorted[last >> 1]) : NaN, low, high, answer }
}

/** The means of all pairs, each value with itself too. */
function walshAverages(values: number[]): number[] {
  return values.flatMap((one, index) => values.slice(index).map((other) => (one + other) / 2))
}
