// The end that receives: any number of callbacks for each type of event, and what there is to know
// about how events arrive.

import { connect } from 'ringpost'
import { EVENTS, OVERFLOW, Pause, Resume, Stats, TYPES, now, ofEach } from './contract.mjs'
import { Latency } from './latency.mjs'

/** An eighth of a second of the posture stream: older ones are of no use. */
const STREAM_BYTES = 16_384

/**
 * @typedef {object} Arrived what has arrived of one type
 * @property {number} received
 * @property {number} missed events that were sent to this watcher and dropped on the way
 * @property {import('./latency.mjs').Latencies} latency from sending to the callbacks
 *
 * @typedef {object} WatcherStats
 * @property {import('ringpost').ClientState} state
 * @property {number} failedCallbacks
 * @property {Record<import('./contract.mjs').Type, Arrived>} types
 *
 * @typedef {object} WatcherOptions
 * @property {string} [directory] where the centre is found
 * @property {AbortSignal} [signal] ends waiting for the centre
 * @property {(error: Error) => void} [failed] is called with what a callback has thrown
 */

export class Watcher {
  /** @type {import('ringpost').Client} */
  #client
  #arrivals = ofEach(() => new Arrivals())
  #failedCallbacks = 0

  /**
   * Watches the centre of this name: the one that is there, or is there next, again and again.
   * @param {string} name
   * @param {WatcherOptions} [options]
   */
  static async open(name, { directory, signal, failed = console.error } = {}) {
    const watcher = new Watcher()
    watcher.#client = await connect(name, {
      ...{ directory, signal, overflow: OVERFLOW, rings: { low: STREAM_BYTES } },
      connectTimeoutMs: Infinity,
      handlers: (client) => watcher.#listen(client, failed),
    })
    return watcher
  }

  /** The process id of the centre. */
  get pid() {
    return this.#client.peer.pid
  }

  /**
   * Calls `callback` for each event of this type, after those that were registered before. If one
   * throws, the others are called all the same.
   * @template {import('./contract.mjs').Type} T
   * @param {T} type
   * @param {(event: import('./contract.mjs').EventOf<T>) => unknown} callback
   * @returns {import('ringpost').Registration}
   */
  on(type, callback) {
    return this.#client.on(EVENTS[type], callback)
  }

  /** Calls `lost` when the centre has gone, and `back` when there is one again. */
  follow({ lost, back }) {
    this.#client.on('disconnect', ({ reason }) => lost(reason))
    this.#client.on('reconnect', ({ peer, awayMs }) => back(peer.pid, awayMs))
  }

  /**
   * Stops monitoring. While the centre is away it waits for the next one, as the others below.
   * @param {import('ringpost').RequestOptions} [options]
   * @returns {Promise<boolean>} whether it was monitoring
   */
  pause(options) {
    return this.#client.request(Pause, undefined, { ...options, lane: 'high' })
  }

  /**
   * Monitors again.
   * @param {import('ringpost').RequestOptions} [options]
   * @returns {Promise<boolean>} whether it was monitoring
   */
  resume(options) {
    return this.#client.request(Resume, undefined, { ...options, lane: 'high' })
  }

  /**
   * What the centre has counted.
   * @param {import('ringpost').RequestOptions} [options]
   * @returns {Promise<import('./centre.mjs').CentreStats>}
   */
  centreStats(options) {
    return this.#client.request(Stats, undefined, { ...options, lane: 'high' })
  }

  /** What has arrived here. @returns {WatcherStats} */
  stats() {
    return {
      state: this.#client.state,
      failedCallbacks: this.#failedCallbacks,
      types: ofEach((type) => this.#arrivals[type].stats()),
    }
  }

  close() {
    return this.#client.close()
  }

  /** Before anything arrives. */
  #listen(client, failed) {
    for (const type of TYPES) client.on(EVENTS[type], (event) => this.#arrivals[type].got(event))
    // The next centre counts from 1 again.
    client.on('disconnect', () => TYPES.forEach((type) => this.#arrivals[type].restart()))
    client.on('error', (error) => {
      this.#failedCallbacks++
      failed(error)
    })
  }
}

/** What has arrived of one type. */
class Arrivals {
  #received = 0
  #missed = 0
  /** The number of the last one of this centre; before the first, none is missing. */
  #last = NaN
  #latency = new Latency()

  got({ number, sentAt }) {
    this.#received++
    if (number > this.#last + 1) this.#missed += number - this.#last - 1
    this.#last = number
    this.#latency.record(now() - sentAt)
  }

  restart() {
    this.#last = NaN
  }

  /** @returns {Arrived} */
  stats() {
    return { received: this.#received, missed: this.#missed, latency: this.#latency.summary() }
  }
}
