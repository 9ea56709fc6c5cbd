// How an error crosses to the other side and back. Anything can be thrown, and anything it is asked
// for can throw in turn: what cannot be learned or carried is left out, and an error arrives
// anyway.

import { IpcError, type Hidden } from './errors.js'
import { isDomException, isError, kindOf } from './kinds.js'
import { encode, encodeApart } from './msgpack.js'
import { decode } from './unpack.js'

// An error is no place for data. What is longer is cut off, on both ends.
/** Causes below each other. */
const CAUSES_MAX = 8
/** What an `AggregateError` holds. */
const ERRORS_MAX = 16
/** Errors in one frame, whichever way they hang together. */
const RECORDS_MAX = 32
/** Letters of one text, and of all texts. */
const TEXT_MAX = 16_384
const TEXTS_MAX = 65_536
/** Properties of one error, and bytes of all that are no text of the error's own. */
const PROPERTIES_MAX = 64
const PROPERTY_BYTES_MAX = 16_384

/** No error is longer that was written by these rules, in whichever language. */
const FRAME_MAX = 1 << 20

/** An error as it travels; what is not there is `null` or left out. */
interface Wire {
  name?: unknown
  message?: unknown
  code?: unknown
  stack?: unknown
  cause?: unknown
  errors?: unknown
  properties?: unknown
  /** It is no error, but this. */
  value?: unknown
}

/** What an error has that is not one of its properties. */
const PARTS = ['name', 'message', 'code', 'stack', 'cause', 'errors', 'isRemote', '__proto__']

/** How much more may be said. */
interface Left {
  records: number
  letters: number
  propertyBytes: number
}

/** The payload of an error frame, of `lengthMax` bytes at most. */
export function encodeError(
  error: unknown,
  lengthMax = Infinity,
  exposesStacks = true,
): Uint8Array {
  const left = { records: RECORDS_MAX, letters: TEXTS_MAX, propertyBytes: PROPERTY_BYTES_MAX }
  const wire = new Writer(left, exposesStacks).record(error, 0)
  for (const cut of [whole, bare, nameless]) {
    const payload = encode(cut(wire))
    if (payload.length <= lengthMax) return payload
  }
  // No bytes are an error, too: one that cannot be read.
  return new Uint8Array(0)
}

const whole = (wire: Wire): Wire => wire
/** What one can branch on and show. */
const bare = ({ name, message, code }: Wire): Wire => ({
  ...{ name, code },
  message: (message as string).slice(0, 200).toWellFormed(),
})
const nameless = ({ code }: Wire): Wire => ({ code })

/** Reads errors that may be anything, and may do anything when they are asked. */
class Writer {
  readonly #left: Left
  readonly #exposesStacks: boolean

  constructor(left: Left, exposesStacks: boolean) {
    this.#left = left
    this.#exposesStacks = exposesStacks
  }

  record(error: unknown, depth: number): Wire {
    this.#left.records--
    if (typeof error !== 'object' || error === null) {
      return { name: 'Error', message: this.#text(description(error)) }
    }
    const of = (key: string): unknown => attempt(() => (error as Record<string, unknown>)[key])
    const [name, message, code] = [of('name'), of('message'), this.#code(error)]
    const stack = this.#exposesStacks ? of('stack') : undefined
    const wire: Wire = {
      name: this.#text(typeof name === 'string' && name !== '' ? name : 'Error'),
      message: this.#text(typeof message === 'string' ? message : description(error)),
      code: code === null ? null : this.#text(String(code)),
      stack: typeof stack === 'string' ? this.#text(stack) : null,
      cause: this.#inner(of('cause'), depth + 1) ?? null,
    }
    const errors = this.#errors(of('errors'), depth)
    if (errors.length > 0) wire.errors = errors
    const properties = this.#properties(error, errors.length > 0)
    if (typeof code === 'number') properties.code = code
    if (Object.keys(properties).length > 0) wire.properties = properties
    return wire
  }

  /** Its code. A DOMException is identified by its name instead; its numbers are historical. */
  #code(error: object): string | number | null {
    const code = attempt(() => (isDomException(error) ? null : (error as { code?: unknown }).code))
    const isNumber = typeof code === 'number' && !Number.isNaN(code)
    return isNumber || typeof code === 'string' ? code : null
  }

  /** A cause, or one of several: an error, or whatever else was said to be one. */
  #inner(value: unknown, depth: number): Wire | undefined {
    const { records } = this.#left
    const isAbsent = value === undefined || value === null || typeof value === 'function'
    if (isAbsent || depth > CAUSES_MAX || records <= 0) return undefined
    if (attempt(() => isError(value))) return this.record(value, depth)
    const carried = this.#carried({ value })
    if (carried === undefined) return this.record(value, depth)
    this.#left.records--
    return { name: 'Error', message: this.#text(description(value)), ...carried }
  }

  #errors(list: unknown, depth: number): Wire[] {
    const wires: Wire[] = []
    attempt(() => {
      if (!Array.isArray(list)) return
      for (let at = 0; at < list.length && at < ERRORS_MAX; at++) {
        const wire = this.#inner(list[at], depth + 1)
        if (wire !== undefined) wires.push(wire)
      }
    })
    return wires
  }

  #properties(error: object, hasErrors: boolean): Record<string, unknown> {
    const properties: Record<string, unknown> = {}
    const keys = attempt(() => Object.keys(error)) ?? []
    for (const key of keys.slice(0, PROPERTIES_MAX)) {
      if (PARTS.includes(key) && (key !== 'errors' || hasErrors)) continue
      const value = attempt(() => (error as Record<string, unknown>)[key])
      if (value !== undefined) Object.assign(properties, this.#carried({ [key]: value }))
    }
    return properties
  }

  /** A copy of what can be carried, of these few bytes. */
  #carried(value: object): object | undefined {
    return attempt(() => {
      const payload = encodeApart(value, this.#left.propertyBytes)
      this.#left.propertyBytes -= payload.length
      return decode(payload) as object
    })
  }

  #text(text: string): string {
    const cut = text.slice(0, Math.min(TEXT_MAX, this.#left.letters)).toWellFormed()
    this.#left.letters -= cut.length
    return cut
  }
}

function attempt<T>(ask: () => T): T | undefined {
  try {
    return ask()
  } catch {
    return undefined
  }
}

/** What to say of something that was thrown and says nothing itself. */
function description(value: unknown): string {
  // The text of a function is its source.
  const text = typeof value === 'function' ? '' : (attempt(() => String(value)) ?? '')
  if (text !== '' && !text.startsWith('[object ')) return text
  return `${attempt(() => kindOf(value)) ?? 'something'} was thrown`
}

// ---- reading ----

/** What an error frame says; what cannot be read is an error, too. */
export function readError(payload: Uint8Array, isMessagePack: boolean): Wire {
  try {
    if (payload.length > FRAME_MAX) throw new TypeError(`it has ${payload.length} bytes`)
    if (!isMessagePack) throw new TypeError('it came as something else than messagePack')
    const wire = decode(payload)
    if (typeof wire !== 'object' || wire === null) throw new TypeError('it is no record')
    return wire
  } catch (error) {
    const message = `the other side sent an error that cannot be read: ${(error as Error).message}`
    return { name: 'IpcError', code: 'ERR_INVALID_PAYLOAD', message }
  }
}

/**
 * The error of an error frame, for the caller: with the frames of the other side, marked as such,
 * and behind them those of this one, from the caller of `hide` on.
 */
export function remoteError(wire: Wire, hide: Hidden = remoteError): IpcError {
  const error = new Reader().error(wire, 0)
  const here = {} as { stack?: unknown }
  Error.captureStackTrace(here, hide)
  showStack(error, wire.stack, here)
  return error
}

/** The error of an error frame, as it is at once. */
export function decodeError(payload: Uint8Array): IpcError {
  return remoteError(readError(payload, true))
}

class Reader {
  #records = 0

  error(wire: Wire, depth: number): IpcError {
    this.#records++
    const cause = this.#inner(wire.cause, depth + 1)
    const properties = isRecord(wire.properties) ? wire.properties : {}
    const code = typeof properties.code === 'number' ? properties.code : text(wire.code)
    const error = new IpcError(
      (code ?? 'ERR_HANDLER') as string,
      text(wire.message) ?? '',
      cause === undefined ? undefined : { cause },
    )
    const define = (key: string, value: unknown, enumerable = false) =>
      Object.defineProperty(error, key, { value, enumerable, configurable: true, writable: true })
    define('name', text(wire.name) || 'Error')
    define('isRemote', true, true)
    if (Array.isArray(wire.errors)) {
      const inner = wire.errors.slice(0, ERRORS_MAX).map((one) => this.#inner(one, depth + 1))
      define('errors', inner.filter((one) => one !== undefined))
    }
    for (const [key, value] of Object.entries(properties)) {
      if (!PARTS.includes(key) || (key === 'errors' && !Array.isArray(wire.errors))) {
        define(key, value, true)
      }
    }
    if (depth > 0) showStack(error, wire.stack, {})
    return error
  }

  #inner(wire: unknown, depth: number): unknown {
    const isRead = depth <= CAUSES_MAX && this.#records < RECORDS_MAX
    if (!isRead || !isRecord(wire)) return undefined
    return 'value' in wire ? wire.value : this.error(wire, depth)
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value.slice(0, TEXT_MAX) : undefined
}

const FRAMES = /\n\s+at /g

/** Most errors are never printed, so that their stacks are made when they are asked for. */
function showStack(error: IpcError, remote: unknown, here: { stack?: unknown }): void {
  const define = (value: string) =>
    Object.defineProperty(error, 'stack', { value, configurable: true, writable: true })
  Object.defineProperty(error, 'stack', {
    get() {
      const stack = joined(error, remote, here.stack)
      define(stack)
      return stack
    },
    set: define,
    configurable: true,
  })
}

function joined({ name, message }: IpcError, remote: unknown, here: unknown): string {
  const [, localFrames] = split(typeof here === 'string' ? here : '')
  const [head, frames] = split(typeof remote === 'string' ? remote : '')
  if (frames !== '') return head + frames.replaceAll(FRAMES, '\n    [remote] at ') + localFrames
  // Another language has other words for where it happened, or none.
  const title = `${name}: ${message}`
  const words = head === '' || head === title ? 'the other side sent no stack' : head
  return title + words.replaceAll(/^\s*/gm, '\n    [remote] ') + localFrames
}

/** What stands above the frames of a stack, and the frames. */
function split(stack: string): [head: string, frames: string] {
  const start = stack.search(FRAMES)
  return start === -1 ? [stack, ''] : [stack.slice(0, start), stack.slice(start)]
}
