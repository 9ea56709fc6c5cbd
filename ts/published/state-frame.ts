// State frames: the newest of a sequence of values, written by one process and read by any.

import type * as api from '../../index.js'
import type { NativeFrameReader, NativeFrameWriter } from '../../native/binding.js'
import { native } from '../native.js'
import { withinContext } from '../runtime/isolation.js'
import { encodeWith } from '../values/codec.js'
import { IpcError, ours, raised } from '../values/errors.js'
import { checkFunction } from '../values/checks.js'
import { changesOptions, publishOptions, readOptions } from './options.js'
import { asError, warn } from '../values/report.js'
import { checkBuffer, checkRoom } from './buffer.js'
import { asStateFrame, Decoder, type StateFrameContract } from './contract.js'
import { Newest } from './newest.js'
import { hold, release } from './owners.js'
import { Watch } from './watch.js'

const STATUS: readonly api.FrameStatus[] = ['fresh', 'same', 'stale', 'empty']
const { FRAME_FRESH, FRAME_SAME } = native

/** What the binding leaves in the numbers of a reader. */
const [NUMBER, LENGTH, WRITTEN_AT, AGE, FILES, VALUES] = [0, 1, 2, 3, 4, 5]
const NUMBERS = 6
/** Of a value that was never written. */
const NEVER = { writtenAt: 0, ageMs: Infinity, isTooOld: true }

export function createStateFrame<T>(
  frame: api.StateFrame<T>,
  options?: api.PublishOptions,
): api.StateFrameWriter<T> {
  return new StateFrameWriter(asStateFrame(frame), options)
}

export function openStateFrame<T>(
  frame: api.StateFrame<T>,
  options?: api.FrameReadOptions,
): api.StateFrameReader<T> {
  return new StateFrameReader(asStateFrame(frame), options)
}

class StateFrameWriter implements api.StateFrameWriter {
  readonly name: string
  readonly #contract: StateFrameContract
  readonly #native: NativeFrameWriter
  readonly #write: (value: Uint8Array) => number
  #number: number

  constructor(contract: StateFrameContract, options: api.PublishOptions | undefined) {
    const { place, takeOver } = publishOptions(options)
    const { name, format } = contract
    const { capacity = 4096 } = contract.options
    this.name = name
    this.#contract = contract
    const asked = { capacity, format, takeOver }
    this.#native = raised(() => new native.NativeFrameWriter(name, place, asked))
    this.#write = this.#native.direct()
    this.#number = this.#native.number()
    hold(this)
  }

  get number(): number {
    return this.#number
  }

  write(value: any): number {
    const { codec, shown } = this.#contract
    const bytes = encodeWith(codec, value, shown)
    try {
      this.#write(bytes)
    } catch (error) {
      throw ours(error)
    }
    return ++this.#number
  }

  close({ remove = false }: api.PublishedCloseOptions = {}): void {
    this.#native.close(remove)
    release(this)
  }

  [Symbol.dispose](): void {
    this.close()
  }
}

class StateFrameReader implements api.StateFrameReader {
  readonly name: string
  readonly #contract: StateFrameContract
  readonly #options: api.FrameReadOptions | undefined
  readonly #maxAgeMs: number
  readonly #numbers = new Float64Array(NUMBERS)
  readonly #native: NativeFrameReader
  readonly #read: (into: Uint8Array) => number
  /** Where values are copied to before they are decoded. */
  #bytes = new Uint8Array(0)
  readonly #decoder: Decoder
  /** The last value, which is decoded once; and which it is of those that were read: numbers begin
   * again after a frame was removed. */
  #value: any
  #valueCount = 0
  readonly #loops = new Set<() => void>()
  #isClosed = false

  constructor(contract: StateFrameContract, options: api.FrameReadOptions | undefined) {
    const { place, maxAgeMs } = readOptions(options)
    const { name } = contract
    this.name = name
    this.#contract = contract
    this.#options = options
    this.#maxAgeMs = maxAgeMs
    const { buffer } = this.#numbers
    this.#native = raised(() => new native.NativeFrameReader(name, place, buffer))
    this.#read = this.#native.direct()
    this.#decoder = new Decoder(contract, () => this.#native.format())
  }

  read(): api.FrameReading {
    const status = this.#copy()
    const numbers = this.#numbers
    const count = numbers[VALUES]
    if (count !== this.#valueCount) {
      this.#value = this.#decoded(numbers[LENGTH])
      this.#valueCount = count
    }
    return this.#reading(status, this.#value)
  }

  readInto(buffer: Uint8Array): api.FrameBytes {
    checkBuffer(buffer)
    const status = STATUS[this.#readInto(buffer)]
    const numbers = this.#numbers
    const length = numbers[LENGTH]
    checkRoom(buffer, length)
    const number = numbers[NUMBER]
    if (number === 0) return { status, number, length, ...NEVER }
    const ageMs = numbers[AGE]
    const isTooOld = ageMs > this.#maxAgeMs
    return { status, number, length, writtenAt: numbers[WRITTEN_AT], ageMs, isTooOld }
  }

  #reading(status: number, value: any): api.FrameReading {
    const numbers = this.#numbers
    const number = numbers[NUMBER]
    if (number === 0) return { status: STATUS[status], value: undefined, number, ...NEVER }
    const ageMs = numbers[AGE]
    const isTooOld = ageMs > this.#maxAgeMs
    return {
      status: STATUS[status],
      value,
      number,
      writtenAt: numbers[WRITTEN_AT],
      ageMs,
      isTooOld,
    }
  }

  #readInto(bytes: Uint8Array): number {
    try {
      return this.#read(bytes)
    } catch (error) {
      throw ours(error)
    }
  }

  /** Reads into memory of its own, which grows with the values. */
  #copy(): number {
    const numbers = this.#numbers
    let status = this.#readInto(this.#bytes)
    // Until it fits: each time there may be another value, and the longest is as long as the frame.
    while (numbers[LENGTH] > this.#bytes.length) {
      this.#bytes = new Uint8Array(2 * numbers[LENGTH])
      const again = this.#readInto(this.#bytes)
      // A value that was new a moment ago, and was not copied, still is.
      if (status !== FRAME_FRESH || again !== FRAME_SAME) status = again
    }
    return status
  }

  #decoded(length: number): any {
    return this.#decoder.decode(this.#numbers[FILES], this.#bytes.subarray(0, length))
  }

  changes(options?: api.ChangesOptions): AsyncIterableIterator<api.FrameReading> {
    const { signal } = changesOptions(options)
    const newest = new Newest<api.FrameReading>()
    const close = () => newest.end()
    const changed = (reading: api.FrameReading) => newest.push(reading)
    const end = this.#follow(changed, (error) => newest.end(error), close)
    const closed = () => {
      this.#loops.delete(close)
      end()
    }
    newest.open(signal, closed)
    return newest
  }

  onChange(listener: (reading: api.FrameReading) => unknown): api.Registration {
    checkFunction('listener', listener)
    const call = withinContext((reading: api.FrameReading) => void listener(reading))
    const name = `a listener of the state frame ${this.#contract.shown}`
    const report = (error: unknown) => warn(`${name} failed`, { error: asError(error, name) })
    let isOver = false
    let end = () => {}
    const dispose = () => {
      isOver = true
      this.#loops.delete(dispose)
      end()
    }
    const changed = (reading: api.FrameReading) => {
      if (isOver) return
      try {
        call(reading)
      } catch (error) {
        report(error)
      }
    }
    end = this.#follow(changed, report, dispose)
    // The first call may have closed this already.
    if (isOver) end()
    return { dispose, [Symbol.dispose]: dispose }
  }

  /** Calls `changed` for each new value, and when the writer of the last one is gone; `failed` when
   * it cannot be read. Readings are of a reader of its own, which knows what it has seen. `close`
   * is called when this one closes, from before the first call on. */
  #follow(
    changed: (reading: api.FrameReading) => void,
    failed: (error: unknown) => void,
    close: () => void,
  ): () => void {
    if (this.#isClosed) {
      throw new IpcError('ERR_CLOSED', `the state frame ${this.#contract.shown} is closed`)
    }
    const reader = new StateFrameReader(this.#contract, this.#options)
    let [count, wasStale] = [0, false]
    const look = () => {
      let reading
      try {
        reading = reader.read()
      } catch (error) {
        failed(error)
        return false
      }
      const isAnother = reader.#valueCount !== count
      const isStale = reading.status === 'stale'
      const isNew = isAnother || (isStale && !wasStale)
      wasStale = isStale
      count = reader.#valueCount
      if (isNew) changed(reading)
      return isNew
    }
    this.#loops.add(close)
    try {
      const watch = new Watch(reader.#native, look)
      return () => {
        watch.end()
        reader.close()
      }
    } catch (error) {
      this.#loops.delete(close)
      reader.close()
      throw error
    }
  }

  stats(): api.FrameStats {
    const none = { fresh: 0, skipped: 0, corrupt: 0, overtaken: 0, generations: 0 }
    return this.#native.stats() ?? none
  }

  close(): void {
    this.#isClosed = true
    for (const end of [...this.#loops]) end()
    this.#native.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }
}
