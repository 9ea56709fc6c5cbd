// Whether something grows: a line through samples over time, with the confidence interval of its
// slope.

import type { ProcessSample, SoakSample, Trend } from './results.mjs'

/** This share of each stretch is left out: growth while warming up is not a leak. */
const WARM_UP = 0.2
/** Growth an hour that matters. */
const MATTERS = { B: 1 << 20, '': 1 }

/** The line of every quantity that could leak. `begins` are the samples at which new processes
 * began. */
export function trends(samples: SoakSample[], begins: number[]): Trend[] {
  const stretches = begins
    .map((begin, index) => samples.slice(begin, begins[index + 1]))
    .map((stretch) => stretch.slice(Math.floor(stretch.length * WARM_UP)))
    .filter((stretch) => stretch.length >= 3)
  const watched = ['residentBytes', 'descriptors', 'mappings'] as const
  return (['client', 'server'] as const).flatMap((side) =>
    watched.map((what) => trend(side, what, stretches)),
  )
}

/** Standard deviation by mean. */
export function variation(values: number[]): number {
  const mean = average(values)
  return Math.sqrt(average(values.map((value) => (value - mean) ** 2))) / mean
}

function trend(
  side: 'client' | 'server',
  what: keyof Pick<ProcessSample, 'residentBytes' | 'descriptors' | 'mappings'>,
  stretches: SoakSample[][],
): Trend {
  const lines = stretches.map((stretch) =>
    stretch.map((sample) => [sample.at / 3600, sample[side][what]] as const),
  )
  const [slope, reach] = slopeOf(lines)
  const unit = what === 'residentBytes' ? 'B' : ''
  const [low, high] = [slope - reach, slope + reach]
  const of = `${side}.${what}`
  if (low > MATTERS[unit]) return { of, unit, slope, low, high, verdict: 'grows' }
  const verdict = high < MATTERS[unit] ? 'does not grow' : 'too short to tell'
  return { of, unit, slope, low, high, verdict }
}

/** The slope all lines share, each with a level of its own, and what to add and subtract for 95 %.
 * */
function slopeOf(lines: (readonly [number, number])[][]): [slope: number, reach: number] {
  const centered = lines.map((line) => {
    const x = average(line.map(([at]) => at))
    const y = average(line.map(([, value]) => value))
    return line.map(([at, value]) => [at - x, value - y] as const)
  })
  const points = centered.flat()
  const spread = total(points.map(([x]) => x * x))
  if (points.length < 10 || spread === 0) return [0, Infinity]
  const slope = total(points.map(([x, y]) => x * y)) / spread
  const residuals = centered.map((line) => line.map(([x, y]) => y - slope * x))
  const freedom = points.length - lines.length - 1
  const variance = total(residuals.flat().map((residual) => residual ** 2)) / freedom
  // Neighbors are alike, so that there are fewer independent samples than samples.
  const alike = Math.min(0.98, Math.max(0, likeness(residuals)))
  const inflation = Math.sqrt((1 + alike) / (1 - alike))
  return [slope, 2 * Math.sqrt(variance / spread) * inflation]
}

/** How much a residual says about the next one, from -1 to 1. */
function likeness(lines: number[][]): number {
  const pairs = lines.flatMap((line) => line.slice(1).map((value, index) => value * line[index]))
  const squares = total(lines.flat().map((value) => value * value))
  return squares === 0 ? 0 : total(pairs) / squares
}

const total = (values: number[]) => values.reduce((sum, value) => sum + value, 0)
const average = (values: number[]) => total(values) / values.length
