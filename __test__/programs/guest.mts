// A client that is asked by its server, and then waits to be killed.

import { connect } from 'ringpost'

const { name } = JSON.parse(process.argv[2]) as { name: string }

const client = await connect(name)
client.handle('mine', () => 'mine')
client.handle('fail', () => {
  throw Object.assign(new Error('not mine'), { code: 'E_GUEST' })
})
let asked = 0
const back = (method: string) => {
  asked++
  return client.request('back', method)
}
for (let round = 0; round < 4; round++) await back('mine')
await back('fail').catch(() => {})
client.notify('unheard of')
await client.request('see')
process.send!(asked + 1)
