// Someone at a desk, seen by a camera: what a posture model would see, made up from a seed. It has
// no clock: each step is a millisecond, so that a seed always gives the same day.

/** Bad posture is an alert when it has lasted so long. A minute in an office; here, time flies. */
const ALERT_AFTER_MS = 1_500
/** How long people sit well, sit badly, and have a camera that works, and how long it is gone. */
const WELL_MS = [2_000, 5_000]
const BADLY_MS = [1_000, 4_000]
const CONNECTED_MS = [12_000, 20_000]
const LOST_MS = [500, 1_500]
/** By how much a score comes nearer to what it should be, each millisecond. */
const DRIFT = 0.01
const SCORES = { well: 92, slouching: 38, leaning: 45 }
const LEANS = { well: 1, slouching: 4, leaning: 19 }

/** @typedef {{ type: import('./contract.mjs').Type, details: any }} Happening */

export class Desk {
  #random
  #ms = 0
  #posture = 'well'
  #changesAt
  #camera = 'connected'
  #cameraChangesAt
  /** Since when the posture is bad, and when that was said. */
  #badSince = 0
  #alertedAt = NaN
  #score = SCORES.well
  #lean = LEANS.well

  /** @param {number} seed */
  constructor(seed) {
    this.#random = mulberry32(seed)
    this.#changesAt = this.#between(WELL_MS)
    this.#cameraChangesAt = this.#between(CONNECTED_MS)
  }

  /** What happens in the next millisecond. @returns {Happening[]} */
  step() {
    this.#ms++
    const happened = this.#ms >= this.#cameraChangesAt ? this.#changeCamera() : []
    // What is not seen does not happen.
    if (this.#camera === 'lost') return happened
    if (this.#ms >= this.#changesAt) happened.push(...this.#changePosture())
    if (this.#isOverdue) {
      this.#alertedAt = this.#ms
      const forMs = this.#ms - this.#badSince
      happened.push({ type: 'alert', details: { posture: this.#posture, forMs } })
    }
    happened.push({ type: 'posture_update', details: this.#look() })
    return happened
  }

  get #isOverdue() {
    const isBad = this.#posture !== 'well'
    return isBad && Number.isNaN(this.#alertedAt) && this.#ms - this.#badSince >= ALERT_AFTER_MS
  }

  /** @returns {Happening[]} */
  #changeCamera() {
    const isLost = this.#camera === 'connected'
    this.#camera = isLost ? 'lost' : 'connected'
    this.#cameraChangesAt = this.#ms + this.#between(isLost ? LOST_MS : CONNECTED_MS)
    const message = 'the camera does not answer, so nobody watches your posture'
    return [
      { type: 'camera_state', details: { camera: this.#camera } },
      ...(isLost ? [{ type: /** @type {const} */ ('error'), details: { message } }] : []),
    ]
  }

  /** @returns {Happening[]} */
  #changePosture() {
    const isWell = this.#posture !== 'well'
    const afterMs = this.#ms - this.#alertedAt
    this.#posture = isWell ? 'well' : this.#random() < 0.5 ? 'slouching' : 'leaning'
    this.#changesAt = this.#ms + this.#between(isWell ? WELL_MS : BADLY_MS)
    this.#badSince = this.#ms
    this.#alertedAt = NaN
    return isWell && afterMs >= 0 ? [{ type: 'correction', details: { afterMs } }] : []
  }

  /** A noisy score that drifts towards that of the posture. */
  #look() {
    const noise = () => this.#random() - 0.5
    this.#score += (SCORES[this.#posture] - this.#score) * DRIFT + noise()
    this.#lean += (LEANS[this.#posture] - this.#lean) * DRIFT + noise() / 4
    return { score: Math.min(100, Math.max(0, this.#score)), lean: this.#lean }
  }

  /** @param {number[]} span */
  #between(span) {
    const [least, most] = span
    return Math.round(least + this.#random() * (most - least))
  }
}

/**
 * A small generator of numbers from 0 to 1, by Tommy Ettinger.
 * @param {number} state 32 bits
 */
function mulberry32(state) {
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
