// The other messages: a display that asks the audio process for its state a hundred times a second.
//
//   node meter.mjs <name>

import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from 'ringpost'
import { AskStatus, Status } from './contract.mjs'

const PER_SECOND = 100

const [name = 'audio'] = process.argv.slice(2)
const ended = new AbortController()
const { signal } = ended
// The program that has started it has ended when its channel closes, which may have been
// before this line.
for (const reason of ['SIGINT', 'SIGTERM', 'disconnect']) process.on(reason, () => ended.abort())
if (process.connected === false) ended.abort()

const client = await connect(name, { connectTimeoutMs: Infinity, signal }).catch(() => process.exit())
const start = performance.now()
for (let asked = 0; !signal.aborted; ) {
  const due = Math.floor(((performance.now() - start) * PER_SECOND) / 1e3)
  for (; asked < due; asked++) {
    // What fails does so because the audio process is gone, and another will be there.
    client.request(AskStatus, new Uint8Array()).then(Status.decode, () => {})
  }
  await sleep(2)
}
await client.close()
if (process.connected) process.disconnect()
