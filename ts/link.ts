// What the parts of a connection share: who is at the other end, whether it is still there, and how
// a message gets into the outbox.

import type * as api from '../index.js'
import type { Contract } from './contract.js'
import { IpcError, raised } from './errors.js'
import type { ItemWriter } from './flow.js'
import type { Endpoint } from './options.js'
import { Pool } from './pool.js'
import type { Runtime } from './runtime.js'

export class Link {
  readonly runtime: Runtime
  readonly number: number
  readonly peer: api.Peer
  readonly endpoint: Endpoint
  /** Synchronous answers that are kept. */
  readonly pool = new Pool()
  /** Streams that wait until they may write on. */
  readonly stalled = new Set<ItemWriter>()
  /** Why nothing can be sent, once that is so. */
  end: IpcError | undefined

  constructor(runtime: Runtime, number: number, peer: api.Peer, endpoint: Endpoint) {
    this.runtime = runtime
    this.number = number
    this.peer = peer
    this.endpoint = endpoint
  }

  /** The engine's code for a contract's name. */
  code(contract: Contract): number {
    if (contract.code < 0) contract.code = raised(() => this.runtime.engine.code(contract.name))
    return contract.code
  }

  /** Throws if a message of this length cannot be sent. */
  check(length: number): void {
    if (this.end !== undefined) throw this.end
    const { messageLenMax } = this.peer
    if (length > messageLenMax) {
      const message = `a message of ${length} bytes, at most ${messageLenMax} were agreed`
      throw new IpcError('ERR_TOO_LARGE', message)
    }
  }

  /** Bytes that wait for room in private memory, as of the last time anything was sent. */
  get queued(): number {
    return this.runtime.queued[this.number & 0xffff]
  }
}
