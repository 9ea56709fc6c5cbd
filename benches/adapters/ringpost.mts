// Ringpost under measurement: raw bytes, and otherwise as anyone would use it.

import { bytes, configure, connect, createServer, event, method } from 'ringpost'
import type { ClientOptions } from 'ringpost'
import type { Adapter, Settings } from '../adapter.mjs'

const Echo = method<Uint8Array, Uint8Array>('echo', { codec: bytes })
const Drop = event<Uint8Array>('drop', { codec: bytes })

const ringpost: Adapter = {
  async serve(address, { touch, got }, settings) {
    look(settings)
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
    look(settings)
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

/** With `look: false` both sides sleep at once, as most libraries do. */
function look(settings: Settings): void {
  if (settings.look === false) configure({ lookExpectingUs: 0, lookRecentUs: 0 })
}

function endpoint({ directory, transport, crc, normal }: Settings): ClientOptions {
  return {
    directory: directory as string | undefined,
    transport: transport as ClientOptions['transport'],
    crc: crc as ClientOptions['crc'],
    rings: normal === undefined ? undefined : { normal: normal as number },
  }
}
