// How the engine of this thread waits.

import type * as api from '../../index.js'
import { theThread } from '../runtime/thread.js'
import { waitingOptions } from '../values/options.js'

export function configure(options: api.WaitingOptions): void {
  const checked = waitingOptions(options)
  const thread = theThread()
  if (thread.runtime !== undefined) {
    throw new Error('configure() must be called before the first server or connection')
  }
  thread.waiting = { ...thread.waiting, ...checked }
}
