// What is left out of the suite on other systems than Linux, and with the core in WebAssembly, by
// name, and why.

import { canAttack } from './attackers.mjs'
import type { Row, Where } from './case.mjs'
import { handover } from './rows/handover.mjs'
import { malicious } from './rows/malicious.mjs'

interface LeftOut {
  why: string
  rows: readonly string[]
}

const ELSEWHERE: readonly LeftOut[] = [
  {
    why: 'sockets that are not of Unix, and relays, pass no descriptors',
    rows: [
      'a client that sends descriptors',
      'a client sends descriptors with a bell',
      'a WELCOME with wrong memory, descriptors or features',
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

/** It plays the attacker: what it sends is judged by code that is the same on all systems. */
const BY_ATTACKERS: LeftOut = {
  why: 'the test peer in Rust runs on Linux only',
  rows: [
    ...malicious.map(({ name }) => name),
    'a client with an unknown protocol version',
    'a client that requires an unknown feature',
    'a HELLO with an id, options, a codec, or more to come',
    'a READY with fields appended by a later version',
    'a client that sends garbage',
    'a server with an unknown protocol version',
    'a server that requires an unknown feature',
    'a server that sends garbage or hangs up',
    'a server that never answers',
    'a server that claims to be the same process',
    'connecting aborted by a signal',
    'a client that is killed at any step of the handshake',
  ],
}

const ON_WINDOWS: readonly LeftOut[] = [
  {
    why: 'Node.js does not know there who else has access to a folder',
    rows: ['a directory that other users can access'],
  },
]

interface OnWasm extends LeftOut {
  /** With which pairs. */
  isSo: (where: Where) => boolean
}

const calls = ({ caller }: Where) => caller === 'ts'
const serves = ({ responder }: Where) => responder === 'ts'
const either = (where: Where) => calls(where) || serves(where)

const ON_WASM: readonly OnWasm[] = [
  {
    why: 'to wait for an answer without turning the loop needs shared memory',
    rows: ['a synchronous request', 'a synchronous request to a server in the same process'],
    isSo: calls,
  },
  {
    why: 'both sides wait without turning their loops',
    rows: ['synchronous requests in both directions at once'],
    isSo: either,
  },
  {
    why: 'Node.js does not say whose process is at the other end, and loses descriptors that come',
    rows: [
      'a client of another user',
      'a client that sends descriptors',
      'a client sends descriptors with a bell',
    ],
    isSo: serves,
  },
  {
    why: 'the same holds for a server at the other end',
    rows: [
      'a server of another user',
      'a server that claims to be the same process',
      'a WELCOME with wrong memory, descriptors or features',
    ],
    isSo: calls,
  },
  {
    why: 'Node.js closes clients that come when there are no descriptors, and says nothing to them',
    rows: ['a server that is out of descriptors'],
    isSo: serves,
  },
  {
    why: 'a socket that listens cannot be passed on by Node.js',
    rows: handover.map(({ name }) => name),
    isSo: either,
  },
  {
    why: 'what the row publishes is in shared memory',
    rows: ['nothing of what is sent is in errors, counters, logs or files beside it'],
    isSo: either,
  },
]

const leftOut = new Map<string, string>()
if (process.platform !== 'linux') {
  const attacks = canAttack ? [] : [BY_ATTACKERS]
  const onWindows = process.platform === 'win32' ? ON_WINDOWS : []
  for (const { why, rows } of [...attacks, ...ELSEWHERE, ...onWindows]) {
    for (const name of rows) leftOut.set(name, why)
  }
}

/** Why this row is left out there, if it is. */
export function whyLeftOut({ name }: Row, where: Where): string | undefined {
  const onWasm = where.core === 'wasm' ? ON_WASM : []
  const found = onWasm.find(({ rows, isSo }) => rows.includes(name) && isSo(where))
  return leftOut.get(name) ?? found?.why
}

/** Fails if a row is named that there is not. */
export function checkNames(all: readonly Row[]): void {
  const names = new Set(all.map(({ name }) => name))
  const named = [BY_ATTACKERS, ...ELSEWHERE, ...ON_WINDOWS, ...ON_WASM].flatMap(({ rows }) => rows)
  const wrong = named.filter((name) => !names.has(name))
  if (wrong.length > 0) throw new Error(`there is no such row: ${wrong.join('; ')}`)
}
