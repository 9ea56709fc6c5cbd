// Waiting with an end: by a signal, or by the clock.

import type * as api from '../index.js'
import { IpcError } from './errors.js'

/** `promise`, unless the signal or the time comes first. */
export function wait<T>(
  promise: Promise<T>,
  what: string,
  { signal, timeoutMs }: api.WaitOptions,
): Promise<T> {
  const timed = timeoutMs !== undefined && Number.isFinite(timeoutMs)
  if (signal === undefined && !timed) return promise
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted()
    const abort = () => finish(() => reject(signal!.reason))
    const expire = () =>
      finish(() => reject(new IpcError('ERR_TIMEOUT', `no ${what} within ${timeoutMs} ms`)))
    const timer = timed ? setTimeout(expire, timeoutMs) : undefined
    const finish = (then: () => void) => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', abort)
      then()
    }
    signal?.addEventListener('abort', abort, { once: true })
    promise.then(
      (value) => finish(() => resolve(value)),
      (error) => finish(() => reject(error)),
    )
  })
}
