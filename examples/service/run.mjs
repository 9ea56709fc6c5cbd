// A server as systemd runs it: killed and started anew while 20 clients go on calling.

import { fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from 'ringpost'
import { NAME, Who } from './contract.mjs'

const CLIENTS = 20
const KILLED = 3

const file = (name) => new URL(`./${name}.mjs`, import.meta.url).pathname
// What a unit says with RuntimeDirectory=. It is private from the start, as mkdtemp makes it.
const directory = mkdtempSync(join(tmpdir(), 'ringpost-service-'))
process.env.RINGPOST_DIR = directory
const served = [join(directory, `${NAME}.sock`), process.execPath, file('server')]
const supervisor = spawn(process.execPath, [file('supervisor'), ...served], {
  stdio: ['ignore', 'inherit', 'inherit'],
  // A group of its own, so that it and its server end together.
  detached: true,
})
process.once('exit', () => {
  process.kill(-supervisor.pid, 'SIGKILL')
  rmSync(directory, { recursive: true, force: true })
})

/** How many clients each server has answered. */
const answered = new Map()
/** How often those were answered that have ended. */
const calls = []
const clients = Array.from({ length: CLIENTS }, () => fork(file('client')))
for (const client of clients) {
  client.on('message', (message) => {
    if (message.calls !== undefined) return calls.push(message.calls)
    answered.set(message.answeredBy, (answered.get(message.answeredBy) ?? 0) + 1)
  })
  client.once('exit', (code) => {
    if (code !== 0) throw new Error('a client has failed')
  })
}

const watching = await connect(NAME, { connectTimeoutMs: 60_000 })
/** The server that runs, once it has answered all of the clients. */
async function serving() {
  const pid = await watching.request(Who)
  while (answered.get(pid) !== CLIENTS) await sleep(10)
  return pid
}

for (let count = 1; count <= KILLED; count++) {
  const pid = await serving()
  console.log(`server ${count} has answered all clients, and is killed`)
  const gone = once(watching, 'disconnect')
  process.kill(pid, 'SIGKILL')
  await gone
}
await serving()
await watching.close()
for (const client of clients) client.send('enough')
while (calls.length < CLIENTS) await sleep(10)
const sum = calls.reduce((sum, one) => sum + one, 0)
console.log(`the next one as well: ${sum} calls, and none has failed`)
process.exit()
