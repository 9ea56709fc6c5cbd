// What is so right now, for any process of this user to look up: no connection, no lock, no
// waiting. The backend owns it, and readers find it by the name of the alert center.

import { createMap, openMap, sharedMap } from 'ringpost'

/** Statistics that were not renewed for so long are none any more. */
const STATISTICS_TTL_MS = 60_000

/**
 * @typedef {object} Statistics of this run of the backend
 * @property {number} updates
 * @property {number} goodShare of the updates, from 0 to 1
 * @property {number} alerts
 * @property {number} corrections
 *
 * @typedef {object} Flags
 * @property {boolean} monitoring
 * @property {'connected' | 'lost'} camera
 */

/** @param {string} name */
const contract = (name) => sharedMap(name, { entriesMax: 8, keyLengthMax: 16, valueLengthMax: 256 })

/** What is known now, written by one process. */
export class PublishedState {
  #map
  #ttlMs

  /**
   * @param {string} name
   * @param {{ directory?: string, ttlMs?: number }} [options] how long statistics are of use
   */
  constructor(name, { directory, ttlMs = STATISTICS_TTL_MS } = {}) {
    this.#map = createMap(contract(name), { directory })
    this.#ttlMs = ttlMs
  }

  /**
   * @template {keyof Flags} K
   * @param {K} key
   * @param {Flags[K]} value
   */
  flag(key, value) {
    this.#map.set(key, value)
  }

  /** @param {Statistics} statistics */
  statistics(statistics) {
    this.#map.set('statistics', statistics, { ttlMs: this.#ttlMs })
  }

  /** Ends it, and leaves nothing behind. */
  close() {
    this.#map.close({ remove: true })
  }
}

/** The same for everyone else. Can be opened before the backend runs, and outlives it. */
export class State {
  #map

  /**
   * @param {string} name
   * @param {{ directory?: string }} [options]
   */
  constructor(name, { directory } = {}) {
    this.#map = openMap(contract(name), { directory })
  }

  /** Whether there is a backend, as of now: the kernel knows. */
  get hasBackend() {
    return this.#map.status === 'alive'
  }

  /** Whether it is monitoring now. The flags of a backend that is gone are not believed. */
  get monitoring() {
    return this.#flag('monitoring') ?? false
  }

  /** @returns {Flags['camera'] | 'unknown'} */
  get camera() {
    return this.#flag('camera') ?? 'unknown'
  }

  /** Those of the last minute, also of a backend that is gone. @returns {Statistics | undefined} */
  get statistics() {
    return this.#map.get('statistics')
  }

  close() {
    this.#map.close()
  }

  #flag(key) {
    return this.hasBackend ? this.#map.get(key) : undefined
  }
}
