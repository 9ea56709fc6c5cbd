// Options of transports: those of connections that concern them.

import type * as jsonrpc from '../../jsonrpc.js'
import { check } from '../values/checks.js'
import { CLIENT, ENDPOINT, SERVER } from '../values/options.js'

const { directory, transport, crc, rings, messageLenMax, backlogMax, token } = ENDPOINT
const { connectTimeoutMs, signal } = CLIENT
const TRANSPORT = { directory, transport, crc, rings, messageLenMax, backlogMax }
const CONNECT = { ...TRANSPORT, token, connectTimeoutMs, signal }
const SERVE = { ...TRANSPORT, token, connectionsMax: SERVER.connectionsMax }
/** What `spawn` checks itself. */
const SPAWN = { cwd: () => {}, env: () => {}, stdio: () => {} }
const START = { ...TRANSPORT, ...SPAWN, connectTimeoutMs, signal }

export const transportOptions = (options: jsonrpc.TransportOptions | undefined) =>
  check('transport', TRANSPORT, options)
export const connectOptions = (options: jsonrpc.ConnectOptions | undefined) =>
  check('transport', CONNECT, options)
export const serveOptions = (options: jsonrpc.ServeOptions | undefined) =>
  check('transport', SERVE, options)
export const startOptions = (options: jsonrpc.StartOptions | undefined) =>
  check('transport', START, options)
