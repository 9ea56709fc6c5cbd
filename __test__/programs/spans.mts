// Spans of this process, by the real SDK, kept in memory.

import { context, SpanStatusCode, trace as api } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base'
import { instrument, type Instrumentation } from 'ringpost/opentelemetry'
import type { Told } from '../helpers/inside.mjs'

export interface Tracing {
  instrumentation: Instrumentation
  /** The spans that have ended since this was asked last. */
  taken(): Told[]
}

export function trace(): Tracing {
  const exporter = new InMemorySpanExporter()
  const spanProcessors = [new SimpleSpanProcessor(exporter)]
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  api.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors }))
  const instrumentation = instrument()
  const taken = () => {
    const spans = exporter.getFinishedSpans().map((span): Told => ({
      name: span.name,
      kind: span.kind,
      traceId: span.spanContext().traceId,
      spanId: span.spanContext().spanId,
      parentId: span.parentSpanContext?.spanId ?? null,
      attributes: span.attributes,
      failed: span.status.code === SpanStatusCode.ERROR,
      message: span.status.message ?? null,
      exceptions: span.events.filter(({ name }) => name === 'exception').length,
    }))
    exporter.reset()
    return spans
  }
  return { instrumentation, taken }
}
