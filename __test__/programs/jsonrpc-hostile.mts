// A server that speaks the protocol of transports by hand: it sends what is no message, and more after
// it has ended.

import { bytes, createServer, stream } from 'ringpost'

const [name] = process.argv.slice(2)
const text = (json: string) => Buffer.from(json)

/** A message with a text beside it, which is said to be somewhere else. */
function beside(path: unknown, bytes: number, from = 0, message: unknown = { method: 'no' }): Buffer {
  const head = Buffer.from(JSON.stringify({ message, texts: [{ path, bytes }] }))
  const start = Buffer.alloc(5)
  start.writeUInt32LE(head.length + from, 1)
  return Buffer.concat([start, head, text('text')])
}

const JsonRpc = stream<void, Uint8Array, Uint8Array, void>('jsonrpc', { codec: bytes })
const server = await createServer(name)
server.handle(JsonRpc, async (_, items) => {
  items.write(text('{"jsonrpc":"2.0","method":"secret'))
  items.write(Buffer.from([0x22, 0xff, 0x22]))
  items.write(beside(['constructor', 'prototype', 'polluted'], 4))
  items.write(beside(['__proto__', 'polluted'], 4))
  items.write(beside(['method'], 4))
  items.write(beside([], 4))
  items.write(beside(7, 4))
  items.write(beside(['method'], 5, 0, { method: '' }))
  items.write(beside(['method'], 4, 1_000, { method: '' }))
  items.write(Buffer.from([0, 1]))
  items.write(beside(['method'], 4, 0, { method: '' }))
  items.write(text('{"jsonrpc":"2.0","method":"valid"}'))
  items.write(new Uint8Array())
  items.write(text('{"jsonrpc":"2.0","method":"late"}'))
  items.write(new Uint8Array())
  await new Promise(() => {})
})
process.send!('serving')
