// The subjects of NATS that stand for names. Dots separate the tokens of a subject, `*` and `>` are
// wildcards: a name must never become more than one token, whatever is in it.

import { IpcError } from 'ringpost'

const PLAIN = /^[A-Za-z0-9_-]+$/
const PREFIX = /^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/
const LENGTH_MAX = 128

/** A name as one token: what is not a letter, a digit, `-` or `_` becomes `%` and its bytes in
 * hexadecimal, so that no two names have the same. */
export function token(name: string): string {
  if (PLAIN.test(name)) return name
  return name.replaceAll(/[^A-Za-z0-9_-]/gu, (letter) =>
    [...Buffer.from(letter)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join(''),
  )
}

/** Checks what subjects begin with: tokens of letters, digits, `-` and `_`, with dots between. */
export function checkPrefix(name: string, prefix: unknown): asserts prefix is string {
  if (typeof prefix !== 'string') {
    throw new TypeError(`${name} must be a string, got ${typeof prefix}`)
  }
  if (!PREFIX.test(prefix) || prefix.length > LENGTH_MAX) {
    const rule = `letters, digits, "-" and "_", single dots between, at most ${LENGTH_MAX}`
    throw new RangeError(`${name} must be ${rule}, got ${JSON.stringify(prefix)}`)
  }
}

/** Where requests and streams of a service arrive. */
export const callSubject = (prefix: string, service: string, name: string): string =>
  `${prefix}.service.${token(service)}.call.${token(name)}`

/** Where events to its server arrive. */
export const eventSubject = (prefix: string, service: string, name: string): string =>
  `${prefix}.service.${token(service)}.event.${token(name)}`

/** Where events of its server arrive. */
export const broadcastSubject = (prefix: string, service: string, name: string): string =>
  `${prefix}.service.${token(service)}.broadcast.${token(name)}`

export const topicSubject = (prefix: string, name: string): string =>
  `${prefix}.topic.${token(name)}`

/** The subjects that answers may be sent to: those of an inbox of a bridge, and no others, so that
 * nobody makes a bridge publish anything else. */
export function inboxPattern(inboxPrefix: string): RegExp {
  return new RegExp(`^${inboxPrefix.replaceAll('.', '\\.')}\\.[A-Za-z0-9]{22}\\.[0-9]{1,15}$`)
}

/** A queue group is a single token. */
export function checkGroup(group: unknown): asserts group is string {
  if (typeof group !== 'string' || !PLAIN.test(group) || group.length > LENGTH_MAX) {
    const rule = `letters, digits, "-" and "_", at most ${LENGTH_MAX}`
    throw new IpcError('ERR_INVALID_ARGUMENT', `group must be ${rule}, got ${String(group)}`)
  }
}
