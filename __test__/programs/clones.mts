// Serves what is cloned, and publishes it.

import { createMap, createServer, createStateFrame, createTopic } from 'ringpost'
import { Echoed, Echoes, IsShared, Kept, Messages, Newest, Said, Things } from '../helpers/clones.mjs'

const { name } = JSON.parse(process.argv[2]) as { name: string }
const server = await createServer(name)
for (const Echo of Object.values(Echoes)) server.handle(Echo, (value: unknown) => value)
server.handle(IsShared, ([one, two]) => one === two)
server.handle(Echoed, async function* (params, uploads) {
  yield params
  yield* uploads
  return params
})
const kept: unknown[] = []
server.handle(Said, (value, { connection }) => {
  kept.push(value)
  connection.notify(Said, value)
})
server.handle(Kept, () => kept)

createStateFrame(Newest).write(new Map([['frame', new Set([1])]]))
createMap(Things).set('key', new Map([['map', new Set([2])]]))
const publisher = createTopic(Messages)
process.on('message', () => void publisher.publish(new Map([['topic', new Set([3])]])))
process.on('disconnect', () => process.exit())
process.send!('ready')
