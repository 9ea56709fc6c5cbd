// Where the event loop cannot be watched a thread does it: everything holds all the same.

import test from 'ava'
import { configure } from 'ringpost'
import { Echo } from './helpers/contracts.mjs'
import { essential } from './helpers/essential.mjs'
import { pair } from './helpers/program.mjs'

configure({ wake: 'thread' })
const waiting = { wake: 'thread' as const }

test.serial('a thread wakes this side', async (t) => {
  const { client } = await pair(t)
  t.is(client.stats().wakesBy, 'thread')
  t.is(await client.request(Echo, 1), 1)
})

essential('threads on both sides', { waiting })
essential('a thread here and a loop there', {})
essential('threads and the portable transport', { waiting, server: { transport: 'portable' } })
