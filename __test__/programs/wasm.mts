// A client or server whose core is what the environment says: what it is to do are its arguments.

import { connect, createServer, type IpcError } from 'ringpost'
import { Echo, EchoBytes, Never } from '../helpers/contracts.mjs'

const [what, name, options] = JSON.parse(process.argv[2]) as [string, string, object | undefined]

const report = (value: unknown) => process.send!(value)
const codeOf = ({ code, message }: IpcError) => ({ code, message })

if (what === 'serve') {
  await createServer(name, options).then(
    () => report('listening'),
    (error: IpcError) => report(codeOf(error)),
  )
} else if (what === 'wait') {
  const client = await connect(name, options)
  client.request(Never, 'killed').catch(() => {})
  await client.request(Echo)
  report(client.peer.transport)
} else {
  const client = await connect(name, options).catch(codeOf)
  if (!('request' in client)) report(client)
  else {
    const big = new Uint8Array(16 << 20).map((_, at) => at)
    const same = Buffer.compare(await client.request(EchoBytes, big), big) === 0
    const { length } = await client.request(EchoBytes, new Uint8Array(0))
    report({ same, length, transport: client.peer.transport })
    await client.close()
  }
}
