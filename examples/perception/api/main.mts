// The program: node main.mjs [--name <name>] [--port <port>] [--statistics <file>]

import { parseArgs } from 'node:util'
import { Api } from './api.mjs'

const { values } = parseArgs({
  options: {
    name: { type: 'string', default: 'perception' },
    port: { type: 'string', default: '8710' },
    statistics: { type: 'string' },
    'command-timeout-ms': { type: 'string', default: '1000' },
  },
})

const { name, statistics } = values
const commandTimeoutMs = Number(values['command-timeout-ms'])
const port = Number(values.port)
const api = await Api.start({ name, port, statistics, commandTimeoutMs }).catch(explain)

let goneAt = 0
api.onPresence((isThere) => {
  if (!isThere) {
    goneAt = performance.now()
    console.log('api: the producer is gone, its last frames are served as stale')
  } else if (goneAt > 0) {
    const ms = Math.round(performance.now() - goneAt)
    console.log(`api: the producer is back after ${ms} ms, and so is this API`)
  } else {
    console.log('api: the producer is there')
  }
})

let isEnding = false
// The program that has started it hears where it listens, and has ended when its channel closes,
// which may have been before this line.
for (const reason of ['SIGINT', 'SIGTERM', 'disconnect']) process.on(reason, () => void end())
console.log(`api: listens at http://127.0.0.1:${api.port}`)
if (process.connected === false) void end()
else process.send?.({ port: api.port })

async function end(): Promise<void> {
  if (isEnding) return
  isEnding = true
  await api.close()
  if (process.connected) process.disconnect()
  console.log('api: has ended')
}

function explain(error: NodeJS.ErrnoException): never {
  const isTaken = error.code === 'EADDRINUSE'
  console.error(`api: ${isTaken ? `port ${port} is in use: choose another by --port` : error.message}`)
  process.exit(1)
}
