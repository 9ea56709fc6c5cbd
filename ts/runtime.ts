// What this thread has of ringpost: one engine, its memory, and its connections by link.

import type { NativeEngine } from '../native/binding.js'
import type { Endpoint } from './options.js'
import { Connection } from './connection.js'
import { parseError, raised, tell, type IpcError } from './errors.js'
import type { ItemReader } from './flow.js'
import type { Handlers } from './handlers.js'
import { Inbox } from './inbox.js'
import { native, openEngine, type Extras } from './native.js'
import { Outbox } from './outbox.js'
import { makePeer } from './peer.js'
import { SyncArena } from './sync-arena.js'

const {
  EVENT_ABANDONED,
  EVENT_ACCEPTED,
  EVENT_CLOSED,
  EVENT_CONNECTED,
  EVENT_DRAINED,
  EVENT_DROPPED,
  EVENT_ENDED,
  EVENT_GRANTED,
  EVENT_ITEMS_END,
  EVENT_NAMED,
  EVENT_NAME_LOST,
  EVENT_REFUSED,
  EVENT_SENT,
  EVENT_STREAM,
  EVENT_UNREAD,
  EVENT_UNREADABLE,
  LINKS_MAX,
  LINK_WORDS,
  RUNS_MAX,
  RUN_WORDS,
  STATE_ABANDONED,
  STATE_REFERENCES,
  STATE_SYNC_GENERATION,
  STATE_SYNC_LINK,
  STATE_SYNC_SLOT,
  STATE_WORDS,
} = native

/** Whoever connections come to. */
export interface Acceptor {
  readonly endpoint: Endpoint
  readonly handlers: Handlers
  accepted(connection: Connection): void
  /** Clients do not find it any more. */
  nameLost(error: IpcError): void
}

/** A connection that is being made. */
interface Connecting {
  endpoint: Endpoint
  resolve(connection: Connection): void
  reject(error: unknown): void
}

export class Runtime {
  readonly engine: NativeEngine
  readonly outbox: Outbox
  readonly state = new Uint32Array(STATE_WORDS)
  /** How each link stands, by its lower half: what waits for room in each lane, and whether more items
   * wait to be read than may. The binding keeps it; pages of it that nobody touches are not there. */
  readonly standing = new Uint32Array(LINKS_MAX * LINK_WORDS)
  readonly syncArena: SyncArena
  readonly #hot: ReturnType<NativeEngine['hot']>
  readonly #runs = new Uint32Array(RUNS_MAX * RUN_WORDS)
  /** By the lower half of a link, which no two have at the same time. */
  readonly #inboxes: (Inbox | undefined)[] = []
  readonly #connections: (Connection | undefined)[] = []
  readonly #connecting = new Map<number, Connecting>()
  readonly #acceptors = new Map<number, Acceptor>()
  /** Streams something has come for in this batch. */
  #noticed: ItemReader[] = []
  #delivering = false

  constructor() {
    this.outbox = new Outbox(this.state)
    const memory = {
      outbox: this.outbox.memory,
      state: this.state.buffer,
      runs: this.#runs.buffer,
      standing: this.standing.buffer,
    }
    this.engine = raised(() => openEngine(memory, this.#deliver))
    this.#hot = this.engine.hot()
    this.outbox.attach(this.#hot)
    this.syncArena = new SyncArena(this.state, this.#hot)
  }

  /** Keeps the process alive, until as many are taken back. The binding takes notice with the next
   * call or the next turn. */
  addReferences(count: number): void {
    this.state[STATE_REFERENCES] += count
  }

  /** The same, and takes notice now: without a call to follow there may be no next turn. */
  hold(count: number): void {
    this.addReferences(count)
    this.#hot.settle()
  }

  /** Whether nobody waits for an answer to this request of a peer any more, as of now. */
  isAbandoned(link: number, slot: number, generation: number): boolean {
    const { state } = this
    state[STATE_SYNC_LINK] = link
    state[STATE_SYNC_SLOT] = slot
    state[STATE_SYNC_GENERATION] = generation
    this.#hot.lookAbandoned()
    return state[STATE_ABANDONED] === 1
  }

  /** Connections of a listener go to `acceptor`. */
  listening(listener: number, acceptor: Acceptor): void {
    this.#acceptors.set(listener, acceptor)
  }

  notListening(listener: number): void {
    this.#acceptors.delete(listener)
  }

  /** A connection is being made; what becomes of it goes to `connecting`. */
  connecting(link: number, connecting: Connecting): void {
    this.#connecting.set(link, connecting)
    this.hold(1)
  }

  /** Nobody waits for that connection any more. */
  notConnecting(link: number): void {
    if (this.#takeConnecting(link)) this.engine.close(link)
  }

  #takeConnecting(link: number): Connecting | undefined {
    const connecting = this.#connecting.get(link)
    if (this.#connecting.delete(link)) this.hold(-1)
    return connecting
  }

  /** Takes what has come, run by run. */
  readonly #deliver = (count: number, extras: Extras): void => {
    const runs = this.#runs
    this.#delivering = true
    for (let at = 0; at < count * RUN_WORDS; at += RUN_WORDS) {
      const link = runs[at]
      const place = link & 0xffff
      const fresh = runs[at + 3]
      if (fresh !== 0) this.#inboxes[place] = new Inbox(extras![fresh - 1] as ArrayBuffer)
      const inbox = this.#inboxes[place]!
      inbox.isKept = false
      this.#read(link, inbox, runs[at + 1], runs[at + 2], extras)
      runs[at + 3] = inbox.isKept ? 1 : 0
    }
    this.#delivering = false
    if (this.#noticed.length > 0) this.#tellNoticed()
  }

  /** Something has come for a stream, which hears of it when the batch has been read. */
  notice(reader: ItemReader): void {
    this.#noticed.push(reader)
    if (!this.#delivering && this.#noticed.length === 1) queueMicrotask(this.#tellNoticed)
  }

  readonly #tellNoticed = (): void => {
    const noticed = this.#noticed
    this.#noticed = []
    // What the code behind one stream throws is no business of the others.
    for (const reader of noticed) tell(() => reader.arrived())
  }

  #read(link: number, inbox: Inbox, start: number, end: number, extras: Extras): void {
    let connection = this.#connection(link)
    for (let at = start >>> 2; at < end >>> 2; at = inbox.next(at)) {
      const kind = inbox.kind(at)
      if (kind < EVENT_CONNECTED) {
        connection?.received(inbox, at, kind, extras)
      } else {
        this.#event(link, kind, inbox, at)
        connection = this.#connection(link)
      }
    }
  }

  #connection(link: number): Connection | undefined {
    const connection = this.#connections[link & 0xffff]
    return connection?.link === link ? connection : undefined
  }

  #event(link: number, kind: number, inbox: Inbox, at: number): void {
    const connection = this.#connection(link)
    switch (kind) {
      case EVENT_CONNECTED:
        return this.#connected(link, inbox.text(at))
      case EVENT_NAME_LOST:
        return this.#acceptors.get(inbox.code(at))?.nameLost(parseError(inbox.text(at)))
      case EVENT_ACCEPTED:
        return this.#accepted(link, inbox.code(at), inbox.text(at))
      case EVENT_CLOSED:
        return this.#closed(link, connection, inbox.text(at))
      case EVENT_NAMED:
        return connection?.named(inbox.code(at), inbox.text(at))
      case EVENT_ENDED:
        return connection?.ended(inbox.slot(at), inbox.generation(at), inbox.code(at))
      case EVENT_ABANDONED:
        return connection?.abandoned(inbox.slot(at), inbox.generation(at))
      case EVENT_DRAINED:
        return connection?.isDrained()
      case EVENT_DROPPED:
        return connection?.dropped(inbox.code(at), inbox.deadline(at))
      case EVENT_UNREAD:
        return connection?.reportRead()
      case EVENT_UNREADABLE:
        return connection?.unreadable(parseError(inbox.text(at)))
      case EVENT_STREAM:
        return connection?.announced(inbox.slot(at), inbox.generation(at), inbox.deadline(at))
      case EVENT_GRANTED: {
        const [kind, total] = [inbox.code(at), inbox.deadline(at)]
        return connection?.granted(kind, inbox.slot(at), inbox.generation(at), total)
      }
      case EVENT_ITEMS_END:
        return connection?.itemsEnd(inbox.slot(at), inbox.generation(at))
      case EVENT_SENT:
        return connection?.settled(inbox.slot(at), inbox.generation(at), inbox.text(at))
      case EVENT_REFUSED:
        return connection?.refused(inbox.slot(at), inbox.generation(at), parseError(inbox.text(at)))
    }
  }

  #connected(link: number, description: string): void {
    const connecting = this.#takeConnecting(link)
    if (connecting === undefined) return
    connecting.resolve(this.#open(link, connecting.endpoint, description, undefined))
  }

  #accepted(link: number, listener: number, description: string): void {
    const acceptor = this.#acceptors.get(listener)
    if (acceptor === undefined) return this.engine.close(link)
    const { endpoint, handlers } = acceptor
    acceptor.accepted(this.#open(link, endpoint, description, handlers))
  }

  #open(
    link: number,
    endpoint: Endpoint,
    description: string,
    handlers: Handlers | undefined,
  ): Connection {
    const peer = makePeer(description)
    const connection = new Connection(this, link, peer, endpoint, handlers)
    this.#connections[link & 0xffff] = connection
    return connection
  }

  #closed(link: number, connection: Connection | undefined, description: string): void {
    const reason: IpcError | null = description === '' ? null : parseError(description)
    if (connection !== undefined) {
      this.#connections[link & 0xffff] = undefined
      connection.hasClosed(reason)
      return
    }
    this.#takeConnecting(link)?.reject(reason ?? parseError('ERR_CLOSED\nthe server closed'))
  }
}

let runtime: Runtime | undefined

/** The runtime of this thread. */
export function theRuntime(): Runtime {
  runtime ??= new Runtime()
  return runtime
}
