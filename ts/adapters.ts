// Streams as what others know: a Duplex of Node's, and a ReadableStream of the web's.

import type { Duplex } from 'node:stream'
import type { ReadableStream as WebStream } from 'node:stream/web'
import type * as api from '../index.js'
import { ClientStream } from './client-stream.js'
import { ServerStream } from './server-stream.js'

type Either = ClientStream | ServerStream

export function toDuplex(stream: api.ClientStream | api.ServerStream): Duplex {
  const { reader, writer } = asEither(stream)
  const isClient = stream instanceof ClientStream
  // Loaded when it is asked for: it is as large as all of this library.
  const { Duplex } = process.getBuiltinModule('node:stream')
  return new Duplex({
    objectMode: true,
    // What waits here was not granted anew, so that it is the window that bounds it.
    readableHighWaterMark: 1,
    writableHighWaterMark: 1,
    read() {
      reader.next().then(
        ({ value, done }) => this.push(done ? null : value),
        (error: Error) => this.destroy(error),
      )
    },
    write(item, _encoding, done) {
      let full
      try {
        full = !writer.write(item)
      } catch (error) {
        return done(error as Error)
      }
      if (full) writer.ready().then(() => done(), done)
      else done()
    },
    final(done) {
      if (isClient) stream.end()
      done()
    },
    destroy(error, done) {
      if (isClient) stream.cancel(error ?? undefined)
      else reader.close()
      done(error)
    },
  })
}

export function toReadableStream(stream: api.ClientStream | api.ServerStream): WebStream {
  const { reader } = asEither(stream)
  // The global one, which Node only loads when it is asked for.
  return new ReadableStream(
    {
      async pull(controller) {
        const { value, done } = await reader.next()
        if (done) controller.close()
        else controller.enqueue(value)
      },
      cancel: (reason) => reader.close(reason),
    },
    { highWaterMark: 0 },
  )
}

function asEither(stream: unknown): Either {
  if (stream instanceof ClientStream || stream instanceof ServerStream) return stream
  const found = stream === null ? 'null' : typeof stream
  const error = new TypeError(`stream has to be one of ringpost's, not ${found}`)
  throw Object.assign(error, { code: 'ERR_INVALID_ARGUMENT' })
}
