// A client that goes on calling until it is told that this is enough, and fails if a single call
// does: run.mjs starts it.

import { connect } from 'ringpost'
import { NAME, Who } from './contract.mjs'

// A server is waited for so long, also if none has run yet.
const patient = { connectTimeoutMs: 60_000 }
const seen = new Set()
let calls = 0
let isEnough = false
process.once('message', () => (isEnough = true))

async function call(client) {
  const pid = await client.request(Who)
  calls++
  if (!seen.has(pid)) process.send({ answeredBy: pid })
  seen.add(pid)
}

const lasting = await connect(NAME, patient)
while (!isEnough) {
  // One connection that lasts, and one for each call.
  await call(lasting)
  const brief = await connect(NAME, patient)
  await call(brief)
  await brief.close()
}
await lasting.close()
process.send({ calls })
process.disconnect()
