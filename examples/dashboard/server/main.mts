// The program: node main.mjs [--name <name>] [--port <port>]
//
// DASHBOARD_TOKEN is the token of the link, unless there is to be a new one: other users can read the
// arguments of a process, but not its environment.

import { parseArgs } from 'node:util'
import { Dashboard } from './dashboard.mjs'

const { values } = parseArgs({
  options: {
    name: { type: 'string', default: 'dashboard' },
    port: { type: 'string', default: '0' },
  },
})

const { name, port } = values
const token = process.env.DASHBOARD_TOKEN
const dashboard = await Dashboard.start({ name, port: Number(port), token }).catch(explain)
dashboard.onBrowsers((count) => console.log(`server: ${count} ${count === 1 ? 'page' : 'pages'}`))

let isEnding = false
// The program that has started it hears where it listens, and has ended when its channel closes,
// which may have been before this line.
for (const reason of ['SIGINT', 'SIGTERM', 'disconnect']) process.on(reason, () => void end())
if (process.connected === false) void end()
else process.send?.({ link: dashboard.link, port: dashboard.port })
if (process.send === undefined) console.log(`server: ${dashboard.link}`)

async function end(): Promise<void> {
  if (isEnding) return
  isEnding = true
  await dashboard.close()
  if (process.connected) process.disconnect()
  console.log('server: has ended')
}

function explain(error: NodeJS.ErrnoException): never {
  const isTaken = error.code === 'EADDRINUSE'
  console.error(
    `server: ${isTaken ? `port ${port} is in use: choose another by --port` : error.message}`,
  )
  process.exit(1)
}
