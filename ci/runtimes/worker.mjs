// A worker thread: a client of another process, and a server of its own, until it is terminated.

import { parentPort, workerData } from 'node:worker_threads'
import { connect, createServer } from 'ringpost'

async function start({ name, own }) {
  const server = await createServer(own)
  server.handle('echo', (value) => value)
  const client = await connect(name)
  parentPort.postMessage(await client.request('echo', 'answer'))
}

start(workerData)
