// A process that starts, connects, asks once, and says what that took of the processor.

import { bytes, connect, method } from 'ringpost'
import { compare } from '../payload.mjs'

const [, , address, directory] = process.argv
const client = await connect(address, { directory })
const payload = new Uint8Array(64).fill(7)
compare(await client.request(method('echo', { codec: bytes }), payload), payload)
process.stdout.write(JSON.stringify(process.cpuUsage()))
await client.close()
