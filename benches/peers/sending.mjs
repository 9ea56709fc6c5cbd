// What messages without answers need where a library keeps what it is given, or takes without end.

/** Longer payloads are for keeps; see KEPT_ABOVE in benches/adapter.mts. */
const KEPT_ABOVE = 16_384

/** A payload that stays as it is when its sender goes on. */
export function kept(payload) {
  return payload.length > KEPT_ABOVE ? payload : Buffer.from(payload)
}

/** What is sent between two questions, whichever is reached first. */
const MESSAGES = 1024
const BYTES = 4 << 20

/**
 * Backpressure where a library has none: after so much comes a question, and with two of them open
 * the sender waits. So something is under way all the time, and never without end.
 */
export class Window {
  #ask
  #asked
  #limit
  #messages = 0
  #bytes = 0

  /** `ask` is answered when all that was sent before has been read. */
  constructor(ask, messages = MESSAGES) {
    this.#ask = ask
    this.#limit = messages
  }

  /** Of so many bytes; a promise says when to go on. */
  sent(bytes) {
    this.#messages++
    this.#bytes += bytes
    if (this.#messages < this.#limit && this.#bytes < BYTES) return undefined
    this.#messages = 0
    this.#bytes = 0
    const before = this.#asked
    this.#asked = this.#ask(new Uint8Array(0))
    return before
  }
}
