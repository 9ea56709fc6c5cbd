// Socket.IO on the loopback interface, WebSocket from the start: requests by acknowledgement, and
// payloads as binary attachments.

import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import { join } from 'node:path'
import { library, versionOf } from '../library.mjs'
import { kept, Window } from '../sending.mjs'

const { Server } = await library('socket.io')
const { io } = await library('socket.io-client')

const TRANSPORT = { transports: ['websocket'], perMessageDeflate: false }

/** @type {import('../../adapter.mjs').Adapter} */
export default {
  async serve(address, { touch, got }, { directory }) {
    const web = http.createServer()
    const server = new Server(web, {
      ...TRANSPORT,
      serveClient: false,
      maxHttpBufferSize: 64 << 20,
      // A side that does not run for a while is not gone.
      pingTimeout: 600_000,
    })
    server.on('connection', (socket) => {
      socket.on('echo', (payload, answer) => {
        touch(payload)
        answer(payload)
      })
      socket.on('drop', got)
    })
    web.listen(0, '127.0.0.1')
    await once(web, 'listening')
    writeFileSync(note(directory, address), String(web.address().port))
    return { close: () => server.close() }
  },

  async connect(address, { directory }) {
    const port = readFileSync(note(directory, address), 'utf8')
    const socket = io(`ws://127.0.0.1:${port}`, {
      ...TRANSPORT,
      // A connection of its own, also to a server that is connected to already.
      forceNew: true,
      reconnection: false,
    })
    await connected(socket)
    const request = (payload) => new Promise((done) => socket.emit('echo', payload, done))
    const window = new Window(request)
    return {
      request,
      send(payload) {
        socket.emit('drop', kept(payload))
        return window.sent(payload.length)
      },
      describe: () => ({ version: versionOf('socket.io') }),
      close() {
        socket.close()
      },
    }
  },
}

const note = (directory, address) => join(directory, `${address}.port`)

const connected = (socket) =>
  new Promise((done, failed) => {
    socket.once('connect', done)
    socket.once('connect_error', failed)
  })
