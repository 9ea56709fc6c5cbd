// Unix sockets of Node's own: the programs in peers/, which share the shape of their API.

import { join } from 'node:path'
import type { Adapter, Settings } from '../adapter.mjs'
import type { Item } from '../item.mjs'
import { ROOT } from '../transports.mjs'

interface Program {
  serve(path: string, options: object): Promise<{ close(): void }>
  connect(
    path: string,
    options: object,
  ): Promise<{
    request(payload: Uint8Array): Promise<Uint8Array>
    send(payload: Uint8Array): Promise<void> | undefined
    close(): void
  }>
}

/** The adapter of a file in peers/. */
export async function socket(file: string): Promise<Adapter> {
  // The source is used as it stands, so it is not compiled and not beside this file.
  const { serve, connect } = (await import(
    new URL(`benches/peers/${file}`, ROOT).href
  )) as Program
  return {
    serve(address, { got, gotItem }, settings) {
      const parsed = (payload: Buffer) => gotItem(JSON.parse(payload.toString()) as Item)
      const taken = settings.items ? parsed : got
      return serve(path(address, settings), { got: taken, busy: settings.busy })
    },
    async connect(address, settings) {
      const channel = await connect(path(address, settings), { busy: settings.busy })
      return {
        ...channel,
        sendItem: (item) => channel.send(Buffer.from(JSON.stringify(item))),
        describe: () => ({}),
      }
    },
  }
}

const path = (address: string, { directory }: Settings) =>
  join(directory as string, `${address}.uds`)
