// The binding: one engine for this thread, made when it is first needed.

import type * as api from '../index.js'
import type * as binding from '../native/binding.js'

// eslint-disable-next-line @typescript-eslint/no-require-imports -- an addon cannot be imported
export const native = require('../../native/binding.js') as typeof binding

/** Whether this is the core in WebAssembly, which shares no memory and waits for nothing. */
export const isPortable = 'IS_WITHOUT_SHARED_MEMORY' in native

/** Opens the engine of this thread. */
export function openEngine(
  memory: Record<'outbox' | 'state' | 'runs' | 'standing', ArrayBuffer>,
  deliver: (extras?: (ArrayBuffer | Uint8Array | null)[]) => void,
  resource: object,
  { wake = 'auto', spinExpectingUs, spinRecentUs }: api.WaitingOptions,
): binding.NativeEngine {
  return new native.NativeEngine(memory, deliver, resource, {
    expectingUs: spinExpectingUs ?? native.SPIN_EXPECTING_US_DEFAULT,
    recentUs: spinRecentUs ?? native.SPIN_RECENT_US_DEFAULT,
    byThread: wake === 'thread' || (wake === 'auto' && !hasUsableLoop()),
  })
}

/** Memory of its own that records refer to by number; `null` if it was lost. */
export type Extras = (ArrayBuffer | Uint8Array | null)[] | null

/** Bun aborts when libuv's functions are called, and Deno stops calling back after the first. */
function hasUsableLoop(): boolean {
  return !('bun' in process.versions) && !('Deno' in globalThis)
}
