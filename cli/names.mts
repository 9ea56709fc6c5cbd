// Which servers and topics there are.

import { objects } from './objects.mjs'

/** The names of the servers that live, or of the topics that somebody has published to. */
export function names(of: 'server' | 'topic'): string[] {
  const found = objects().filter(({ kind, alive }) => kind === of && (alive || of === 'topic'))
  return [...new Set(found.map(({ name }) => name))].sort()
}
