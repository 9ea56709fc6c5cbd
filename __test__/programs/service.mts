// A server as a unit starts it, with what it was handed; reports what comes of it.

import { createServer, systemdSocket, type IpcError, type Server } from 'ringpost'
import { Echo, WhoServes } from '../helpers/contracts.mjs'

const { name, directory, socket } = JSON.parse(process.argv[2]) as {
  name: string
  directory?: string
  /** Which one, if there are several. */
  socket?: string
}
const report = (line: object) => console.log(JSON.stringify(line))
const handlers = (server: Server) => {
  server.handle(WhoServes, () => process.pid)
  server.handle(Echo, (value) => value)
}
try {
  const fd = systemdSocket(socket)
  const server = await createServer(name, { directory, fd, handlers })
  const left = Object.keys(process.env).filter((variable) => variable.startsWith('LISTEN_'))
  report({ fd: fd ?? null, pid: process.pid, left })
  server.on('error', ({ code, message }) => report({ code, message }))
  const close = async () => {
    await server.close()
    report({ closed: true })
    process.exit()
  }
  process.once('SIGTERM', close)
  process.stdin.resume().once('end', close)
} catch (error) {
  const { code, message } = error as IpcError
  report({ code, message })
}
