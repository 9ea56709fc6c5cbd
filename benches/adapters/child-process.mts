// The channel Node gives a forked process, in either of its serializations. The client is the
// parent, because only a parent has such a channel.

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Adapter } from '../adapter.mjs'
import { Sink } from '../payload.mjs'

/** What crosses: with an id a request or its answer, with a question one about the sink, with
 * neither a message without answer. JSON knows no bytes, so there they are base64. */
interface Packet {
  id?: number
  payload?: Uint8Array | string
  received?: { count: number } | null
}

const childProcess: Adapter = {
  async serve() {
    return { close() {} }
  },

  async connect(_address, { serialization }) {
    const wire = serialization as 'json' | 'advanced'
    const child = fork(fileURLToPath(import.meta.url), [wire], { serialization: wire })
    const { pack, unpack } = packing(wire)
    const pending = new Map<number, (payload: any) => void>()
    let last = 0
    child.on('message', ({ id, payload, received }: Packet) => {
      const answer = pending.get(id!)!
      pending.delete(id!)
      answer(received ?? unpack(payload!))
    })
    const ask = <T,>(packet: Packet) =>
      new Promise<T>((done) => {
        pending.set(++last, done)
        child.send({ id: last, ...packet })
      })
    return {
      request: (payload) => ask<Uint8Array>({ payload: pack(payload) }),
      send(payload) {
        const packet = { payload: pack(payload) }
        let written: (() => void) | undefined
        const took = child.send(packet, () => written?.())
        return took ? undefined : new Promise((done) => (written = done))
      },
      received: () => ask<{ count: number }>({ received: null }),
      describe: () => ({ servedBy: child.pid }),
      async close() {
        child.disconnect()
        await once(child, 'exit')
      },
    }
  },
}
export default childProcess

function packing(serialization: string) {
  return serialization === 'json'
    ? {
        pack: (payload: Uint8Array) => Buffer.from(payload).toString('base64'),
        unpack: (payload: string | Uint8Array) => Buffer.from(payload as string, 'base64'),
      }
    : {
        pack: (payload: Uint8Array) => payload,
        unpack: (payload: string | Uint8Array) => payload as Uint8Array,
      }
}

// Forked by the above: the side that serves.
if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { pack, unpack } = packing(process.argv[2])
  const sink = new Sink()
  process.on('message', ({ id, payload, received }: Packet) => {
    if (received === null) process.send!({ id, received: sink.received() })
    else if (id === undefined) sink.got(unpack(payload!))
    else {
      const bytes = unpack(payload!)
      sink.touch(bytes)
      process.send!({ id, payload: pack(bytes) })
    }
  })
  process.on('disconnect', () => process.exit())
}
