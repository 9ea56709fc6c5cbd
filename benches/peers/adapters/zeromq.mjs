// ZeroMQ over its ipc transport. Requests go from a DEALER to a ROUTER with an id, so that any
// number may be in flight. Messages without answers go from a PUSH to a PULL, which saves the part
// that says who sent them: a fifth of the time of short ones.

import { join } from 'node:path'
import { library, versionOf } from '../library.mjs'
import { kept, Window } from '../sending.mjs'

const { Dealer, Pull, Push, Router } = await library('zeromq')

/** A ROUTER drops what it finds no room for, so there is room. What is in flight bounds it. */
const ROOM = { linger: 0, sendHighWaterMark: 0, receiveHighWaterMark: 0 }

/** @type {import('../../adapter.mjs').Adapter} */
export default {
  async serve(address, { touch, got }, { directory }) {
    const router = new Router(ROOM)
    const pull = new Pull({ linger: 0 })
    await router.bind(endpoint(directory, address, 'requests'))
    await pull.bind(endpoint(directory, address, 'messages'))
    const answer = sending(router)
    const asked = ([from, id, payload]) => {
      touch(payload)
      void answer([from, id, payload])
    }
    void receiving(router, asked)
    void receiving(pull, (parts) => (parts.length === 1 ? got(parts[0]) : asked(parts)))
    return {
      close() {
        router.close()
        pull.close()
      },
    }
  },

  async connect(address, { directory }) {
    const routingId = `${process.pid}-${++connections}`
    const dealer = new Dealer({ ...ROOM, routingId })
    dealer.connect(endpoint(directory, address, 'requests'))
    const ask = sending(dealer)
    const pending = new Map()
    let last = 0
    let push
    let pushing
    let sent = 0
    let read = 0
    void receiving(dealer, ([id, payload]) => {
      const key = id.readUInt32LE()
      const { done, after } = pending.get(key)
      pending.delete(key)
      read = Math.max(read, after)
      done(payload)
    })
    const request = (payload) =>
      new Promise((done) => {
        last = (last + 1) >>> 0
        pending.set(last, { done, after: sent })
        const id = Buffer.allocUnsafe(4)
        id.writeUInt32LE(last)
        // It may not overtake messages without answers, so after them it goes their way.
        if (sent > read) void pushing([routingId, id, payload])
        else void ask([id, payload])
      })
    // ZeroMQ waits from the thousandth message on, which is too late for long ones.
    const window = new Window(request, Infinity)
    return {
      request,
      send(payload) {
        if (push === undefined) {
          push = new Push({ linger: 0 })
          push.connect(endpoint(directory, address, 'messages'))
          pushing = sending(push)
        }
        sent++
        const taken = pushing(kept(payload))
        const room = window.sent(payload.length)
        return room ? room.then(() => taken) : taken
      },
      describe: () => ({ version: versionOf('zeromq') }),
      close() {
        dealer.close()
        push?.close()
      },
    }
  },
}

let connections = 0

const endpoint = (directory, address, what) => `ipc://${join(directory, `${address}.${what}`)}`

/** A socket takes one message at a time, and says when it is ready for the next. */
function sending(socket) {
  const waiting = []
  let busy = false
  const next = () => {
    const first = waiting.shift()
    if (first === undefined) busy = false
    else void socket.send(first.message).then(next).then(first.done)
  }
  return (message) => {
    if (busy) return new Promise((done) => waiting.push({ message, done }))
    busy = true
    const taken = socket.send(message)
    void taken.then(next)
    return taken
  }
}

async function receiving(socket, got) {
  try {
    for (;;) got(await socket.receive())
  } catch (error) {
    if (!socket.closed) throw error
  }
}
