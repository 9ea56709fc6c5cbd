// Reports failures that no caller waits for.

import { inspect, types } from 'node:util'
import { IpcError } from './errors.js'

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
  const detail = full(error)
  process.emitWarning(`${message}: ${brief(error)}`, { type, code, detail })
}

/** In one line. */
function brief(thrown: unknown): string {
  return attempt(() => {
    if (types.isNativeError(thrown)) return `${thrown.name}: ${thrown.message}`
    return inspect(thrown, { depth: 1, breakLength: Infinity })
  })
}

/** With its stack, and all else that is known of it. */
function full(thrown: unknown): string {
  return attempt(() => inspect(thrown))
}

/** What is to be printed can be anything, and may not want to be. */
function attempt(print: () => string): string {
  try {
    return print()
  } catch {
    return 'something that cannot be printed'
  }
}
