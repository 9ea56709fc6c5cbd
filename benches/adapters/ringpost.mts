// Ringpost under measurement: raw bytes, and otherwise as anyone would use it.

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

/** This build, or the one `settings.library` leads to. */
async function library({ library = 'ringpost' }: Settings) {
  const build = (await import(library as string)) as typeof import('ringpost')
  const { bytes, event, method } = build
  const Echo = method<Uint8Array, Uint8Array>('echo', { codec: bytes })
  const Drop = event<Uint8Array>('drop', { codec: bytes })
  return { ...build, Echo, Drop }
}

const endpoint = ({ directory }: Settings) => ({ directory: directory as string })
