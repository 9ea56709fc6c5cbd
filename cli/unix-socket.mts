// What Ringpost is compared with: requests and messages over a Unix socket, as one would write them
// with node:net. Frames are a length and an id of 32 bits each, then the payload; id 0 has no
// answer.

import net from 'node:net'
import type { Channel } from './cases.mjs'

const HEADER = 8
/** Longer payloads are written as they are, because copying them costs more than a second write. */
const COPIED_MAX = 16_384

type OnFrame = (id: number, payload: Uint8Array) => void

/** Answers each request with its payload; `received` is called for each message without answer. */
export async function serve(path: string, received: () => void): Promise<void> {
  const server = net.createServer((socket) => {
    const echo: OnFrame = (id, payload) => {
      if (id === 0) received()
      else write(socket, id, payload)
    }
    socket.on('data', decoder(echo))
    socket.on('error', () => {})
  })
  await new Promise<void>((done, failed) => server.once('error', failed).listen(path, done))
}

export async function connect(path: string): Promise<Channel> {
  const socket = net.connect(path)
  await new Promise<void>((done, failed) => socket.once('error', failed).once('connect', done))
  const pending = new Map<number, (payload: Uint8Array) => void>()
  let last = 0
  const settle: OnFrame = (id, payload) => {
    pending.get(id)!(payload)
    pending.delete(id)
  }
  socket.on('data', decoder(settle))
  return {
    request: (payload) =>
      new Promise((done) => {
        last = last === 0xffff_ffff ? 1 : last + 1
        pending.set(last, done)
        write(socket, last, payload)
      }),
    send: (payload) =>
      write(socket, 0, payload) ? undefined : new Promise((done) => socket.once('drain', done)),
  }
}

/** Returns whether more may be written at once. */
function write(socket: net.Socket, id: number, payload: Uint8Array): boolean {
  const copied = payload.length <= COPIED_MAX
  const frame = Buffer.allocUnsafe(HEADER + (copied ? payload.length : 0))
  frame.writeUInt32LE(payload.length, 0)
  frame.writeUInt32LE(id, 4)
  if (copied) {
    frame.set(payload, HEADER)
    return socket.write(frame)
  }
  socket.cork()
  socket.write(frame)
  const writable = socket.write(payload)
  socket.uncork()
  return writable
}

/** Takes chunks as they arrive and calls `onFrame` for each whole frame in them. */
function decoder(onFrame: OnFrame): (chunk: Buffer) => void {
  const header = Buffer.alloc(HEADER)
  let headerLength = 0
  let id = 0
  let body: Buffer | undefined
  let bodyLength = 0
  return (chunk) => {
    let at = 0
    while (at < chunk.length) {
      if (body !== undefined) {
        const taken = chunk.copy(body, bodyLength, at)
        bodyLength += taken
        at += taken
        if (bodyLength < body.length) return
        const whole = body
        body = undefined
        onFrame(id, whole)
        continue
      }
      let length: number
      if (headerLength === 0 && chunk.length - at >= HEADER) {
        length = chunk.readUInt32LE(at)
        id = chunk.readUInt32LE(at + 4)
        at += HEADER
      } else {
        const taken = chunk.copy(header, headerLength, at, at + HEADER - headerLength)
        headerLength += taken
        at += taken
        if (headerLength < HEADER) return
        headerLength = 0
        length = header.readUInt32LE(0)
        id = header.readUInt32LE(4)
      }
      if (chunk.length - at >= length) {
        onFrame(id, chunk.subarray(at, at + length))
        at += length
      } else {
        body = Buffer.allocUnsafe(length)
        bodyLength = 0
      }
    }
  }
}
