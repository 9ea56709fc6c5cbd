// Checks of options and arguments: types, ranges, and what was meant by a misspelt one.

import type * as api from '../../index.js'
import { native } from '../native.js'
import { isSignal as isAbortSignal, isUint8Array } from './kinds.js'

const { TOKEN_LEN_MAX } = native

/** Longer spans are none: no timer reaches them. */
export const TIMEOUT_MAX = 1e12

export type Check = (name: string, value: unknown) => void

/** Half a pair of surrogates has no form in UTF-8, and many different texts would become one. */
export function checkWellFormed(name: string, text: string): void {
  if (!text.isWellFormed()) throw wrongRange(name, 'without lone surrogates', JSON.stringify(text))
}

/** The name of a server has to be text; the engine decides whether it is a valid one. */
export function checkServerName(name: unknown): asserts name is string {
  if (typeof name !== 'string') throw wrongType('name', 'a string', name)
}

export function checkFunction(name: string, value: unknown): void {
  if (typeof value !== 'function') throw wrongType(name, 'a function', value)
}

/** Where processes meet. Read here: a worker has an environment of its own, which native code does
 * not see. */
export const place = (directory: string | undefined) => ({
  directory: directory ?? (process.env.RINGPOST_DIR || null),
})

export function check<T extends object>(
  what: string,
  checks: Record<string, Check>,
  options: T | undefined,
): T {
  if (options === undefined) return {} as T
  if (typeof options !== 'object' || options === null) {
    throw wrongType(`${what} options`, 'an object', options)
  }
  for (const [name, value] of Object.entries(options)) {
    const checked = Object.hasOwn(checks, name) ? checks[name] : undefined
    if (checked === undefined) throw misspelt(what, name, Object.keys(checks))
    if (value !== undefined) checked(name, value)
  }
  return options
}

export function isReconnect(name: string, value: unknown): void {
  if (typeof value !== 'boolean') record(['giveUpAfterMs'], span)(name, value)
}

export function isString(name: string, value: unknown): void {
  if (typeof value !== 'string') throw wrongType(name, 'a string', value)
  if (value === '') throw wrongRange(name, 'not empty', "''")
  checkWellFormed(name, value)
}

export function isBoolean(name: string, value: unknown): void {
  if (typeof value !== 'boolean') throw wrongType(name, 'a boolean', value)
}

export function isSignal(name: string, value: unknown): void {
  if (!isAbortSignal(value)) throw wrongType(name, 'an AbortSignal', value)
}

export function isIterable(name: string, value: unknown): void {
  if (typeof (value as Partial<Iterable<unknown>> | null)?.[Symbol.iterator] !== 'function') {
    throw wrongType(name, 'connections of this server, in anything iterable', value)
  }
}

export function isContext(name: string, value: unknown): void {
  const { remainingMs, signal } = (value ?? {}) as Partial<api.Context>
  if (typeof remainingMs !== 'number' || !isAbortSignal(signal)) {
    throw wrongType(name, 'the context of a handler', value)
  }
}

export function isToken(name: string, value: unknown): void {
  if (typeof value === 'string') checkWellFormed(name, value)
  else if (!isUint8Array(value)) throw wrongType(name, 'a string or a Uint8Array', value)
  const length = Buffer.byteLength(value)
  if (length === 0 || length > TOKEN_LEN_MAX) {
    throw wrongRange(name, `of 1 to ${TOKEN_LEN_MAX} bytes`, `${length} bytes`)
  }
}

const TRACEPARENT = /^[\da-f]{2}-[\da-f]{32}-[\da-f]{16}-[\da-f]{2}$/

export function checkTrace(name: string, value: unknown): void {
  if (typeof value !== 'string') throw wrongType(name, 'a string', value)
  if (!TRACEPARENT.test(value)) throw wrongRange(name, 'a W3C traceparent', `'${value}'`)
}

export function isCodec(name: string, value: unknown): void {
  const { encode, decode, name: codec } = (value ?? {}) as Partial<api.Codec<unknown>>
  if (typeof encode !== 'function' || typeof decode !== 'function' || typeof codec !== 'string') {
    throw wrongType(name, 'a codec with name, encode and decode', value)
  }
}

export function isSchema(name: string, value: unknown): void {
  const standard = ((value ?? {}) as Partial<api.StandardSchema>)['~standard']
  if (typeof standard?.validate !== 'function') {
    throw wrongType(name, 'a validator with the property ~standard', value)
  }
}

export function span(name: string, value: unknown): void {
  if (typeof value !== 'number') throw wrongType(name, 'a number of milliseconds', value)
  if (!(value > 0)) throw wrongRange(name, 'above 0', value)
}

export function spanOrNone(name: string, value: unknown): void {
  if (value !== 0) span(name, value)
}

export function finiteSpan(name: string, value: unknown): void {
  span(name, value)
  if (!((value as number) < TIMEOUT_MAX)) throw wrongRange(name, 'finite', value)
}

export function isOverflow(name: string, value: unknown): void {
  if (typeof value === 'string') return oneOf('fail', 'dropNewest', 'dropOldest')(name, value)
  record(['waitMs'], span)(name, value)
  span(`${name}.waitMs`, (value as { waitMs?: number }).waitMs)
}

export function powerOfTwo(min: number, max: number): Check {
  const isInRange = whole(min, max)
  return (name, value) => {
    isInRange(name, value)
    if (!Number.isInteger(Math.log2(value as number))) {
      throw wrongRange(name, 'a power of two', value)
    }
  }
}

export function whole(min: number, max: number): Check {
  return (name, value) => {
    if (typeof value !== 'number') throw wrongType(name, 'a number', value)
    if (!Number.isInteger(value) || value < min || value > max) {
      throw wrongRange(name, `a whole number from ${min} to ${max}`, value)
    }
  }
}

export function oneOf(...allowed: string[]): Check {
  const list = allowed.map((value) => `'${value}'`).join(', ')
  return (name, value) => {
    if (typeof value !== 'string') throw wrongType(name, `one of ${list}`, value)
    if (!allowed.includes(value)) throw wrongRange(name, `one of ${list}`, `'${value}'`)
  }
}

export function record(keys: readonly string[], each: Check): Check {
  return (name, value) => {
    if (typeof value !== 'object' || value === null) throw wrongType(name, 'an object', value)
    for (const [key, item] of Object.entries(value)) {
      if (!keys.includes(key)) throw misspelt(name, key, keys)
      if (item !== undefined) each(`${name}.${key}`, item)
    }
  }
}

// ---- errors ----

export function wrongType(name: string, wanted: string, value: unknown): TypeError {
  const found = value === null ? 'null' : typeof value
  return coded(new TypeError(`${name} must be ${wanted}, got ${found}`))
}

export function wrongRange(name: string, wanted: string, found: unknown): RangeError {
  return coded(new RangeError(`${name} must be ${wanted}, got ${found}`))
}

function misspelt(what: string, name: string, known: readonly string[]): TypeError {
  const [closest] = known
    .map((key) => ({ key, distance: distance(name.toLowerCase(), key.toLowerCase()) }))
    .filter(({ distance }) => distance <= 3)
    .sort((a, b) => a.distance - b.distance)
  const hint = closest ? `did you mean '${closest.key}'?` : `there are: ${known.join(', ')}`
  return coded(new TypeError(`there is no ${what} option '${name}'; ${hint}`))
}

function coded<E extends Error>(error: E): E {
  return Object.assign(error, { code: 'ERR_INVALID_ARGUMENT' })
}

/** How many characters have to be added, removed or changed. */
function distance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (let i = 1; i <= from.length; i++) {
    const next = [i]
    for (let j = 1; j <= to.length; j++) {
      const changed = row[j - 1] + (from[i - 1] === to[j - 1] ? 0 : 1)
      next.push(Math.min(changed, row[j] + 1, next[j - 1] + 1))
    }
    row = next
  }
  return row[to.length]
}
