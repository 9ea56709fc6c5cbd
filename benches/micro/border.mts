// The border to the binding without the binding: what is sent is dropped, and what arrives is
// written here, in the places where the binding would write it.

import type * as api from '../../index.js'
import { Link } from '../../ts/connection/link.js'
import { native } from '../../ts/native.js'
import type { Settings } from '../../ts/values/options.js'
import { Outbox } from '../../ts/runtime/outbox.js'
import type { Runtime } from '../../ts/runtime/runtime.js'

const { LINK_WORDS, STATE_INSIDE, STATE_USED, STATE_WORDS } = native

/** A message as it comes. */
export interface Incoming {
  kind: number
  codec: number
  code: number
  slot: number
  generation: number
  payload: Uint8Array
}

export class Border {
  readonly state = new Uint32Array(STATE_WORDS)
  readonly outbox = new Outbox(this.state)
  readonly link: Link

  constructor() {
    // The binding has entered JavaScript and will look by itself, so that no turn has to end.
    this.state[STATE_INSIDE] = 1
    const none = () => 0
    const submit = () => this.forget()
    this.outbox.attach({
      ...{ submit, submitOutside: submit, syncArena: none, requestSync: none, settle: none },
      ...{ lookAbandoned: none, now: none, wakeAt: none, uncaught: none, flushAtExit: submit },
    })
    const { outbox, state } = this
    const standing = new Uint32Array(2 * LINK_WORDS)
    const runtime = { outbox, state, standing, addReferences: none } as unknown as Runtime
    const peer = { messageLenMax: 64 << 20, pendingMax: 65_536 } as api.Peer
    this.link = new Link(runtime, 1, peer, { timeoutMs: 30_000 } as Settings)
  }

  /** What the outbox holds, in words. */
  get written(): Uint32Array {
    return new Uint32Array(this.outbox.memory, 0, this.state[STATE_USED] >>> 2)
  }

  /** Empties the outbox, as the binding does when it has sent everything. */
  forget(): void {
    this.state[STATE_USED] = 0
  }
}

/** An arena with these messages, one behind the other. */
export function arena(messages: Incoming[]): ArrayBuffer {
  const { IN_CODE, IN_HEAD, IN_ID, IN_LEN, IN_PAYLOAD_LEN, IN_WORDS } = native
  const { FLAG_TIMED, KIND_REQUEST, TIME_BYTES } = native
  const timed = ({ kind }: Incoming) => (kind === KIND_REQUEST ? TIME_BYTES : 0)
  const lengths = messages.map(
    (message) => (IN_WORDS * 4 + timed(message) + message.payload.length + 7) & ~7,
  )
  const memory = new ArrayBuffer(lengths.reduce((sum, length) => sum + length, 0))
  const words = new Uint32Array(memory)
  let at = 0
  for (const [index, message] of messages.entries()) {
    const { kind, codec, code, slot, generation, payload } = message
    const flags = timed(message) > 0 ? FLAG_TIMED : 0
    words[at + IN_LEN] = lengths[index]
    words[at + IN_HEAD] = kind | (NORMAL << 8) | (codec << 16) | (flags << 24)
    words[at + IN_CODE] = code
    words[at + IN_PAYLOAD_LEN] = payload.length
    words[at + IN_ID] = slot
    words[at + IN_ID + 1] = generation
    new Uint8Array(memory).set(payload, ((at + IN_WORDS) << 2) + timed(message))
    at += lengths[index] >>> 2
  }
  return memory
}

/** The lane of what names none. */
export const NORMAL = 2
