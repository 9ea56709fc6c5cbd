// Clients that send something small in turn, again and again.

import { setImmediate } from 'node:timers/promises'
import { connect } from 'ringpost'

const { name, count } = JSON.parse(process.argv[2]) as { name: string; count: number }
const clients = await Promise.all(Array.from({ length: count }, () => connect(name)))
process.on('disconnect', () => process.exit())
process.send!('connected')
for (;;) {
  for (const client of clients) {
    if (!client.notify('tick')) await client.drained()
  }
  await setImmediate()
}
