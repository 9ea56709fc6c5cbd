// Whether what was built is up to date.

import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from './step.mjs'

/** Folders written by other programs, and large records. */
const GENERATED = ['target', 'node_modules', 'record']

/** Whether `product` is missing or older than any of `sources`, files or folders. */
export function isStale(product, sources) {
  const path = join(ROOT, product)
  if (!existsSync(path)) return true
  const built = statSync(path).mtimeMs
  return sources.some((source) => newest(join(ROOT, source)) > built)
}

function newest(path) {
  if (!existsSync(path)) return 0
  const stat = statSync(path)
  if (!stat.isDirectory()) return stat.mtimeMs
  const entries = readdirSync(path).filter((name) => !GENERATED.includes(name))
  return Math.max(0, ...entries.map((name) => newest(join(path, name))))
}
