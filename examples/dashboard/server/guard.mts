// Who is let in. This server is for pages that it has served itself, opened by the person who has
// started it: neither for other machines, nor for other users, nor for pages of other sites.
//
// - It listens on the loopback interface alone.
// - `Host` has to be this server: a page of another site whose name was made to lead here has its
//   own name there.
// - `Origin` has to be as well where a stream is opened, which pages of other sites may try.
// - The stream needs the token of the link. The page takes it from the fragment of the link, which
//   is sent to no server and is in no `Referer`, and passes it on as a subprotocol, which unlike an
//   address is in no log.

import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http'

/** What the page speaks; beside it stands the token, behind this prefix. */
export const PROTOCOL = 'dashboard'
const TOKEN_PREFIX = 'token.'

/** With everything that is answered. The page needs nothing but what is served here. */
export const HEADERS: OutgoingHttpHeaders = {
  'content-security-policy': [
    "default-src 'none'",
    ...["script-src 'self'", "style-src 'self'", "img-src 'self'", "connect-src 'self'"],
    ...["base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"],
    "require-trusted-types-for 'script'",
  ].join('; '),
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-store',
}

/** 256 bits that no one can guess. */
export const newToken = (): string => randomBytes(32).toString('base64url')

export class Guard {
  readonly #token: string
  readonly #hosts: string[]

  constructor(port: number, token: string) {
    this.#token = token
    this.#hosts = [`127.0.0.1:${port}`, `localhost:${port}`]
  }

  /** Whether a request is meant for this server. */
  isForUs({ headers }: IncomingMessage): boolean {
    return this.#hosts.includes(headers.host ?? '')
  }

  /** Whether a page of this server wants its stream. */
  isOurPage({ headers }: IncomingMessage): boolean {
    return this.#hosts.some((host) => headers.origin === `http://${host}`)
  }

  hasToken({ headers }: IncomingMessage): boolean {
    const offered = headers['sec-websocket-protocol']?.split(',').map((each) => each.trim()) ?? []
    const found = offered.find((each) => each.startsWith(TOKEN_PREFIX))
    return isSame(found?.slice(TOKEN_PREFIX.length) ?? '', this.#token)
  }
}

/** In the same time for all of one length and of any other. */
function isSame(one: string, other: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(one), digest(other))
}
