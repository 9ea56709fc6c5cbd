// Values as bytes: the three built-in codecs, and custom ones.

import type * as api from '../../index.js'
import { native } from '../native.js'
import { IpcError } from './errors.js'
import * as jsonText from './json.js'
import { isDetached, isUint8Array, kindOf } from './kinds.js'
import * as msgpack from './msgpack.js'
import { Refusal, refusalOf, said } from './refusal.js'
import { isThenable } from './thenable.js'
import * as unpack from './unpack.js'

/** By this the built-in codecs of every copy of the package are known, and their numbers in a
 * header. */
const NUMBER = Symbol.for('ringpost.codec')
/** The number of {@link bytes}. */
export const BYTES = native.CODEC_BYTES
/** The number of {@link messagePack}, which error frames always have. */
export const MESSAGE_PACK = native.CODEC_MESSAGE_PACK
/** The number of all codecs that are not built in. */
export const OWN = native.CODEC_CUSTOM
const NAMES = ['bytes', 'messagePack', 'json', 'a custom codec']

const EMPTY = new Uint8Array(0)

/** What connections use of the built-in codecs, by number: the bytes are valid until the next
 * call. */
const WORKING: readonly api.Codec<any>[] = [
  {
    name: 'bytes',
    encode(value: unknown) {
      // Nothing is nothing: a request without parameters has an empty payload.
      if (value === undefined) return EMPTY
      if (!isUint8Array(value)) throw new Refusal(`${kindOf(value)} is no Uint8Array`)
      return value
    },
    decode: (payload) => payload,
  },
  { name: 'messagePack', encode: msgpack.encode, decode: unpack.decode },
  { name: 'json', encode: jsonText.encode, decode: jsonText.decode },
]

export const bytes = published(BYTES) as api.Codec<Uint8Array>
export const messagePack = published(MESSAGE_PACK)
export const json = published(native.CODEC_JSON)

/** The codec that programs can call: its bytes are the caller's, and its errors are complete. */
function published(number: number): api.Codec<any> {
  const { name, encode, decode } = WORKING[number]
  const codec = {
    name,
    encode(value: unknown) {
      try {
        const made = encode(value)
        return number === BYTES ? made : new Uint8Array(made)
      } catch (error) {
        throw refusalOf(error).toError('value')
      }
    },
    decode,
  }
  // What is made of it by spreading is another codec.
  Object.defineProperty(codec, NUMBER, { value: number })
  return codec
}

/** By this codecs of {@link encoded} are known, whatever copy of the package has made them. */
const ENCODED = Symbol.for('ringpost.encoded')

/** Messages of a codec as their bytes: for programs that pass on what others decode. */
export function encoded(codec: api.Codec<any>): api.Codec<Uint8Array> {
  const number = wireNumber(codec)
  if (number === BYTES) return bytes
  const passing: api.Codec<Uint8Array> = {
    name: codec.name,
    encode(value: unknown) {
      if (!isUint8Array(value)) throw new TypeError(`${kindOf(value)} is no Uint8Array`)
      return value
    },
    // What it is given is overwritten by the next message.
    decode: (payload) => Uint8Array.prototype.slice.call(payload),
  }
  Object.defineProperty(passing, NUMBER, { value: number })
  return Object.defineProperty(passing, ENCODED, { value: true })
}

/** The number a codec has in a header. */
export function wireNumber(codec: api.Codec<any>): number {
  const number: unknown = Object.hasOwn(codec, NUMBER)
    ? (codec as { [NUMBER]?: unknown })[NUMBER]
    : OWN
  return typeof number === 'number' && number in WORKING ? number : OWN
}

/** The codec a connection works with for this one. */
export function workingCodec(codec: api.Codec<any>): api.Codec<any> {
  return Object.hasOwn(codec, ENCODED) ? codec : (WORKING[wireNumber(codec)] ?? codec)
}

/** Encodes `what`: params, a result, a payload, an item. */
export function encodeWith(codec: api.Codec<any>, value: unknown, what: string): Uint8Array {
  // What is bytes and not empty is looked at once.
  if (codec === WORKING[BYTES] && isUint8Array(value) && value.length > 0) return value
  return encodeAny(codec, value, what)
}

/** The same in memory of its own: that of the encoder is used again by the next message. */
export function encodeToKeep(codec: api.Codec<any>, value: unknown, what: string): Uint8Array {
  return new Uint8Array(encodeWith(codec, value, what))
}

/** In a function of its own, so that the compiler inlines the one above. */
function encodeAny(codec: api.Codec<any>, value: unknown, what: string): Uint8Array {
  let payload: unknown
  try {
    payload = codec.encode(value)
  } catch (error) {
    throw unencodable(codec, error, what)
  }
  if (!isUint8Array(payload)) {
    const returned = `the codec ${codec.name} returned ${kindOf(payload)}`
    throw invalid(`${what}: ${returned} instead of a Uint8Array`, undefined)
  }
  if (payload.length === 0 && isDetached(payload.buffer)) {
    throw invalid(`${what}: Uint8Array with transferred memory cannot be sent`, undefined)
  }
  return payload
}

function unencodable(codec: api.Codec<any>, error: unknown, what: string): IpcError {
  if (WORKING.includes(codec)) {
    const cause = refusalOf(error).toError(what)
    return invalid(cause.message, cause)
  }
  return invalid(`${what}: cannot be encoded as ${codec.name}: ${said(error)}`, error)
}

/** Decodes `what` and, where the contract has a validator, checks it. */
export function decodeWith(
  codec: api.Codec<any>,
  number: number,
  schema: api.StandardSchema | undefined,
  payload: Uint8Array,
  found: number,
  what: string,
): unknown {
  if (found !== number) {
    const mismatch = `encoded as ${NAMES[found]}, but the contract's codec is ${codec.name}`
    throw invalid(`${what}: ${mismatch}`, undefined)
  }
  let value
  try {
    value = codec.decode(payload)
  } catch (error) {
    throw invalid(`${what}: cannot be decoded as ${codec.name}: ${said(error)}`, error)
  }
  return schema === undefined ? value : validate(schema, value, what)
}

function validate(schema: api.StandardSchema, value: unknown, what: string): unknown {
  let issues
  try {
    const result = schema['~standard'].validate(value)
    if (isThenable(result)) {
      // Its answer would be too late.
      result.then(undefined, () => {})
      throw new TypeError('it is asynchronous')
    }
    if (!result.issues) return result.value
    issues = result.issues.map((issue) => issue.message).join('; ')
  } catch (error) {
    throw invalid(`${what}: the validator failed: ${said(error)}`, error)
  }
  throw invalid(`${what}: the validator says: ${issues}`, undefined)
}

function invalid(message: string, cause: unknown): IpcError {
  return new IpcError('ERR_INVALID_PAYLOAD', message, cause === undefined ? undefined : { cause })
}
