// What functions of others return.

/** What is to be waited for, if a value is that: a promise of this realm, whatever the value is. May
 * throw what asking a value for its `then` throws. */
export function promised(value: unknown): Promise<unknown> | undefined {
  if (value === null || (typeof value !== 'object' && typeof value !== 'function')) return undefined
  return typeof (value as PromiseLike<unknown>).then === 'function' ? Promise.resolve(value) : undefined
}
