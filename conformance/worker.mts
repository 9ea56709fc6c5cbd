// A thread that sends requests without pause until it is terminated.

import { parentPort, workerData } from 'node:worker_threads'
import { connect } from 'ringpost'
import { contract, toOptions } from './methods.mjs'
import type { Order } from './wire.mjs'

const { server, options } = workerData as Order<'worker'>
const client = await connect(server, toOptions(options))
const echo = contract('echo bytes', 'bytes')
await client.request(echo, new Uint8Array(10))
parentPort!.postMessage('started')
for (let size = 0; ; size = (size + 997) % 300_000) {
  const payload = new Uint8Array(size)
  await Promise.all(Array.from({ length: 8 }, () => client.request(echo, payload)))
}
