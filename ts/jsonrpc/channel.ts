// One stream of `ringpost` with messages both ways, from either end. An item without bytes, which
// is no JSON, is the last of its direction: so each side can end its own and still read the
// other's.

import type * as api from '../../index.js'
import { bytes } from '../values/codec.js'
import { stream } from '../values/contract.js'
import { Deferred } from '../values/deferred.js'
import { IpcError } from '../values/errors.js'

export const JsonRpc = stream<void, Uint8Array, Uint8Array, void>('jsonrpc', { codec: bytes })

/** Room for some documents: what is written behind one does not have to wait until it was read. */
const WINDOW_BYTES = 4 << 20

export interface Channel {
  readonly items: Pick<api.ClientStream<Uint8Array, Uint8Array>, 'write' | 'ready' | 'forEach'>
  /** Resolves when nothing can be written or read any more: to why it was lost, or to `null`. */
  readonly over: Promise<unknown>
  /** A direction has ended; the second ends it. */
  ended(): void
  /** Ends it behind all that was written. */
  finish(): void
  /** Ends it because something of the other side cannot be read, which is told why. */
  fail(reason: unknown): void
  /** Ends it at once. */
  close(): Promise<void>
}

/** The end that connects. */
export function requestChannel(client: api.Client): Channel {
  const items = client.stream(JsonRpc, undefined, { windowBytes: WINDOW_BYTES })
  const close = () => client.close()
  const over = items.result.then(() => null, (reason: unknown) => reason)
  void over.then(close)
  const finish = () => items.end()
  const fail = (reason: unknown) => items.cancel(reason)
  return { items, over, ended: second(finish), finish, fail, close }
}

/** The end that is connected to, whose handler answers when this is over. */
export function acceptChannel(items: api.ServerStream<Uint8Array, Uint8Array>): Channel {
  const { promise: over, resolve } = new Deferred<unknown>()
  // Whoever ends in good order does not cancel.
  const lost = () => resolve(new IpcError('ERR_PEER_LOST', 'the other side left without an end'))
  items.signal.addEventListener('abort', lost, { once: true })
  const finish = () => resolve(null)
  const close = () => items.connection.close()
  return { items, over, ended: second(finish), finish, fail: resolve, close }
}

/** Passes on the second call. */
function second(call: () => void): () => void {
  let calls = 0
  return () => {
    if (++calls === 2) call()
  }
}
