// Contracts of published objects: the name and the codec that writers and readers share.

import type * as api from '../../index.js'
import type { NativeFormat } from '../../native/binding.js'
import { native } from '../native.js'
import { decodeWith, wireNumber, workingCodec, messagePack, BYTES } from '../values/codec.js'
import { IpcError } from '../values/errors.js'
import { kindOf } from '../values/kinds.js'
import { isLayout, readerOf } from '../values/layout.js'
import { checkServerName } from '../values/checks.js'
import { sharedMapOptions, stateFrameOptions, topicOptions } from './options.js'

/** By this contracts of every copy of the package are known. */
const CONTRACT = Symbol.for('ringpost.published')

const NAMES = ['bytes', 'MessagePack', 'JSON', 'another codec']

export abstract class Published {
  abstract readonly kind: 'stateFrame' | 'map' | 'topic'
  readonly name: string
  /** What values are encoded with. */
  readonly codec: api.Codec<any>
  readonly codecNumber: number
  /** The same as the binding takes it. */
  readonly format: NativeFormat
  readonly #given: api.Codec<any>

  constructor(name: string, codec: api.Codec<any> = messagePack) {
    checkServerName(name)
    this.name = name
    this.#given = codec
    this.codec = workingCodec(codec)
    this.codecNumber = wireNumber(codec)
    const { hash, description } = isLayout(codec) ? codec : { hash: 0n, description: '' }
    this.format = { codec: this.codecNumber, hash, description }
  }

  /** For messages. */
  get shown(): string {
    return `"${this.name}"`
  }

  /**
   * What decodes values that were written in a format: their bytes are overwritten later.
   * @throws IpcError `ERR_LAYOUT` where this contract cannot read them.
   */
  decoder(found: NativeFormat): (bytes: Uint8Array) => any {
    const { codec, codecNumber } = this
    if (found.codec !== codecNumber) {
      throw this.#mismatch(NAMES[found.codec], NAMES[codecNumber])
    }
    const given = this.#given
    if (isLayout(given)) {
      if (found.description === '') throw this.#mismatch('no layout', given.description)
      return readerOf(given, found.description).decode
    }
    if (found.description !== '') throw this.#mismatch(found.description, codec.name)
    if (codecNumber === BYTES) return (bytes) => Uint8Array.prototype.slice.call(bytes)
    return (bytes) => decodeWith(codec, codecNumber, undefined, bytes, codecNumber, this.shown)
  }

  #mismatch(found: string, own: string): IpcError {
    const message = `${this.shown} is written as ${found}, and this contract reads ${own}`
    return new IpcError('ERR_LAYOUT', message)
  }
}

Object.defineProperty(Published.prototype, CONTRACT, { value: true })

/** Decodes what one writer after the other has written, each of which has a format of its own. */
export class Decoder {
  readonly #contract: Published
  readonly #format: () => NativeFormat | null
  /** Of the files that were read, the one whose values are decoded by this. */
  #file = 0
  #decode: (bytes: Uint8Array) => any = () => undefined

  /** `format` is asked for the one of the file that was read last. */
  constructor(contract: Published, format: () => NativeFormat | null) {
    this.#contract = contract
    this.#format = format
  }

  /**
   * Decodes the bytes of a value of the file with this number.
   * @throws IpcError `ERR_LAYOUT` where the contract cannot read them.
   */
  decode(file: number, bytes: Uint8Array): any {
    if (file !== this.#file) {
      const format = this.#format()
      if (format) this.#decode = this.#contract.decoder(format)
      this.#file = file
    }
    return this.#decode(bytes)
  }
}

export class StateFrameContract extends Published implements api.StateFrame {
  readonly kind = 'stateFrame'
  readonly options: api.StateFrameOptions<any>

  constructor(name: string, options: api.StateFrameOptions<any> = {}) {
    super(name, options.codec)
    this.options = Object.freeze({ ...options })
  }
}

export function stateFrame<T>(
  name: string,
  options?: api.StateFrameOptions<T>,
): api.StateFrame<T> {
  return new StateFrameContract(name, stateFrameOptions(options))
}

export class TopicContract extends Published implements api.Topic {
  readonly kind = 'topic'
  readonly options: api.TopicOptions<any>

  constructor(name: string, options: api.TopicOptions<any> = {}) {
    super(name, options.codec)
    this.options = Object.freeze({ ...options })
  }
}

export function topic<T>(name: string, options?: api.TopicOptions<T>): api.Topic<T> {
  return new TopicContract(name, topicOptions(options))
}

export class MapContract extends Published implements api.SharedMap {
  readonly kind = 'map'
  readonly options: api.SharedMapOptions<any>
  /** What it has room for, as the binding takes it. */
  readonly sizes: { entriesMax: number; keyLenMax: number; valueLenMax: number }

  constructor(name: string, options: api.SharedMapOptions<any> = {}) {
    super(name, options.codec)
    this.options = Object.freeze({ ...options })
    this.sizes = {
      entriesMax: options.entriesMax ?? native.MAP_ENTRIES_DEFAULT,
      keyLenMax: options.keyLengthMax ?? native.MAP_KEY_LEN_DEFAULT,
      valueLenMax: options.valueLengthMax ?? native.MAP_VALUE_LEN_DEFAULT,
    }
  }
}

export function sharedMap<V>(name: string, options?: api.SharedMapOptions<V>): api.SharedMap<V> {
  return new MapContract(name, sharedMapOptions(options))
}

/** The contract of a state frame, also of another copy of the package. */
export function asStateFrame(contract: api.StateFrame<any>): StateFrameContract {
  if (contract instanceof StateFrameContract) return contract
  if (isContract(contract, 'stateFrame')) {
    return new StateFrameContract(contract.name, contract.options)
  }
  throw notMade('a state frame must be made by stateFrame()', contract)
}

/** The same of a map. */
export function asMap(contract: api.SharedMap<any>): MapContract {
  if (contract instanceof MapContract) return contract
  if (isContract(contract, 'map')) return new MapContract(contract.name, contract.options)
  throw notMade('a map must be made by sharedMap()', contract)
}

/** The same of a topic. */
export function asTopic(contract: api.Topic<any>): TopicContract {
  if (contract instanceof TopicContract) return contract
  if (isContract(contract, 'topic')) return new TopicContract(contract.name, contract.options)
  throw notMade('a topic must be made by topic()', contract)
}

function isContract(given: unknown, kind: Published['kind']): boolean {
  const isOne = typeof given === 'object' && given !== null && CONTRACT in given
  return isOne && (given as { kind?: unknown }).kind === kind
}

function notMade(rule: string, given: unknown): TypeError {
  const error = new TypeError(`${rule}, got ${kindOf(given)}`)
  return Object.assign(error, { code: 'ERR_INVALID_ARGUMENT' })
}
