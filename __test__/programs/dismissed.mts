// Ends when its server has closed its connection.

import { connect } from 'ringpost'

const { name } = JSON.parse(process.argv[2]) as { name: string }
const client = (await connect(name)).ref()
client.request('dismiss').catch(() => {})
const reason = await client.closed
process.send!({ reason, state: client.state })
process.disconnect()
