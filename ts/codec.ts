// How values become bytes: the three built-in codecs, and anyone's own.

import type * as api from '../index.js'
import { IpcError } from './errors.js'
import * as msgpack from './msgpack.js'

export const bytes: api.Codec<Uint8Array> = {
  name: 'bytes',
  encode(value) {
    // Nothing is nothing: a request without parameters has an empty payload.
    if (value === undefined) return EMPTY
    if (!(value instanceof Uint8Array)) throw new TypeError('the payload is no Uint8Array')
    return value
  },
  decode: (payload) => payload,
}
const EMPTY = new Uint8Array(0)

export const messagePack: api.Codec<any> = {
  name: 'messagePack',
  encode: msgpack.encode,
  decode: msgpack.decode,
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

export const json: api.Codec<any> = {
  name: 'json',
  encode(value) {
    const text = JSON.stringify(value === undefined ? null : value)
    if (text === undefined) throw new TypeError(`a ${typeof value} cannot be sent`)
    return Buffer.from(text)
  },
  decode: (payload) => JSON.parse(utf8.decode(payload)),
}

/** The number a codec has in a header. */
export function wireNumber(codec: api.Codec<any>): number {
  if (codec === bytes) return 0
  if (codec === messagePack) return 1
  return codec === json ? 2 : 3
}
/** The number of {@link bytes}. */
export const BYTES = 0
/** The number of {@link messagePack}, which error frames always have. */
export const MESSAGE_PACK = 1
/** The number of all codecs that are not ours. */
export const OWN = 3

export function encodeWith(codec: api.Codec<any>, value: unknown): Uint8Array {
  let payload
  try {
    payload = codec.encode(value)
  } catch (cause) {
    throw invalid(`cannot be encoded as ${codec.name}`, cause)
  }
  if (payload instanceof Uint8Array) return payload
  throw invalid('was encoded to something that is no Uint8Array', undefined)
}

/** Decodes and, where the contract has a validator, checks. */
export function decodeWith(
  codec: api.Codec<any>,
  number: number,
  schema: api.StandardSchema | undefined,
  payload: Uint8Array,
  found: number,
): unknown {
  if (found !== number) {
    throw invalid(`came as codec ${found}, the contract says ${codec.name}`, undefined)
  }
  let value
  try {
    value = codec.decode(payload)
  } catch (cause) {
    throw invalid(`cannot be decoded as ${codec.name}`, cause)
  }
  return schema === undefined ? value : validate(schema, value)
}

function validate(schema: api.StandardSchema, value: unknown): unknown {
  let result
  try {
    result = schema['~standard'].validate(value)
  } catch (cause) {
    throw invalid('was refused by its validator', cause)
  }
  if (result instanceof Promise) {
    throw invalid('has a validator that does not answer at once', undefined)
  }
  if (result.issues) {
    const issues = result.issues.map((issue) => issue.message).join('; ')
    throw invalid(`was refused by its validator: ${issues}`, undefined)
  }
  return result.value
}

function invalid(what: string, cause: unknown): IpcError {
  const options = cause === undefined ? undefined : { cause }
  return new IpcError('ERR_INVALID_PAYLOAD', `the payload ${what}`, options)
}
