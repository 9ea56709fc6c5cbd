// Connecting.

import type * as api from '../../index.js'
import { Connection } from '../connection/connection.js'
import { parseError, raised } from '../values/errors.js'
import { checkServerName, clientOptions } from '../values/options.js'
import { makePeer } from '../connection/peer.js'
import { theRuntime } from '../runtime/runtime.js'
import { onAbort } from '../values/signals.js'

export async function connect(name: string, options?: api.ClientOptions): Promise<api.Client> {
  checkServerName(name)
  const settings = clientOptions(options)
  const { signal, handlers: prepare } = options ?? {}
  signal?.throwIfAborted()
  const runtime = theRuntime()
  const { native, connectTimeoutMs } = settings
  const limitMs = Math.min(connectTimeoutMs, FOR_EVER)
  const link = raised(() => runtime.engine.connect(name, native, limitMs))
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
