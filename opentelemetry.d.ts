/**
 * Spans of OpenTelemetry for what goes through `ringpost`, and the trace context from one process
 * to the other. Needs `@opentelemetry/api`.
 *
 * @packageDocumentation
 */

import type { TracerProvider } from '@opentelemetry/api'

/** Options of {@link instrument}. */
export interface InstrumentOptions {
  /** Makes the spans. @default the global provider */
  tracerProvider?: TracerProvider
  /** Whether events have spans, too: one where each is sent, and one for each handler that is
   * called with it. Their trace context is carried only then. @default true */
  events?: boolean
}

/** Spans are made until it is disposed. */
export interface Instrumentation extends Disposable {
  /** Makes no more spans, and ends those that are open. Further calls do nothing. */
  dispose(): void
}

/**
 * Makes a span for each request, stream and event that this thread sends, and for each handler it
 * runs, by the semantic conventions for RPC: `rpc.system` is `ringpost`, `rpc.method` the name of
 * the contract. Kinds are `CLIENT` and `SERVER`, of events `PRODUCER` and `CONSUMER`.
 *
 * A span's parent is the one that is active where the message is sent. Its context travels as the
 * `traceparent` of the message, in place of one passed in its options, and is the parent of the
 * handler's span, which is active in the handler. Neither `tracestate` nor baggage is carried. What
 * fails has the status `ERROR`, the exception, and its code as `error.type`.
 *
 * Works through the channels `DiagnosticsChannels` of `ringpost`, so that it can be called before
 * or after connections are made.
 *
 * @example
 * ```ts
 * import { instrument } from 'ringpost/opentelemetry'
 *
 * const instrumentation = instrument()
 * ```
 */
export declare function instrument(options?: InstrumentOptions): Instrumentation
