// The end that sends: a server whose clients get every event, each type in the lane of its urgency.

import { createServer } from 'ringpost'
import { EVENTS, LANES, OVERFLOW, Pause, Resume, Stats, now, ofEach } from './contract.mjs'

/** What lies unread for so long is reported: the process of that client is stopped, or busy. */
const UNRESPONSIVE_MS = 1_000

/**
 * @typedef {object} CentreStats
 * @property {boolean} monitoring
 * @property {number} uptimeMs
 * @property {number} clients connected now
 * @property {Record<import('./contract.mjs').Type, number>} sent by type
 * @property {number} refused events that were not sent to a client, because too much waited for it
 * @property {Record<import('ringpost').Lane, number>} dropped events, by lane, of all clients
 *
 * @typedef {object} CentreOptions
 * @property {string} [directory] where clients find it
 * @property {(text: string) => void} [report] is called with what went wrong with a client, in words
 * @property {(monitoring: boolean) => void} [changed] is called when it was paused or resumed
 */

export class Centre {
  /** @type {import('ringpost').Server} */
  #server
  #startedAt = now()
  #monitoring = true
  #refused = 0
  #sent = ofEach(() => 0)
  #changed

  /**
   * Opens an alert center of this name.
   * @param {string} name
   * @param {CentreOptions} [options]
   */
  static async open(name, { directory, report = () => {}, changed = () => {} } = {}) {
    const centre = new Centre()
    centre.#changed = changed
    await createServer(name, {
      directory,
      overflow: OVERFLOW,
      unresponsiveAfterMs: UNRESPONSIVE_MS,
      // Before the first client is there.
      handlers: (server) => {
        centre.#server = server
        server.handle(Pause, () => centre.#monitor(false))
        server.handle(Resume, () => centre.#monitor(true))
        server.handle(Stats, () => centre.stats())
        server.on('connection', (connection) => watch(connection, report))
        server.on('error', (error) => report(error.message))
      },
    })
    return centre
  }

  get monitoring() {
    return this.#monitoring
  }

  /**
   * Sends an event to all clients. Never waits, whatever they do.
   * @template {import('./contract.mjs').Type} T
   * @param {T} type
   * @param {import('./contract.mjs').Details[T]} details
   */
  emit(type, details) {
    const number = ++this.#sent[type]
    const payload = { number, sentAt: now(), ...details }
    const refusing = this.#server.notify(EVENTS[type], payload, { lane: LANES[type] })
    this.#refused += refusing.length
  }

  /** @returns {CentreStats} */
  stats() {
    const { connections, dropped } = this.#server.stats()
    return {
      monitoring: this.#monitoring,
      uptimeMs: now() - this.#startedAt,
      clients: connections,
      sent: { ...this.#sent },
      refused: this.#refused,
      dropped,
    }
  }

  /** Ends it. What was sent is still delivered. */
  close() {
    return this.#server.close()
  }

  /** Returns whether it was monitoring before. */
  #monitor(monitoring) {
    const before = this.#monitoring
    this.#monitoring = monitoring
    if (monitoring !== before) {
      this.#changed(monitoring)
      this.emit('status_change', { monitoring })
    }
    return before
  }
}

/**
 * Reports what a person should know of a client. The stream may be dropped, that is its policy.
 * @param {import('ringpost').Connection} connection
 * @param {(text: string) => void} report
 */
function watch(connection, report) {
  const client = `process ${connection.peer.pid}`
  connection.on('drop', ({ lane, count }) => {
    if (lane !== 'low') report(`${client} has missed ${count} events of the lane "${lane}"`)
  })
  connection.on('unresponsive', () => report(`${client} does not read its events`))
  connection.on('responsive', () => report(`${client} reads its events again`))
  connection.on('error', (error) => report(`${client}: ${error.message}`))
}
