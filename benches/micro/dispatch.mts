// From a message that has come to its handler, and with the answer into the outbox.

import assert from 'node:assert/strict'
import { BYTES, bytes } from '../../ts/values/codec.js'
import type { Owner } from '../../ts/connection/context.js'
import { event, method } from '../../ts/values/contract.js'
import { Handlers } from '../../ts/connection/handlers.js'
import { Inbox } from '../../ts/runtime/inbox.js'
import { native } from '../../ts/native.js'
import { Responder } from '../../ts/connection/responder.js'
import { Border, arena } from './border.mjs'
import { MANY, kept, pattern, type MicroCase } from './case.mjs'

const { KIND_ONE_WAY, KIND_REPLY, KIND_REQUEST } = native

const PAYLOAD = pattern(64)

export const dispatch: MicroCase[] = [byName(), byCode(KIND_ONE_WAY), byCode(KIND_REQUEST)]

/** As when a name is used for the first time. */
function byName(): MicroCase {
  const handlers = new Handlers(() => {}, () => {})
  const names = Array.from({ length: MANY }, (_, index) => `some/method-${index}`)
  for (const [index, name] of names.entries()) handlers.add(name, () => index, undefined)
  const pass = () => {
    let sum = 0
    for (const name of names) sum += handlers.find(name)!.handler(null, null!) as number
    return sum
  }
  return {
    id: 'dispatch.by-name',
    name: `find one of ${MANY} handlers by its name and call it`,
    settings: { handlers: MANY },
    operations: MANY,
    prove() {
      assert.equal(pass(), (MANY * (MANY - 1)) / 2)
      assert.equal(handlers.find('some/other'), undefined)
    },
    run() {
      kept.value = pass()
    },
  }
}

/** As every time after that; a request is answered with what came. */
function byCode(kind: number): MicroCase {
  const border = new Border()
  const received = { count: 0 }
  const handlers = new Handlers(() => {}, () => {})
  const handle = (payload: Uint8Array) => {
    received.count++
    return payload
  }
  const make = kind === KIND_REQUEST ? method<Uint8Array, Uint8Array> : event<Uint8Array>
  handlers.add(make('some/name', { codec: bytes }), handle, { borrowed: true })
  const fail = (thrown: unknown) => {
    throw thrown
  }
  const connection = {} as Owner
  const responder = new Responder(connection, border.link, handlers, undefined, fail)
  responder.named(3, 'some/name')
  const messages = Array.from({ length: MANY }, (_, slot) => ({
    ...{ kind, codec: BYTES, code: 3, slot, generation: 2, payload: PAYLOAD },
  }))
  const memory = arena(messages)
  const inbox = new Inbox(1, memory)
  const end = memory.byteLength >>> 2
  const pass = () => {
    for (let at = 0; at < end; at = inbox.next(at)) responder.received(inbox, at, kind, null)
  }
  const what = kind === KIND_REQUEST ? 'request' : 'event'
  return {
    id: `dispatch.${what}`,
    name: kind === KIND_REQUEST ? 'handle a request of 64 B and answer it' : 'handle an event of 64 B',
    settings: { size: PAYLOAD.length },
    operations: MANY,
    prove() {
      const { count } = received
      pass()
      assert.equal(received.count, count + MANY)
      proveAnswers(border.written, kind === KIND_REQUEST ? MANY : 0)
      border.forget()
    },
    run() {
      pass()
      border.forget()
      kept.value = received.count
    },
  }
}

/** What was written are so many answers, each with what was asked. */
function proveAnswers(words: Uint32Array, count: number): void {
  const { OUT_HEAD, OUT_ID, OUT_PAYLOAD_LEN, OUT_WORDS } = native
  let at = 0
  for (let slot = 0; slot < count; slot++) {
    assert.equal(words[at + OUT_HEAD] & 0xff, KIND_REPLY)
    assert.deepEqual([...words.subarray(at + OUT_ID, at + OUT_ID + 2)], [slot, 2])
    const start = words.byteOffset + (at + OUT_WORDS) * 4
    const payload = new Uint8Array(words.buffer, start, words[at + OUT_PAYLOAD_LEN])
    assert.deepEqual(payload, PAYLOAD)
    at += ((OUT_WORDS * 4 + payload.length + 7) & ~7) >>> 2
  }
  assert.equal(at, words.length)
}
