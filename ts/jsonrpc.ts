// Transports for editors and language servers; jsonrpc.d.ts is the contract. No other file of the
// package imports this one, and none of those it imports loads `vscode-jsonrpc`.

import type * as api from '../index.js'
import type * as jsonrpc from '../jsonrpc.js'
import {
  connectOptions,
  serveOptions,
  startOptions,
  transportOptions,
} from './jsonrpc/options.js'
import { startServer as start, takeArguments } from './jsonrpc/start.js'
import { connectChannel, serveTransports, transportOver } from './jsonrpc/transport.js'
import { checkFunction } from './values/checks.js'
import { warn } from './values/report.js'

export async function startServer(
  command: string,
  args: readonly string[] = [],
  options?: jsonrpc.StartOptions,
): Promise<jsonrpc.StartedServer> {
  return start(command, args, startOptions(options))
}

export function createServerTransport(options?: jsonrpc.TransportOptions): jsonrpc.Transport {
  const terms = transportOptions(options)
  const given = takeArguments()
  const opening = connectChannel(given.name, { ...terms, ...given.terms })
  // A connection of `vscode-jsonrpc` that nobody asks for its errors has none to show.
  opening.catch((error: unknown) => warn('there is no connection to the editor', { error }))
  return transportOver(opening, terms)
}

export async function createClientTransport(
  name: string,
  options?: jsonrpc.ConnectOptions,
): Promise<jsonrpc.Transport> {
  const terms = connectOptions(options)
  const channel = await connectChannel(name, terms)
  return transportOver(Promise.resolve(channel), terms)
}

export async function serveClients(
  name: string,
  serve: (transport: jsonrpc.Transport) => void | Promise<void>,
  options?: jsonrpc.ServeOptions,
): Promise<api.Server> {
  const terms = serveOptions(options)
  checkFunction('serve', serve)
  return serveTransports(name, (transport) => serve(transport), terms)
}
