// The contracts of the program `inside`, and what it reports.

import type { SpanKind } from '@opentelemetry/api'
import { method, stream, type IpcError } from 'ringpost'

/** A span, as one process tells it to the other. */
export interface Told {
  name: string
  kind: SpanKind
  traceId: string
  spanId: string
  parentId: string | null
  attributes: Record<string, unknown>
  failed: boolean
  message: string | null
  exceptions: number
}

/** What was published on a channel. */
export interface Published {
  moment: string
  kind?: string
  name?: string
  code?: string
  traceparent?: string
  durationMs?: number
  pid: number
  reason?: IpcError | null
}

export const Numbers = stream<number, number, void, string | null>('numbers')
/** Sends so many events `ping` back. */
export const Pings = method<number, void>('pings')
