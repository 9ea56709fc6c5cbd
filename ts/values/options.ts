// Options: defaults, types, ranges, and what was meant by a misspelt one.

import type * as api from '../../index.js'
import type { NativeListenOptions, NativeOptions } from '../../native/binding.js'
import { native as engine } from '../native.js'
import { isSignal as isAbortSignal, isUint8Array } from './kinds.js'

const {
  BACKLOG_DEFAULT,
  CONNECTIONS_DEFAULT,
  CONNECT_TIMEOUT_MS_DEFAULT,
  HELLO_TIMEOUT_MS_DEFAULT,
  LANE_SHARE,
  MESSAGE_LEN_DEFAULT,
  METHOD_LEN_MAX,
  PENDING_MAX,
  RING_LEN_MAX,
  RING_LEN_MIN,
  SERVING_DEFAULT,
  TIMEOUT_MS_DEFAULT,
  TOKEN_LEN_MAX,
  UNREAD_DEFAULT,
  UNRESPONSIVE_AFTER_MS_DEFAULT,
  WINDOW_MAX,
  WINDOW_MIN,
} = engine

export const LANES = ['critical', 'high', 'normal', 'low'] as const
const RINGS = [...LANES, 'control'] as const
const NORMAL = 2

/** Stands for options that were not given. */
export const NO_OPTIONS = Object.freeze({}) as Readonly<Record<string, undefined>>

/** Longer spans are none: no timer reaches them. */
const TIMEOUT_MAX = 1e12

const OVERFLOW_DEFAULT = engine.overflowDefault()

/** Options of both sides, complete. */
export interface Settings {
  native: NativeOptions
  timeoutMs: number
  /** Bytes that may always wait for room in a lane. */
  laneShare: number
  /** By lane: whether it refuses what it has no room for, or may drop it. */
  unsure: readonly boolean[]
  handlerWaitMs: number
  /** How long requests took is measured by method, too. */
  methodLatency: boolean
}

/** Options of a server, complete. */
export interface ServerSettings extends Settings {
  listen: NativeListenOptions
  takeOver: boolean
}

const ENDPOINT = {
  directory: isString,
  transport: oneOf('sealed', 'portable'),
  crc: oneOf('off', 'header', 'full'),
  rings: record(RINGS, ringCapacity),
  messageLenMax: whole(1, Number.MAX_SAFE_INTEGER),
  pendingMax: whole(1, PENDING_MAX),
  token: isToken,
  timeoutMs: span,
  overflow: record(LANES, isOverflow),
  backlogMax: whole(0, Number.MAX_SAFE_INTEGER),
  servingMax: whole(1, 65_536),
  unreadMax: whole(0, Number.MAX_SAFE_INTEGER),
  handlerWaitMs: spanOrNone,
  unresponsiveAfterMs: span,
  methodLatency: isBoolean,
}
const CLIENT = {
  ...{ ...ENDPOINT, connectTimeoutMs: span, signal: isSignal, reconnect: isReconnect },
  ...{ whileAway: oneOf('wait', 'fail'), handlers: checkFunction },
}
const POOL = {
  ...{ ...ENDPOINT, min: whole(0, 65_000), max: whole(1, 65_000), idleMs: span },
}
const SERVER = {
  ...{ ...ENDPOINT, connectionsMax: whole(1, 65_000), helloTimeoutMs: span },
  ringsMax: record(RINGS, ringCapacity),
  ...{ servingMaxTotal: whole(1, 2 ** 32 - 1), takeOver: isBoolean },
  handlers: checkFunction,
}
const REQUEST = {
  ...{ signal: isSignal, timeoutMs: span, lane: oneOf(...LANES), traceparent: checkTrace },
  parent: isContext,
}
const SYNC_REQUEST = {
  ...{ timeoutMs: finiteSpan, lane: oneOf(...LANES), traceparent: checkTrace },
  parent: isContext,
}
const NOTIFY = { lane: oneOf(...LANES), traceparent: checkTrace }
const WAIT = { signal: isSignal, timeoutMs: span }
const CLOSE = { drainMs: spanOrNone }
const BROADCAST = { ...NOTIFY, to: isIterable }
const EVENTS = { signal: isSignal, waitingMax: whole(1, 2 ** 32 - 1) }
const HANDLE = { borrowed: isBoolean, once: isBoolean, signal: isSignal }
const STREAM_CALL = { ...REQUEST, windowBytes: whole(WINDOW_MIN, WINDOW_MAX) }
const STREAM = {
  ...{ codec: isCodec, params: isSchema, item: isSchema, upload: isSchema },
  result: isSchema,
  resumable: isBoolean,
}
const METHOD = {
  ...{ codec: isCodec, params: isSchema, result: isSchema, compress: isBoolean },
  idempotent: isBoolean,
}
const EVENT = { codec: isCodec, payload: isSchema, compress: isBoolean }
const WAITING = {
  wake: oneOf('auto', 'loop', 'thread'),
  spinExpectingUs: whole(0, 1_000_000),
  spinRecentUs: whole(0, 1_000_000),
}

type Check = (name: string, value: unknown) => void

/** Options of clients, complete. */
export interface ClientSettings extends Settings {
  /** For the first session. */
  connectTimeoutMs: number
  /** For each attempt, once a server has let it in. */
  attemptTimeoutMs: number
  /** A server that is not there is waited for. */
  waitsForServer: boolean
  /** One that refuses, for a reason that may pass, is asked again. */
  insists: boolean
  /** `undefined`: a session is the only one. */
  reconnect: { giveUpAfterMs: number } | undefined
  whileAway: 'wait' | 'fail'
}

export function clientOptions(options: api.ClientOptions | undefined): ClientSettings {
  const given = check('client', CLIENT, options)
  const { connectTimeoutMs = CONNECT_TIMEOUT_MS_DEFAULT, whileAway = 'wait' } = given
  const waitsForServer = given.connectTimeoutMs !== undefined
  const { giveUpAfterMs = Infinity } = typeof given.reconnect === 'object' ? given.reconnect : {}
  const reconnect = given.reconnect === false ? undefined : { giveUpAfterMs }
  const terms = { connectTimeoutMs, waitsForServer, insists: false, reconnect, whileAway }
  return { ...settings(given), ...terms, attemptTimeoutMs: connectTimeoutMs }
}

/** Options of pools, complete: each connection is a client with one session. */
export interface PoolSettings extends ClientSettings {
  min: number
  max: number
  idleMs: number
}

export function poolOptions(options: api.PoolOptions | undefined): PoolSettings {
  const { min = 0, idleMs = 60_000, ...given } = check('pool', POOL, options)
  const { max = Math.max(8, min), ...ofClients } = given
  if (min > max) throw wrongRange('min', `at most max, which is ${max}`, min)
  const client = clientOptions(ofClients)
  const terms = {
    connectTimeoutMs: Infinity,
    waitsForServer: true,
    insists: true,
    reconnect: undefined,
  }
  return { ...client, ...terms, min, max, idleMs }
}

export function serverOptions(options: api.ServerOptions | undefined): ServerSettings {
  const given = check('server', SERVER, options)
  const listen: NativeListenOptions = {
    connectionsMax: given.connectionsMax ?? CONNECTIONS_DEFAULT,
    ringsMax: RINGS.map((ring) => given.ringsMax?.[ring] ?? 0),
    helloTimeoutMs: given.helloTimeoutMs ?? HELLO_TIMEOUT_MS_DEFAULT,
    servingMaxTotal: given.servingMaxTotal ?? null,
  }
  return { ...settings(given), listen, takeOver: given.takeOver ?? false }
}

export const requestOptions = (options: api.RequestOptions) => check('request', REQUEST, options)
export const streamCallOptions = (options: api.StreamCallOptions | undefined) =>
  check('stream', STREAM_CALL, options)
export const syncOptions = (options: api.SyncRequestOptions) =>
  check('request', SYNC_REQUEST, options)
export const notifyOptions = (options: api.NotifyOptions) => check('notify', NOTIFY, options)
export const waitOptions = (options: api.WaitOptions | undefined) => check('wait', WAIT, options)
export const broadcastOptions = (options: api.BroadcastOptions | undefined) =>
  check('notify', BROADCAST, options)
export const eventsOptions = (options: api.EventsOptions | undefined) =>
  check('events', EVENTS, options)
export const handleOptions = (options: api.ListenOptions | undefined) =>
  check('handle', HANDLE, options)
export const methodOptions = (options: api.MethodOptions<any, any> | undefined) =>
  check('method', METHOD, options)
export const eventOptions = (options: api.EventOptions<any> | undefined) =>
  check('event', EVENT, options)
export const streamOptions = (options: api.StreamOptions<any, any, any, any> | undefined) =>
  check('stream', STREAM, options)
export const closeOptions = (options: api.CloseOptions | undefined) =>
  check('close', CLOSE, options)
export const waitingOptions = (options: api.WaitingOptions) => check('waiting', WAITING, options)

export const laneNumber = (lane: api.Lane | undefined): number =>
  lane === undefined ? NORMAL : LANES.indexOf(lane)

/** A span as the binding takes it: 0 for one without end. */
export const nativeSpan = (ms: number): number => (ms < TIMEOUT_MAX ? Math.max(ms, 1e-3) : 0)

/** The name of a method or event. */
export function checkName(name: unknown): asserts name is string {
  if (typeof name !== 'string') throw wrongType('name', 'a string', name)
  const length = Buffer.byteLength(name)
  if (length === 0 || length > METHOD_LEN_MAX) {
    throw wrongRange('name', `of 1 to ${METHOD_LEN_MAX} bytes`, `${length} bytes`)
  }
  // What a peer would take for a broken protocol, or read as another name.
  if (CONTROL.test(name)) {
    throw wrongRange('name', 'without control characters', JSON.stringify(name))
  }
  checkWellFormed('name', name)
}

/** The name of a server has to be text; the engine decides whether it is a valid one. */
export function checkServerName(name: unknown): asserts name is string {
  if (typeof name !== 'string') throw wrongType('name', 'a string', name)
}

const CONTROL = /[\0-\x1f\x7f-\x9f]/

/** Half a pair of surrogates has no form in UTF-8, and many different texts would become one. */
function checkWellFormed(name: string, text: string): void {
  if (!text.isWellFormed()) throw wrongRange(name, 'without lone surrogates', JSON.stringify(text))
}

export function checkFunction(name: string, value: unknown): void {
  if (typeof value !== 'function') throw wrongType(name, 'a function', value)
}

function settings(given: api.EndpointOptions): Settings {
  const overflow = LANES.map((lane, index) => {
    const policy = given.overflow?.[lane] ?? OVERFLOW_DEFAULT[index]
    return typeof policy === 'object' ? policy.waitMs : policy
  })
  const backlogMax = given.backlogMax ?? BACKLOG_DEFAULT
  const native: NativeOptions = {
    // Read here: a worker has an environment of its own, which native code does not see.
    directory: given.directory ?? (process.env.RINGPOST_DIR || null),
    transport: given.transport ?? null,
    crc: given.crc ?? 'header',
    rings: RINGS.map((ring) => given.rings?.[ring] ?? 0),
    messageLenMax: given.messageLenMax ?? MESSAGE_LEN_DEFAULT,
    pendingMax: given.pendingMax ?? PENDING_MAX,
    token: given.token === undefined ? null : Buffer.from(given.token as Uint8Array),
    overflow,
    backlogMax,
    servingMax: given.servingMax ?? SERVING_DEFAULT,
    unreadMax: given.unreadMax ?? UNREAD_DEFAULT,
    unresponsiveAfterMs: given.unresponsiveAfterMs ?? UNRESPONSIVE_AFTER_MS_DEFAULT,
  }
  const { timeoutMs = TIMEOUT_MS_DEFAULT, handlerWaitMs = 0, methodLatency = false } = given
  const unsure = overflow.map((policy) => policy !== Infinity)
  const laneShare = backlogMax / LANE_SHARE
  return { native, timeoutMs, laneShare, unsure, handlerWaitMs, methodLatency }
}

function check<T extends object>(
  what: string,
  checks: Record<string, Check>,
  options: T | undefined,
): T {
  if (options === undefined) return {} as T
  if (typeof options !== 'object' || options === null) {
    throw wrongType(`${what} options`, 'an object', options)
  }
  for (const [name, value] of Object.entries(options)) {
    const checked = Object.hasOwn(checks, name) ? checks[name] : undefined
    if (checked === undefined) throw misspelt(what, name, Object.keys(checks))
    if (value !== undefined) checked(name, value)
  }
  return options
}

// ---- checks ----

function isReconnect(name: string, value: unknown): void {
  if (typeof value !== 'boolean') record(['giveUpAfterMs'], span)(name, value)
}

function isString(name: string, value: unknown): void {
  if (typeof value !== 'string') throw wrongType(name, 'a string', value)
  if (value === '') throw wrongRange(name, 'not empty', "''")
  checkWellFormed(name, value)
}

function isBoolean(name: string, value: unknown): void {
  if (typeof value !== 'boolean') throw wrongType(name, 'a boolean', value)
}

function isSignal(name: string, value: unknown): void {
  if (!isAbortSignal(value)) throw wrongType(name, 'an AbortSignal', value)
}

function isIterable(name: string, value: unknown): void {
  if (typeof (value as Partial<Iterable<unknown>> | null)?.[Symbol.iterator] !== 'function') {
    throw wrongType(name, 'connections of this server, in anything iterable', value)
  }
}

function isContext(name: string, value: unknown): void {
  const { remainingMs, signal } = (value ?? {}) as Partial<api.Context>
  if (typeof remainingMs !== 'number' || !isAbortSignal(signal)) {
    throw wrongType(name, 'the context of a handler', value)
  }
}

function isToken(name: string, value: unknown): void {
  if (typeof value === 'string') checkWellFormed(name, value)
  else if (!isUint8Array(value)) throw wrongType(name, 'a string or a Uint8Array', value)
  const length = Buffer.byteLength(value)
  if (length === 0 || length > TOKEN_LEN_MAX) {
    throw wrongRange(name, `of 1 to ${TOKEN_LEN_MAX} bytes`, `${length} bytes`)
  }
}

const TRACEPARENT = /^[\da-f]{2}-[\da-f]{32}-[\da-f]{16}-[\da-f]{2}$/

export function checkTrace(name: string, value: unknown): void {
  if (typeof value !== 'string') throw wrongType(name, 'a string', value)
  if (!TRACEPARENT.test(value)) throw wrongRange(name, 'a W3C traceparent', `'${value}'`)
}

function isCodec(name: string, value: unknown): void {
  const { encode, decode, name: codec } = (value ?? {}) as Partial<api.Codec<unknown>>
  if (typeof encode !== 'function' || typeof decode !== 'function' || typeof codec !== 'string') {
    throw wrongType(name, 'a codec with name, encode and decode', value)
  }
}

function isSchema(name: string, value: unknown): void {
  const standard = ((value ?? {}) as Partial<api.StandardSchema>)['~standard']
  if (typeof standard?.validate !== 'function') {
    throw wrongType(name, 'a validator with the property ~standard', value)
  }
}

function span(name: string, value: unknown): void {
  if (typeof value !== 'number') throw wrongType(name, 'a number of milliseconds', value)
  if (!(value > 0)) throw wrongRange(name, 'above 0', value)
}

function spanOrNone(name: string, value: unknown): void {
  if (value !== 0) span(name, value)
}

function finiteSpan(name: string, value: unknown): void {
  span(name, value)
  if (!((value as number) < TIMEOUT_MAX)) throw wrongRange(name, 'finite', value)
}

function isOverflow(name: string, value: unknown): void {
  if (typeof value === 'string') return oneOf('fail', 'dropNewest', 'dropOldest')(name, value)
  record(['waitMs'], span)(name, value)
  span(`${name}.waitMs`, (value as { waitMs?: number }).waitMs)
}

function ringCapacity(name: string, value: unknown): void {
  whole(RING_LEN_MIN, RING_LEN_MAX)(name, value)
  if (!Number.isInteger(Math.log2(value as number))) {
    throw wrongRange(name, 'a power of two', value)
  }
}

function whole(min: number, max: number): Check {
  return (name, value) => {
    if (typeof value !== 'number') throw wrongType(name, 'a number', value)
    if (!Number.isInteger(value) || value < min || value > max) {
      throw wrongRange(name, `a whole number from ${min} to ${max}`, value)
    }
  }
}

function oneOf(...allowed: string[]): Check {
  const list = allowed.map((value) => `'${value}'`).join(', ')
  return (name, value) => {
    if (typeof value !== 'string') throw wrongType(name, `one of ${list}`, value)
    if (!allowed.includes(value)) throw wrongRange(name, `one of ${list}`, `'${value}'`)
  }
}

function record(keys: readonly string[], each: Check): Check {
  return (name, value) => {
    if (typeof value !== 'object' || value === null) throw wrongType(name, 'an object', value)
    for (const [key, item] of Object.entries(value)) {
      if (!keys.includes(key)) throw misspelt(name, key, keys)
      if (item !== undefined) each(`${name}.${key}`, item)
    }
  }
}

// ---- errors ----

function wrongType(name: string, wanted: string, value: unknown): TypeError {
  const found = value === null ? 'null' : typeof value
  return coded(new TypeError(`${name} must be ${wanted}, got ${found}`))
}

function wrongRange(name: string, wanted: string, found: unknown): RangeError {
  return coded(new RangeError(`${name} must be ${wanted}, got ${found}`))
}

function misspelt(what: string, name: string, known: readonly string[]): TypeError {
  const [closest] = known
    .map((key) => ({ key, distance: distance(name.toLowerCase(), key.toLowerCase()) }))
    .filter(({ distance }) => distance <= 3)
    .sort((a, b) => a.distance - b.distance)
  const hint = closest ? `did you mean '${closest.key}'?` : `there are: ${known.join(', ')}`
  return coded(new TypeError(`there is no ${what} option '${name}'; ${hint}`))
}

function coded<E extends Error>(error: E): E {
  return Object.assign(error, { code: 'ERR_INVALID_ARGUMENT' })
}

/** How many characters have to be added, removed or changed. */
function distance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (let i = 1; i <= from.length; i++) {
    const next = [i]
    for (let j = 1; j <= to.length; j++) {
      const changed = row[j - 1] + (from[i - 1] === to[j - 1] ? 0 : 1)
      next.push(Math.min(changed, row[j] + 1, next[j - 1] + 1))
    }
    row = next
  }
  return row[to.length]
}
