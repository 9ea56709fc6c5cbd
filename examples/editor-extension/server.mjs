// The server of the extension: node server.mjs

import { once } from 'node:events'
import { createServer } from 'ringpost'
import { Add, Ready, Watch, WhoAreYou } from './contract.mjs'

const server = await createServer('editor-example')
server.on('connection', ({ peer, closed }) => {
  console.log(`editor ${peer.pid} has connected, memory: ${peer.transport}`)
  void closed.then((reason) => {
    console.log(`editor ${peer.pid} has disconnected: ${reason?.code ?? 'gracefully'}`)
  })
})
server.handle(Add, ({ a, b }) => ({ sum: a + b }))
server.handle(WhoAreYou, () => ({ pid: process.pid }))
server.handle(Watch, (_, { signal }) => once(signal, 'abort').then(() => null))
server.handle(Ready, ({ editor }, { peer }) => console.log(`editor ${peer.pid} is ready: ${editor}`))

process.once('SIGTERM', () => void server.close())
console.log(`process ${process.pid} is listening`)
