// What is left out of the suite on other systems than Linux, by name, and why.

import type { Row } from './case.mjs'
import { malicious } from './rows/malicious.mjs'

const isWindows = process.platform === 'win32'

interface LeftOut {
  why: string
  rows: readonly string[]
}

const ELSEWHERE: readonly LeftOut[] = [
  {
    // It plays the attacker; what it sends is judged by code that is the same on all systems.
    why: 'the test peer in Rust runs on Linux only',
    rows: [
      ...malicious.map(({ name }) => name),
      'a client with an unknown protocol version',
      'a client that requires an unknown feature',
      'a client that sends descriptors',
      'a HELLO with an id, options, a codec, or more to come',
      'a READY with fields appended by a later version',
      'a client that sends garbage',
      'a server with an unknown protocol version',
      'a server that requires an unknown feature',
      'a server that sends garbage or hangs up',
      'a server that never answers',
      'a server that claims to be the same process',
      'connecting aborted by a signal',
      'a WELCOME with wrong memory, descriptors or features',
      'a client that is killed at any step of the handshake',
    ],
  },
  {
    why: 'no command limits the descriptors of another process',
    rows: ['a server that is out of descriptors', 'a client that is out of descriptors'],
  },
  {
    why: 'the row is about two users of Linux',
    rows: ['a server of another user', 'a client of another user'],
  },
]

const ON_WINDOWS: readonly LeftOut[] = [
  {
    why: 'Node.js does not know there who else has access to a folder',
    rows: ['a directory that other users can access'],
  },
]

const leftOut = new Map<string, string>()
if (process.platform !== 'linux') {
  for (const { why, rows } of isWindows ? [...ELSEWHERE, ...ON_WINDOWS] : ELSEWHERE) {
    for (const name of rows) leftOut.set(name, why)
  }
}

/** Why this row is left out on this system, if it is. */
export function whyLeftOut({ name }: Row): string | undefined {
  return leftOut.get(name)
}

/** Fails if a row is named that there is not. */
export function checkNames(all: readonly Row[]): void {
  const names = new Set(all.map(({ name }) => name))
  const unknown = [...ELSEWHERE, ...ON_WINDOWS].flatMap(({ rows }) => rows)
  const wrong = unknown.filter((name) => !names.has(name))
  if (wrong.length > 0) throw new Error(`there is no such row: ${wrong.join('; ')}`)
}
