// A server that may take its name over, and ends once another has taken it and no client is left.

import { createServer, type Server, type ServerOptions } from 'ringpost'
import { WhoServes } from '../helpers/contracts.mjs'

const { name, server: options } = JSON.parse(process.argv[2]) as {
  name: string
  server?: ServerOptions
}
let handled = 0
const handlers = (server: Server) => {
  server.handle(WhoServes, () => (handled++, process.pid))
}
const server = await createServer(name, { ...options, handlers })
process.on('message', () => void server.close())
server.on('takenOver', () => {
  process.send!('taken over')
  void ended()
})
process.on('disconnect', () => process.exit())
process.send!('ready')

async function ended(): Promise<void> {
  await Promise.all([...server.connections].map((connection) => connection.closed))
  await server.close()
  process.send!(handled)
}

