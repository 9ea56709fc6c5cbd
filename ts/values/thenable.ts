// What functions of others return.

/** What can be awaited. May throw what asking a value for its `then` throws. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  if (value === null || (typeof value !== 'object' && typeof value !== 'function')) return false
  return typeof (value as PromiseLike<unknown>).then === 'function'
}

/** What is to be waited for, if a value is that: a promise of this realm, whatever the value is. */
export function promised(value: unknown): Promise<unknown> | undefined {
  return isThenable(value) ? Promise.resolve(value) : undefined
}
