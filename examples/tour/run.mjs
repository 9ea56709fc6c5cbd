// Starts both ends of the tour as processes and exits with the exit code of the client.

import { fork } from 'node:child_process'
import { once } from 'node:events'

const name = `tour-${process.pid}`
const file = (side) => new URL(`./${side}.mjs`, import.meta.url)

const server = fork(file('server'), [name])
await once(server, 'message')
const client = fork(file('client'), [name])
const [code] = await once(client, 'exit')
server.disconnect()
await once(server, 'exit')
process.exitCode = code ?? 1
