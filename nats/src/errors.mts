// Errors of handlers on their way between two bridges: name, message, code, stack, cause, `errors`
// and properties, as they have arrived here. How much of that a caller gets is limited by Ringpost
// on both machines, so that only depth and length are limited here.

import { IpcError, messagePack } from 'ringpost'

const DEPTH_MAX = 8
const ERRORS_MAX = 16
const TEXT_MAX = 16_384
/** What an error has that is not one of its properties. */
const PARTS = new Set([
  ...['name', 'message', 'code', 'stack', 'cause', 'errors', 'isRemote', '__proto__'],
])

interface ErrorRecord {
  name?: unknown
  message?: unknown
  code?: unknown
  stack?: unknown
  cause?: unknown
  errors?: unknown
  properties?: unknown
}

/** The bytes of an error, at most so many; where that is too few, without all but code and
 * message. */
export function encodeError(error: unknown, lengthMax: number): Uint8Array {
  try {
    const whole = messagePack.encode(recordOf(error, 0))
    if (whole.length <= lengthMax) return whole
  } catch {
    // It has properties that cannot be sent.
  }
  const { name, message, code } = recordOf(error, DEPTH_MAX)
  return messagePack.encode({ name, code, message: String(message).slice(0, 200).toWellFormed() })
}

function recordOf(error: unknown, depth: number): ErrorRecord {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error) }
  const { name, message, stack, cause } = error
  const { code, errors } = error as { code?: unknown; errors?: unknown }
  const record: ErrorRecord = { name, message, code }
  if (depth === DEPTH_MAX) return record
  const inner = (value: unknown) =>
    value instanceof Error ? { error: recordOf(value, depth + 1) } : { value }
  record.stack = stack
  if (cause !== undefined) record.cause = inner(cause)
  if (Array.isArray(errors)) record.errors = errors.slice(0, ERRORS_MAX).map(inner)
  const own = Object.entries(error).filter(([key]) => !PARTS.has(key))
  if (own.length > 0) record.properties = Object.fromEntries(own)
  return record
}

/** The error that bytes stand for. Bytes that stand for none are an error, too. */
export function decodeError(payload: Uint8Array): Error {
  try {
    const record: unknown = messagePack.decode(payload)
    if (isRecord(record)) return errorOf(record, 0)
  } catch {
    // As below.
  }
  return new IpcError('ERR_INVALID_PAYLOAD', 'the other bridge has sent an error without a form')
}

function errorOf(record: ErrorRecord, depth: number): Error {
  const error = new Error(textOf(record.message) ?? '')
  const define = (key: string, value: unknown, enumerable = false) =>
    Object.defineProperty(error, key, { value, enumerable, configurable: true, writable: true })
  define('name', textOf(record.name) ?? 'Error')
  const stack = textOf(record.stack)
  if (stack !== undefined) define('stack', stack)
  const { code, properties, errors } = record
  if (typeof code === 'number' || typeof code === 'string') define('code', code, true)
  if (depth === DEPTH_MAX) return error
  const inner = (value: unknown): unknown => {
    if (!isRecord(value)) return undefined
    return isRecord(value.error) ? errorOf(value.error, depth + 1) : value.value
  }
  if (isRecord(record.cause)) define('cause', inner(record.cause))
  if (Array.isArray(errors)) define('errors', errors.slice(0, ERRORS_MAX).map(inner))
  for (const [key, value] of Object.entries(isRecord(properties) ? properties : {})) {
    if (!PARTS.has(key)) define(key, value, true)
  }
  return error
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value.slice(0, TEXT_MAX) : undefined
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
