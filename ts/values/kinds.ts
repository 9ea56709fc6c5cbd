// What a value is, by what it is made of and not by whose class it is: the same of another realm (a
// `vm` context, a test runner) as of this one. `instanceof` says no to half of those.

import * as types from 'node:util/types'

const { isNativeError, isPromise } = types
export const { isArrayBuffer, isBoxedPrimitive, isDate, isMap, isSet, isSharedArrayBuffer } = types

type Named = (this: unknown) => string | undefined

const prototypeOfAll = Object.getPrototypeOf(Uint8Array.prototype) as object
/** Of any realm's typed array its name; `undefined` of anything else, whatever it says of
 * itself. */
const typedName = Object.getOwnPropertyDescriptor(prototypeOfAll, Symbol.toStringTag)!.get as Named
const toText = Object.prototype.toString

export function isUint8Array(value: unknown): value is Uint8Array {
  const isView = ArrayBuffer.isView(value)
  return isView && (value instanceof Uint8Array || typedName.call(value) === 'Uint8Array')
}

/** `Float64Array`, `DataView` and so on. */
export function nameOfView(view: ArrayBufferView): string {
  return typedName.call(view) ?? 'DataView'
}

/** Whether its memory was transferred, so that it only seems to be empty. */
export function isDetached(buffer: ArrayBufferLike): boolean {
  if (buffer.byteLength > 0) return false
  try {
    return new Uint8Array(buffer).length > 0
  } catch {
    return true
  }
}

/** Errors, those of the web included, and what was made to look like one before there were
 * classes. */
export function isError(value: unknown): value is Error {
  if (typeof value !== 'object' || value === null) return false
  return isNativeError(value) || value instanceof Error || tagOf(value) === 'DOMException'
}

/** Whether it is a number's or text's code of the web's, which says what its name says better. */
export function isDomException(value: object): boolean {
  return tagOf(value) === 'DOMException'
}

/** What ends something when it is aborted: any realm's, and any that can do what one has to do. */
export function isSignal(value: unknown): value is AbortSignal {
  const { aborted, addEventListener, removeEventListener } = (value ?? {}) as Partial<AbortSignal>
  return (
    typeof aborted === 'boolean' &&
    typeof addEventListener === 'function' &&
    typeof removeEventListener === 'function'
  )
}

/** What an object calls itself, as `[object …]` has it. */
export function tagOf(value: object): string {
  return toText.call(value).slice(8, -1)
}

/** Whether it is an object of no class, of whatever realm. */
export function isRecord(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

/** Whether it holds something that is no field, so that its fields would not be all of it. */
export function holdsMore(value: object): boolean {
  return (
    isError(value) ||
    isMap(value) ||
    isSet(value) ||
    isSharedArrayBuffer(value) ||
    isBoxedPrimitive(value) ||
    HOLDERS.has(tagOf(value))
  )
}
const HOLDERS = new Set([
  ...['Set', 'WeakMap', 'WeakSet', 'WeakRef', 'Promise', 'RegExp', 'Generator', 'AsyncGenerator'],
  ...['Map Iterator', 'Set Iterator', 'Array Iterator'],
  ...['String Iterator', 'RegExp String Iterator'],
])

/** What to call a value that cannot be sent. */
export function kindOf(value: unknown): string {
  if (typeof value !== 'object' || value === null) return value === null ? 'null' : typeof value
  if (isPromise(value)) return 'Promise'
  if (isNativeError(value)) return 'Error'
  const tag = tagOf(value)
  const isTold = tag !== 'Object' && tag !== 'EventTarget'
  if (isTold) return isBoxedPrimitive(value) ? `${tag} object` : tag
  const { name } = (value.constructor ?? {}) as { name?: unknown }
  return typeof name === 'string' && name !== '' ? name : 'object'
}
