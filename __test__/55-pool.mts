// Pools: connections made on demand, shared or leased, to one server or many, some of which die.

import { on } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import test, { type ExecutionContext } from 'ava'
import {
  createPool,
  event,
  method,
  stream,
  type Lease,
  type Pool,
  type PoolOptions,
} from 'ringpost'
import './helpers/directory.mjs'
import { Program, until } from './helpers/program.mjs'

const Pid = method<void, number>('pid')
const Echo = method<unknown, unknown>('echo')
const Never = method<void, void>('never')
const Once = method<string, { replayed: boolean; pid: number }>('once', { idempotent: true })
const Count = stream<number, number>('count')
const Say = event<string>('say')

let servers = 0

/** Starts a server of a name of its own. */
async function serving(name = `pooled-${++servers}`, options = {}) {
  const program = new Program('echo-server', { name, options })
  await program.report()
  return { name, program }
}

function pooled(t: ExecutionContext, names: string | string[], options?: PoolOptions): Pool {
  const pool = createPool(names, options)
  t.teardown(() => pool.close({ drainMs: 0 }))
  return pool
}

/** The next warning of the process that says so. */
async function nextWarning(text: RegExp): Promise<string> {
  for await (const [{ message }] of on(process, 'warning') as AsyncIterable<[Error]>) {
    if (text.test(message)) return message
  }
  throw new Error('there is no end of warnings')
}

test('a connection is made when it is needed, and used again', async (t) => {
  const { name, program } = await serving()
  const pool = pooled(t, name)
  t.is(pool.stats().size, 0)
  t.is(await pool.request(Pid, undefined), program.pid)
  for (let at = 0; at < 9; at++) t.is(await pool.request(Echo, at), at)
  t.like(pool.stats(), { size: 1, idle: 1, leased: 0, waiting: 0, made: 1 })
  t.true(pool.stats().reuseRatio >= 0.9)
  pool.notify(Say, 'one')
  await pool.send(Say, 'two')
  await pool.drained()
  t.deepEqual(await pool.request('heard'), ['one', 'two'])
  const items: number[] = []
  for await (const item of pool.stream(Count, 3)) items.push(item)
  t.deepEqual(items, [0, 1, 2])
})

test('what is in flight is spread over connections and servers, up to the maximum', async (t) => {
  const { name: one } = await serving()
  const { name: other } = await serving()
  const pool = pooled(t, [one, other, one], { max: 4 })
  const asked = Array.from({ length: 40 }, () => pool.request(Never, undefined).catch(() => {}))
  await until('all connections are there', () => pool.stats().size === 4)
  const spread = Array.from({ length: 40 }, () => pool.request(Never, undefined).catch(() => {}))
  const { servers: both } = pool.stats()
  t.deepEqual(both.map(({ name }) => name), [one, other])
  t.deepEqual(both.map(({ size }) => size), [2, 2])
  const [least, most] = both.map(({ pending }) => pending).sort((a, b) => a - b)
  t.is(least + most, 80)
  t.true(most - least <= 1, `${most} and ${least} in flight`)
  await pool.close({ drainMs: 1 })
  await Promise.all([...asked, ...spread])
})

test('a lease is exclusive, and the next is whose turn it is', async (t) => {
  const { name } = await serving()
  const pool = pooled(t, name, { max: 1 })
  const lease = await pool.acquire()
  t.like(pool.stats(), { size: 1, idle: 0, leased: 1 })
  const order: string[] = []
  const second = pool.acquire().then((next) => (order.push('lease'), next))
  const asked = pool.request(Echo, 1).then(() => order.push('request'))
  const third = pool.acquire().then((next) => (order.push('third'), next))
  await lease.connection.request(Echo, 'mine')
  t.deepEqual(order, [])
  lease.release()
  lease.release()
  const next = await second
  t.deepEqual(order, ['lease'])
  next[Symbol.dispose]()
  const last = await third
  await last[Symbol.asyncDispose]()
  await asked
  t.deepEqual(order.slice().sort(), ['lease', 'request', 'third'])
  t.like(pool.stats(), { leased: 0, idle: 1, waiting: 0 })
})

test('waiting for a lease ends with a timeout, a signal, and the pool', async (t) => {
  const { name } = await serving()
  const pool = createPool(name, { max: 1 })
  const lease = await pool.acquire()
  await t.throwsAsync(pool.acquire({ timeoutMs: 20 }), { code: 'ERR_TIMEOUT' })
  const controller = new AbortController()
  const aborted = pool.acquire({ signal: controller.signal })
  controller.abort(new Error('enough'))
  await t.throwsAsync(aborted, { message: 'enough' })
  const closed = pool.acquire()
  const closing = pool.close()
  await t.throwsAsync(closed, { code: 'ERR_CLOSED' })
  await t.throwsAsync(pool.acquire(), { code: 'ERR_CLOSED' })
  await t.throwsAsync(pool.request(Echo, 1), { code: 'ERR_CLOSED' })
  // It waits for the lease, which still works.
  t.is(await lease.connection.request(Echo, 1), 1)
  lease.release()
  await closing
  t.false(lease.connection.isOpen)
})

test('a pool that closes does not wait for ever', async (t) => {
  const { name } = await serving()
  const pool = createPool(name, { max: 2 })
  const lease = await pool.acquire()
  const asked = pool.request(Never, undefined)
  const lost = t.throwsAsync(asked, { code: 'ERR_CLOSED' })
  await until('it is in flight', () => pool.stats().servers[0].pending === 1)
  await pool.close({ drainMs: 20 })
  await lost
  t.false(lease.connection.isOpen)
})

test('a lease that is forgotten is given back, with one warning', async (t) => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const { name } = await serving()
  const pool = pooled(t, name, { max: 1 })
  const warned = nextWarning(/a lease of a pool was not released/)
  await (async () => void (await pool.acquire()))()
  await until('it is given back', async () => {
    collect()
    await setTimeout(5)
    return pool.stats().leased === 0
  })
  t.regex(await warned, /release\(\)/)
  t.is(await pool.request(Echo, 1), 1)
})

test('unused connections are closed, down to the minimum', async (t) => {
  const { name } = await serving()
  const pool = pooled(t, name, { min: 1, max: 3, idleMs: 20 })
  await until('the first is there', () => pool.stats().size === 1)
  const leases = await Promise.all([pool.acquire(), pool.acquire(), pool.acquire()])
  t.is(pool.stats().size, 3)
  for (const lease of leases) lease.release()
  await until('the rest is closed', () => pool.stats().size === 1)
  await setTimeout(60)
  t.is(pool.stats().size, 1)
})

test('a server that dies is replaced by the others, and used again when it is back', async (t) => {
  const one = await serving()
  const other = await serving()
  const pool = pooled(t, [one.name, other.name], { max: 4 })
  const repeated = Array.from({ length: 8 }, () => pool.request(Once, 'x'))
  await until('all connections are there', () => pool.stats().size === 4)
  const lost = t.throwsAsync(pool.request(Never, undefined), { code: 'ERR_PEER_LOST' })
  const kept = pool.request(Never, undefined).catch(() => {})
  await Promise.all([one.program.kill(), other.program.kill()])
  await lost
  const waiting = pool.request(Pid, undefined)
  const again = await serving(other.name)
  t.is(await waiting, again.program.pid)
  for (const answer of await Promise.all(repeated)) {
    t.deepEqual(answer, { replayed: true, pid: again.program.pid })
  }
  await kept
  await serving(one.name)
  await until('both are up', () => pool.stats().servers.every(({ isUp, size }) => isUp && size > 0))
  t.true(pool.stats().size <= 4)
})

test('a pool of servers that are not there waits for them', async (t) => {
  const name = `pooled-late-${process.pid}`
  const pool = pooled(t, [name, `${name}-other`])
  await t.throwsAsync(pool.request(Pid, undefined, { timeoutMs: 30 }), { code: 'ERR_TIMEOUT' })
  const waiting = pool.request(Pid, undefined)
  const { program } = await serving(name)
  t.is(await waiting, program.pid)
})

test('a server that is absent keeps nothing from one that is there', async (t) => {
  const { name, program } = await serving()
  for (const max of [1, 4]) {
    const pool = pooled(t, ['pooled-absent', 'pooled-absent-too', name], { max })
    t.is(await pool.request(Pid, undefined), program.pid)
    t.like(pool.stats(), { size: 1, made: 1 })
    t.deepEqual(pool.stats().servers.map(({ isUp }) => isUp), [false, false, true])
  }
  const least = pooled(t, ['pooled-absent', name], { min: 2 })
  await until('the other has as many as there have to be', () => least.stats().size === 2)
})

test('a server that refuses keeps nothing from one that does not', async (t) => {
  const { name: refusing } = await serving(undefined, { token: 'another' })
  const { name, program } = await serving(undefined, { token: 'right' })
  for (const max of [1, 2]) {
    const pool = pooled(t, [refusing, name], { token: 'right', max })
    t.is(await pool.request(Pid, undefined), program.pid)
    const leases: Lease[] = []
    for (let at = 0; at < max; at++) leases.push(await pool.acquire({ timeoutMs: 60_000 }))
    for (const lease of leases) lease.release()
  }
  const nowhere = pooled(t, [refusing, name], { token: 'wrong' })
  for (let at = 0; at < 2; at++) {
    await t.throwsAsync(nowhere.request(Pid, undefined), { code: 'ERR_TOKEN' })
  }
})

test('who waits for a lease gets one of another server when the first is lost', async (t) => {
  const one = await serving()
  const other = await serving()
  const pool = pooled(t, [one.name, other.name], { max: 1 })
  const lease = await pool.acquire()
  t.is(await lease.connection.request(Pid, undefined), one.program.pid)
  const next = pool.acquire({ timeoutMs: 60_000 })
  await one.program.kill()
  t.is(await (await next).connection.request(Pid, undefined), other.program.pid)
})

test('an event that no connection takes is reported, and the next is sent', async (t) => {
  const { name } = await serving()
  const pool = pooled(t, name, { messageLenMax: 65_536 })
  const warned = nextWarning(/was to be sent/)
  t.false(pool.notify(Say, 'x'.repeat(100_000)))
  t.false(pool.notify(Say, 'small'))
  t.deepEqual(await pool.request('heard', undefined, { timeoutMs: 30_000 }), ['small'])
  t.regex(await warned, /at most 65536 were agreed/)
})

test('`drained` waits for events that wait for a connection', async (t) => {
  const name = `pooled-drained-${process.pid}`
  const pool = createPool(name)
  await pool.drained()
  t.false(pool.notify(Say, 'early'))
  const controller = new AbortController()
  const aborted = pool.drained({ signal: controller.signal })
  controller.abort(new Error('enough'))
  await t.throwsAsync(aborted, { message: 'enough' })
  await t.throwsAsync(pool.drained({ timeoutMs: 20 }), { code: 'ERR_TIMEOUT' })
  const drained = pool.drained({ timeoutMs: 60_000 })
  await serving(name)
  await drained
  t.is(pool.stats().waiting, 0)
  await pool.close()
  t.deepEqual(await pooled(t, name).request('heard'), ['early'])
})

test('`drained` waits for nothing that nobody waits for, and says what was dropped', async (t) => {
  const waitMs = 30
  const pool = createPool('pooled-nowhere', { overflow: { high: { waitMs } } })
  const asked = t.throwsAsync(pool.request(Pid, undefined, { timeoutMs: 30 }))
  await Promise.all([asked, pool.drained({ timeoutMs: 60_000 })])
  pool.notify(Say, 'late', { lane: 'high' })
  await t.throwsAsync(pool.drained({ timeoutMs: 60_000 }), { code: 'ERR_FULL' })
  pool.notify(Say, 'closed')
  const closed = t.throwsAsync(pool.drained(), { code: 'ERR_CLOSED' })
  await pool.close()
  await closed
})

test('events that wait for what will not come are reported', async (t) => {
  const pool = createPool('pooled-nobody')
  const warned = nextWarning(/were dropped, 2 in all/)
  for (const word of ['one', 'two']) pool.notify(Say, word)
  const told = t.throwsAsync(pool.send(Say, 'three'), { code: 'ERR_CLOSED' })
  await pool.close()
  await told
  t.regex(await warned, /the pool is closed/)
  t.is(pool.totals().dropped.normal, 3)
  const { name } = await serving(undefined, { token: 'right' })
  const refused = nextWarning(/were dropped, 1 in all.*token/)
  pooled(t, name, { token: 'wrong' }).notify(Say, 'four')
  t.regex(await refused, /^events that waited for a connection/)
})

test('a refusal that will not change ends what waits for it', async (t) => {
  const { name } = await serving(undefined, { token: 'right' })
  const pool = pooled(t, name, { token: 'wrong' })
  await t.throwsAsync(pool.request(Pid, undefined), { code: 'ERR_TOKEN' })
  await t.throwsAsync(pool.acquire(), { code: 'ERR_TOKEN' })
})

test('a pool that is closed while its servers are away keeps no process alive', async (t) => {
  const program = new Program('pooled', { name: `pooled-never-${process.pid}` })
  t.is(await program.report(), 'ERR_CLOSED')
  t.is(await program.end(), 0)
})

test('a pool whose servers are away keeps no process alive that wants nothing of it', async (t) => {
  const { name, program } = await serving()
  const idle = new Program('pool-away', { name })
  await idle.report()
  await program.kill()
  t.is(await idle.report(), 'ERR_TIMEOUT')
  t.is(await Promise.race([idle.end(), setTimeout(8000, 'it stays')]), 0)
})

test('names and options are checked', (t) => {
  t.throws(() => createPool([]), { instanceOf: RangeError, code: 'ERR_INVALID_ARGUMENT' })
  t.throws(() => createPool('any', { min: 3, max: 2 }), { instanceOf: RangeError })
  for (const ignored of [{ handlers: () => {} }, { connectTimeoutMs: 1 }]) {
    t.throws(() => createPool('any', ignored as PoolOptions), { instanceOf: TypeError })
  }
  t.throws(() => createPool('any', { maxx: 2 } as PoolOptions), {
    instanceOf: TypeError,
    message: /did you mean 'max'/,
  })
})

test('64 tasks share 8 connections while one of two servers is killed again and again', async (t) => {
  const both = [await serving(), await serving()]
  const names = both.map(({ name }) => name)
  const pool = pooled(t, names, { max: 8 })
  let isOver = false
  const outcomes = { answered: 0, lost: 0 }
  const tasks = Array.from({ length: 64 }, async (_, task) => {
    while (!isOver) {
      try {
        t.is(await pool.request(Echo, task), task)
        outcomes.answered++
      } catch (error) {
        t.is((error as { code: string }).code, 'ERR_PEER_LOST')
        outcomes.lost++
      }
    }
  })
  for (let round = 0; round < 6; round++) {
    await both[round % 2].program.kill()
    both[round % 2] = await serving(names[round % 2])
  }
  isOver = true
  await Promise.all(tasks)
  t.true(outcomes.answered > 1000)
  t.true(pool.stats().reuseRatio > 0.95, `${pool.stats().reuseRatio}`)
})
