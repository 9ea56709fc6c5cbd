// What Ringpost adds to a Node process that does nothing: resident bytes without it, and with it
// loaded and connected.

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { median } from './compare.mjs'
import { serve } from './pair.mjs'

const REPEATS = 5
/** Long enough for what happens at a start to be over. */
const SETTLE_MS = 700

let servers = 0

/** Resident bytes of a bare process, and of one that is connected by `library`. */
export async function bareNode(
  directory: string,
  { library = 'ringpost', repeats = REPEATS } = {},
): Promise<[bare: number, connected: number]> {
  const name = `memory-${process.pid}-${++servers}`
  const server = await serve('ringpost', name, { directory, library })
  const bare: number[] = []
  const connected: number[] = []
  try {
    for (let turn = 0; turn < repeats; turn++) {
      // How busy the machine is does not matter to them, so they may run at the same time.
      const both = await Promise.all([resident([]), resident([name, directory, library])])
      bare.push(both[0])
      connected.push(both[1])
    }
  } finally {
    server.kill()
  }
  return [median(bare), median(connected)]
}

async function resident(args: string[]): Promise<number> {
  const child = fork(fileURLToPath(import.meta.url), ['child', ...args])
  const [bytes] = (await once(child, 'message')) as [number]
  child.disconnect()
  await once(child, 'exit')
  return bytes
}

if (process.argv[2] === 'child') {
  const [, , , name, directory, library] = process.argv
  if (name !== undefined) {
    const { connect, method } = (await import(library)) as typeof import('ringpost')
    const client = await connect(name, { directory })
    await client.request(method('echo')).catch(() => {})
  }
  setTimeout(() => process.send!(process.memoryUsage.rss()), SETTLE_MS)
  process.on('disconnect', () => process.exit())
}
