// Streams as a Duplex of Node.js and as a ReadableStream of the web.

import type * as nodeStream from 'node:stream'
import type * as webStream from 'node:stream/web'
import type * as api from '../../index.js'
import { STREAM } from '../connection/flow.js'
import { IpcError } from '../values/errors.js'
import { kindOf } from '../values/kinds.js'

type Either = api.ClientStream | api.ServerStream

// Both of Node's modules are loaded when they are asked for: each is as large as all of this
// library. Not by process.getBuiltinModule(), which not every version has.
/* eslint-disable @typescript-eslint/no-require-imports */
const loadNode = () => require('node:stream') as typeof nodeStream
const loadWeb = () => require('node:stream/web') as typeof webStream
/* eslint-enable @typescript-eslint/no-require-imports */

export function toDuplex(stream: Either): nodeStream.Duplex {
  check(stream)
  const items = stream[Symbol.asyncIterator]()
  const { Duplex } = loadNode()
  return new Duplex({
    objectMode: true,
    // What waits here was not granted anew, so that it is the window that bounds it.
    readableHighWaterMark: 1,
    writableHighWaterMark: 1,
    read() {
      items.next().then(
        ({ value, done }) => {
          if (done) this.push(null)
          else if ((value ?? null) === null) this.destroy(isEnd())
          else this.push(value)
        },
        (error: Error) => this.destroy(error),
      )
    },
    write(item, _encoding, done) {
      let full
      try {
        full = !stream.write(item as never)
      } catch (error) {
        return done(error as Error)
      }
      if (full) stream.ready().then(() => done(), done)
      else done()
    },
    final(done) {
      if (isClient(stream)) stream.end()
      done()
    },
    destroy(error, done) {
      giveUp(stream, items, error ?? undefined)
      done(error)
    },
  })
}

export function toReadableStream(stream: Either): webStream.ReadableStream {
  check(stream)
  const items = stream[Symbol.asyncIterator]()
  const { ReadableStream } = loadWeb()
  return new ReadableStream(
    {
      async pull(controller) {
        const { value, done } = await items.next()
        if (done) controller.close()
        else controller.enqueue(value)
      },
      cancel: (reason) => giveUp(stream, items, reason),
    },
    { highWaterMark: 0 },
  )
}

/** In a stream of Node.js `null` is the end, and what came behind it would be lost. */
function isEnd(): IpcError {
  const what = 'an item is null or undefined, which is the end to a Duplex'
  return new IpcError('ERR_INVALID_PAYLOAD', `${what}: send such values in an object`)
}

/** The reader wants no more. */
function giveUp(stream: Either, items: AsyncIterableIterator<unknown>, reason: unknown): void {
  if (isClient(stream)) stream.cancel(reason)
  else void items.return!()
}

// A stream may be of another copy of the package, and then only what all can do is done with it.

function isClient(stream: Either): stream is api.ClientStream {
  return (stream as { [STREAM]?: unknown })[STREAM] === 'client'
}

function check(stream: unknown): void {
  const side = (stream as { [STREAM]?: unknown } | null | undefined)?.[STREAM]
  if (side === 'client' || side === 'server') return
  const error = new TypeError(`stream must be one of this package's, got ${kindOf(stream)}`)
  throw Object.assign(error, { code: 'ERR_INVALID_ARGUMENT' })
}
