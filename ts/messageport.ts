// Ports between processes: message-port has the objects, transfers what is beneath them.

import type * as api from '../index.js'
import type * as ports from '../messageport.js'
import { connect } from './api/connect.js'
import { createServer } from './api/server.js'
import { contractOf, open, serve } from './messageport/transfers.js'
import { check, checkFunction, whole, wrongRange } from './values/checks.js'

const QUEUED_DEFAULT = 33_554_432
const PORT = { queuedMax: whole(0, Number.MAX_SAFE_INTEGER) }

/** The label of the port that has a connection to itself. */
const MAIN = 'main'

export async function connectPort(
  name: string,
  options: ports.ConnectPortOptions = {},
): Promise<ports.MessagePort> {
  const { queuedMax, ...connecting } = options
  const given = portOptions({ queuedMax })
  if ('reconnect' in connecting) {
    const { reconnect } = connecting
    throw wrongRange('reconnect', 'left out: a port ends with its one session', reconnect)
  }
  const client = (await connect(name, { ...connecting, reconnect: false })).unref()
  const { port, over } = open(client, contractOf(MAIN), given)
  void over.then(() => client.close())
  return port
}

export function servePorts(
  name: string,
  take: (port: ports.MessagePort, connection: api.Connection) => unknown,
  options: ports.ServePortsOptions = {},
): Promise<api.Server> {
  const { queuedMax, handlers, ...serving } = options
  const register = (server: api.Server) => {
    onPort(server, MAIN, take, { queuedMax })
    handlers?.(server)
  }
  return createServer(name, { ...serving, handlers: register })
}

export function openPort(
  connection: api.Connection,
  label: string,
  options?: ports.PortOptions,
): ports.MessagePort {
  return open(connection, contractOf(label), portOptions(options)).port
}

export function onPort(
  endpoint: api.Server | api.Connection,
  label: string,
  take: (port: ports.MessagePort, connection: api.Connection) => unknown,
  options?: ports.PortOptions,
): api.Registration {
  checkFunction('take', take)
  const queuedMax = portOptions(options)
  return endpoint.handle(contractOf(label), (_, items) =>
    serve(items, queuedMax, (port) => take(port, items.connection)),
  )
}

/** Returns the one there is. */
function portOptions(options: ports.PortOptions | undefined): number {
  const { queuedMax = QUEUED_DEFAULT } = check('port', PORT, options)
  return queuedMax
}
