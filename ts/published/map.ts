// Maps: keys and values of one process that any other looks up in memory.

import type * as api from '../../index.js'
import type { NativeMapReader, NativeMapWriter } from '../../native/binding.js'
import { native } from '../native.js'
import type { Alarm } from '../runtime/alarms.js'
import { theRuntime } from '../runtime/runtime.js'
import { encodeWith } from '../values/codec.js'
import { ours, raised } from '../values/errors.js'
import { kindOf } from '../values/kinds.js'
import { changesOptions, mapReadOptions, mapSetOptions, publishOptions } from './options.js'
import { checkBuffer, checkRoom } from './buffer.js'
import { asMap, Decoder, type MapContract } from './contract.js'
import { Newest } from './newest.js'
import { hold, release } from './owners.js'
import { Watch } from './watch.js'

/** In place of lengths, and above all of them: the first above the second. */
const { MAP_MISSING, MAP_SAME } = native
const STATUS: readonly api.MapStatus[] = ['alive', 'gone', 'absent']

/** What the binding leaves in the numbers of a reader. */
const [FILES, EXPIRES] = [0, 1]
const NUMBERS = 2
/** Bytes before each entry that the binding hands over. */
const LENGTHS = 8
const NOTHING = new Uint8Array(0)
/** A key is what it is, whatever it begins with. */
const utf8 = new TextDecoder('utf-8', { ignoreBOM: true })

export function createMap<V>(
  map: api.SharedMap<V>,
  options?: api.PublishOptions,
): api.MapWriter<V> {
  return new MapWriter(asMap(map), options)
}

export function openMap<V>(map: api.SharedMap<V>, options?: api.MapReadOptions): api.MapReader<V> {
  return new MapReader(asMap(map), options)
}

class MapWriter implements api.MapWriter {
  readonly name: string
  readonly #contract: MapContract
  readonly #native: NativeMapWriter
  readonly #set: (key: string, value: Uint8Array, ttlMs: number) => number
  readonly #decode: (bytes: Uint8Array) => any
  /** Where values are copied to before they are decoded. */
  #bytes = NOTHING

  constructor(contract: MapContract, options: api.PublishOptions | undefined) {
    const { place, takeOver } = publishOptions(options)
    const { name, format, sizes } = contract
    this.name = name
    this.#contract = contract
    this.#decode = contract.decoder(format)
    const asked = { ...sizes, format, takeOver }
    this.#native = raised(() => new native.NativeMapWriter(name, place, asked))
    this.#set = this.#native.direct()
    hold(this)
  }

  get size(): number {
    return raised(() => this.#native.size())
  }

  set(key: string, value: any, options?: api.MapSetOptions): void {
    checkKey(key)
    const ttlMs = options === undefined ? Infinity : mapSetOptions(options).ttlMs
    const { codec, shown } = this.#contract
    const bytes = encodeWith(codec, value, shown)
    try {
      this.#set(key, bytes, ttlMs)
    } catch (error) {
      throw ours(error)
    }
  }

  get(key: string): any {
    checkKey(key)
    let length = raised(() => this.#native.get(key, this.#bytes))
    if (length === MAP_MISSING) return undefined
    if (length > this.#bytes.length) {
      // Only this process changes it.
      this.#bytes = new Uint8Array(2 * length)
      length = raised(() => this.#native.get(key, this.#bytes))
    }
    return length === MAP_MISSING ? undefined : this.#decode(this.#bytes.subarray(0, length))
  }

  delete(key: string): boolean {
    checkKey(key)
    return raised(() => this.#native.delete(key))
  }

  clear(): void {
    raised(() => this.#native.clear())
  }

  close({ remove = false }: api.PublishedCloseOptions = {}): void {
    this.#native.close(remove)
    release(this)
  }

  [Symbol.dispose](): void {
    this.close()
  }
}

class MapReader implements api.MapReader {
  readonly name: string
  readonly #numbers = new Float64Array(NUMBERS)
  readonly #native: NativeMapReader
  readonly #find: (key: string, into: Uint8Array) => number
  #bytes = NOTHING
  readonly #decoder: Decoder
  readonly #loops = new Set<() => void>()

  constructor(contract: MapContract, options: api.MapReadOptions | undefined) {
    const { place } = mapReadOptions(options)
    const { name, sizes } = contract
    this.name = name
    // As long as values can be by the contract; another owner's may be longer.
    this.#bytes = new Uint8Array(Math.min(sizes.valueLenMax, 65_536))
    const { buffer } = this.#numbers
    this.#native = raised(() => new native.NativeMapReader(name, place, buffer))
    this.#find = this.#native.direct()
    this.#decoder = new Decoder(contract, () => this.#native.format())
  }

  get status(): api.MapStatus {
    return STATUS[raised(() => this.#native.status())]
  }

  get(key: string): any {
    checkKey(key)
    for (;;) {
      const length = this.#findInto(key, this.#bytes)
      if (length === MAP_MISSING) return undefined
      if (length <= this.#bytes.length) return this.#decoded(this.#bytes.subarray(0, length))
      this.#bytes = new Uint8Array(2 * length)
    }
  }

  getInto(key: string, buffer: Uint8Array): number | undefined {
    checkKey(key)
    checkBuffer(buffer)
    const length = this.#findInto(key, buffer)
    if (length === MAP_MISSING) return undefined
    checkRoom(buffer, length)
    return length
  }

  has(key: string): boolean {
    checkKey(key)
    return this.#findInto(key, NOTHING) !== MAP_MISSING
  }

  entries(): [string, any][] {
    let length = raised(() => this.#native.entries(this.#bytes))
    while (length > this.#bytes.length) {
      this.#bytes = new Uint8Array(length + 4096)
      length = raised(() => this.#native.entries(this.#bytes))
    }
    const bytes = this.#bytes
    const view = new DataView(bytes.buffer)
    const entries: [string, any][] = []
    for (let at = 0; at < length; ) {
      const start = at + LENGTHS
      const middle = start + view.getUint32(at, true)
      const end = middle + view.getUint32(at + 4, true)
      const value = this.#decoded(bytes.subarray(middle, end))
      entries.push([utf8.decode(bytes.subarray(start, middle)), value])
      at = end
    }
    return entries
  }

  watch(key: string, options?: api.ChangesOptions): AsyncIterableIterator<any> {
    checkKey(key)
    const { signal } = changesOptions(options)
    const newest = new Newest<any>()
    const end = this.#follow(key, newest)
    const close = () => newest.end()
    this.#loops.add(close)
    newest.open(signal, () => {
      this.#loops.delete(close)
      end()
    })
    return newest
  }

  /** Pushes each value that is seen of a key, until what is returned is called. */
  #follow(key: string, newest: Newest<any>): () => void {
    const { alarms } = theRuntime()
    const seen = new native.NativeKeySeen()
    let expiry: Alarm | undefined
    const look = (): boolean => {
      let length
      try {
        length = this.#look(key, seen)
        if (length === MAP_SAME) return false
        const isThere = length !== MAP_MISSING
        newest.push(isThere ? this.#decoded(this.#bytes.subarray(0, length)) : undefined)
      } catch (error) {
        newest.end(error)
        return false
      }
      if (expiry !== undefined) alarms.clear(expiry)
      expiry = alarms.set(this.#numbers[EXPIRES], look)
      return true
    }
    const watch = new Watch(this.#native, look)
    return () => {
      if (expiry !== undefined) alarms.clear(expiry)
      watch.end()
    }
  }

  #look(key: string, seen: InstanceType<typeof native.NativeKeySeen>): number {
    for (;;) {
      const length = raised(() => this.#native.look(key, seen, this.#bytes))
      if (length >= MAP_SAME || length <= this.#bytes.length) return length
      this.#bytes = new Uint8Array(2 * length)
    }
  }

  #findInto(key: string, into: Uint8Array): number {
    try {
      return this.#find(key, into)
    } catch (error) {
      throw ours(error)
    }
  }

  /** A value of the file that was read last. */
  #decoded(bytes: Uint8Array): any {
    return this.#decoder.decode(this.#numbers[FILES], bytes)
  }

  stats(): api.MapStats {
    const none = { corrupt: 0, overtaken: 0, generations: 0, changes: 0, entries: 0 }
    return this.#native.stats() ?? none
  }

  close(): void {
    for (const end of [...this.#loops]) end()
    this.#native.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }
}

function checkKey(key: unknown): void {
  if (typeof key !== 'string') throw refusedKey(`a string, got ${kindOf(key)}`)
  // As UTF-8 it would be another key.
  if (!key.isWellFormed()) throw refusedKey('text, got one with half a character')
}

function refusedKey(reason: string): TypeError {
  const error = new TypeError(`a key must be ${reason}`)
  return Object.assign(error, { code: 'ERR_INVALID_ARGUMENT' })
}
