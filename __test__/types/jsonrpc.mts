// Transports fit every version of `vscode-jsonrpc` there may be, and what is built on it.

import {
  createClientTransport,
  createServerTransport,
  serveClients,
  startServer,
} from 'ringpost/jsonrpc'
import * as newest from 'vscode-jsonrpc/node'
import * as previous from 'vscode-jsonrpc-9/node'
import * as oldest from 'vscode-jsonrpc-8/node.js'

const { reader, writer } = createServerTransport({ messageLenMax: 1 << 20 })
newest.createMessageConnection(reader, writer)
previous.createMessageConnection(reader, writer)
oldest.createMessageConnection(reader, writer)

/** What `serverOptions` of a language client may be. */
type Returned<Library extends { reader: unknown; writer: unknown }> = () => Promise<Library>
export const options: Returned<{ reader: newest.MessageReader; writer: newest.MessageWriter }>[] = [
  () => startServer('node', ['server.js'], { cwd: '/', connectTimeoutMs: 1_000 }),
  () => createClientTransport('name', { token: 'secret' }),
]

await serveClients('name', (transport) => {
  newest.createMessageConnection(transport.reader, transport.writer).listen()
})

// @ts-expect-error -- a transport ends with its session
await createClientTransport('name', { reconnect: true })
// @ts-expect-error -- its token is made for it
await startServer('node', [], { token: 'secret' })
