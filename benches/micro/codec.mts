// From values to bytes and back, the way every request and every answer goes.

import assert from 'node:assert/strict'
import type * as api from '../../index.js'
import * as codecs from '../../ts/values/codec.js'
import { kept, pattern, type MicroCase } from './case.mjs'

/** What a request for a place in a file says. */
const SMALL = {
  path: '/home/ada/notes.md',
  line: 42,
  column: 7,
  isOpen: true,
  size: 18_432,
  modified: 1_753_000_000_000,
}

/** What a compiler says about a file: 1 KiB as MessagePack. */
const KIB = {
  path: '/home/ada/notes.md',
  version: 17,
  findings: Array.from({ length: 9 }, (_, index) => ({
    from: { line: 10 * index, column: 4 },
    to: { line: 10 * index, column: 17 + index },
    severity: index % 3,
    code: `E${1000 + index}`,
    message: 'this value is never used',
    weight: index / 4,
  })),
}

export const codec: MicroCase[] = [
  ...both('MessagePack', codecs.messagePack, 'small', SMALL),
  ...both('MessagePack', codecs.messagePack, '1k', KIB),
  ...both('JSON', codecs.json, 'small', SMALL),
  ...both('JSON', codecs.json, '1k', KIB),
  ...both('bytes', codecs.bytes, '1k', pattern(1024)),
]

function both(name: string, one: api.Codec<any>, size: string, value: unknown): MicroCase[] {
  const number = codecs.wireNumber(one)
  const working = codecs.workingCodec(one)
  const encode = () => codecs.encodeWith(working, value, 'params')
  // MessagePack is written into memory that is used again.
  const payload = new Uint8Array(encode())
  const decode = () => codecs.decodeWith(working, number, undefined, payload, number, 'params')
  const settings = { size: payload.length }
  const prove = () => {
    assert.deepEqual(new Uint8Array(encode()), payload)
    assert.deepEqual(decode(), value)
  }
  const of = (what: string, run: () => void): MicroCase => ({
    id: `codec.${name.toLowerCase()}-${what}-${size}`,
    name: `${what} ${payload.length} B as ${name}`,
    ...{ settings, operations: 1, prove, run },
  })
  return [
    of('encode', () => (kept.value = encode())),
    of('decode', () => (kept.value = decode())),
  ]
}
