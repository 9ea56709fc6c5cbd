// Contracts: values both ends share, with what the ends need at hand.

import type * as api from '../../index.js'
import { messagePack, wireNumber, workingCodec } from './codec.js'
import { kindOf } from './kinds.js'
import { native } from '../native.js'
import { checkName, eventOptions, methodOptions, streamOptions } from './options.js'

const { COMPRESS } = native

/** By this contracts of every copy of the package are known. */
const CONTRACT = Symbol.for('ringpost.contract')

export function method<Params, Result>(
  name: string,
  options?: api.MethodOptions<Params, Result>,
): api.Method<Params, Result> {
  checkName(name)
  return new MethodContract(name, methodOptions(options))
}

export function event<Payload>(
  name: string,
  options?: api.EventOptions<Payload>,
): api.Event<Payload> {
  checkName(name)
  return new EventContract(name, eventOptions(options))
}

export function stream<Params, Item, Upload, Result>(
  name: string,
  options?: api.StreamOptions<Params, Item, Upload, Result>,
): api.Stream<Params, Item, Upload, Result> {
  checkName(name)
  return new StreamContract(name, streamOptions(options))
}

/** What all kinds have in common. */
export abstract class Contract {
  readonly name: string
  abstract readonly kind: 'method' | 'event' | 'stream'
  /** How payloads are encoded, and the number that has in a header. */
  readonly codec: api.Codec<any>
  readonly codecNumber: number
  /** The same in a record that is sent, with what asks for compression. */
  readonly format: number
  /** Whether payloads may come compressed. */
  readonly compresses: boolean
  /** The engine's code for the name, once it was asked for. */
  code = -1

  constructor(name: string, codec: api.Codec<any> | undefined, compress = false) {
    this.name = name
    this.codec = workingCodec(codec ?? messagePack)
    this.codecNumber = wireNumber(codec ?? messagePack)
    this.compresses = compress
    this.format = compress ? this.codecNumber | COMPRESS : this.codecNumber
  }
}

Object.defineProperty(Contract.prototype, CONTRACT, { value: true })

export class MethodContract extends Contract implements api.Method {
  readonly kind = 'method'
  readonly options: api.MethodOptions<any, any>

  constructor(name: string, options: api.MethodOptions<any, any> = {}) {
    super(name, options.codec, options.compress)
    this.options = Object.freeze({ ...options })
  }
}

export class EventContract extends Contract implements api.Event {
  readonly kind = 'event'
  readonly options: api.EventOptions<any>

  constructor(name: string, options: api.EventOptions<any> = {}) {
    super(name, options.codec, options.compress)
    this.options = Object.freeze({ ...options })
  }
}

export class StreamContract extends Contract implements api.Stream {
  readonly kind = 'stream'
  readonly options: api.StreamOptions<any, any, any, any>

  constructor(name: string, options: api.StreamOptions<any, any, any, any> = {}) {
    super(name, options.codec)
    this.options = Object.freeze({ ...options })
  }
}

/** Contracts of bare names that are kept. */
const REMEMBERED_MAX = 4096

const named = new Map<string, MethodContract>()
const namedEvents = new Map<string, EventContract>()

/** The method of a contract or of a bare name, which stands for MessagePack unchecked. */
export function asMethod(contract: api.Method<any, any> | string): MethodContract {
  if (contract instanceof MethodContract) return contract
  return typeof contract === 'string'
    ? remembered(named, contract, MethodContract)
    : foreign(contract, 'method', MethodContract)
}

/** The event of a contract or of a bare name. */
export function asEvent(contract: api.Event<any> | string): EventContract {
  if (contract instanceof EventContract) return contract
  return typeof contract === 'string'
    ? remembered(namedEvents, contract, EventContract)
    : foreign(contract, 'event', EventContract)
}

/** The stream of a contract. There is none of a bare name, which a method has. */
export function asStream(contract: api.Stream): StreamContract {
  return contract instanceof StreamContract ? contract : foreign(contract, 'stream', StreamContract)
}

/** What a handler is registered for. */
export function asAny(contract: api.AnyContract | string): Contract {
  if (isContract(contract, 'event')) return asEvent(contract)
  return isContract(contract, 'stream') ? asStream(contract) : asMethod(contract as api.Method)
}

/** Whether it is a contract of this kind, whatever copy of the package has made it. */
export function isContract(value: unknown, kind: 'event'): value is api.Event
export function isContract(value: unknown, kind: 'stream'): value is api.Stream
export function isContract(value: unknown, kind: string): boolean
export function isContract(value: unknown, kind: string): boolean {
  if (typeof value !== 'object' || value === null) return false
  const { [CONTRACT]: isOne, kind: own } = value as { [CONTRACT]?: unknown; kind?: unknown }
  return isOne === true && own === kind
}

/** Contracts of ours for those of other copies, which have other codecs and another engine's
 * codes. */
const foreigners = new WeakMap<object, Contract>()

function foreign<C extends Contract>(
  contract: { name: string; options: object },
  kind: string,
  make: new (name: string, options: object) => C,
): C {
  if (!isContract(contract, kind)) return wrong(kind, contract)
  let ours = foreigners.get(contract)
  if (ours === undefined) {
    ours = new make(contract.name, contract.options)
    foreigners.set(contract, ours)
  }
  return ours as C
}

function remembered<C>(
  known: Map<string, C>,
  name: string,
  make: new (name: string) => C,
): C {
  let contract = known.get(name)
  if (contract === undefined) {
    checkName(name)
    contract = new make(name)
    // Names that a program makes up as it goes are not kept for ever.
    if (known.size === REMEMBERED_MAX) known.clear()
    known.set(name, contract)
  }
  return contract
}

function wrong(kind: string, found: unknown): never {
  const message = `${kindOf(found)} is no ${kind}: make one with ${kind}()`
  throw Object.assign(new TypeError(message), { code: 'ERR_INVALID_ARGUMENT' })
}
