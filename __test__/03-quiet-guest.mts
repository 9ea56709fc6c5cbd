// What Ringpost takes from the process that loads it: no thread, and as many descriptors as
// SPECIFICATION.md says.

import { readdirSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { connect, createServer, method } from 'ringpost'
import './helpers/directory.mjs'

const ENGINE = 2
const SERVER = 5
const CONNECTION = 1
/** How long the descriptors of a closed connection may stay, on a busy machine. */
const TIMEOUT_MS = 60_000

const Add = method<[number, number], number>('add')

const threads = () => readdirSync('/proc/self/task').length
const descriptors = () => readdirSync('/proc/self/fd').length

test('a server and a connection take few descriptors, return them, and start no thread', async (t) => {
  await stat('.') // From here on Node's own pool of threads is complete.
  const before = { threads: threads(), descriptors: descriptors() }
  const server = await createServer('quiet')
  t.is(descriptors(), before.descriptors + ENGINE + SERVER)
  server.handle(Add, ([a, b]) => a + b)
  const client = await connect('quiet')
  t.is(await client.request(Add, [1, 2]), 3)
  t.is(descriptors(), before.descriptors + ENGINE + SERVER + 2 * CONNECTION)
  t.is(threads(), before.threads)
  await client.close()
  await server.close()
  const end = Date.now() + TIMEOUT_MS
  while (descriptors() > before.descriptors + ENGINE && Date.now() < end) await sleep(5)
  t.is(descriptors(), before.descriptors + ENGINE)
})
