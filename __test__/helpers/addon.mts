// Which platform the addon of this checkout is for.

import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

const ROOT = dirname(createRequire(import.meta.url).resolve('ringpost/package.json'))
const LIBRARIES = ['gnu', 'musl']

const candidates = LIBRARIES.map((libc) => `${process.platform}-${process.arch}-${libc}`)

/** By the name of its package. */
export const TARGET = candidates.find((target) => {
  return existsSync(join(ROOT, `native/ringpost.${target}.node`))
})!
