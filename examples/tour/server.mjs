// The server of the tour: node examples/tour/server.mjs <name>

import { setTimeout as sleep } from 'node:timers/promises'
import { createServer } from 'ringpost'
import { Add, Echo, Fail, Note, Sleep, Words } from './contract.mjs'

const server = await createServer(process.argv[2] ?? 'tour')

server.handle(Add, ({ a, b }) => ({ sum: a + b }))
server.handle(Echo, (payload) => payload)
server.handle(Fail, () => {
  const cause = new Error('the disk is on fire')
  throw Object.assign(new RangeError('this cannot work', { cause }), { code: 'E_ON_FIRE' })
})
server.handle(Sleep, async ({ ms }, { signal }) => {
  await sleep(ms, undefined, { signal }).catch(() => {
    console.log('  server: the caller has given up, so the handler stops')
  })
})
server.handle(Words, async function* (text) {
  try {
    for (;;) {
      for (const word of text.split(' ')) {
        yield word
        await sleep(5)
      }
    }
  } finally {
    console.log('  server: the reader has left, so the generator ends')
  }
})
server.handle(Note, ({ text }) => console.log(`  server: a note: ${text}`))

process.on('disconnect', () => server.close())
// It may be too late for that event.
if (process.connected === false) server.close()
else process.send?.('ready')
