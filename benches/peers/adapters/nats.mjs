// NATS on the loopback interface: the side that serves starts a server of its own between the two.

import { spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { library, notInstalled, program, versionOf } from '../library.mjs'
import { kept, Window } from '../sending.mjs'

const PACKAGE = '@nats-io/transport-node'
const nats = await library(PACKAGE)

/** Long enough for a side that does not run for a while. */
const TIMEOUT_MS = 600_000

/** Its limits are for services on a network; here nothing may be refused or dropped. */
const CONFIGURATION = `
  host: 127.0.0.1
  port: -1
  max_payload: 64MB
  max_pending: 256MB
  write_deadline: "600s"
`

/** @type {import('../../adapter.mjs').Adapter} */
export default {
  async serve(address, { touch, got }, { directory }) {
    const broker = await startBroker(directory, address)
    const connection = await connectTo(broker.port)
    connection.subscribe('drop', { callback: (_, { data }) => got(data) })
    connection.subscribe('echo', {
      callback(_, message) {
        touch(message.data)
        message.respond(message.data)
      },
    })
    await connection.flush()
    return {
      async close() {
        await connection.close()
        await broker.stop()
      },
    }
  },

  async connect(address, { directory }) {
    const { port, pid } = JSON.parse(readFileSync(path(directory, address), 'utf8'))
    const connection = await connectTo(port)
    const options = { timeout: TIMEOUT_MS }
    const request = async (payload) => (await connection.request('echo', payload, options)).data
    const window = new Window(request)
    return {
      request,
      send(payload) {
        connection.publish('drop', kept(payload))
        return window.sent(payload.length)
      },
      describe: () => ({ version: versionOf(PACKAGE), others: [pid] }),
      close: () => connection.close(),
    }
  },
}

const path = (directory, address) => join(directory, `${address}.nats`)

const connectTo = (port) =>
  nats.connect({
    servers: `127.0.0.1:${port}`,
    reconnect: false,
    // Otherwise each request has the stack of who asked written down for it.
    noAsyncTraces: true,
  })

/** On a free port, which it leaves with its id for those who connect. */
async function startBroker(directory, address) {
  const server = program('nats-server')
  if (server === undefined) throw notInstalled('nats-server')
  const file = `${path(directory, address)}.conf`
  writeFileSync(file, CONFIGURATION)
  // It goes with this process, whatever that dies of.
  const guard = ['--pdeathsig', 'KILL', server, '--config', file]
  const child = spawn('setpriv', guard, { stdio: ['ignore', 'ignore', 'pipe'] })
  const ended = new Promise((done) => child.once('close', done))
  const port = await portOf(child)
  writeFileSync(path(directory, address), JSON.stringify({ port, pid: child.pid }))
  return {
    port,
    async stop() {
      child.kill()
      await ended
    },
  }
}

/** As its log has it. */
async function portOf(child) {
  let last = ''
  child.once('error', ({ message }) => (last = message))
  try {
    for await (const line of createInterface({ input: child.stderr })) {
      const [, port] = /Listening for client connections on .*:(\d+)$/.exec(line) ?? []
      if (port !== undefined) return port
      last = line
    }
  } finally {
    child.stderr.resume()
  }
  throw new Error(`nats-server does not start: ${last}`)
}
