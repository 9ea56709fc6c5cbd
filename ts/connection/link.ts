// What the parts of a connection share: who is at the other end, whether it is still there, and how
// a message gets into the outbox.

import type * as api from '../../index.js'
import type { Contract } from '../values/contract.js'
import { IpcError, raised } from '../values/errors.js'
import type { Settings } from '../values/options.js'
import { native } from '../native.js'
import { PayloadPool } from '../runtime/pool.js'
import type { Runtime } from '../runtime/runtime.js'

const { LINK_UNREAD, LINK_WORDS, STATE_NAMES_EPOCH } = native

/** A stream that may be able to write again. */
interface Stalled {
  wake(): void
}

export class Link {
  readonly runtime: Runtime
  readonly number: number
  readonly peer: api.Peer
  readonly settings: Settings
  /** Synchronous answers that are kept. */
  readonly pool = new PayloadPool()
  /** Streams that wait until they may write on. */
  readonly stalled = new Set<Stalled>()
  /** Why nothing can be sent, once that is so. */
  end: IpcError | undefined

  constructor(runtime: Runtime, number: number, peer: api.Peer, settings: Settings) {
    this.runtime = runtime
    this.number = number
    this.peer = peer
    this.settings = settings
  }

  /** The engine's code for a contract's name. */
  code(contract: Contract): number {
    const { engine, state } = this.runtime
    if (contract.code < 0 || contract.code >>> 16 !== state[STATE_NAMES_EPOCH]) {
      contract.code = raised(() => engine.code(contract.name))
    }
    return contract.code
  }

  /** Throws if a message with this payload cannot be sent. Returns the payload's length. */
  check(payload: Uint8Array): number {
    if (this.end !== undefined) throw this.end
    const { length } = payload
    if (length > this.peer.messageLenMax) throw tooLarge(length, this.peer.messageLenMax)
    return length
  }

  /** Bytes that wait for room in a lane, as of the last time anything was sent there. */
  queued(lane: number): number {
    return this.runtime.standing[(this.number & 0xffff) * LINK_WORDS + lane]
  }

  /** Whether more items wait to be read than may, so that what is read is to be said at once. */
  get hasUnread(): boolean {
    return this.queued(LINK_UNREAD) > 0
  }

  /** Whether anything waits for room in any lane. */
  get hasBacklog(): boolean {
    for (let lane = 0; lane < LINK_UNREAD; lane++) if (this.queued(lane) > 0) return true
    return false
  }
}

function tooLarge(length: number, max: number): IpcError {
  return new IpcError('ERR_TOO_LARGE', `a message of ${length} bytes, at most ${max} were agreed`)
}
