// A tour of the API: both ends as processes, and a second server once the first was killed.

import { fork } from 'node:child_process'
import { once } from 'node:events'

const name = `tour-${process.pid}`
const file = (side) => new URL(`./${side}.mjs`, import.meta.url)

const serve = async () => {
  const server = fork(file('server'), [name])
  await once(server, 'message')
  return server
}

const first = await serve()
const client = fork(file('client'), [name])
const ended = once(client, 'exit')
// The client kills it, to show that it goes on with the next.
await Promise.race([once(first, 'exit'), ended])
const second = await serve()
const [code] = await ended
second.disconnect()
await once(second, 'exit')
process.exitCode = code ?? 1
