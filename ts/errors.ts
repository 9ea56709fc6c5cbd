// The one error class, and how an error crosses to the other side and back.

import type * as api from '../index.js'
import { decode, encode } from './msgpack.js'

/** Causes deeper than this are cut off. */
const CAUSES_MAX = 8
/** Texts longer than this are cut off: an error is no place for data. */
const TEXT_MAX = 16_384

export class IpcError extends Error implements api.IpcError {
  readonly code: string
  readonly isRemote: boolean = false

  constructor(code: string, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.code = code
  }
}
// On the prototype, as the names of built-in errors are, so that printing one does not show it.
Object.defineProperty(IpcError.prototype, 'name', {
  value: 'IpcError',
  configurable: true,
  writable: true,
})

/** An error as it travels; what is not there is `null` or left out. */
interface Wire {
  name?: string | null
  message?: string | null
  code?: string | null
  stack?: string | null
  cause?: Wire | null
}

/** The payload of an error frame. */
export function encodeError(error: unknown): Uint8Array {
  return encode(toWire(error, 0))
}

/** The error of an error frame, raised where the caller waits. What cannot be read is an error too. */
export function decodeError(payload: Uint8Array): IpcError {
  try {
    return fromWire(decode(payload) as Wire)
  } catch (cause) {
    return new IpcError('ERR_INVALID_PAYLOAD', 'the other side sent an unreadable error', { cause })
  }
}

function toWire(error: unknown, depth: number): Wire {
  if (!(error instanceof Error)) {
    // Anything can be thrown; only its text can be sent without knowing what it is.
    return { name: 'Error', message: text(error) }
  }
  const { code, cause } = error as Error & { code?: unknown }
  const deeper = cause !== undefined && cause !== null && depth < CAUSES_MAX
  return {
    name: text(error.name),
    message: text(error.message),
    code: code === undefined || code === null ? null : text(code),
    stack: error.stack === undefined ? null : text(error.stack),
    cause: deeper ? toWire(cause, depth + 1) : null,
  }
}

function fromWire(wire: Wire): IpcError {
  const options = wire.cause ? { cause: fromWire(wire.cause) } : undefined
  const error = new IpcError(wire.code ?? 'ERR_HANDLER', wire.message ?? '', options)
  const define = (key: string, value: unknown) =>
    Object.defineProperty(error, key, { value, configurable: true, writable: true })
  define('name', wire.name || 'Error')
  define('isRemote', true)
  if (wire.stack) define('stack', wire.stack)
  return error
}

function text(value: unknown): string {
  try {
    return String(value).slice(0, TEXT_MAX)
  } catch {
    return 'an error without a text'
  }
}

/** What the binding says of an error: its code, a line feed, its message. */
export function parseError(description: string): IpcError {
  const end = description.indexOf('\n')
  return new IpcError(description.slice(0, end), description.slice(end + 1))
}

/** Runs a call into the binding; what it throws becomes an error of ours. */
export function raised<T>(call: () => T): T {
  try {
    return call()
  } catch (error) {
    const { code, message } = error as Error & { code?: unknown }
    if (typeof code !== 'string') throw error
    throw new IpcError(code, message)
  }
}
