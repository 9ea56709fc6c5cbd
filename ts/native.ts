// The binding: one engine for this thread, made when it is first needed.

import type * as api from '../index.js'
import type * as binding from '../native/binding.js'

/** Where the compiled addon is looked for: see `NAPI_RS_NATIVE_LIBRARY_PATH` in the loader. */
export const native: typeof binding = load()

function load(): typeof binding {
  try {
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- an addon cannot be imported
    return require('../../native/binding.js') as typeof binding
  } catch (error) {
    throw unloadable(error)
  }
}

/** Of all that was tried in vain, what one has to know. The loader keeps the words and not the
 * codes. */
function unloadable(error: unknown): Error {
  const tried: Error[] = []
  for (let one = error; one && tried.length < 100; one = (one as Error).cause) {
    tried.push(one as Error)
  }
  const disabled = tried.find(({ message }) => message.includes('loading addons is disabled'))
  if (disabled) {
    // A line that is whole on a small screen.
    const message = 'loading addons is disabled here (--no-addons, or no --allow-addons)'
    return Object.assign(new Error(message, { cause: disabled }), { code: 'ERR_DLOPEN_DISABLED' })
  }
  // In a single executable of Node.js, `require` knows what is built in and nothing else.
  const isExecutable = tried.some(({ message }) => message.startsWith('No such built-in module'))
  const failed = tried.find(({ message }) => !/^(Cannot find|Unsupported)/.test(message))
  if (failed && !isExecutable) {
    return new Error(`ringpost's binding does not load: ${failed.message}`, { cause: error })
  }
  const { platform, arch } = process
  const message =
    `ringpost has no binding for ${platform}-${arch}. In a checkout run \`npm run build\`; ` +
    'elsewhere see that the package was installed for this platform and, if it was bundled, that ' +
    'the .node file of its folder "native" is beside the bundle: see docs/bundlers.md.'
  return new Error(message, { cause: error })
}

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
