// Seeded random values. A failure prints its seed; `RINGPOST_SEED` runs that seed alone,
// `RINGPOST_RUNS` multiplies the number of seeds for a longer search.

import type { ExecutionContext } from 'ava'

export interface Random {
  readonly seed: number
  /** In [0, 1). */
  next(): number
  /** An integer in [0, limit). */
  below(limit: number): number
  pick<T>(values: readonly T[]): T
  text(length: number): string
  bytes(length: number): Uint8Array
}

const LETTERS = [...'abcdefghijklmnopqrstuvwxyz 0123456789', 'é', '漢', '🦀', '\0']

/** Runs `body` with each seed, one after another. */
export async function eachSeed(
  t: ExecutionContext,
  runs: number,
  body: (random: Random) => unknown,
): Promise<void> {
  const given = numberIn('RINGPOST_SEED')
  const count = runs * (numberIn('RINGPOST_RUNS') ?? 1)
  const [first, end] = given === undefined ? [0, count] : [given, given + 1]
  for (let seed = first; seed < end; seed++) {
    try {
      await body(random(seed))
    } catch (error) {
      t.log(`seed ${seed} failed: RINGPOST_SEED=${seed} repeats it`)
      throw error
    }
  }
  t.pass()
}

function numberIn(variable: string): number | undefined {
  const text = process.env[variable]
  return text === undefined ? undefined : Number(text)
}

function random(seed: number): Random {
  let state = seed
  /** mulberry32 */
  const next = () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (limit: number) => Math.floor(next() * limit)
  const pick = <T,>(values: readonly T[]) => values[below(values.length)]
  return {
    seed,
    next,
    below,
    pick,
    text: (length) => Array.from({ length }, () => pick(LETTERS)).join(''),
    bytes: (length) => Uint8Array.from({ length }, () => below(256)),
  }
}
