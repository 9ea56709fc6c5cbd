// The words of a command line, and the messages about those that are not valid.

import { closeSync, existsSync, openSync, readFileSync, rmSync } from 'node:fs'
import { parseArgs, type ParseArgsConfig } from 'node:util'

/** What was typed is not valid; the message says what is. */
export class UsageError extends Error {}

/** As `parseArgs`, with `-h` and errors of our own. */
export function parse<T extends ParseArgsConfig>(config: T): ReturnType<typeof parseArgs<T>> {
  try {
    return parseArgs(config)
  } catch (error) {
    // The sentences after the first are advice about `--`, which leads nowhere here.
    throw new UsageError((error as Error).message.split('. ')[0])
  }
}

/** A list of words, each one of `known`. */
export function oneOf<T extends string>(what: string, list: string, known: readonly T[]): T[] {
  const words = list.split(',').map((word) => word.trim())
  const wrong = words.find((word) => !known.includes(word as T))
  if (wrong !== undefined) {
    throw new UsageError(`${what}: there is no '${wrong}', only ${known.join(', ')}`)
  }
  return words as T[]
}

/** A whole number from `low` to `high`. */
export function whole(option: string, word: string, low: number, high: number): number {
  const value = Number(word)
  if (word.trim() === '' || !Number.isInteger(value) || value < low || value > high) {
    throw new UsageError(`--${option} must be a whole number from ${low} to ${high}, got '${word}'`)
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
    throw new UsageError(`--${option} must be a span like 500ms, 2s, 1m, 1h or 2d, got '${word}'`)
  }
  return Number(amount) * UNITS[unit]
}

/** Sizes like 64, 64KiB or 1MiB, in bytes. */
export function sizes(option: string, list: string): number[] {
  return list.split(',').map((word) => {
    const [, amount, unit = 'B'] = /^(\d+)(B|KiB|MiB)?$/.exec(word.trim()) ?? []
    const size = Number(amount) * { B: 1, KiB: 1 << 10, MiB: 1 << 20 }[unit]!
    if (!(size >= 0 && size <= 64 << 20)) {
      const wanted = 'sizes like 64, 64KiB or 1MiB up to 64MiB'
      throw new UsageError(`--${option} must be ${wanted}, got '${word}'`)
    }
    return size
  })
}

/** Refuses files that cannot be written, so that nothing is measured in vain. */
export function writable(files: Record<string, string | undefined>): void {
  for (const [option, file] of Object.entries(files)) {
    if (file === undefined) continue
    const wasThere = existsSync(file)
    try {
      closeSync(openSync(file, 'a'))
      if (!wasThere) rmSync(file)
    } catch (error) {
      throw new UsageError(`--${option}: cannot write '${file}' (${codeOf(error)})`)
    }
  }
}

/** The content of a file that an option names. */
export function readable(option: string, file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new UsageError(`--${option}: cannot read '${file}' (${codeOf(error)})`)
  }
}

const codeOf = (error: unknown) => (error as NodeJS.ErrnoException).code
