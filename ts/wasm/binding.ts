// What the addon exports, with the core in WebAssembly behind it.

import { counts, placesOf } from './directory.js'
import { WasmEngine } from './engine.js'
import { built } from './module.js'
import * as sharedMemory from './shared-memory.js'
import { NativeHistogram, NativeTotals } from './totals.js'

export const binding = {
  ...built.constants,
  ...sharedMemory,
  /** A client says who it is in a turn of its event loop, and accepting may take many of ours. */
  HELLO_TIMEOUT_MS_DEFAULT: 5_000,
  NativeEngine: WasmEngine,
  NativeHistogram,
  NativeTotals,
  latencyBounds: () => built.latencyBounds,
  overflowDefault: () => built.overflowDefault,
  listDirectories: ({ directory }: { directory: string | null }) => {
    return placesOf(directory).paths.filter(counts)
  },
  /** Nothing is waited for inside of a call. Copies of the package that run on the addon see by
   * this number, too, that they have another engine. */
  IS_WITHOUT_SHARED_MEMORY: 1,
}
