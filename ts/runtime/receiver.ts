// What the runtime needs to know of those it delivers to.

import type { Extras } from '../native.js'
import type { Inbox } from './inbox.js'

/** The end of a connection: messages and events of its link go to it. */
export interface Receiver {
  readonly link: number
  readonly peer: { readonly pid: number }
  /** What programs see in its place. */
  readonly front: unknown
  /** Bytes that wait for room. */
  readonly unwritten: number
  received(inbox: Inbox, at: number, kind: number, extras: Extras): void
  /** An event of the link that is not a message. */
  event(inbox: Inbox, at: number, kind: number): void
  /** The link is over; `description` says why, if there is a reason, and `undelivered` how many
   * bytes of each lane the peer has not read. */
  hasClosed(description: string, undelivered?: number[]): void
}

/** The caller that asked for a connection. It makes the connection itself, because it may be
 * another copy of the package, whose errors and values are of another realm. */
export interface Opener<R extends Receiver> {
  open(link: number, description: string): R
}

/** A server, which accepts connections. */
export interface Acceptor<R extends Receiver> extends Opener<R> {
  accepted(connection: R): void
  /** Clients can no longer find it. */
  nameLost(description: string): void
  /** They find a new server of the name. */
  takenOver(): void
  /** It was retired, and all clients it had let in are accepted. */
  retired(): void
}

/** A name that is being taken over. */
export interface TakingOver {
  /** This listener serves it; no client has been accepted. */
  listening(listener: number): void
  /** It cannot be taken over; `description` says why. */
  failed(description: string): void
}

/** A connection that is being made. */
export interface Connecting<R extends Receiver> extends Opener<R> {
  /** It is open; nothing has arrived from the peer yet. */
  connected(connection: R): void
  /** It cannot be made; `description` says why, if there is a reason. */
  failed(description: string): void
}
