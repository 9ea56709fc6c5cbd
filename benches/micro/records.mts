// Records at the border to the binding: reading what has come, writing what is to be sent.

import assert from 'node:assert/strict'
import { BYTES } from '../../ts/values/codec.js'
import { Inbox } from '../../ts/runtime/inbox.js'
import { native } from '../../ts/native.js'
import { NORMAL, Border, arena } from './border.mjs'
import { MANY, kept, pattern, type MicroCase } from './case.mjs'

const { KIND_REQUEST } = native

const TIMEOUT_MS = 30_000
const PAYLOAD = pattern(64)

export const records: MicroCase[] = [
  reading('read', 'read a record'),
  reading('read-borrowed', 'read a record, 64 B lent', (inbox, at) => inbox.borrowed(at, null)),
  reading('read-kept', 'read a record, 64 B kept', (inbox, at) => inbox.kept(at, null)),
  writing(64),
  writing(1024),
]

/** Reads everything a record says of itself, and the last byte of the payload if it takes that. */
function reading(
  what: string,
  name: string,
  payload?: (inbox: Inbox, at: number) => Uint8Array,
): MicroCase {
  const messages = Array.from({ length: MANY }, (_, slot) => ({
    ...{ kind: KIND_REQUEST, codec: BYTES, code: 3, slot, generation: 2, payload: PAYLOAD },
  }))
  const memory = arena(messages)
  const inbox = new Inbox(1, memory)
  const end = memory.byteLength >>> 2
  const pass = () => {
    let sum = 0
    for (let at = 0; at < end; at = inbox.next(at)) {
      sum += inbox.kind(at) + inbox.lane(at) + inbox.codec(at) + inbox.code(at)
      sum += inbox.slot(at) + inbox.generation(at) + inbox.deadline(at)
      if (payload !== undefined) sum += payload(inbox, at)[PAYLOAD.length - 1]
    }
    return sum
  }
  return {
    id: `records.${what}`,
    name,
    settings: { size: PAYLOAD.length },
    operations: MANY,
    prove() {
      const slots = (MANY * (MANY - 1)) / 2
      const byte = payload === undefined ? 0 : PAYLOAD[PAYLOAD.length - 1]
      assert.equal(pass(), slots + MANY * (KIND_REQUEST + NORMAL + BYTES + 3 + 2 + byte))
      if (payload !== undefined) assert.deepEqual(payload(inbox, 0), PAYLOAD)
    },
    run() {
      kept.value = pass()
    },
  }
}

function writing(size: number): MicroCase {
  const border = new Border()
  const { outbox } = border
  const payload = pattern(size)
  const write = () => {
    for (let slot = 0; slot < MANY; slot++) {
      outbox.kind = KIND_REQUEST
      outbox.link = 1
      outbox.lane = NORMAL
      outbox.format = BYTES
      outbox.code = 3
      outbox.slot = slot
      outbox.generation = 2
      outbox.timeoutMs = TIMEOUT_MS
      outbox.append(payload, size, undefined)
    }
  }
  return {
    id: `records.write-${size}`,
    name: `write a record with ${size} B`,
    settings: { size },
    operations: MANY,
    prove() {
      write()
      proveWritten(border.written, payload)
      outbox.submit()
      assert.equal(outbox.used, 0)
    },
    run() {
      write()
      outbox.submit()
      kept.value = outbox.used
    },
  }
}

function proveWritten(words: Uint32Array, payload: Uint8Array): void {
  const { OUT_CODE, OUT_HEAD, OUT_ID, OUT_LINK, OUT_PAYLOAD_LEN, OUT_WORDS } = native
  const { FLAG_TIMED, TIME_BYTES } = native
  const head = KIND_REQUEST | (NORMAL << 8) | (BYTES << 16) | (FLAG_TIMED << 24)
  let at = 0
  for (let slot = 0; slot < MANY; slot++) {
    assert.equal(words[at + OUT_LINK], 1)
    assert.equal(words[at + OUT_HEAD], head)
    assert.equal(words[at + OUT_CODE], 3)
    assert.deepEqual([...words.subarray(at + OUT_ID, at + OUT_ID + 2)], [slot, 2])
    assert.equal(words[at + OUT_PAYLOAD_LEN], payload.length)
    const start = words.byteOffset + (at + OUT_WORDS) * 4 + TIME_BYTES
    assert.deepEqual(new Uint8Array(words.buffer, start, payload.length), payload)
    at += ((OUT_WORDS * 4 + TIME_BYTES + payload.length + 7) & ~7) >>> 2
  }
  assert.equal(at, words.length)
}
