// What must hold when everything goes wrong for long. `RINGPOST_LONG` makes it as long as the
// promise says; without, it is a first look.

import { setTimeout } from 'node:timers/promises'
import test from 'ava'
import { Program } from './helpers/program.mjs'
import type { Rest } from './programs/many-clients.mjs'

const IS_LONG = process.env.RINGPOST_LONG !== undefined
const MIB = 1 << 20
/** What a process may have more at the end: pages of the heap, which the collector keeps. After a
 * first look there are more of them; each of 2,500 lost sessions may still keep no more than 20 KiB. */
const GROWTH_MAX = (IS_LONG ? 16 : 48) * MIB

const start = async (name: string) => {
  const server = new Program('echo-server', { name })
  await server.report()
  return server
}

async function crowd(name: string, count: number) {
  const clients = new Program('many-clients', { name, count }, ['--expose-gc'])
  await clients.report()
  return {
    clients,
    rest: () => {
      clients.send('rest')
      return clients.report<Rest>()
    },
  }
}

const sum = (counts: Record<string, number>) =>
  Object.values(counts).reduce((some, count) => some + count, 0)

test.serial('a server that is killed every 200 ms, and 100 clients in one process', async (t) => {
  const name = `killed-${process.pid}`
  let server = await start(name)
  const { clients, rest } = await crowd(name, 100)
  const kill = async (ms: number) => {
    clients.send('go on')
    for (const endsAt = Date.now() + ms; Date.now() < endsAt; ) {
      await setTimeout(200)
      await server.kill()
      server = await start(name)
    }
    return rest()
  }
  // What is made once is made by then.
  const before = await kill(IS_LONG ? 15_000 : 2_500)
  const after = await kill(IS_LONG ? 60_000 : 5_000)
  t.true(after.reconnects >= before.reconnects + 100, `${after.reconnects} reconnects`)
  t.true(after.answered > before.answered)
  t.is(after.wrong, 0)
  t.is(after.asked, after.answered + sum(after.failed), 'one outcome each')
  const expected = /^((echo|never) ERR_(PEER_LOST|CLOSED)|(never|once) ERR_TIMEOUT)$/
  for (const how of Object.keys(after.failed)) t.regex(how, expected)
  t.is(after.descriptors, before.descriptors)
  const grown = after.rssBytes - before.rssBytes
  t.true(grown < GROWTH_MAX, `${(grown / MIB).toFixed(1)} MiB more`)
  t.log(after, `${(grown / MIB).toFixed(1)} MiB more`)
  await Promise.all([clients.kill(), server.kill()])
})

test.serial('both sides are stopped with requests in flight', async (t) => {
  const name = `stopped-${process.pid}`
  const server = await start(name)
  const { clients, rest } = await crowd(name, 20)
  clients.send('go on')
  await setTimeout(200)
  clients.stop()
  server.stop()
  await setTimeout(IS_LONG ? 10_000 : 2_000)
  // In either order there is a while in which the other is not there.
  server.resume()
  await setTimeout(100)
  clients.resume()
  await setTimeout(500)
  const after = await rest()
  t.is(after.wrong + after.reconnects, 0)
  t.deepEqual(Object.keys(after.failed).sort(), ['never ERR_TIMEOUT', 'once ERR_TIMEOUT'])
  t.is(after.asked, after.answered + sum(after.failed), 'one outcome each')
  t.log(after)
  await Promise.all([clients.kill(), server.kill()])
})
