// Has the library run on its core in WebAssembly, in this process and in those it starts. To be
// imported before it.

import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import ava from 'ava'

export const ROOT = dirname(createRequire(import.meta.url).resolve('ringpost/package.json'))
export const isBuilt = existsSync(join(ROOT, 'native/wasm.js'))
if (isBuilt) process.env.RINGPOST_CORE = 'wasm'
else console.log('native/wasm.js is not built, so that nothing of it is tested: node ci/wasm.mjs')

/** Tests that run where the module is built. */
export const test = isBuilt ? ava.serial : ava.skip

/** Where processes can be suspended and sockets have files. */
export const isPosix = process.platform !== 'win32'
/** Where there is an addon to be compared with. */
export const hasAddon = process.platform === 'linux'

/** Runs `work` while programs that are started run on this core. */
export async function on<T>(core: 'addon' | 'wasm', work: () => Promise<T>): Promise<T> {
  process.env.RINGPOST_CORE = core
  try {
    return await work()
  } finally {
    process.env.RINGPOST_CORE = 'wasm'
  }
}
