// A MessagePort to a worker thread: not another process, but often used in place of one. Payloads
// are copied, because the sender may continue to use them.

import { fileURLToPath } from 'node:url'
import { isMainThread, parentPort, Worker } from 'node:worker_threads'
import type { Adapter } from '../adapter.mjs'
import { Sink } from '../payload.mjs'

/** What crosses: with an id a request or its answer, with a question one about the sink, with
 * neither a message without answer. */
interface Packet {
  id?: number
  payload?: Uint8Array
  received?: { count: number } | null
}

/** Messages without answers before one is waited for: a port knows no backpressure. */
const WINDOW = 1024

const messagePort: Adapter = {
  async serve() {
    return { close() {} }
  },

  async connect() {
    const worker = new Worker(fileURLToPath(import.meta.url))
    const pending = new Map<number, (answer: any) => void>()
    let last = 0
    let sent = 0
    worker.on('message', ({ id, payload, received }: Packet) => {
      const answer = pending.get(id!)!
      pending.delete(id!)
      answer(received ?? payload)
    })
    const ask = <T,>(packet: Packet) =>
      new Promise<T>((done) => {
        pending.set(++last, done)
        worker.postMessage({ id: last, ...packet })
      })
    return {
      request: (payload) => ask<Uint8Array>({ payload }),
      send(payload) {
        worker.postMessage({ payload })
        if (++sent % WINDOW !== 0) return undefined
        return ask<Uint8Array>({ payload: new Uint8Array(0) }).then(() => {})
      },
      received: () => ask<{ count: number }>({ received: null }),
      describe: () => ({ servedBy: process.pid }),
      async close() {
        await worker.terminate()
      },
    }
  },
}
export default messagePort

if (!isMainThread) {
  const sink = new Sink()
  parentPort!.on('message', ({ id, payload, received }: Packet) => {
    if (received === null) parentPort!.postMessage({ id, received: sink.received() })
    else if (id === undefined) sink.got(payload!)
    else {
      sink.touch(payload!)
      parentPort!.postMessage({ id, payload })
    }
  })
}
