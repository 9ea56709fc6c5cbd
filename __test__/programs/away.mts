// Connects, and does nothing: nothing keeps it alive, also when its server is gone.

import { connect } from 'ringpost'

const { name } = JSON.parse(process.argv[2]) as { name: string }
const client = await connect(name)
client.on('disconnect', () => process.disconnect())
process.send!('connected')
