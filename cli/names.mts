// Which servers and topics there are.

import { isPortable } from '../ts/native.js'
import { objects } from './objects.mjs'

/** Without the addon none of them is seen. */
export const areSeen = !isPortable

/** The names of the servers that live, or of the topics that somebody has published to. */
export function names(of: 'server' | 'topic'): string[] {
  if (!areSeen) return []
  const found = objects().filter(({ kind, alive }) => kind === of && (alive || of === 'topic'))
  return [...new Set(found.map(({ name }) => name))].sort()
}
