// Requests in flight: a slot taken and settled, alone and with all that belongs to a request on
// this side of the border.

import assert from 'node:assert/strict'
import { BYTES, bytes } from '../../ts/values/codec.js'
import { Caller } from '../../ts/connection/caller.js'
import { MethodContract } from '../../ts/values/contract.js'
import { Inbox } from '../../ts/runtime/inbox.js'
import { native } from '../../ts/native.js'
import { Pending } from '../../ts/connection/pending.js'
import { Border, arena } from './border.mjs'
import { MANY, kept, pattern, type MicroCase } from './case.mjs'

const { KIND_REPLY } = native

const PAYLOAD = pattern(64)

export const pending: MicroCase[] = [oneAfterTheOther(), allAtOnce(), whole()]

function oneAfterTheOther(): MicroCase {
  const table = new Pending<object>()
  const call = {}
  const pass = () => {
    let taken: object | undefined
    for (let turn = 0; turn < MANY; turn++) {
      const slot = table.add(call)
      taken = table.take(slot, table.generation(slot))
    }
    return taken
  }
  return {
    id: 'pending.one',
    name: 'take a slot and settle it, one request in flight',
    settings: { inFlight: 1 },
    operations: MANY,
    prove() {
      const slot = table.add(call)
      const generation = table.generation(slot)
      assert.equal(table.size, 1)
      assert.equal(table.take(slot, generation), call)
      assert.equal(table.take(slot, generation), undefined, 'it has ended before')
      assert.equal(pass(), call)
      assert.equal(table.size, 0)
    },
    run() {
      kept.value = pass()
    },
  }
}

function allAtOnce(): MicroCase {
  const table = new Pending<object>()
  const calls = Array.from({ length: MANY }, (_, index) => ({ index }))
  const slots = new Uint32Array(MANY)
  const generations = new Uint32Array(MANY)
  const pass = (settled: (call: object | undefined, index: number) => void) => {
    for (let index = 0; index < MANY; index++) {
      const slot = table.add(calls[index])
      slots[index] = slot
      generations[index] = table.generation(slot)
    }
    for (let index = 0; index < MANY; index++) {
      settled(table.take(slots[index], generations[index]), index)
    }
  }
  return {
    id: 'pending.many',
    name: `take a slot and settle it, ${MANY} requests in flight`,
    settings: { inFlight: MANY },
    operations: MANY,
    prove() {
      pass((call, index) => assert.equal(call, calls[index]))
      assert.equal(table.size, 0)
    },
    run() {
      pass(keep)
    },
  }
}

function keep(value: unknown): void {
  kept.value = value
}

/** A request is written into the outbox, its answer read from the inbox, its promise resolved. */
function whole(): MicroCase {
  const { IN_ID, OUT_ID } = native
  const border = new Border()
  const caller = new Caller(border.link)
  const contract = new MethodContract('some/name', { codec: bytes })
  // Otherwise the engine would be asked for it.
  contract.code = 3
  const answer = { kind: KIND_REPLY, codec: BYTES, code: 3, slot: 0, generation: 0, payload: PAYLOAD }
  const memory = arena([answer])
  const inbox = new Inbox(1, memory)
  const incoming = new Uint32Array(memory)
  const outgoing = new Uint32Array(border.outbox.memory)
  const ask = () => {
    const promise = caller.request(contract, PAYLOAD)
    incoming[IN_ID] = outgoing[OUT_ID]
    incoming[IN_ID + 1] = outgoing[OUT_ID + 1]
    border.forget()
    caller.answered(inbox, 0, KIND_REPLY, null)
    return promise
  }
  return {
    id: 'pending.request',
    name: 'ask with 64 B and be answered, without the binding',
    settings: { size: PAYLOAD.length, inFlight: 1 },
    operations: MANY,
    async prove() {
      assert.deepEqual(await ask(), PAYLOAD)
      assert.deepEqual(await ask(), PAYLOAD)
      assert.equal(caller.pending, 0)
    },
    run() {
      for (let turn = 0; turn < MANY; turn++) kept.value = ask()
    },
  }
}
