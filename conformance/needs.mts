// Privileges some rows need and not every machine grants.

import { spawnSync } from 'node:child_process'
import type { Need } from './case.mjs'

export const isRoot = process.getuid?.() === 0

/** A command that enters a new mount namespace; root needs no user namespace for it. */
export const UNSHARE = isRoot ? ['unshare', '--mount'] : ['unshare', '--map-root-user', '--mount']

/** What is missing here. A row that needs it fails, because it proves nothing, unless the variable
 * `RINGPOST_WITHOUT` lists it: `root`, `namespaces`, or both separated by a comma. */
export function missing(): { missing: Set<Need>; known: Set<string> } {
  const missing = new Set<Need>()
  if (!isRoot) missing.add('root')
  if (spawnSync(UNSHARE[0], [...UNSHARE.slice(1), 'true']).status !== 0) missing.add('namespaces')
  return { missing, known: new Set((process.env.RINGPOST_WITHOUT ?? '').split(',')) }
}
