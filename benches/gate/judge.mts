// From samples to an answer. No share of luck is allowed for by hand: the interval of what the samples
// say decides, and as long as it does not, more are taken.

export type Answer = 'not slower' | 'slower' | 'undecided'

/** What is known of a row. */
export interface Verdict {
  /** How fast the candidate is, in terms of the base: 0.9 is a tenth slower. */
  ratio: number
  /** Where that truly lies. */
  low: number
  high: number
  answer: Answer
}

/** Standard errors on each side of an estimate. The answer is looked for again and again in several
 * rows, so that the usual two would be wrong too often. */
const REACH = 2.2

/** Compares lives in which both took part: `differences` of logarithms, candidate minus base. */
export function judgePaired(differences: number[], tolerance: number): Verdict {
  return verdict(walshAverages(differences), rankSum(differences.length), tolerance)
}

/** Compares lives of the candidate with those of a record. */
export function judgeApart(candidate: number[], base: number[], tolerance: number): Verdict {
  const shifts = candidate.flatMap((ours) => base.map((theirs) => ours - theirs))
  const [n, m] = [candidate.length, base.length]
  const out = (n * m) / 2 - REACH * Math.sqrt((n * m * (n + m + 1)) / 12)
  return verdict(shifts, out, tolerance)
}

/** One for all rows: slower if any is, not slower if none can be. */
export function conclude(answers: Answer[]): Answer {
  if (answers.includes('slower')) return 'slower'
  return answers.includes('undecided') ? 'undecided' : 'not slower'
}

/**
 * The median of all of them is the estimate of Hodges and Lehmann; leaving out so many on each side
 * gives the interval that belongs to the rank tests of Wilcoxon and of Mann and Whitney. Both look at
 * order and not at distance, because a life on a busy machine can be off by anything.
 */
function verdict(values: number[], out: number, tolerance: number): Verdict {
  const sorted = values.sort((a, b) => a - b)
  const last = sorted.length - 1
  const known = out >= 0 && sorted.length > 0
  const at = (rank: number) => Math.exp(sorted[Math.min(last, Math.max(0, rank))])
  const low = known ? at(Math.floor(out)) : 0
  const high = known ? at(last - Math.floor(out)) : Infinity
  const floor = 1 - tolerance
  const answer = high < floor ? 'slower' : low > floor ? 'not slower' : 'undecided'
  return { ratio: sorted.length > 0 ? at(last >> 1) : NaN, low, high, answer }
}

/** The means of all pairs, each value with itself too. */
function walshAverages(values: number[]): number[] {
  return values.flatMap((one, index) => values.slice(index).map((other) => (one + other) / 2))
}

/** How many of them lie outside of the interval on either side; negative if all of them are too few. */
function rankSum(n: number): number {
  return (n * (n + 1)) / 4 - REACH * Math.sqrt((n * (n + 1) * (2 * n + 1)) / 24)
}
