// A language server as a process that an editor starts: the editor listens at a name of its own,
// and the process connects to it.

import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { resolve } from 'node:path'
import type * as jsonrpc from '../../jsonrpc.js'
import { theRuntime } from '../runtime/runtime.js'
import { Deferred } from '../values/deferred.js'
import { IpcError } from '../values/errors.js'
import { onAbort } from '../values/signals.js'
import { serveTransports, type Serve } from './transport.js'

const ARGUMENT = '--ringpost='
/** In the environment, which only this user can read; arguments can be read by all. */
const TOKEN = 'RINGPOST_TOKEN'
const CONNECT_TIMEOUT_MS = 30_000
/** How long a process may take to end by itself. */
const END_MS = 2_000
const STDIO: SpawnOptions['stdio'] = ['ignore', 'inherit', 'inherit']

type Connected = Parameters<Serve>

export async function startServer(
  command: string,
  args: readonly string[],
  options: jsonrpc.StartOptions,
): Promise<jsonrpc.StartedServer> {
  const { cwd, env, stdio = STDIO, connectTimeoutMs = CONNECT_TIMEOUT_MS, signal, ...terms } =
    options
  signal?.throwIfAborted()
  const name = `jsonrpc-${randomBytes(16).toString('hex')}`
  const token = randomBytes(32).toString('hex')
  const connected = new Deferred<Connected>()
  const helloTimeoutMs = connectTimeoutMs
  const server = await serveTransports(name, only(connected), { ...terms, token, helloTimeoutMs })
  let child: ChildProcess | undefined
  try {
    signal?.throwIfAborted()
    const given = { ...(env ?? process.env), ...placeOf(terms), [TOKEN]: token }
    child = spawn(command, [...args, ARGUMENT + name], { cwd, stdio, env: given })
    const [transport, over] = await within(connected, child, connectTimeoutMs, signal)
    const started = { ...transport, process: child }
    void over.then(() => {
      dismiss(started.process)
      return server.close()
    })
    return started
  } catch (error) {
    child?.kill()
    await server.close()
    throw error
  }
}

/** What this process was given when it was started so. */
export function takeArguments(): { name: string; terms: jsonrpc.ConnectOptions } {
  const name = process.argv.find((one) => one.startsWith(ARGUMENT))?.slice(ARGUMENT.length)
  const token = process.env[TOKEN]
  if (name === undefined || token === undefined) {
    const missing = name === undefined ? `argument ${ARGUMENT}` : `${TOKEN} in its environment`
    const hint = 'startServer() starts it with one, which is used once'
    throw new IpcError('ERR_INVALID_ARGUMENT', `this process has no ${missing}: ${hint}`)
  }
  // Processes that this one starts are none of the editor's.
  delete process.env[TOKEN]
  return { name, terms: { token, connectTimeoutMs: CONNECT_TIMEOUT_MS } }
}

/** Takes the first that connects. */
function only(connected: Deferred<Connected>): Serve {
  let isTaken = false
  return (...arrived) => {
    if (isTaken) throw new IpcError('ERR_TOO_MANY_CONNECTIONS', 'this is for one connection')
    isTaken = true
    connected.resolve(arrived)
  }
}

/** Where the other process finds this one, if that is not where it would look by itself. */
function placeOf({ directory = process.env.RINGPOST_DIR }: jsonrpc.TransportOptions) {
  return directory ? { RINGPOST_DIR: resolve(directory) } : {}
}

async function within(
  connected: Deferred<Connected>,
  child: ChildProcess,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<Connected> {
  const fail = (code: string, message: string, cause?: Error) =>
    connected.reject(new IpcError(code, message, { cause }))
  child.once('error', (cause) => fail('ERR_NO_SERVER', 'the process cannot be started', cause))
  child.once('exit', (code, by) => {
    const how = `the process has ended (${by ?? code}) before it connected`
    fail('ERR_NO_SERVER', `${how}: does it call createServerTransport()?`)
  })
  const late = () => fail('ERR_TIMEOUT', `the process has not connected within ${timeoutMs} ms`)
  const { alarms } = theRuntime()
  // A timer of JavaScript reaches no farther than 25 days, and would ring at once.
  const alarm = alarms.set(timeoutMs, late)
  const release = signal && onAbort(signal, () => connected.reject(signal.reason))
  try {
    return await connected.promise
  } finally {
    alarms.clear(alarm)
    release?.()
  }
}

/** Ends a process that does not end by itself. */
function dismiss(child: ChildProcess): void {
  if (child.exitCode !== null || child.signalCode !== null) return
  const timer = setTimeout(() => child.kill(), END_MS).unref()
  child.once('exit', () => clearTimeout(timer))
}
