// Ringpost under measurement: raw bytes, and otherwise as anyone would use it.

import { createRequire } from 'node:module'
import type { ServerStream } from 'ringpost'
import type { Adapter, Settings } from '../adapter.mjs'
import type { Item } from '../item.mjs'
import { stamp } from '../payload.mjs'

const ringpost: Adapter = {
  async serve(address, { touch, got, gotItem }, settings) {
    const { createServer, Echo, Drop, Objects, Flow } = await library(settings)
    const server = await createServer(address, endpoint(settings))
    const echo = (payload: Uint8Array) => {
      touch(payload)
      return payload
    }
    // Neither keeps its argument, and the reference passes views as well.
    server.handle(Echo, echo, { borrowed: true })
    server.handle(Drop, got, { borrowed: true })
    server.handle(Objects, gotItem)
    if (Flow !== undefined) server.handle(Flow, flow)
    return server
  },

  async connect(address, settings) {
    const { connect, Echo, Drop, Objects, Flow, version } = await library(settings)
    const client = await connect(address, endpoint(settings))
    return {
      request: (payload) => client.request(Echo, payload),
      requestSync: (payload) => client.requestSync(Echo, payload),
      send: (payload) => (client.notify(Drop, payload) ? undefined : client.drained()),
      sendItem: (item) => (client.notify(Objects, item) ? undefined : client.drained()),
      async download(count, size, iterated, got) {
        const items = client.stream(Flow, Buffer.from(JSON.stringify([count, size])))
        if (iterated) for await (const item of items) got(item)
        else await items.forEach((together) => together.forEach(got), { borrowed: true })
        await items.result
      },
      describe() {
        const { transport, crc, rings } = client.peer
        return { version, transport, crc, rings }
      },
      counters() {
        const { doorbells, lostWakeups } = client.stats()
        return { wakeups: doorbells, lostWakeups }
      },
      close: () => client.close(),
    }
  },
}
export default ringpost

/** Items of a download. */
async function flow(params: Uint8Array, items: ServerStream<Uint8Array>): Promise<undefined> {
  const [count, size] = JSON.parse(Buffer.from(params).toString()) as number[]
  const payload = new Uint8Array(size)
  for (let number = 0; number < count; number++) {
    stamp(payload, number)
    if (!items.write(payload)) await items.ready()
  }
}

/** Whether spinning has been switched off in this thread. */
let sleepsAtOnce = false

/** This build, or the one `settings.library` leads to. */
async function library({ library = 'ringpost', spin = true }: Settings) {
  const build = (await import(library as string)) as typeof import('ringpost')
  const { bytes, configure, event, method, stream } = build
  if (!spin && !sleepsAtOnce) {
    sleepsAtOnce = true
    configure({ spinExpectingUs: 0, spinRecentUs: 0 })
  }
  const Echo = method<Uint8Array, Uint8Array>('echo', { codec: bytes })
  const Drop = event<Uint8Array>('drop', { codec: bytes })
  const Objects = event<Item>('objects')
  // A build it is compared with may be older than streams.
  const Flow = stream?.<Uint8Array, Uint8Array, never, undefined>('flow', { codec: bytes })
  return { ...build, Echo, Drop, Objects, Flow, version: ownVersion() }
}

function ownVersion(): string {
  const { version } = createRequire(import.meta.url)('ringpost/package.json') as { version: string }
  return version
}

const endpoint = ({ directory, transport }: Settings) => ({
  directory: directory as string,
  transport: transport as 'socket' | undefined,
})
