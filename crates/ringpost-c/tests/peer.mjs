// A server that the C program connects to, and that dies when it is told to: peer.mjs <directory>

import { bytes, createServer, event, method } from 'ringpost'

const server = await createServer('demo', { directory: process.argv[2] })
server.handle(method('hang', { codec: bytes }), () => new Promise(() => {}))
server.handle(method('die', { codec: bytes }), () => process.kill(process.pid, 'SIGKILL'))
server.handle(method('flood', { codec: bytes }), async (_, { connection }) => {
  const tick = event('tick', { codec: bytes })
  for (let count = 0; count < 1500; count++) await connection.send(tick, Buffer.alloc(0))
  process.kill(process.pid, 'SIGKILL')
})
