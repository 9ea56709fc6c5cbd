// Reports failures that no caller waits for. What was thrown may hold data, and what is written
// here may end in a log: of an error there are its name, its message and its stack, of anything
// else what it is.

import { types } from 'node:util'
import { IpcError } from './errors.js'
import { kindOf } from './kinds.js'

/** Causes below each other that are shown. */
const CAUSES_MAX = 8

/** Whatever was thrown, as an error; `what` says where. */
export function asError(thrown: unknown, what: string): Error {
  if (types.isNativeError(thrown)) return thrown
  return new IpcError('ERR_HANDLER', `${what} has thrown ${brief(thrown)}`, { cause: thrown })
}

/** A process warning. Errors of another realm are none to Node, so it is given texts only. */
export function warn(message: string, thrown?: { error: unknown; code?: string }): void {
  const type = 'RingpostWarning'
  if (thrown === undefined) return process.emitWarning(message, { type })
  const { error, code } = thrown
  const detail = stacks(error)
  process.emitWarning(`${message}: ${brief(error)}`, { type, code, detail })
}

/** In one line. A text that is thrown is meant as a message. */
function brief(thrown: unknown): string {
  return attempt(() => {
    if (types.isNativeError(thrown)) return `${thrown.name}: ${thrown.message}`
    return typeof thrown === 'string' ? thrown : `no error, but ${kindOf(thrown)}`
  })
}

/** Where it comes from, and where its causes do. */
function stacks(thrown: unknown): string {
  return attempt(() => {
    const found: string[] = []
    let error = thrown
    while (types.isNativeError(error) && found.length <= CAUSES_MAX) {
      found.push(String(error.stack))
      error = error.cause
    }
    return found.join('\ncaused by: ')
  })
}

/** What is to be printed can be anything, and may not want to be. */
function attempt(print: () => string): string {
  try {
    return print()
  } catch {
    return 'something that cannot be printed'
  }
}
