// Ringpost under measurement: raw bytes, and otherwise as anyone would use it.

import type { ClientOptions } from 'ringpost'
import type { Adapter, Settings } from '../adapter.mjs'

const ringpost: Adapter = {
  async serve(address, { touch, got }, settings) {
    const { createServer, Echo, Drop } = await library(settings)
    const server = await createServer(address, endpoint(settings))
    const echo = (payload: Uint8Array) => {
      touch(payload)
      return payload
    }
    // Neither keeps anything of its argument, and the reference hands out views likewise.
    server.handle(Echo, echo, { borrowed: true })
    server.handle(Drop, got, { borrowed: true })
    return server
  },

  async connect(address, settings) {
    const { connect, Echo, Drop } = await library(settings)
    const client = await connect(address, endpoint(settings))
    return {
      request: (payload) => client.request(Echo, payload),
      requestSync: (payload) => client.requestSync(Echo, payload),
      send: (payload) => (client.notify(Drop, payload) ? undefined : client.drained()),
      describe() {
        const { transport, crc, rings } = client.peer
        return { transport, crc, rings }
      },
      close: () => client.close(),
    }
  },
}
export default ringpost

/** This build, or the one `settings.library` leads to. With `look: false` both sides sleep at once,
 * as most libraries do. */
async function library({ library = 'ringpost', look }: Settings) {
  const build = (await import(library as string)) as typeof import('ringpost')
  if (look === false) build.configure({ lookExpectingUs: 0, lookRecentUs: 0 })
  const { bytes, event, method } = build
  const Echo = method<Uint8Array, Uint8Array>('echo', { codec: bytes })
  const Drop = event<Uint8Array>('drop', { codec: bytes })
  return { ...build, Echo, Drop }
}

function endpoint({ directory, transport, crc, normal }: Settings): ClientOptions {
  return {
    directory: directory as string | undefined,
    transport: transport as ClientOptions['transport'],
    crc: crc as ClientOptions['crc'],
    rings: normal === undefined ? undefined : { normal: normal as number },
  }
}
