// The two directions of a stream, each beside a slow and obvious twin, under random operations: what
// is written as far as credit goes, and what has come and waits to be read.

import assert from 'node:assert/strict'
import test from 'ava'
import { bytes, messagePack, stream, type IpcError, type StandardSchema } from 'ringpost'
import { ItemReader, ItemWriter, type Address } from '../ts/connection/flow.js'
import { native } from '../ts/native.js'
import { eachSeed, type Random } from './helpers/random.mjs'

const { ORDER_CONSUMED, ORDER_END } = native
const WINDOW = 4096
/** Credit is given back in eighths. */
const PART = WINDOW / 8
const KIND = 7
const [LANE, CODE, SLOT, GENERATION] = [2, 5, 3, 9]
const MESSAGE_LEN_MAX = 20_000
const tooLong = new Error('too long')
const NOTHING = new Uint8Array(0)

/** What an item takes of the credit, as PROTOCOL.md has it: header, payload, and up to a whole word. */
const costOf = (payload: Uint8Array) => Math.ceil((24 + payload.length) / 8) * 8

/** What goes into the outbox. */
interface Record {
  kind: number
  lane: number
  codec: number
  code: number
  slot: number
  generation: number
  amount: number
  payload: Uint8Array
}

/** An outbox that keeps what is appended. */
class FakeOutbox {
  kind = 0
  link = 0
  lane = 0
  format = 0
  code = 0
  slot = 0
  generation = 0
  item = 0
  count = 0

  constructor(readonly target: FakeLink) {}

  append(bytes: Uint8Array, length: number, trace: unknown): void {
    assert.equal(length, bytes.length)
    assert.equal(trace, undefined)
    this.#keep(this.format, this.code, 0, new Uint8Array(bytes))
  }

  appendOrder(): void {
    this.#keep(0, this.item, this.count, NOTHING)
  }

  #keep(codec: number, code: number, amount: number, payload: Uint8Array): void {
    const { kind, link, lane, slot, generation } = this
    assert.equal(link, this.target.number)
    this.target.records.push({ kind, lane, codec, code, slot, generation, amount, payload })
    this.code = this.slot = this.generation = this.item = this.count = 0
  }
}

/** A link that ends in this file. */
class FakeLink {
  readonly records: Record[] = []
  readonly stalled = new Set<unknown>()
  noticed: ItemReader[] = []
  number = 77
  waiting = 0
  end: unknown = undefined
  readonly runtime = {
    delivery: { notice: (reader: ItemReader) => this.noticed.push(reader) },
    notice: (reader: ItemReader) => this.noticed.push(reader),
    outbox: new FakeOutbox(this),
  }

  queued(lane: number): number {
    assert.equal(lane, LANE)
    return this.waiting
  }

  check({ length }: Uint8Array): number {
    if (this.end !== undefined) throw this.end
    if (length > MESSAGE_LEN_MAX) throw tooLong
    return length
  }

  address(contract: unknown): Address {
    const place = { lane: LANE, code: CODE, slot: SLOT, generation: GENERATION, window: WINDOW }
    return { link: this, contract, ...place } as unknown as Address
  }

  /** What was told of this kind since the last time. */
  take(kind: number): Record[] {
    const found = this.records.filter((record) => record.kind === kind)
    this.records.splice(0, this.records.length, ...this.records.filter((it) => it.kind !== kind))
    for (const record of found) {
      assert.deepEqual([record.lane, record.slot, record.generation], [LANE, SLOT, GENERATION])
    }
    return found
  }
}

/** What has come of promises, by the order in which they were made. */
class Outcomes<T> {
  readonly settled: ({ value: T } | { error: unknown } | undefined)[] = []

  add(promise: Promise<T>): void {
    const place = this.settled.push(undefined) - 1
    const settle = (outcome: { value: T } | { error: unknown }) => {
      assert.equal(this.settled[place], undefined)
      this.settled[place] = outcome
    }
    promise.then(
      (value) => settle({ value }),
      (error: unknown) => settle({ error }),
    )
  }
}

/** Until all that follows from what was done has happened. */
const turn = () => new Promise<void>((done) => setImmediate(done))

const Bytes = stream<any, any, any, any>('flow-bytes', { codec: bytes })
const Values = stream<any, any, any, any>('flow-values', { codec: messagePack })

// ---- writing ----

test('writes stop at the credit, and every waiting writer is woken', async (t) => {
  await eachSeed(t, 150, async (random) => {
    const link = new FakeLink()
    const writer = new ItemWriter(link.address(Bytes), KIND)
    const ready = new Outcomes<void>()
    let [sent, granted] = [0, WINDOW]
    let end: Error | undefined
    /** Of each who waits: whether it was told, with an error or without. */
    const expected: ('waits' | 'ready' | Error)[] = []
    const isReady = () => sent < granted && link.waiting === 0
    const tellReady = () => {
      if (end === undefined && isReady()) {
        expected.forEach((one, place) => one === 'waits' && (expected[place] = 'ready'))
      }
    }
    for (let step = 0; step < 60; step++) {
      switch (random.below(8)) {
        case 0:
        case 1:
        case 2: {
          const item = random.bytes(random.pick([0, 1, 7, 8, 100, 1000, WINDOW * 2, 20_001]))
          if (end !== undefined) assert.throws(() => writer.write(item), end)
          else if (link.end !== undefined) assert.throws(() => writer.write(item), link.end as Error)
          else if (item.length > MESSAGE_LEN_MAX) assert.throws(() => writer.write(item), tooLong)
          else if (sent >= granted) assert.throws(() => writer.write(item), { code: 'ERR_FULL' })
          else {
            sent += costOf(item)
            assert.equal(writer.write(item), isReady(), 'write() says whether there is room')
            const [record, ...others] = link.take(KIND)
            const { codec, code, amount, payload } = record
            assert.deepEqual([codec, code, amount, payload], [0, CODE, 0, new Uint8Array(item)])
            assert.deepEqual(others, [])
          }
          break
        }
        case 3:
        case 4:
          ready.add(writer.ready())
          expected.push(end ?? (isReady() ? 'ready' : 'waits'))
          break
        case 5:
          // As the other side counts it: all that was ever granted.
          if (random.below(2)) granted = Math.max(granted, sent) + random.pick([0, 1, 8, 999, WINDOW])
          tellReady()
          if (end === undefined) writer.granted(granted)
          break
        case 6:
          link.waiting = random.pick([0, 0, 5000])
          tellReady()
          if (link.waiting === 0) for (const one of link.stalled) (one as ItemWriter).wake()
          break
        default:
          if (random.below(30) === 0) link.end ??= new Error('the connection is over')
          if (random.below(6)) break
          // Ended here, or by the other side; the first reason stays.
          const reason = new Error(`reason ${step}`)
          if (random.below(2)) {
            writer.end(reason)
            const said = link.take(ORDER_END)
            assert.equal(said.length, end === undefined && link.end === undefined ? 1 : 0)
            for (const { codec, code, amount, payload } of said) {
              assert.deepEqual([codec, code, amount, payload], [0, 0, 0, NOTHING])
            }
          } else writer.stop(reason)
          end ??= reason
          expected.forEach((one, place) => one === 'waits' && (expected[place] = end!))
      }
      assert.equal(writer.isOpen, end === undefined)
      const waits = expected.includes('waits')
      assert.deepEqual([...link.stalled], waits ? [writer] : [], 'who does not wait is not kept')
      await turn()
      const found = ready.settled.map((one) =>
        one === undefined ? 'waits' : 'error' in one ? one.error : 'ready',
      )
      assert.deepEqual(found, expected)
      assert.deepEqual(link.records, [])
    }
  })
})

// ---- reading ----

/** What came, in memory that is used again when the batch is over, as the binding's is. */
class FakeInbox {
  #arena: Uint8Array[] = []
  payload: Uint8Array = new Uint8Array(0)

  constructor(public number: number) {}

  codec(): number {
    return this.number
  }

  kept(): Uint8Array {
    return new Uint8Array(this.payload)
  }

  /** The same, for those who hand it out. */
  exposed(): Uint8Array {
    return this.borrowed()
  }

  borrowed(): Uint8Array {
    const exposed = new Uint8Array(this.payload)
    this.#arena.push(exposed)
    return exposed
  }

  reuse(): void {
    for (const exposed of this.#arena) exposed.fill(0xee)
    this.#arena = []
  }
}

const REFUSED = Uint8Array.of(1, 2, 3, 4, 5)
/** Lets everything through as it is, but one. */
const UNCHANGED: StandardSchema<any> = {
  '~standard': {
    validate: (value: unknown) =>
      value === 'refused' || (value instanceof Uint8Array && value.length === REFUSED.length)
        ? { issues: [{ message: 'refused' }] }
        : { value },
  },
}

/** A reader and what there is to know of it. */
class Reading {
  readonly link = new FakeLink()
  readonly reader: ItemReader
  readonly inbox: FakeInbox
  readonly closes: unknown[] = []
  /** Items that came and count, whole. */
  readonly came: unknown[] = []
  readonly costs: number[] = []
  /** How many of them were handed over, and what that is to be told of. */
  handed = 0
  told = 0
  ended: { error: unknown } | undefined
  closed = false
  #isValues: boolean
  #isChecked: boolean
  #numbers = 0

  constructor(random: Random) {
    this.#isValues = random.below(2) === 1
    this.#isChecked = random.below(2) === 1
    this.inbox = new FakeInbox(this.#isValues ? 1 : 0)
    const address = this.link.address(this.#isValues ? Values : Bytes)
    const schema = this.#isChecked ? UNCHANGED : undefined
    // As both sides do: who cannot read an item, or wants no more, has the stream end with that.
    this.reader = new ItemReader(address, KIND, schema, (reason) => {
      this.closes.push(reason)
      if (reason !== undefined) this.reader.end(reason)
    })
  }

  /** Items come, and perhaps the end behind them, and with the end of the batch what was noticed. */
  batch(random: Random, count: number, mayEnd: boolean): void {
    for (let index = 0; index < count; index++) {
      const number = this.#numbers++
      const filled = new Uint8Array(random.pick([4, 40, 300, 2000])).fill(number)
      const item = this.#isValues ? { number, filled } : filled
      const payload = this.#isValues ? messagePack.encode(item) : filled
      this.inbox.payload = payload
      if (this.ended === undefined && !this.closed) {
        this.came.push(item)
        this.costs.push(costOf(payload))
      }
      this.reader.received(this.inbox as never, 0, undefined as never)
    }
    if (mayEnd && random.below(3) === 0) this.#receiveWhatCannotBeRead(random)
    if (mayEnd && random.below(3) === 0) this.end(random)
    this.#deliver()
    this.inbox.reuse()
  }

  /** Of another codec, or refused by the validator: the items in front of it are read all the same. */
  #receiveWhatCannotBeRead(random: Random): void {
    const { number } = this.inbox
    const before = this.closes.length
    const isRefused = this.#isChecked && random.below(2) === 1
    if (isRefused) this.inbox.payload = this.#isValues ? messagePack.encode('refused') : REFUSED
    else this.inbox.number = 2
    this.reader.received(this.inbox as never, 0, undefined as never)
    this.inbox.number = number
    if (this.ended !== undefined || this.closed) return assert.equal(this.closes.length, before)
    const error = this.closes.at(-1) as IpcError
    assert.equal(error.code, 'ERR_INVALID_PAYLOAD')
    this.ended = { error }
  }

  end(random: Random): void {
    const error = random.below(2) ? new Error(`error ${this.#numbers}`) : undefined
    this.reader.end(error)
    this.ended ??= { error }
  }

  #deliver(): void {
    const noticed = this.link.noticed
    this.link.noticed = []
    assert.ok(noticed.length <= 1, 'told once a batch')
    for (const reader of noticed) reader.arrived()
  }

  /** What is owed to the other side: less than a part, as long as it may still send. */
  checkCredit(): void {
    for (const { amount, codec, code, payload } of this.link.take(ORDER_CONSUMED)) {
      assert.deepEqual([codec, code, payload], [0, KIND, NOTHING])
      assert.ok(amount >= PART, 'a word for less than a part of a window')
      assert.equal(this.ended, undefined, 'a word behind the end')
      this.told += amount
    }
    const consumed = this.costs.slice(0, this.handed).reduce((sum, cost) => sum + cost, 0)
    assert.ok(this.told <= consumed, 'more is given back than was read')
    if (this.ended === undefined) assert.ok(consumed - this.told < PART, 'costs are not given back')
  }
}

test('one by one: every item once and in order, then the end once', async (t) => {
  await eachSeed(t, 150, async (random) => {
    const reading = new Reading(random)
    const { reader, link } = reading
    const asked = new Outcomes<IteratorResult<unknown>>()
    const handed: [found: unknown, expected: unknown][] = []
    let failed = false
    /** What the next who was asked gets, if anything is known. */
    const next = () => {
      if (reading.handed < reading.came.length && !reading.closed) {
        return { value: { value: reading.came[reading.handed], done: false } }
      }
      if (reading.ended === undefined) return undefined
      const { error } = reading.ended
      if (error === undefined || failed) {
        return { value: { value: undefined, done: true } }
      }
      return { error }
    }
    let answered = 0
    for (let step = 0; step < 60; step++) {
      switch (random.below(10)) {
        case 0:
        case 1:
        case 2:
          reading.batch(random, random.below(6), random.below(8) === 0)
          break
        case 3:
          if (random.below(8)) break
          const before = reading.closes.length
          assert.deepEqual(await reader.return(), { value: undefined, done: true })
          const isFirst = !reading.closed
          assert.deepEqual(reading.closes.slice(before), isFirst ? [undefined] : [], 'told once')
          reading.closed = true
          reading.ended ??= { error: undefined }
          break
        default:
          asked.add(reader.next())
      }
      for (let turns = 0; turns < 2; turns++) {
        await turn()
        // What is noticed out of a batch is told at once.
        for (const one of link.noticed.splice(0)) one.arrived()
      }
      for (; answered < asked.settled.length; answered++) {
        const [found, expected] = [asked.settled[answered], next()]
        assert.deepEqual(found, expected)
        if (expected === undefined) break
        if ('error' in expected) failed = true
        else if (!expected.value.done) {
          handed.push([(found as { value: { value: unknown } }).value.value, expected.value.value])
          reading.handed++
        }
      }
      reading.checkCredit()
    }
    for (const [found, expected] of handed) assert.deepEqual(found, expected, 'it was kept')
  })
})

test('in batches: all items that have arrived, and none while the reader is busy', async (t) => {
  await eachSeed(t, 300, async (random) => {
    const reading = new Reading(random)
    const { reader, link } = reading
    const [borrowed, isAsync] = [random.below(2) === 1, random.below(2) === 1]
    const mine = new Error('mine')
    const handed: [found: unknown, expected: unknown][] = []
    const outcome = new Outcomes<void>()
    let work: { finish(): void; fail(): void } | undefined
    let failed = false
    const take = (items: unknown[]): unknown => {
      assert.equal(work, undefined, 'it is at work')
      assert.ok(items.length > 0 && !failed)
      for (const item of items) {
        const expected = reading.came[reading.handed + handedNow++]
        assert.deepEqual(item, expected, 'it is valid while it is handed over')
        handed.push([item, expected])
      }
      if (!isAsync) {
        if (random.below(40) === 0) {
          failed = true
          throw mine
        }
        done()
        return undefined
      }
      return new Promise<void>((resolve, reject) => {
        work = {
          finish: () => resolve(done()),
          fail: () => {
            failed = true
            reject(mine)
          },
        }
      })
    }
    /** Handed over, and not yet done with. */
    let handedNow = 0
    const done = () => {
      reading.handed += handedNow
      handedNow = 0
    }
    if (random.below(2)) reading.batch(random, random.below(4), false)
    outcome.add(reader.forEach(take, borrowed))
    for (let step = 0; step < 40; step++) {
      if (random.below(3)) reading.batch(random, random.below(5), random.below(12) === 0)
      else if (work !== undefined) {
        const { finish, fail } = work
        work = undefined
        if (random.below(15)) finish()
        else fail()
      }
      for (let turns = 0; turns < 2; turns++) {
        await turn()
        for (const one of link.noticed.splice(0)) one.arrived()
      }
      if (failed && !reading.closed) {
        assert.equal(reading.closes.at(-1), mine)
        reading.closed = true
        reading.ended ??= { error: undefined }
      }
      const isBusy = work !== undefined
      if (!failed && !isBusy) {
        assert.equal(reading.handed, reading.came.length, 'something was not handed over')
      }
      reading.checkCredit()
      assert.deepEqual(outcome.settled, [outcomeOf(failed ? { error: mine } : reading.ended, isBusy)])
    }
    if (!borrowed) for (const [found, expected] of handed) assert.deepEqual(found, expected)
  })
})

/** What taking all of them comes to, if it has come to an end. */
function outcomeOf(ended: { error: unknown } | undefined, isBusy: boolean) {
  if (ended === undefined || isBusy) return undefined
  return ended.error === undefined ? { value: undefined } : ended
}
