// What this API needs of HTTP: only callers of this machine, and bodies that are small JSON objects.

import type { IncomingMessage, ServerResponse } from 'node:http'

const BODY_MAX = 16 * 1024
/** What a browser calls this machine. A page of another site that has its name lead here calls it
 * by that name. */
const OWN_HOST = /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/

/** An answer that is not the one that was asked for. */
export class Refusal extends Error {
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

export function checkHost({ headers }: IncomingMessage): void {
  if (!OWN_HOST.test(headers.host ?? '')) {
    throw new Refusal(403, 'this API is for programs of this machine')
  }
}

/** The body, an object; an empty body is an empty one. */
export async function objectOf(request: IncomingMessage): Promise<Record<string, unknown>> {
  // Pages of other sites cannot send this type without being asked whether they may.
  const type = request.headers['content-type']
  if (type !== undefined && !/^application\/json\b/.test(type)) {
    throw new Refusal(415, `the body must be application/json, got ${type}`)
  }
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > BODY_MAX) throw new Refusal(413, `the body has more than ${BODY_MAX} bytes`)
    chunks.push(chunk)
  }
  if (length === 0) return {}
  if (type === undefined) throw new Refusal(415, 'the body must be application/json')
  let value: unknown
  try {
    value = JSON.parse(Buffer.concat(chunks).toString('utf8'))
  } catch (error) {
    throw new Refusal(400, `the body is not JSON: ${(error as Error).message}`)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Refusal(400, 'the body must be an object')
  }
  return value as Record<string, unknown>
}

export function answer(response: ServerResponse, status: number, json: string): void {
  const headers: Record<string, string | number> = {
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(json),
    'cache-control': 'no-store',
  }
  // It is tried again at once when there is a producer; so may the caller.
  if (status === 503) headers['retry-after'] = 1
  response.writeHead(status, headers).end(json)
}
