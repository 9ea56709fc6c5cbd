// A client or a server with the lifecycle its verb names; it reports what it observes.

import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import {
  connect,
  createServer,
  event,
  type ClientOptions,
  type IpcError,
  type Registration,
} from 'ringpost'
import { Echo, Never, NotifyBack, TickBytes, Wait } from '../helpers/contracts.mjs'

interface Run {
  verb: keyof typeof verbs
  /** Name of the server to connect to or to start. */
  name: string
  options?: ClientOptions
}

const run = JSON.parse(process.argv[2]) as Run
const join = () => connect(run.name, { reconnect: false, ...run.options })
const report = (value: unknown) => process.send!(value)
const descriptors = () => readdirSync('/proc/self/fd').length

const verbs = {
  /** Sends one request and does not close. */
  async idle() {
    report(await (await join()).request(Echo, 'done'))
  },

  /** Is kept alive by a handler until that is removed. */
  async handled() {
    const client = await join()
    const registration: Registration = client.handle('leave', () => registration.dispose())
    report('here')
  },

  /** Is kept alive by `ref()` until `unref()`. */
  async referenced() {
    const client = (await join()).ref()
    client.handle('leave', () => void client.unref())
    report('here')
  },

  /** Is not kept alive by its handler after `unref()`, but by the request in flight. */
  async unreferenced() {
    const client = await join()
    client.handle('never-asked', () => 0)
    client.unref()
    report(await client.request(Wait, 100))
  },

  /** Is not kept alive by a server after `unref()`. */
  async 'unreferenced-server'() {
    const server = await createServer(run.name)
    server.handle(Echo, (value) => value)
    server.unref()
    report('up')
  },

  async 'closed-server'() {
    const server = await createServer(run.name)
    const accepted = once(server, 'connection')
    const client = (await join()).ref()
    await accepted
    report(client.isOpen)
    await server.close()
    report((await client.closed) === null)
  },

  exit: () => inMidTraffic(() => process.exit(3)),

  throw: () =>
    inMidTraffic(() => {
      throw new Error('uncaught on purpose')
    }),

  /** Ends with requests in flight and messages queued. */
  async 'fall-through'() {
    const client = await join()
    client.request(Never, 'fallen', { timeoutMs: 100 }).catch((error: IpcError) => {
      report(error.code)
    })
    for (let sent = 0; sent < 1000; sent++) client.notify(TickBytes, new Uint8Array(1000))
  },

  /** Has listeners that throw while other messages arrive. */
  async throwing() {
    const thrown: string[] = []
    process.on('uncaughtException', (error) => thrown.push(error.message))
    const throwing = () => {
      throw new Error('a throwing listener')
    }
    const [client, other, closing] = await Promise.all([join(), join(), join()])
    closing.on('close', throwing)
    client.on('error', throwing)
    client.handle(event('boom'), throwing)
    const asked: Promise<unknown>[] = []
    for (let at = 0; at < 100; at++) {
      if (at % 10 === 0) void client.request(NotifyBack, { name: 'boom', count: 1 })
      asked.push(client.request(Echo, at, { timeoutMs: 30_000 }))
      asked.push(other.request(Echo, at, { timeoutMs: 30_000 }))
      if (at === 50) void closing.close()
    }
    const outcomes = await Promise.allSettled(asked)
    const answered = outcomes.filter(({ status }) => status === 'fulfilled').length
    report({ thrown, answered })
    await Promise.all([client.close(), other.close()])
  },

  /** Opens and closes many connections, and reports what is left of them. */
  async collected() {
    let gone = 0
    const registry = new FinalizationRegistry<number>(() => gone++)
    const round = async (count: number) => {
      for (let at = 0; at < count; at++) {
        const client = await join()
        registry.register(client, at)
        client.handle('never-asked', () => 0)
        await client.request(Echo, at)
        await client.close()
      }
    }
    await round(20)
    const before = descriptors()
    await round(200)
    const leaked = descriptors() - before
    for (let turn = 0; turn < 50 && gone < 200; turn++) {
      globalThis.gc!()
      await setTimeout(10)
    }
    report({ gone, leaked })
  },
}

async function inMidTraffic(end: () => void): Promise<void> {
  const client = await join()
  client.handle('never-asked', () => 0)
  const payload = new Uint8Array(500)
  const asked = (): Promise<unknown> => client.request(Echo, payload).then(asked, () => {})
  for (let at = 0; at < 50; at++) void asked()
  setInterval(() => {
    for (let at = 0; at < 100; at++) client.notify(TickBytes, payload)
  }, 1)
  await setTimeout(50)
  report('busy')
  setImmediate(end)
}

await verbs[run.verb]()
