// The client of the tour: node examples/tour/client.mjs <name>

import { connect } from 'ringpost'
import { Add, Echo, Fail, Note, Sleep, Words } from './contract.mjs'

const client = await connect(process.argv[2] ?? 'tour')
const { pid, transport } = client.peer
console.log(`connected to process ${pid}, memory: ${transport}`)

const { sum } = await client.request(Add, { a: 19, b: 23 })
console.log(`a request: 19 + 23 = ${sum}`)

const large = Buffer.alloc(8 << 20, 'ringpost')
const echo = await client.request(Echo, large)
console.log(`a large message: ${echo.length} bytes returned, equal: ${large.equals(echo)}`)

await client.request(Fail).catch(({ name, code, message, cause }) => {
  console.log(`an error: ${name} ${code}: ${message}, caused by: ${cause.message}`)
})

await client.request(Sleep, { ms: 10_000 }, { timeoutMs: 50 }).catch(({ code }) => {
  console.log(`a timeout: ${code}`)
})

const controller = new AbortController()
setTimeout(() => controller.abort(), 50)
const { signal } = controller
await client.request(Sleep, { ms: 10_000 }, { signal }).catch(({ name }) => {
  console.log(`a cancellation: ${name}`)
})

const words = []
for await (const word of client.stream(Words, 'once upon a time')) {
  words.push(word)
  if (words.length === 6) break
}
console.log(`a stream, left after six items: ${words.join(' ')}`)

client.notify(Note, { text: 'this needs no reply' })
await client.request(Sleep, { ms: 50 })

// The server is killed, and run.mjs starts another; the client connects again by itself.
client.on('disconnect', ({ reason }) => console.log(`the server was killed: ${reason.code}`))
process.kill(pid, 'SIGKILL')
const { sum: next } = await client.request(Add, { a: 20, b: 22 })
console.log(`a request that the next server has answered: 20 + 22 = ${next}`)
await client.close()
console.log('closed')
