// The asking side of the tour: node examples/tour/client.mjs <name>

import { connect } from 'ringpost'
import { Add, Echo, Fail, Note, Sleep, Words } from './contract.mjs'

const client = await connect(process.argv[2] ?? 'tour')
const { pid, transport } = client.peer
console.log(`connected to process ${pid}, memory: ${transport}`)

const { sum } = await client.request(Add, { a: 19, b: 23 })
console.log(`a request: 19 + 23 = ${sum}`)

const large = Buffer.alloc(8 << 20, 'ringpost')
const answer = await client.request(Echo, large)
console.log(`a large message: ${answer.length} bytes came back, equal: ${large.equals(answer)}`)

await client.request(Fail).catch(({ name, code, message, cause }) => {
  console.log(`an error: ${name} ${code}: ${message}, because ${cause.message}`)
})

await client.request(Sleep, { ms: 10_000 }, { timeoutMs: 50 }).catch(({ code, message }) => {
  console.log(`a timeout: ${code}: ${message}`)
})

const controller = new AbortController()
setTimeout(() => controller.abort(), 50)
const { signal } = controller
await client.request(Sleep, { ms: 10_000 }, { signal }).catch(({ name, message }) => {
  console.log(`a cancel: ${name}: ${message}`)
})

const words = []
for await (const word of client.stream(Words, 'once upon a time')) {
  words.push(word)
  if (words.length === 6) break
}
console.log(`a stream of words, left after six: ${words.join(' ')}`)

client.notify(Note, { text: 'this one needs no answer' })
await client.close()
console.log('closed')
