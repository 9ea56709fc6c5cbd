// The side of a connection that sends requests.

import type * as api from '../../index.js'
import { BYTES, decodeWith, encodeWith, MESSAGE_PACK, OWN } from '../values/codec.js'
import { ClientStream } from './client-stream.js'
import { Failures } from './counters.js'
import type { MethodContract, StreamContract } from '../values/contract.js'
import { IpcError, rejected, type Hidden } from '../values/errors.js'
import type { Inbox } from '../runtime/inbox.js'
import type { Link } from './link.js'
import { isPortable, native, type Extras } from '../native.js'
import { laneNumber, nativeSpan } from '../values/options.js'
import { Pending } from './pending.js'
import { readError, remoteError } from '../values/remote-error.js'
import { onAbort } from '../values/signals.js'
import { traceBytes } from '../values/trace.js'

const {
  ENDED_CANCELLED,
  ENDED_CLOSED,
  ENDED_PEER_LOST,
  ENDED_TIMEOUT,
  ENDED_UNREADABLE,
  ENDED_WITHDRAWN,
  ENDED_WOULD_DEADLOCK,
  KIND_ERROR,
  KIND_REPLY,
  KIND_REQUEST,
  WINDOW_DEFAULT,
} = native

/** The lane of a request that names none. */
const NORMAL = 2
/** A synchronous request must end, even on a connection whose requests need not. */
const SYNC_TIMEOUT_DEFAULT = native.TIMEOUT_MS_DEFAULT
const NOT_PORTABLE =
  'synchronous requests need shared memory, and with it the addon of this platform: this process ' +
  'runs on the core in WebAssembly (see docs/installing.md)'

/** A request in flight. */
class Call {
  readonly contract: MethodContract | StreamContract
  readonly timeoutMs: number
  readonly resolve: (value: any) => void
  readonly reject: (reason: unknown) => void
  /** Stops listening to the signals that could have ended it. */
  cleanup: (() => void)[] | undefined = undefined
  /** Its items, if it is a stream. */
  stream: ClientStream | undefined = undefined
  /** Whether the process stays alive for it. */
  keepsAlive = true

  constructor(
    contract: MethodContract | StreamContract,
    timeoutMs: number,
    resolve: (value: any) => void,
    reject: (reason: unknown) => void,
  ) {
    this.contract = contract
    this.timeoutMs = timeoutMs
    this.resolve = resolve
    this.reject = reject
  }

  /** Ends it with an error that is made where its stack shows most. */
  fail(make: (hide?: Hidden) => Error): void {
    if (this.stream === undefined) this.resolve(rejected(make))
    else this.reject(make())
  }
}

/** See `timed-caller`. */
interface Latencies {
  toObject(): Record<string, api.Latency>
}

export class Caller {
  readonly #link: Link
  readonly #pending = new Pending<Call>()
  /** Called when nothing is in flight any more. */
  onIdle: (() => void) | undefined
  /** Of requests that were sent. */
  readonly failures = new Failures()
  /** How long requests took by method, where that is measured. */
  readonly latencies: Latencies | undefined = undefined

  constructor(link: Link) {
    this.#link = link
  }

  get pending(): number {
    return this.#pending.size
  }

  request<Result>(contract: MethodContract, params: unknown): Promise<Result> {
    const { timeoutMs } = this.#link.settings
    return new Promise((resolve, reject) => {
      const call = new Call(contract, timeoutMs, resolve, reject)
      this.#ask(call, encodeWith(contract.codec, params, 'params'), NORMAL, undefined)
    })
  }

  requestWith<Result>(
    contract: MethodContract,
    params: unknown,
    options: api.RequestOptions,
  ): Promise<Result> {
    const terms = inherit(options, this.#link.settings.timeoutMs)
    const payload = encodeWith(contract.codec, params, 'params')
    return this.#request(contract, payload, options.lane, terms, undefined)
  }

  /** Asks with params that are bytes already. */
  requestEncoded<Result>(
    contract: MethodContract,
    payload: Uint8Array,
    lane: api.Lane | undefined,
    terms: Inherited,
    replayed: number | undefined,
  ): Promise<Result> {
    return this.#request(contract, payload, lane, terms, replayed)
  }

  #request<Result>(
    contract: MethodContract,
    payload: Uint8Array,
    lane: api.Lane | undefined,
    { signals, timeoutMs, traceparent }: Inherited,
    replayed: number | undefined,
  ): Promise<Result> {
    return new Promise((resolve, reject) => {
      const call = new Call(contract, timeoutMs, resolve, reject)
      const slot = this.#ask(call, payload, laneNumber(lane), traceparent, 0, replayed)
      this.#endOn(signals, call, slot)
    })
  }

  /** Asks for a stream. What keeps it from being sent is thrown. */
  stream(
    contract: StreamContract,
    params: unknown,
    options: api.StreamCallOptions,
  ): ClientStream {
    const terms = inherit(options, Infinity)
    const payload = encodeWith(contract.codec, params, 'params')
    return this.streamEncoded(contract, payload, options, terms)
  }

  /** The same, where the params are bytes already. */
  streamEncoded(
    contract: StreamContract,
    payload: Uint8Array,
    { lane, windowBytes = WINDOW_DEFAULT, replayed, keepsAlive = true }: StreamTerms,
    { signals, timeoutMs, traceparent }: Inherited,
  ): ClientStream {
    const succeed = (value: unknown) => stream.succeed(value)
    const fail = (reason: unknown) => stream.fail(reason)
    const call = new Call(contract, timeoutMs, succeed, fail)
    call.keepsAlive = keepsAlive
    const laned = laneNumber(lane)
    const slot = this.#ask(call, payload, laned, traceparent, windowBytes, replayed)
    const link = this.#link
    const generation = this.#pending.generation(slot)
    const code = link.code(contract)
    const address = { link, contract, lane: laned, code, slot, generation, window: windowBytes }
    const stream = new ClientStream(address, (reason) => this.#cancel(slot, generation, reason))
    call.stream = stream
    this.#endOn(signals, call, slot)
    return stream
  }

  /** An item has come. */
  item(inbox: Inbox, at: number, extras: Extras): void {
    this.#pending.get(inbox.slot(at), inbox.generation(at))?.stream?.received(inbox, at, extras)
  }

  /** The peer grants credit. */
  granted(slot: number, generation: number, total: number): void {
    this.#pending.get(slot, generation)?.stream?.writer.granted(total)
  }

  /** Asks, and waits for the answer inside of the binding. */
  requestSync(contract: MethodContract, params: unknown, options: api.SyncRequestOptions): unknown {
    const { peer, settings, runtime, number } = this.#link
    if (isPortable) throw new IpcError('ERR_FEATURE', NOT_PORTABLE)
    if (peer.isSelf) {
      throw new IpcError('ERR_WOULD_DEADLOCK', 'the server is in this thread')
    }
    const inherited = Number.isFinite(settings.timeoutMs)
      ? settings.timeoutMs
      : SYNC_TIMEOUT_DEFAULT
    const left = options.parent?.remainingMs ?? Infinity
    const timeoutMs = Math.min(options.timeoutMs ?? inherited, left)
    const call = new Call(contract, timeoutMs, ignore, ignore)
    const traceparent = options.traceparent ?? options.parent?.traceparent
    const payload = encodeWith(contract.codec, params, 'params')
    const slot = this.#ask(call, payload, laneNumber(options.lane), traceparent)
    const generation = this.#pending.generation(slot)
    try {
      const answer = runtime.syncArena.request(number, slot, generation)
      if (typeof answer === 'number') throw endError(call, answer)
      return this.#readSync(contract, answer)
    } catch (error) {
      this.failures.count(error)
      throw error
    } finally {
      this.#take(slot, generation)
    }
  }

  #readSync(contract: MethodContract, answer: Uint8Array): unknown {
    const { pool, runtime } = this.#link
    const arena = runtime.syncArena
    const { codec } = arena
    if (arena.kind === KIND_ERROR) throw remoteError(readError(answer, codec === MESSAGE_PACK))
    if (!arena.has(answer)) return decode(contract, answer, codec)
    // What is kept is not in the arena, where the next answer will be.
    if (contract.codecNumber === BYTES) return decode(contract, pool.copy(answer), codec)
    return arena.whileHeld(answer, () => decode(contract, answer, codec))
  }

  /** An answer has come. */
  answered(inbox: Inbox, at: number, kind: number, extras: Extras): void {
    const call = this.#take(inbox.slot(at), inbox.generation(at))
    if (call === undefined) return
    const { contract } = call
    const { codecNumber } = contract
    let value
    try {
      if (kind !== KIND_REPLY) return this.#failed(call, inbox, at, extras)
      let payload
      if (codecNumber === BYTES) payload = inbox.kept(at, extras)
      else payload = codecNumber === OWN ? inbox.exposed(at, extras) : inbox.borrowed(at, extras)
      value = decode(contract, payload, inbox.codec(at))
    } catch (error) {
      return this.#reject(call, error)
    }
    call.resolve(value)
  }

  #failed(call: Call, inbox: Inbox, at: number, extras: Extras): void {
    const isMessagePack = inbox.codec(at) === MESSAGE_PACK
    const wire = readError(inbox.borrowed(at, extras), isMessagePack)
    this.#fail(call, (hide) => remoteError(wire, hide))
  }

  #fail(call: Call, make: (hide?: Hidden) => Error): void {
    call.fail((hide) => {
      const error = make(hide)
      this.failures.count(error)
      return error
    })
  }

  #reject(call: Call, reason: unknown): void {
    this.failures.count(reason)
    call.reject(reason)
  }

  /** A request has ended without an answer. */
  ended(slot: number, generation: number, ending: number): void {
    const call = this.#take(slot, generation)
    if (call !== undefined) this.#fail(call, () => endError(call, -ending))
  }

  /** A request could not be sent. If it has ended before, that is no news. */
  refused(slot: number, generation: number, error: IpcError): void {
    const call = this.#take(slot, generation)
    if (call !== undefined) this.#reject(call, error)
  }

  /** The connection is over. All have had their outcome, but for those whose outcome was lost. */
  end(reason: IpcError): void {
    for (const call of this.#pending.takeAll()) {
      this.#let(call)
      this.#reject(call, reason)
    }
  }

  #ask(
    call: Call,
    payload: Uint8Array,
    lane: number,
    traceparent: string | undefined,
    window = 0,
    replayed = -1,
  ): number {
    const link = this.#link
    const { contract } = call
    const length = link.check(payload)
    const code = link.code(contract)
    const slot = this.#pending.add(call)
    if (slot >= link.peer.pendingMax) {
      this.#pending.take(slot, this.#pending.generation(slot))
      const message = `${slot} requests are in flight, the maximum that was agreed`
      throw new IpcError('ERR_TOO_MANY_PENDING', message)
    }
    if (call.keepsAlive) link.runtime.addReferences(1)
    const { outbox } = link.runtime
    const trace = traceparent === undefined ? undefined : traceBytes(traceparent)
    outbox.kind = KIND_REQUEST
    outbox.link = link.number
    outbox.lane = lane
    outbox.format = contract.format
    outbox.code = code
    outbox.slot = slot
    outbox.generation = this.#pending.generation(slot)
    outbox.timeoutMs = nativeSpan(call.timeoutMs)
    outbox.window = window
    outbox.replayed = replayed
    outbox.append(payload, length, trace)
    return slot
  }

  #endOn(signals: readonly AbortSignal[], call: Call, slot: number): void {
    if (signals.length === 0) return
    const generation = this.#pending.generation(slot)
    call.cleanup = signals.map((signal) =>
      onAbort(signal, () => this.#cancel(slot, generation, signal.reason)),
    )
  }

  /** Gives a request up, if it is in flight. */
  #cancel(slot: number, generation: number, reason: unknown): void {
    const call = this.#take(slot, generation)
    if (call === undefined) return
    const { runtime, number, end } = this.#link
    if (end === undefined) runtime.engine.cancel(number, slot, generation)
    this.#reject(call, reason)
  }

  #take(slot: number, generation: number): Call | undefined {
    const call = this.#pending.take(slot, generation)
    if (call !== undefined) this.#let(call)
    return call
  }

  /** A request is in flight no longer. */
  #let(call: Call): void {
    if (call.keepsAlive) this.#link.runtime.addReferences(-1)
    if (call.cleanup !== undefined) for (const stop of call.cleanup) stop()
    if (this.onIdle !== undefined && this.#pending.size === 0) this.onIdle()
  }
}

const NO_SIGNALS: readonly AbortSignal[] = []

/** What a request has of its own, and of what it is made for. */
export interface Inherited {
  readonly signals: readonly AbortSignal[]
  readonly timeoutMs: number
  readonly traceparent: string | undefined
  /** When it was made, on the clock of alarms, if that was before it is sent. */
  readonly since?: number
}

/** How a stream is asked for. */
export interface StreamTerms {
  readonly lane?: api.Lane
  readonly windowBytes?: number
  readonly keepsAlive?: boolean
  /** How many items it has got, where it was asked for before. */
  readonly replayed?: number
}

/** Throws if the request, or what it is made for, is over already. */
export function inherit(
  { parent, signal, ...own }: api.RequestOptions,
  defaultMs: number,
): Inherited {
  const timeoutMs = own.timeoutMs ?? defaultMs
  signal?.throwIfAborted()
  const signals = signal === undefined ? NO_SIGNALS : [signal]
  if (parent === undefined) return { signals, timeoutMs, traceparent: own.traceparent }
  parent.signal.throwIfAborted()
  return {
    // Each by itself: a signal made of several is kept by those it is made of.
    signals: [...signals, parent.signal],
    timeoutMs: Math.min(timeoutMs, parent.remainingMs),
    traceparent: own.traceparent ?? parent.traceparent,
  }
}

/** The answer's value; bytes are the payload itself, which has to be kept then. */
function decode(
  contract: MethodContract | StreamContract,
  payload: Uint8Array,
  codec: number,
): unknown {
  const { result } = contract.options
  if (codec === BYTES && contract.codecNumber === BYTES && result === undefined) return payload
  return decodeWith(contract.codec, contract.codecNumber, result, payload, codec, 'result')
}

function endError({ contract, timeoutMs }: Call, ending: number): IpcError {
  const { name } = contract
  switch (-ending) {
    case ENDED_TIMEOUT:
      return new IpcError('ERR_TIMEOUT', `no answer to "${name}" within ${timeoutMs} ms`)
    case ENDED_CANCELLED:
      return new IpcError('ERR_CANCELLED', `the request "${name}" was cancelled`)
    case ENDED_CLOSED:
      return new IpcError('ERR_CLOSED', `the connection was closed before "${name}" was answered`)
    case ENDED_WOULD_DEADLOCK:
      return new IpcError(
        'ERR_WOULD_DEADLOCK',
        `the peer is blocked in a synchronous request itself and cannot answer "${name}"`,
      )
    case ENDED_WITHDRAWN:
      return new IpcError(
        'ERR_INVALID_ARGUMENT',
        `the params of "${name}" were changed or transferred before all of them were sent`,
      )
    case ENDED_UNREADABLE:
      return new IpcError(
        'ERR_INVALID_PAYLOAD',
        `the answer to "${name}" is compressed, which its contract does not permit`,
      )
    case ENDED_PEER_LOST:
    default:
      return new IpcError('ERR_PEER_LOST', `the peer was lost before it answered "${name}"`)
  }
}

function ignore(): void {}
