// Messages as bytes: JSON in UTF-8. The texts of whole documents travel beside it, because to
// escape them and to parse them takes longer than all the rest of their way. Such a message begins
// with a byte that no JSON begins with:
//
//   0   u32 length of the head   head: JSON { message, texts: [{ path, bytes }] }   texts, in UTF-8

import { isAscii } from 'node:buffer'
import type { Message } from 'vscode-jsonrpc'
import { IpcError } from '../values/errors.js'
import { liftTexts, putBack, type Text } from './texts.js'

const MARK = 0
const PREFIX = 5
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

interface Head {
  message: Message
  texts: { path: string[]; bytes: number }[]
}

export function encode(message: Message): Uint8Array {
  const texts: Text[] = []
  const rest = liftTexts(message, texts)
  if (texts.length === 0) return Buffer.from(stringify(message))
  const sized = texts.map(({ path, text }) => ({ path, bytes: Buffer.byteLength(text) }))
  const head = Buffer.from(stringify({ message: rest, texts: sized }))
  const length = sized.reduce((sum, { bytes }) => sum + bytes, PREFIX + head.length)
  const payload = Buffer.allocUnsafe(length)
  payload[0] = MARK
  payload.writeUInt32LE(head.length, 1)
  let at = PREFIX + head.copy(payload, PREFIX)
  for (const { text } of texts) at += payload.write(text, at)
  return payload
}

export function decode(bytes: Uint8Array): Message {
  const payload = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  if (payload[0] !== MARK) return parse(payload) as Message
  try {
    const start = PREFIX + payload.readUInt32LE(1)
    const { message, texts } = parse(payload.subarray(PREFIX, start)) as Head
    let at = start
    for (const { path, bytes } of texts) putBack(message, path, textOf(payload, at, (at += bytes)))
    return message
  } catch (cause) {
    const message = 'a message whose texts are not where it says'
    throw new IpcError('ERR_INVALID_PAYLOAD', message, { cause })
  }
}

function stringify(message: object): string {
  let text: string | undefined
  try {
    text = JSON.stringify(message)
  } catch (cause) {
    throw new IpcError('ERR_INVALID_PAYLOAD', 'a message that has no form in JSON', { cause })
  }
  if (text === undefined) throw new IpcError('ERR_INVALID_PAYLOAD', 'there is no message')
  return text
}

function parse(bytes: Buffer): unknown {
  const text = textOf(bytes, 0, bytes.length)
  try {
    return JSON.parse(text)
  } catch (error) {
    // What the engine says of it quotes the text, which is nothing to be told in an error.
    const [at] = /at position \d+/.exec((error as Error).message) ?? ['']
    throw new IpcError('ERR_INVALID_PAYLOAD', `a message that is no JSON ${at}`.trimEnd())
  }
}

/** Most texts are ASCII, of which a string is made in half the time. */
function textOf(bytes: Buffer, start: number, end: number): string {
  const part = bytes.subarray(start, end)
  if (part.length !== end - start) throw new RangeError(`${part.length} of ${end - start} bytes`)
  if (isAscii(part)) return part.toString('latin1')
  try {
    return UTF8.decode(part)
  } catch {
    throw new IpcError('ERR_INVALID_PAYLOAD', 'a message that is no UTF-8')
  }
}
