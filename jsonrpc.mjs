// One module, whichever way it is imported.
import jsonrpc from './dist/ts/jsonrpc.js'

export const { createClientTransport, createServerTransport, serveClients, startServer } = jsonrpc
