// Connecting.

import type * as api from '../../index.js'
import { Client } from '../client/client.js'
import { checkServerName } from '../values/checks.js'
import { clientOptions } from '../values/options.js'
import { theRuntime } from '../runtime/runtime.js'

export async function connect(name: string, options?: api.ClientOptions): Promise<api.Client> {
  checkServerName(name)
  const settings = clientOptions(options)
  const { signal, handlers } = options ?? {}
  signal?.throwIfAborted()
  const client = new Client(theRuntime(), name, settings, handlers)
  await client.open(signal)
  return client
}
