// What was not delivered, counted by reason and told: never more often than once in a while,
// however much it is.

/** Why something was not delivered:
 *
 * - `away`: there was no connection to the NATS server.
 * - `full`: more was on its way to the NATS server than may be.
 * - `tooLarge`: it was longer than the NATS server's `max_payload`, or the `max_msg_size` of its
 *   stream.
 * - `unconfirmed`: it was on its way when the connection was lost, and may or may not have arrived.
 * - `unclaimed`: no bridge on any other machine takes this event.
 * - `missed`: it was lost on the way: the numbers of the messages have a gap. The NATS server does
 *   that to subscribers that are too slow.
 * - `overwritten`: a topic's publisher was faster than this bridge, whose place in the ring was
 *   overwritten.
 * - `refused`: it was not what the contract says, or nothing that a bridge sends.
 * - `denied`: the NATS server does not permit it.
 * - `local`: the local server or subscribers could not take it.
 */
export type DropReason =
  | 'away'
  | 'full'
  | 'tooLarge'
  | 'unconfirmed'
  | 'unclaimed'
  | 'missed'
  | 'overwritten'
  | 'refused'
  | 'denied'
  | 'local'

/** What was not delivered since the last time. */
export interface Drop {
  /** The name of the event or topic; of what the NATS server does not permit, the subject. */
  readonly name: string
  /** Why. */
  readonly reason: DropReason
  /** How many. */
  readonly count: number
}

/** Milliseconds between two reports of the same. */
const PAUSE_MS = 1_000

export class Drops {
  /** All that there were. */
  readonly counts: Partial<Record<DropReason, number>> = {}
  readonly #tell: (drop: Drop) => void
  /** What is to be told, by name and reason. */
  readonly #untold = new Map<string, Drop>()
  #timer: NodeJS.Timeout | undefined

  constructor(onDrop: ((drop: Drop) => unknown) | undefined) {
    this.#tell = onDrop ?? (() => {})
  }

  add(name: string, reason: DropReason, count = 1): void {
    if (count === 0) return
    this.counts[reason] = (this.counts[reason] ?? 0) + count
    const key = `${reason} ${name}`
    this.#untold.set(key, { name, reason, count: count + (this.#untold.get(key)?.count ?? 0) })
    this.#timer ??= setTimeout(() => this.flush(), PAUSE_MS).unref()
  }

  /** Tells now what was not told. */
  flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const drops = [...this.#untold.values()]
    this.#untold.clear()
    for (const drop of drops) this.#tell(drop)
  }
}
