// Pools of the TypeScript test peer.

import { createPool, type IpcError, type Pool } from 'ringpost'
import { contract, toOptions } from './methods.mjs'
import { pattern, type Answer, type Order } from './wire.mjs'

const pools = new Map<number, Pool>()

export function openPool({ server, max, options }: Order<'pool'>): Answer<'pool'> {
  const pool = pools.size + 1
  pools.set(pool, createPool(server, { ...toOptions(options), max }))
  return { pool }
}

/** Many requests at once, each over a lease of its own or all shared. */
export async function askPool({ count, isLeased, request }: Order<'pooled'>) {
  const { codec = 'messagePack', length = 0, value, lane, timeoutMs } = request
  const pool = pools.get(request.connection)!
  const method = contract(request.method, codec)
  const payload = codec === 'bytes' ? pattern(length) : value
  const ask = async () => {
    if (!isLeased) return pool.request(method, payload, { lane, timeoutMs })
    await using lease = await pool.acquire()
    return await lease.connection.request(method, payload, { lane, timeoutMs })
  }
  const outcomes = await Promise.allSettled(Array.from({ length: count }, ask))
  const failed: Record<string, number> = {}
  for (const outcome of outcomes) {
    if (outcome.status === 'fulfilled') continue
    const { code } = outcome.reason as IpcError
    failed[code] = (failed[code] ?? 0) + 1
  }
  const failures = Object.values(failed).reduce((sum, one) => sum + one, 0)
  return { answered: count - failures, failed }
}

export function poolStats({ pool }: Order<'poolStats'>): Answer<'poolStats'> {
  const { made, leased, waiting } = pools.get(pool)!.stats()
  return { made, leased, waiting }
}

export const closePool = ({ pool }: Order<'closePool'>): Promise<void> => pools.get(pool)!.close()
