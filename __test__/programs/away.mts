// Connects, and does nothing but to wait for the end of its server: then nothing keeps it alive.

import { connect, stream } from 'ringpost'

const { name, streams } = JSON.parse(process.argv[2]) as { name: string; streams?: boolean }
const Count = stream<number, number>('count', { resumable: true })
const client = (await connect(name)).ref()
const count = () => client.stream(Count, 30, { keepsAlive: false })
if (streams) count()
client.on('disconnect', () => {
  if (streams) count()
  client.unref()
  process.disconnect()
})
process.send!('connected')
