// Buffers of the caller's, into which values are copied.

import { IpcError } from '../values/errors.js'
import { isUint8Array, kindOf } from '../values/kinds.js'

export function checkBuffer(buffer: unknown): asserts buffer is Uint8Array {
  if (isUint8Array(buffer)) return
  const error = new TypeError(`a buffer must be a Uint8Array, got ${kindOf(buffer)}`)
  throw Object.assign(error, { code: 'ERR_INVALID_ARGUMENT' })
}

/** Where a value is too long for a buffer, nothing was copied. */
export function checkRoom(buffer: Uint8Array, length: number): void {
  if (length <= buffer.length) return
  const value = `a value of ${length} bytes`
  throw new IpcError('ERR_TOO_LARGE', `${value} does not fit into ${buffer.length}`)
}
