// Requests, streams, events and handlers that somebody watches on channels of diagnostics.

import type * as api from '../../index.js'
import type { Context } from './context.js'
import type { Contract, MethodContract, StreamContract } from '../values/contract.js'
import {
  CallMessage,
  HandlerMessage,
  handlings,
  requests,
  sentEvents,
  streams,
} from '../values/diagnostics.js'
import { LANES } from '../values/options.js'
import { onAbort } from '../values/signals.js'
import { promised } from '../values/thenable.js'

/** How a request is sent, as far as is published. */
type Options = Pick<api.RequestOptions, 'lane' | 'parent' | 'traceparent'>

/** Sends it, with the traceparent that subscribers may have set. */
type Ask<Outcome> = (traceparent: string | undefined) => Outcome

export async function watchedRequest<Result>(
  connection: api.Connection,
  contract: MethodContract,
  options: Options,
  ask: Ask<Promise<Result>>,
): Promise<Result> {
  const message = begun(connection, contract, options)
  requests.begin(message)
  let result
  try {
    // Awaited here, so that whoever awaits this is in the stack of its error.
    result = await ask(message.traceparent)
  } catch (error) {
    requests.fail(message, error)
    throw error
  }
  requests.end(message)
  return result
}

export function watchedSync(
  connection: api.Connection,
  contract: MethodContract,
  options: Options,
  ask: Ask<unknown>,
): unknown {
  const message = begun(connection, contract, options)
  requests.begin(message)
  let result
  try {
    result = ask(message.traceparent)
  } catch (error) {
    requests.fail(message, error)
    throw error
  }
  requests.end(message)
  return result
}

export function watchedStream<S extends api.ClientStream>(
  connection: api.Connection,
  contract: StreamContract,
  options: Options,
  ask: Ask<S>,
): S {
  const message = begun(connection, contract, options)
  streams.begin(message)
  try {
    const stream = ask(message.traceparent)
    stream.result.then(
      () => streams.end(message),
      (error: unknown) => streams.fail(message, error),
    )
    return stream
  } catch (error) {
    streams.fail(message, error)
    throw error
  }
}

/** An event is sent. Returns its traceparent. */
export function watchedEvent(
  connection: api.Connection,
  contract: Contract,
  lane: number,
  traceparent: string | undefined,
): string | undefined {
  const message = new CallMessage(contract, connection, LANES[lane], traceparent)
  sentEvents.publish(message)
  return message.traceparent
}

/** Runs the handler of a message. Returns what it returns. */
export function watchedHandler(
  contract: Contract,
  context: Context,
  handler: () => unknown,
): unknown {
  const { connection, lane, traceparent } = context
  const message = new HandlerMessage(contract, connection, lane, traceparent)
  let result
  let later
  try {
    result = handlings.run(message, handler)
    later = promised(result)
  } catch (error) {
    handlings.fail(message, error)
    throw error
  }
  if (later === undefined) handlings.end(message)
  else follow(message, later, context.signal)
  return later ?? result
}

/** What a handler has promised may never come, once the reply is no longer wanted. */
function follow(message: HandlerMessage, later: Promise<unknown>, signal: AbortSignal): void {
  if (signal.aborted) return handlings.fail(message, signal.reason)
  let isOver = false
  const once = (report: () => void) => {
    if (isOver) return
    isOver = true
    stop()
    report()
  }
  const stop = onAbort(signal, () => once(() => handlings.fail(message, signal.reason)))
  later.then(
    () => once(() => handlings.end(message)),
    (error: unknown) => once(() => handlings.fail(message, error)),
  )
}

function begun(
  connection: api.Connection,
  contract: Contract,
  options: Options,
): CallMessage {
  const { lane = 'normal', parent, traceparent = parent?.traceparent } = options
  return new CallMessage(contract, connection, lane, traceparent)
}
