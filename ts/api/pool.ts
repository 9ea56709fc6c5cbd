// Pools.

import type * as api from '../../index.js'
import { Pool } from '../client/pool.js'
import { checkServerName } from '../values/checks.js'
import { poolOptions } from '../values/options.js'
import { theRuntime } from '../runtime/runtime.js'

export function createPool(
  names: string | readonly string[],
  options?: api.PoolOptions,
): api.Pool {
  const all = typeof names === 'string' ? [names] : [...names]
  for (const name of all) checkServerName(name)
  const settings = poolOptions(options)
  if (all.length === 0) {
    const error = new RangeError('names must have at least one name, got none')
    throw Object.assign(error, { code: 'ERR_INVALID_ARGUMENT' })
  }
  return new Pool(theRuntime(), all, settings)
}
