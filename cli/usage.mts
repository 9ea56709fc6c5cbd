// Words of a command line, and what to say about those that cannot be meant.

import { parseArgs, type ParseArgsConfig } from 'node:util'

/** What was typed cannot be meant; the message says what could. */
export class UsageError extends Error {}

/** As `parseArgs`, whose errors become ours. */
export function parse<T extends ParseArgsConfig>(config: T): ReturnType<typeof parseArgs<T>> {
  try {
    return parseArgs(config)
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

/** A list of words, each one of those there are. */
export function oneOf<T extends string>(option: string, list: string, known: readonly T[]): T[] {
  const words = list.split(',').map((word) => word.trim())
  const wrong = words.find((word) => !known.includes(word as T))
  if (wrong !== undefined) {
    throw new UsageError(`--${option}: there is no '${wrong}', only ${known.join(', ')}`)
  }
  return words as T[]
}

/** A whole number from `low` to `high`. */
export function whole(option: string, word: string, low: number, high: number): number {
  const value = Number(word)
  if (!Number.isInteger(value) || value < low || value > high) {
    throw new UsageError(`--${option} is a whole number from ${low} to ${high}, not '${word}'`)
  }
  return value
}

export function wholes(option: string, list: string, low: number, high: number): number[] {
  return list.split(',').map((word) => whole(option, word, low, high))
}

const UNITS: Record<string, number> = { ms: 1, s: 1e3, m: 60e3, h: 3_600e3, d: 86_400e3 }

/** A span like 500ms, 2s, 1m, 1h or 2d, in milliseconds. */
export function span(option: string, word: string): number {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(word) ?? []
  if (unit === undefined || Number(amount) === 0) {
    throw new UsageError(`--${option} is a span like 500ms, 2s, 1m, 1h or 2d, not '${word}'`)
  }
  return Number(amount) * UNITS[unit]
}

/** Sizes like 64, 64KiB or 1MiB, in bytes. */
export function sizes(option: string, list: string): number[] {
  return list.split(',').map((word) => {
    const [, amount, unit = 'B'] = /^(\d+)(B|KiB|MiB)?$/.exec(word.trim()) ?? []
    const size = Number(amount) * { B: 1, KiB: 1 << 10, MiB: 1 << 20 }[unit]!
    if (!(size >= 0 && size <= 64 << 20)) {
      throw new UsageError(`--${option}: a size is like 64, 64KiB or 1MiB, up to 64MiB, not '${word}'`)
    }
    return size
  })
}
