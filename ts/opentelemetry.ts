// Spans of OpenTelemetry, made of what is published on channels of diagnostics. The only file that
// loads `@opentelemetry/api`, and no other file imports this one.

import {
  context,
  isSpanContextValid,
  SpanKind,
  SpanStatusCode,
  trace,
  type Context,
  type Exception,
  type Span,
  type Tracer,
} from '@opentelemetry/api'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type * as api from '../index.js'
import type { Instrumentation, InstrumentOptions } from '../opentelemetry.js'

type Listener = (message: unknown) => void

export function instrument(options: InstrumentOptions = {}): Instrumentation {
  const { tracerProvider = trace, events = true } = options
  const spans = new Spans(tracerProvider.getTracer('ringpost'), events)
  const listeners = Object.entries({
    'ringpost:request:start': (message) => spans.send(message as api.CallMessage),
    'ringpost:request:end': (message) => spans.end(message as api.CallMessage),
    'ringpost:request:error': (message) => spans.end(message as api.CallMessage),
    'ringpost:stream:start': (message) => spans.send(message as api.CallMessage),
    'ringpost:stream:end': (message) => spans.end(message as api.CallMessage),
    'ringpost:stream:error': (message) => spans.end(message as api.CallMessage),
    'ringpost:handler:start': (message) => spans.handle(message as api.HandlerMessage),
    'ringpost:handler:end': (message) => spans.end(message as api.CallMessage),
    'ringpost:handler:error': (message) => spans.end(message as api.CallMessage),
    // A load for each event, where there are no spans for them.
    ...(events && { 'ringpost:event:send': (message) => spans.emit(message as api.CallMessage) }),
  } satisfies Partial<Record<keyof api.DiagnosticsChannels, Listener>>)
  for (const [name, listener] of listeners) subscribe(name, listener)
  const dispose = () => {
    for (const [name, listener] of listeners) unsubscribe(name, listener)
    spans.endAll()
  }
  return { dispose, [Symbol.dispose]: dispose }
}

class Spans {
  readonly #tracer: Tracer
  readonly #events: boolean
  readonly #open = new Map<api.CallMessage, Span>()

  constructor(tracer: Tracer, events: boolean) {
    this.#tracer = tracer
    this.#events = events
  }

  /** A request or a stream is about to be sent. */
  send(message: api.CallMessage): void {
    this.#start(message, SpanKind.CLIENT, senderOf(message))
  }

  /** An event is about to be sent, and nothing is ever heard of it. */
  emit(message: api.CallMessage): void {
    this.#start(message, SpanKind.PRODUCER, senderOf(message))
    this.end(message)
  }

  /** A handler is about to be called. */
  handle(message: api.HandlerMessage): void {
    const isEvent = message.kind === 'event'
    if (isEvent && !this.#events) return
    const parent = within(context.active(), message.traceparent)
    const span = this.#start(message, isEvent ? SpanKind.CONSUMER : SpanKind.SERVER, parent)
    const own = trace.setSpan(parent, span)
    message.around((work) => context.with(own, work))
  }

  #start(message: api.CallMessage, kind: SpanKind, parent: Context): Span {
    const { name, lane, peer } = message
    const attributes = {
      'rpc.system': 'ringpost',
      'rpc.method': name,
      'ringpost.kind': message.kind,
      'ringpost.lane': lane,
      'ringpost.peer.pid': peer.pid,
    }
    const span = this.#tracer.startSpan(name, { kind, attributes }, parent)
    this.#open.set(message, span)
    const isSent = kind === SpanKind.CLIENT || kind === SpanKind.PRODUCER
    const { traceId, spanId, traceFlags } = span.spanContext()
    if (isSent && isSpanContextValid(span.spanContext())) {
      const flags = traceFlags.toString(16).padStart(2, '0')
      message.traceparent = `00-${traceId}-${spanId}-${flags}`
    }
    return span
  }

  /** There is an outcome. */
  end(message: api.CallMessage): void {
    const span = this.#open.get(message)
    if (span === undefined) return
    this.#open.delete(message)
    const { error, code } = message
    if (code !== undefined) {
      span.recordException(error as Exception)
      span.setAttribute('error.type', code)
      span.setStatus({ code: SpanStatusCode.ERROR, message: textOf(error) })
    }
    span.end()
  }

  endAll(): void {
    for (const span of this.#open.values()) span.end()
    this.#open.clear()
  }
}

/** The parent of what is sent: the span that is active, or else what the message is to carry. */
function senderOf({ traceparent }: api.CallMessage): Context {
  const active = context.active()
  return trace.getSpan(active) === undefined ? within(active, traceparent) : active
}

/** A context whose span is the one of the other process. */
function within(parent: Context, traceparent: string | undefined): Context {
  if (traceparent === undefined) return parent
  const [, traceId, spanId, flags] = traceparent.split('-')
  const remote = { traceId, spanId, traceFlags: parseInt(flags, 16), isRemote: true }
  return isSpanContextValid(remote) ? trace.setSpanContext(parent, remote) : parent
}

function textOf(error: unknown): string {
  const { message } = (error ?? {}) as { message?: unknown }
  return typeof message === 'string' ? message : String(error)
}
