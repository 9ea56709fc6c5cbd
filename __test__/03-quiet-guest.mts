// What the README promises to the process that loads the package: no thread of its own.

import { readdirSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import test from 'ava'
import { connect, createServer, method } from 'ringpost'
import './helpers/directory.mjs'

const Add = method<[number, number], number>('add')

const threads = () => readdirSync('/proc/self/task').length

test('neither a server nor a connection starts a thread', async (t) => {
  await stat('.') // From here on Node's own pool of threads is complete.
  const before = threads()
  await using server = await createServer('quiet')
  server.handle(Add, ([a, b]) => a + b)
  await using client = await connect('quiet')
  t.is(await client.request(Add, [1, 2]), 3)
  t.is(threads(), before)
})
