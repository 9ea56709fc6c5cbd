// The reference: a Unix socket of Node's own, written to be fast. See peers/uds.mjs.

import { join } from 'node:path'
import type { Adapter, Settings } from '../adapter.mjs'
import { ROOT } from '../transports.mjs'

interface Reference {
  serve(path: string, options: object): Promise<{ close(): void }>
  connect(path: string, options: object): Promise<{
    request(payload: Uint8Array): Promise<Uint8Array>
    send(payload: Uint8Array): Promise<void> | undefined
    close(): void
  }>
}

// The source is used as it stands, so it is not compiled and not beside this file.
const { serve, connect } = (await import(
  new URL('benches/peers/uds.mjs', ROOT).href
)) as Reference

const uds: Adapter = {
  serve: (address, { got }, settings) =>
    serve(path(address, settings), { got, batch: settings.batch, busy: settings.busy }),
  async connect(address, settings) {
    const { batch, busy } = settings
    const channel = await connect(path(address, settings), { batch, busy })
    return { ...channel, describe: () => ({}) }
  },
}
export default uds

const path = (address: string, { directory }: Settings) =>
  join(directory as string, `${address}.uds`)
