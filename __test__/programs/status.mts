// A server that is looked at from outside while it works, computes or hangs.

import { createServer, type ServerOptions } from 'ringpost'

const { name, options } = JSON.parse(process.argv[2]) as { name: string; options?: ServerOptions }
const server = await createServer(name, options)
server.handle('echo', (value) => value)
server.handle('hang', compute)
server.on('note', () => {})
process.on('message', (what) => {
  if (what === 'stats') process.send!(server.stats())
  else if (what === 'compute') setTimeout(compute)
  else void server.close().then(() => process.disconnect())
})
process.on('disconnect', () => process.exit())
process.send!('serving')

/** Longer than any test, and not for ever: it ends although nothing else can end it any more. */
function compute(): void {
  for (const end = Date.now() + 300_000; Date.now() < end;);
}
