// Connecting.

import type * as api from '../index.js'
import { Connection } from './connection.js'
import { parseError, raised } from './errors.js'
import { clientOptions } from './options.js'
import { makePeer } from './peer.js'
import { theRuntime } from './runtime.js'
import { onAbort } from './signals.js'

export async function connect(name: string, options?: api.ClientOptions): Promise<api.Client> {
  checkServerName(name)
  const settings = clientOptions(options)
  const { signal, handlers: prepare } = options ?? {}
  signal?.throwIfAborted()
  const runtime = theRuntime()
  const { native, connectTimeoutMs } = settings
  const link = raised(() => runtime.engine.connect(name, native, Math.min(connectTimeoutMs, FOR_EVER)))
  let stop: (() => void) | undefined
  try {
    return await new Promise<Connection>((resolve, reject) => {
      runtime.connecting(link, {
        open: (_, description) => {
          const peer = makePeer(description)
          return new Connection(runtime, link, peer, settings, undefined)
        },
        connected(connection) {
          try {
            prepare?.(connection)
          } catch (error) {
            void connection.close()
            return reject(error)
          }
          resolve(connection)
        },
        failed: (description) => reject(parseError(description || 'ERR_CLOSED\nthe server closed')),
      })
      const abort = () => {
        runtime.notConnecting(link)
        reject(signal!.reason)
      }
      stop = signal && onAbort(signal, abort)
    })
  } finally {
    stop?.()
  }
}

/** A hundred years, in milliseconds. */
const FOR_EVER = 3.2e12

/** What the engine is asked about has to be text; whether it is a name, the engine says. */
export function checkServerName(name: unknown): asserts name is string {
  if (typeof name === 'string') return
  const message = `name has to be a string, not ${name === null ? 'null' : typeof name}`
  throw Object.assign(new TypeError(message), { code: 'ERR_INVALID_ARGUMENT' })
}
