// The reference: a Unix socket of Node's own, written to be fast. See peers/uds.mjs.

import { join } from 'node:path'
import type { Adapter, Settings } from '../adapter.mjs'

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
  new URL('../../../benches/peers/uds.mjs', import.meta.url).href
)) as Reference

const uds: Adapter = {
  serve: (address, { got }, settings) =>
    serve(path(address, settings), { got, batch: settings.batch, busy: settings.busy }),
  connect: (address, settings) =>
    connect(path(address, settings), { batch: settings.batch, busy: settings.busy }),
}
export default uds

const path = (address: string, { directory }: Settings) =>
  join(directory as string, `${address}.uds`)
