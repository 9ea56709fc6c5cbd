// Seeded random values: a failure is repeated with RINGPOST_TEST_SEED set to what was printed.

export interface Random {
  readonly seed: number
  /** From 0 to below 1. */
  next(): number
  /** A whole number from 0 to below `limit`. */
  below(limit: number): number
  pick<T>(values: readonly T[]): T
  text(length: number): string
  bytes(length: number): Uint8Array
}

const LETTERS = [...'abcdefghijklmnopqrstuvwxyz 0123456789', 'é', '漢', '🦀', '\0']

export function random(): Random {
  const given = process.env.RINGPOST_TEST_SEED
  const seed = given === undefined ? (Math.random() * 2 ** 32) >>> 0 : Number(given)
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
