// A server whose process answers probes: it ends by itself once the server is closed.

import { Registry } from 'prom-client'
import { createServer } from 'ringpost'
import { serveHealth } from 'ringpost/health'
import { instrument } from 'ringpost/prometheus'

const { name } = JSON.parse(process.argv[2]) as { name: string }

const server = await createServer(name)
server.handle('echo', (value) => value)
server.handle('fail', () => {
  throw Object.assign(new Error('no way'), { code: 'E_MINE' })
})
let isFine = true
server.handle('break', () => void (isFine = false))
server.handle('close', () => {
  setImmediate(() => {
    void server.close()
    process.disconnect()
  })
})

const registry = new Registry()
instrument(registry, { [name]: server })
const ready = { server, fine: () => isFine, slow: async () => true }
const { port } = await serveHealth({ port: 0, ready, registry })
process.send!(port)
