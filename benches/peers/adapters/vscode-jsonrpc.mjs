// vscode-jsonrpc over a Unix socket, with its own readers and writers of streams. JSON knows no
// bytes, so payloads are base64.

import { once } from 'node:events'
import net from 'node:net'
import { join } from 'node:path'
import { library, versionOf } from '../library.mjs'

const jsonrpc = await library('vscode-jsonrpc/node')
const { NotificationType, RequestType } = jsonrpc

const Echo = new RequestType('echo')
const Drop = new NotificationType('drop')

/** @type {import('../../adapter.mjs').Adapter} */
export default {
  async serve(address, { touch, got }, { directory }) {
    const server = net.createServer((socket) => {
      const connection = connectionOver(socket)
      connection.onRequest(Echo, (text) => {
        const payload = unpack(text)
        touch(payload)
        return pack(payload)
      })
      connection.onNotification(Drop, (text) => got(unpack(text)))
      connection.listen()
    })
    server.listen(path(directory, address))
    await once(server, 'listening')
    return {
      close() {
        server.close()
      },
    }
  },

  async connect(address, { directory }) {
    const socket = net.connect(path(directory, address))
    await once(socket, 'connect')
    const connection = connectionOver(socket)
    connection.listen()
    return {
      request: async (payload) => unpack(await connection.sendRequest(Echo, pack(payload))),
      // Answered when it is written, which is when the next one can be.
      send: (payload) => connection.sendNotification(Drop, pack(payload)),
      describe: () => ({ version: versionOf('vscode-jsonrpc'), payloads: 'base64 in JSON' }),
      close() {
        connection.dispose()
        socket.destroy()
      },
    }
  },
}

const path = (directory, address) => join(directory, `${address}.jsonrpc`)

function connectionOver(socket) {
  const { createMessageConnection, StreamMessageReader, StreamMessageWriter } = jsonrpc
  return createMessageConnection(new StreamMessageReader(socket), new StreamMessageWriter(socket))
}

const pack = (payload) =>
  Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString('base64')

const unpack = (text) => Buffer.from(text, 'base64')
