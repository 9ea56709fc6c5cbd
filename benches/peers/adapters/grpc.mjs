// gRPC over a Unix socket, with bytes in place of protocol buffers: a unary call for a request, and
// a stream of the client's for messages without answers.

import { once } from 'node:events'
import { join } from 'node:path'
import { library, versionOf } from '../library.mjs'
import { kept } from '../sending.mjs'

const grpc = await library('@grpc/grpc-js')

const OPTIONS = {
  'grpc.max_receive_message_length': -1,
  'grpc.max_send_message_length': -1,
  // 64 KiB unless set, so that a long payload would wait for leave in the middle.
  'grpc-node.flow_control_window': 8 << 20,
  // A call that may be repeated is kept until it is answered, and takes more than it can send.
  'grpc.enable_retries': 0,
  'grpc.per_rpc_retry_buffer_size': 0,
  // Statistics for a service that is not used here.
  'grpc.enable_channelz': 0,
  // Otherwise a second client of a process would find the connection of the first.
  'grpc.use_local_subchannel_pool': 1,
}

const asBuffer = ({ buffer, byteOffset, byteLength }) => Buffer.from(buffer, byteOffset, byteLength)
const asIs = (bytes) => bytes

const method = (name, requestStream) => ({
  path: `/Bench/${name}`,
  requestStream,
  responseStream: false,
  requestSerialize: asBuffer,
  requestDeserialize: asIs,
  responseSerialize: asBuffer,
  responseDeserialize: asIs,
})
const METHODS = { echo: method('Echo', false), drop: method('Drop', true) }

/** @type {import('../../adapter.mjs').Adapter} */
export default {
  async serve(address, { touch, got }, { directory }) {
    const server = new grpc.Server(OPTIONS)
    server.addService(METHODS, {
      echo({ request }, answer) {
        touch(request)
        answer(null, request)
      },
      drop(call, answer) {
        call.on('data', got)
        call.on('end', () => answer(null, Buffer.alloc(0)))
      },
    })
    await new Promise((done, failed) => {
      const bound = (error) => (error ? failed(error) : done())
      server.bindAsync(target(directory, address), grpc.ServerCredentials.createInsecure(), bound)
    })
    return {
      close() {
        server.forceShutdown()
      },
    }
  },

  async connect(address, { directory }) {
    const Client = grpc.makeGenericClientConstructor(METHODS, 'Bench')
    const credentials = grpc.credentials.createInsecure()
    const client = new Client(target(directory, address), credentials, OPTIONS)
    let stream
    let ended = Promise.resolve()
    const ask = (payload) =>
      new Promise((done, failed) => {
        client.echo(payload, (error, answer) => (error ? failed(error) : done(answer)))
      })
    const open = () => {
      const read = new Promise((done, failed) => {
        stream = client.drop((error) => (error ? failed(error) : done()))
      })
      ended = ended.then(() => read)
    }
    return {
      // Streams of a connection overtake each other, so the one for messages is seen to its end.
      request(payload) {
        stream?.end()
        stream = undefined
        return ended.then(() => ask(payload))
      },
      send(payload) {
        if (stream === undefined) open()
        return stream.write(kept(payload)) ? undefined : once(stream, 'drain')
      },
      describe: () => ({ version: versionOf('@grpc/grpc-js') }),
      close() {
        client.close()
      },
    }
  },
}

const target = (directory, address) => `unix:${join(directory, `${address}.grpc`)}`
