// A server that systemd starts, or anybody: node examples/service/server.mjs

import { createServer, systemdSocket } from 'ringpost'
import { NAME, Who } from './contract.mjs'

const server = await createServer(NAME, {
  fd: systemdSocket(),
  handlers: (it) => it.handle(Who, () => process.pid),
})
// What is in flight is answered; clients that come meanwhile wait for the next server.
process.once('SIGTERM', () => server.close({ drainMs: 5_000 }))
