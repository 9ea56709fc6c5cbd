// A server that the C program connects to, and that dies when it is told to: peer.mjs <directory>

import { bytes, createServer, method } from 'ringpost'

const server = await createServer('demo', { directory: process.argv[2] })
server.handle(method('hang', { codec: bytes }), () => new Promise(() => {}))
server.handle(method('die', { codec: bytes }), () => process.kill(process.pid, 'SIGKILL'))
