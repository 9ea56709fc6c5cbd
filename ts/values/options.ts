// Options of connections, servers and calls: their defaults, and what they are checked for.

import type * as api from '../../index.js'
import type { NativeListenOptions, NativeOptions } from '../../native/binding.js'
import { native as engine } from '../native.js'
import {
  TIMEOUT_MAX,
  check,
  checkFunction,
  checkWellFormed,
  checkTrace,
  finiteSpan,
  isBoolean,
  isCodec,
  isContext,
  isIterable,
  isOverflow,
  isReconnect,
  isSchema,
  isSignal,
  isString,
  isToken,
  oneOf,
  place,
  powerOfTwo,
  record,
  span,
  spanOrNone,
  whole,
  wrongRange,
  wrongType,
} from './checks.js'

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
  /** The stacks of errors that handlers throw are sent. */
  exposeStacks: boolean
  /** How long requests took is measured by method, too. */
  methodLatency: boolean
}

/** Options of a server, complete. */
export interface ServerSettings extends Settings {
  listen: NativeListenOptions
  takeOver: boolean
}

export const ENDPOINT = {
  directory: isString,
  transport: oneOf('sealed', 'portable', 'socket'),
  crc: oneOf('off', 'header', 'full'),
  rings: record(RINGS, powerOfTwo(RING_LEN_MIN, RING_LEN_MAX)),
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
  exposeStacks: isBoolean,
}
export const CLIENT = {
  ...{ ...ENDPOINT, connectTimeoutMs: span, signal: isSignal, reconnect: isReconnect },
  ...{ whileAway: oneOf('wait', 'fail'), handlers: checkFunction },
}
const POOL = {
  ...{ ...ENDPOINT, min: whole(0, 65_000), max: whole(1, 65_000), idleMs: span },
}
export const SERVER = {
  ...{ ...ENDPOINT, connectionsMax: whole(1, 65_000), helloTimeoutMs: span },
  ringsMax: record(RINGS, powerOfTwo(RING_LEN_MIN, RING_LEN_MAX)),
  ...{ servingMaxTotal: whole(1, 2 ** 32 - 1), takeOver: isBoolean },
  ...{ handlers: checkFunction, fd: whole(0, 2 ** 31 - 1) },
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
const STREAM_CALL = {
  ...REQUEST,
  windowBytes: whole(WINDOW_MIN, WINDOW_MAX),
  keepsAlive: isBoolean,
}
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
    fd: given.fd ?? null,
  }
  const { takeOver = false } = given
  if (takeOver && given.fd !== undefined) throw wrongRange('fd', 'left out with takeOver', given.fd)
  return { ...settings(given), listen, takeOver }
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

const CONTROL = /[\0-\x1f\x7f-\x9f]/

function settings(given: api.EndpointOptions): Settings {
  const overflow = LANES.map((lane, index) => {
    const policy = given.overflow?.[lane] ?? OVERFLOW_DEFAULT[index]
    return typeof policy === 'object' ? policy.waitMs : policy
  })
  const backlogMax = given.backlogMax ?? BACKLOG_DEFAULT
  const native: NativeOptions = {
    ...place(given.directory),
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
  const { exposeStacks = true } = given
  const unsure = overflow.map((policy) => policy !== Infinity)
  const laneShare = backlogMax / LANE_SHARE
  return { native, timeoutMs, laneShare, unsure, handlerWaitMs, methodLatency, exposeStacks }
}
