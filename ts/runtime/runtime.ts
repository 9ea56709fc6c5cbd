// One engine for this thread, its memory, and its connections by link.

import type { NativeEngine } from '../../native/binding.js'
import { Alarms } from './alarms.js'
import { Delivery } from './delivery.js'
import { opened } from '../values/diagnostics.js'
import { raised } from '../values/errors.js'
import type { Inbox } from './inbox.js'
import { ExitFlush } from './exit-flush.js'
import { native, openEngine } from '../native.js'
import { Outbox } from './outbox.js'
import type { Acceptor, Connecting, Opener, Receiver, TakingOver } from './receiver.js'
import { SyncArena } from './sync-arena.js'
import { theThread } from './thread.js'

const {
  EVENT_ACCEPTED,
  EVENT_CHANGED,
  EVENT_CLOSED,
  EVENT_CONNECTED,
  EVENT_LISTENING,
  EVENT_NAME_LOST,
  EVENT_RETIRED,
  EVENT_TAKEN_OVER,
  EVENT_UNWATCHED,
  LINKS_MAX,
  LINK_WORDS,
  STATE_ABANDONED,
  STATE_REFERENCES,
  STATE_SYNC_GENERATION,
  STATE_SYNC_LINK,
  STATE_SYNC_SLOT,
  STATE_WORDS,
} = native

const TAKEN_AWAY =
  'a handler has transferred the memory of a payload it had borrowed, and with it further messages'

/** What looks at a published object. */
interface Watching {
  /** It may have changed. */
  changed(): void
  /** No more is said of it: the kernel has no room. */
  unwatched(): void
}

export class Runtime {
  readonly engine: NativeEngine
  readonly outbox: Outbox
  readonly state = new Uint32Array(STATE_WORDS)
  /** How each link stands, by its lower half: what waits for room in each lane, and whether more
   * items wait to be read than may. The binding updates it; pages that are never touched take no
   * memory. */
  readonly standing = new Uint32Array(LINKS_MAX * LINK_WORDS)
  readonly syncArena: SyncArena
  readonly alarms: Alarms
  readonly delivery: Delivery
  readonly #hot: ReturnType<NativeEngine['hot']>
  readonly #connecting = new Map<number, Connecting<any>>()
  readonly #acceptors = new Map<number, Acceptor<any>>()
  readonly #takingOver = new Map<number, TakingOver>()
  readonly #watches = new Map<number, Watching>()

  constructor() {
    this.outbox = new Outbox(this.state)
    this.delivery = new Delivery(this)
    const memory = {
      outbox: this.outbox.memory,
      state: this.state.buffer,
      runs: this.delivery.runs.buffer,
      standing: this.standing.buffer,
    }
    const { enter, isolation } = this.delivery
    const open = () => openEngine(memory, enter, isolation.resource, theThread().waiting)
    this.engine = raised(() => isolation.within(open))
    this.#hot = this.engine.hot()
    this.outbox.attach(this.#hot)
    this.syncArena = new SyncArena(this.state, this.#hot)
    this.alarms = new Alarms(this.#hot)
    new ExitFlush(this).listen()
  }

  /** All connections that are open. */
  get connections(): Receiver[] {
    return this.delivery.receivers.filter((connection) => connection !== undefined)
  }

  /** The process ends: what is in the outbox is sent, and written as far as there is room. */
  flushAtExit(): void {
    this.outbox.isLast = true
    this.#hot.flushAtExit()
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

  /** Whether the reply to this request of a peer is no longer wanted, as of now. */
  isAbandoned(link: number, slot: number, generation: number): boolean {
    const { state } = this
    state[STATE_SYNC_LINK] = link
    state[STATE_SYNC_SLOT] = slot
    state[STATE_SYNC_GENERATION] = generation
    this.#hot.lookAbandoned()
    return state[STATE_ABANDONED] === 1
  }

  /** Connections of a listener go to `acceptor`. */
  listening<R extends Receiver>(listener: number, acceptor: Acceptor<R>): void {
    this.#acceptors.set(listener, acceptor)
  }

  notListening(listener: number): void {
    this.#acceptors.delete(listener)
  }

  /** A connection is being made; what becomes of it goes to `connecting`. */
  connecting<R extends Receiver>(link: number, connecting: Connecting<R>): void {
    this.#connecting.set(link, connecting)
  }

  /** That connection is no longer wanted. */
  notConnecting(link: number): void {
    if (this.#takeConnecting(link)) this.engine.close(link, false)
  }

  /** A name is being taken over; what becomes of that goes to `takingOver`. */
  takingOver(link: number, takingOver: TakingOver): void {
    this.#takingOver.set(link, takingOver)
    this.hold(1)
  }

  /** What becomes of what the engine watches by this number goes to `watching`. */
  watch(watch: number, watching: Watching): void {
    this.#watches.set(watch, watching)
  }

  unwatch(watch: number): void {
    this.#watches.delete(watch)
    this.engine.unwatch(watch)
  }

  #takeTakingOver(link: number): TakingOver | undefined {
    const takingOver = this.#takingOver.get(link)
    if (this.#takingOver.delete(link)) this.hold(-1)
    return takingOver
  }

  #takeConnecting(link: number): Connecting<Receiver> | undefined {
    const connecting = this.#connecting.get(link)
    this.#connecting.delete(link)
    return connecting
  }

  rang(): void {
    this.alarms.ring()
  }

  raise(thrown: unknown[]): void {
    // It may be the end of the process, and answers come first.
    this.outbox.submit()
    for (const error of thrown) this.#hot.uncaught(error)
  }

  /** What has arrived on a link was transferred before it could be read. */
  lost(link: number): void {
    this.engine.breakOff(link)
    this.#closed(link, this.delivery.receiver(link), `ERR_INVALID_ARGUMENT\n${TAKEN_AWAY}`)
  }

  event(link: number, kind: number, inbox: Inbox, at: number): void {
    switch (kind) {
      case EVENT_CONNECTED:
        return this.#connected(link, inbox.text(at))
      case EVENT_NAME_LOST:
        return this.#acceptors.get(inbox.about(at))?.nameLost(inbox.text(at))
      case EVENT_LISTENING:
        return this.#takeTakingOver(link)?.listening(inbox.about(at))
      case EVENT_TAKEN_OVER:
        return this.#acceptors.get(inbox.about(at))?.takenOver()
      case EVENT_CHANGED:
        return this.#watches.get(inbox.about(at))?.changed()
      case EVENT_UNWATCHED:
        return this.#watches.get(inbox.about(at))?.unwatched()
      case EVENT_RETIRED:
        return this.#acceptors.get(inbox.about(at))?.retired()
      case EVENT_ACCEPTED:
        return this.#accepted(link, inbox.about(at), inbox.text(at))
      case EVENT_CLOSED:
        return this.#ended(link, inbox.text(at))
      default:
        this.delivery.receiver(link)?.event(inbox, at, kind)
    }
  }

  #connected(link: number, description: string): void {
    const connecting = this.#takeConnecting(link)
    if (connecting === undefined) return
    connecting.connected(this.#open(link, connecting, description))
  }

  #accepted(link: number, listener: number, description: string): void {
    const acceptor = this.#acceptors.get(listener)
    if (acceptor === undefined) return this.engine.close(link, true)
    acceptor.accepted(this.#open(link, acceptor, description))
  }

  #open<R extends Receiver>(link: number, opener: Opener<R>, description: string): R {
    const connection = opener.open(link, description)
    this.delivery.receivers[link & 0xffff] = connection
    const { front, peer } = connection
    if (opened.hasSubscribers) opened.publish({ connection: front, peer })
    return connection
  }

  /** The engine says that a link is over: with the bytes of each lane that the peer has not read, a
   * line feed, and the reason, if there is one. */
  #ended(link: number, text: string): void {
    const end = text.indexOf('\n')
    const undelivered = text.slice(0, end).split(' ').map(Number)
    this.#closed(link, this.delivery.receiver(link), text.slice(end + 1), undelivered)
  }

  #closed(
    link: number,
    connection: Receiver | undefined,
    description: string,
    undelivered?: number[],
  ): void {
    if (connection !== undefined) {
      this.delivery.receivers[link & 0xffff] = undefined
      connection.hasClosed(description, undelivered)
      return
    }
    const pending = this.#takeConnecting(link) ?? this.#takeTakingOver(link)
    pending?.failed(description)
  }
}

/** The runtime of this thread. */
export function theRuntime(): Runtime {
  const thread = theThread()
  thread.runtime ??= new Runtime()
  return thread.runtime as Runtime
}
