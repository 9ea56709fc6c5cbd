// The same over a Unix socket, with the frames of peers/expert.mjs and nothing that one answer does
// not need.

import { once } from 'node:events'
import { connect } from 'node:net'
import { join } from 'node:path'
import { compare } from '../payload.mjs'

const HEAD = 8
const REQUEST = 1

const [, , address, directory] = process.argv
const socket = connect(join(directory, `${address}.uds`))
const payload = Buffer.alloc(64, 7)
const head = Buffer.alloc(HEAD)
head.writeUInt32LE(payload.length, 0)
head.writeUInt32LE(REQUEST, 4)
socket.write(Buffer.concat([head, payload]))
let answer = Buffer.alloc(0)
while (answer.length < HEAD + payload.length) {
  const [data] = (await once(socket, 'data')) as [Buffer]
  answer = Buffer.concat([answer, data])
}
compare(answer.subarray(HEAD), payload)
process.stdout.write(JSON.stringify(process.cpuUsage()))
socket.destroy()
