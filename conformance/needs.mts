// What some rows need of the machine, and not every one has.

import { spawnSync } from 'node:child_process'
import type { Need } from './cell.mjs'

export const isRoot = process.getuid!() === 0

/** A mount namespace of one's own: root needs no user namespace for it. */
export const UNSHARE = isRoot ? ['unshare', '--mount'] : ['unshare', '--map-root-user', '--mount']

/** Those that cannot be had here. A row that needs one of them fails, because it shows nothing, unless
 * `RINGPOST_WITHOUT` says that one knows: `root`, `namespaces`, or both with a comma. */
export function missing(): { missing: Set<Need>; known: Set<string> } {
  const missing = new Set<Need>()
  if (!isRoot) missing.add('root')
  if (spawnSync(UNSHARE[0], [...UNSHARE.slice(1), 'true']).status !== 0) missing.add('namespaces')
  return { missing, known: new Set((process.env.RINGPOST_WITHOUT ?? '').split(',')) }
}
