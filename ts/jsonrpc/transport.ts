// Transports to the other side, from the one that connects and from the one that is connected to.

import type * as api from '../../index.js'
import type * as jsonrpc from '../../jsonrpc.js'
import { connect } from '../api/connect.js'
import { createServer } from '../api/server.js'
import { acceptChannel, JsonRpc, requestChannel, type Channel } from './channel.js'
import { Reader } from './reader.js'
import { Writer } from './writer.js'

/** Takes a transport, and what resolves when that is over. */
export type Serve = (transport: jsonrpc.Transport, over: Promise<unknown>) => void | Promise<void>

/** More than a server that does not wait for its messages has to say at once. */
const BACKLOG_MAX = 256 << 20
/** What waits does so in the writer, and is no concern of the connection. */
const OWN_BACKLOG = { backlogMax: undefined }

export async function connectChannel(
  name: string,
  options: jsonrpc.ConnectOptions,
): Promise<Channel> {
  // Both sides of the protocol keep state, which ends with the session.
  return requestChannel(await connect(name, { ...options, ...OWN_BACKLOG, reconnect: false }))
}

/** A transport over a channel, which may still be on its way. */
export function transportOver(
  opening: Promise<Channel>,
  { backlogMax = BACKLOG_MAX }: jsonrpc.TransportOptions,
): jsonrpc.Transport {
  return { reader: new Reader(opening), writer: new Writer(opening, backlogMax) }
}

export function serveTransports(
  name: string,
  serve: Serve,
  options: jsonrpc.ServeOptions & Pick<api.ServerOptions, 'helloTimeoutMs'>,
): Promise<api.Server> {
  const handlers = (server: api.Server) => {
    server.handle(JsonRpc, async (_params, stream) => {
      const channel = acceptChannel(stream)
      try {
        const { over } = channel
        const served = serve(transportOver(Promise.resolve(channel), options), over)
        // The client does not wait for a server that goes on after the end.
        await Promise.race([served, over])
        const reason = await over
        if (reason !== null) throw reason
      } finally {
        // Whoever has kept the transport of a client that is refused is told as well.
        channel.finish()
      }
    })
  }
  return createServer(name, { ...options, ...OWN_BACKLOG, handlers })
}
