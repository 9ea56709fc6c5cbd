// The one error class.

import type * as api from '../../index.js'
import { isError } from './kinds.js'

/** Marks errors of every copy of the package. */
const ERROR = Symbol.for('ringpost.error')

export class IpcError extends Error implements api.IpcError {
  readonly code: string
  readonly isRemote: boolean = false
  declare readonly errors?: readonly unknown[]

  constructor(code: string, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.code = code
  }

  toJSON(): Record<string, unknown> {
    return shown(this, 0) as Record<string, unknown>
  }

  /** Errors of another copy of the package are errors of this class. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    if (this !== IpcError) return Function.prototype[Symbol.hasInstance].call(this, value)
    return typeof value === 'object' && value !== null && (value as Branded)[ERROR] === true
  }
}

/** Causes below each other that are shown. */
const SHOWN_MAX = 8

/** What JSON and logs show of an error: all but its stack. JSON itself would leave away what
 * counts. */
function shown(error: unknown, depth: number): unknown {
  if (!isError(error)) return error
  const { name, message, cause, ...rest } = error as Error & { errors?: unknown }
  const record: Record<string, unknown> = { name, message, ...rest }
  if (depth === SHOWN_MAX) return record
  if (cause !== undefined) record.cause = shown(cause, depth + 1)
  const { errors } = error as { errors?: unknown }
  if (Array.isArray(errors)) record.errors = errors.map((one) => shown(one, depth + 1))
  return record
}

interface Branded {
  [ERROR]?: unknown
}
Object.defineProperty(IpcError.prototype, ERROR, { value: true })
// On the prototype, as the names of built-in errors are, so that printing one does not show it.
Object.defineProperty(IpcError.prototype, 'name', {
  value: 'IpcError',
  configurable: true,
  writable: true,
})

/** Whether the connection was lost before the outcome was known. */
export function isLoss(error: unknown): boolean {
  if (!(error instanceof IpcError) || error.isRemote) return false
  return error.code === 'ERR_PEER_LOST' || error.code === 'ERR_CLOSED'
}

/** What stands for an error where errors are told apart by a text. */
export function codeOf(error: unknown): string {
  const { code, name } = (error ?? {}) as { code?: unknown; name?: unknown }
  if (typeof code === 'string') return code
  // The code of a `DOMException` is a number that says less than its name.
  return typeof name === 'string' && name !== 'Error' ? name : 'ERR_HANDLER'
}

/** What the binding says of an error: its code, a line feed, its message. */
export function parseError(description: string): IpcError {
  const end = description.indexOf('\n')
  return new IpcError(description.slice(0, end), description.slice(end + 1))
}

/**
 * Rejects with an error that is made a moment later, when V8 can see who awaits the promise that
 * was resolved to this one: their frames are in its stack then ("at async …"). A stack taken when a
 * request is made would show as much, and cost every request more than everything else.
 */
export async function rejected(make: (hide: Hidden) => Error): Promise<never> {
  // In the first of these moments the outer promise starts to wait for this one.
  const moment = Promise.resolve()
  await moment
  await moment
  throw make(rejected)
}

/** A function whose frame, and those above it, are no part of a stack. */
export type Hidden = (...of: any[]) => unknown

/** Runs a call into the binding; what it throws becomes an error of ours. */
export function raised<T>(call: () => T): T {
  try {
    return call()
  } catch (error) {
    throw ours(error)
  }
}

/** What the binding has thrown, as an error of ours. */
export function ours(error: unknown): unknown {
  const { code, message } = error as Error & { code?: unknown }
  return typeof code === 'string' ? new IpcError(code, message) : error
}
