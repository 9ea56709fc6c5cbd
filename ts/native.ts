// The binding: one engine for this thread, made when it is first needed.

import type * as api from '../index.js'
import type * as binding from '../native/binding.js'
import { waitingOptions } from './options.js'

/** Where the compiled addon is looked for: see `NAPI_RS_NATIVE_LIBRARY_PATH` in the loader. */
export const native: typeof binding = load()

function load(): typeof binding {
  try {
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- an addon cannot be imported
    return require('../../native/binding.js') as typeof binding
  } catch (cause) {
    const { platform, arch } = process
    const message =
      `ringpost has no binding for ${platform}-${arch}. In a checkout run \`npm run build\`; ` +
      'elsewhere see that the package was installed for this platform and that a bundler leaves ' +
      'it external.'
    throw new Error(message, { cause })
  }
}

const LOOK_EXPECTING_US = 50
const LOOK_RECENT_US = 20

let waiting: api.WaitingOptions = {}
let opened = false

export function configure(options: api.WaitingOptions): void {
  const checked = waitingOptions(options)
  if (opened) throw new Error('configure() has to be called before the first server or connection')
  waiting = { ...waiting, ...checked }
}

/** Opens the engine of this thread. */
export function openEngine(
  memory: Record<'outbox' | 'state' | 'runs' | 'queued', ArrayBuffer>,
  deliver: (runs: number, extras: Extras) => void,
): binding.NativeEngine {
  opened = true
  const { wake = 'auto', lookExpectingUs, lookRecentUs } = waiting
  return new native.NativeEngine(memory, deliver, {
    expectingUs: lookExpectingUs ?? LOOK_EXPECTING_US,
    recentUs: lookRecentUs ?? LOOK_RECENT_US,
    byThread: wake === 'thread' || (wake === 'auto' && !hasUsableLoop()),
  })
}

/** Memory of its own that records refer to by number; `null` if it was lost. */
export type Extras = (ArrayBuffer | Uint8Array | null)[] | null

/** Bun aborts when libuv's functions are called, and Deno stops calling back after the first. */
function hasUsableLoop(): boolean {
  return !('bun' in process.versions) && !('Deno' in globalThis)
}

let mark: ((memory: object) => void) | undefined

/** Memory that is not to be handed on to another thread, where the host can see to that. Loaded when
 * it is needed: it is larger than all of this library. */
export function untransferable(memory: ArrayBufferLike): void {
  try {
    mark ??= (require('node:worker_threads') as typeof import('node:worker_threads')).markAsUntransferable
    mark(memory)
  } catch {
    mark = () => {}
  }
}
